// SPDX-License-Identifier: GPL-2.0
/*
 * blk_interposer: waiting for the bios that an old list of programs decided
 * about.
 *
 * Other disks may keep a target busy for ever, so its counter never falls to
 * zero by itself: a barrier switches new bios to the target's other counter
 * and waits for the one before, as SRCU does with its readers. Both exist from
 * the beginning: nothing is allocated after the change was published, and
 * nothing but the wait can fail.
 */
#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/sched/signal.h>
#include "../blk.h"
#include "interposer.h"

/* How long a barrier waits for bios in flight before it gives up. */
#define BLK_INTERPOSER_BARRIER_TIMEOUT	(30 * HZ)

/* The queue is frozen and unfrozen; nothing is allocated in between. */
static int blk_interposer_drain_queue(struct request_queue *q,
				      unsigned long *timeout)
{
	int ret = -ETIMEDOUT;

	blk_freeze_queue_start(q);
	while (*timeout) {
		unsigned long slice = min_t(unsigned long, *timeout, HZ / 10);

		if (blk_mq_freeze_queue_wait_timeout(q, slice)) {
			ret = 0;
			break;
		}
		*timeout -= slice;
		if (fatal_signal_pending(current)) {
			ret = -EINTR;
			break;
		}
	}
	blk_mq_unfreeze_queue(q);
	return ret;
}

static bool blk_interposer_turn_over(struct blk_interposer_inflight *inf,
				     unsigned int seen)
{
	/* Pairs with the release in blk_interposer_inflight_release(). */
	return smp_load_acquire(&inf->turns) != seen;
}

/*
 * Wait for the end of the turn in which a counter was seen. Not for the counter
 * to be at rest: another barrier may start it again before we look.
 */
static int blk_interposer_wait_turn(struct blk_interposer_inflight *inf,
				    unsigned int seen, unsigned long *timeout)
{
	long left;

	if (blk_interposer_at_rest(seen))
		return 0;
	left = wait_event_killable_timeout(inf->target->drained,
					   blk_interposer_turn_over(inf, seen),
					   *timeout);
	if (left <= 0)
		return left < 0 ? -EINTR : -ETIMEDOUT;
	*timeout = left;
	return 0;
}

/*
 * Let new bios count on the other counter, if that is at rest.
 *
 * Return: true, and the counter of the bios before; or false, and the one that
 * an earlier barrier waits for or has given up on: wait and try again.
 */
static bool blk_interposer_switch(struct blk_interposer_target *target,
				  struct blk_interposer_inflight **wait_for,
				  unsigned int *seen)
{
	struct blk_interposer_inflight *old, *spare;
	bool kill = false;

	mutex_lock(&blk_interposer_targets_lock);
	old = &target->inflight[target->now];
	spare = &target->inflight[!target->now];
	/* Pairs with the release in blk_interposer_inflight_release(). */
	*seen = smp_load_acquire(&spare->turns);
	if (!blk_interposer_at_rest(*seen)) {
		mutex_unlock(&blk_interposer_targets_lock);
		*wait_for = spare;
		return false;
	}
	/* Likewise: without slots it may have come to rest. */
	*seen = smp_load_acquire(&old->turns);
	*wait_for = old;
	/* Without slots no bio comes any more: what is left ends by itself. */
	if (target->users) {
		WRITE_ONCE(spare->turns, spare->turns + 1);
		atomic_inc(&target->counting);
		percpu_ref_reinit(&spare->ref);
		rcu_assign_pointer(target->current_inflight, spare);
		target->now ^= 1;
		kill = true;
	}
	mutex_unlock(&blk_interposer_targets_lock);
	if (kill) {
		/* A program that runs now may still be about to count there. */
		synchronize_rcu();
		percpu_ref_kill(&old->ref);
	}
	return true;
}

static int blk_interposer_drain_target(struct blk_interposer_target *target,
				       unsigned long *timeout)
{
	struct blk_interposer_inflight *inf;
	unsigned int seen;
	bool switched;
	int ret;

	do {
		switched = blk_interposer_switch(target, &inf, &seen);
		ret = blk_interposer_wait_turn(inf, seen, timeout);
	} while (!ret && !switched);
	return ret;
}

/* Where bios that left a target, once it is drained, may be now. */
static void blk_interposer_next(struct blk_interposer_target *target,
				unsigned long *next)
{
	struct blk_interposer_disk *idisk;

	idisk = blk_interposer_of(target->bdev->bd_disk);
	if (idisk)
		blk_interposer_add_used(idisk, bdev_partno(target->bdev), next);
	if (READ_ONCE(target->strays))
		bitmap_fill(next, BLK_INTERPOSER_MAX_TARGETS);
}

/*
 * Redirect by redirect, not in one walk over all targets: while we wait for
 * one, a bio may go on from there to another that was drained before. Waits
 * for bios of other disks there as well. @level: where they may be now
 */
static int blk_interposer_drain(unsigned long *level, unsigned long *timeout)
{
	DECLARE_BITMAP(next, BLK_INTERPOSER_MAX_TARGETS);
	struct blk_interposer_target *target;
	unsigned int id, hops;
	int ret;

	for (hops = 0; hops < BPF_BIO_MAX_HOPS; hops++) {
		bitmap_zero(next, BLK_INTERPOSER_MAX_TARGETS);
		for_each_set_bit(id, level, BLK_INTERPOSER_MAX_TARGETS) {
			target = blk_interposer_target_tryget(id);
			if (!target)
				continue;
			ret = blk_interposer_drain_target(target, timeout);
			blk_interposer_next(target, next);
			blk_interposer_target_put(target);
			if (ret)
				return ret;
		}
		if (bitmap_empty(next, BLK_INTERPOSER_MAX_TARGETS))
			break;
		bitmap_copy(level, next, BLK_INTERPOSER_MAX_TARGETS);
	}
	return 0;
}

/**
 * blk_interposer_drain_onward - wait for bios that went on from a target
 * @target: target without slots and without bios that are counted there
 *
 * They are counted at other targets. Until they have ended they need this one, of
 * whose disk they may be parts, and barriers and flushes of their sources find them
 * only through it.
 *
 * Context: process context that is not killed, sleeps until they have ended.
 */
void blk_interposer_drain_onward(struct blk_interposer_target *target)
{
	DECLARE_BITMAP(level, BLK_INTERPOSER_MAX_TARGETS);
	unsigned long timeout = MAX_SCHEDULE_TIMEOUT;

	bitmap_zero(level, BLK_INTERPOSER_MAX_TARGETS);
	blk_interposer_next(target, level);
	blk_interposer_drain(level, &timeout);
}

/**
 * blk_interposer_barrier - wait for bios that the old list decided about
 * @disk: disk whose list was changed
 *
 * Waits for bios that had entered the queue, then, with the queue running
 * again, for redirected bios in flight: waiting for those under freeze would
 * deadlock with a target that stacks on this very queue.
 *
 * Not covered: bios above queue entry (current->bio_list, blk-throttle, bios
 * that were not redirected and are held back for a flush) and, on bio-based
 * disks, bios that the disk has taken and that were not redirected: it is out of
 * its queue as soon as it has submitted its own. Freeze the filesystem or suspend
 * the dm device for those.
 *
 * Context: may sleep, for BLK_INTERPOSER_BARRIER_TIMEOUT and a grace period for
 * each target, which cannot be killed; no open_mutex and no idisk->lock held. The
 * caller holds a reference to @disk.
 * Return: 0; -EINTR after a fatal signal, -ETIMEDOUT: the change stands but
 * bios decided by the old list may still be under way.
 */
int blk_interposer_barrier(struct gendisk *disk)
{
	unsigned long timeout = BLK_INTERPOSER_BARRIER_TIMEOUT;
	DECLARE_BITMAP(level, BLK_INTERPOSER_MAX_TARGETS);
	struct blk_interposer_disk *idisk;
	unsigned int noio;
	int ret;

	noio = memalloc_noio_save();
	ret = blk_interposer_drain_queue(disk->queue, &timeout);
	memalloc_noio_restore(noio);
	if (ret)
		goto out;
	idisk = blk_interposer_of(disk);
	if (!idisk)
		return 0;
	bitmap_zero(level, BLK_INTERPOSER_MAX_TARGETS);
	blk_interposer_add_used(idisk, 0, level);
	ret = blk_interposer_drain(level, &timeout);
out:
	if (ret)
		pr_warn_ratelimited("%s: blk_interposer: barrier gave up with %d, bios decided by the old programs are still in flight\n",
				    disk->disk_name, ret);
	return ret;
}
