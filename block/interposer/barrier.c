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

static int blk_interposer_wait_idle(struct blk_interposer_inflight *inf,
				    unsigned long *timeout)
{
	/* Pairs with the release in blk_interposer_inflight_release(). */
	long left = wait_event_killable_timeout(inf->target->drained,
						smp_load_acquire(&inf->idle),
						*timeout);

	if (left <= 0)
		return left < 0 ? -EINTR : -ETIMEDOUT;
	*timeout = left;
	return 0;
}

/*
 * Return: the counter to wait for; NULL if @spare, seen idle, was not the
 * other one any more, because another barrier was faster.
 */
static struct blk_interposer_inflight *
blk_interposer_switch(struct blk_interposer_target *target,
		      struct blk_interposer_inflight *spare)
{
	struct blk_interposer_inflight *old;
	bool killed = true;

	mutex_lock(&blk_interposer_targets_lock);
	old = &target->inflight[target->now];
	if (old == spare || !smp_load_acquire(&spare->idle)) {
		old = NULL;
	} else if (target->users) {
		spare->idle = false;
		atomic_inc(&target->counting);
		percpu_ref_reinit(&spare->ref);
		rcu_assign_pointer(target->current_inflight, spare);
		target->now ^= 1;
		killed = false;
	}
	/* Without slots no bio comes any more: what is left ends by itself. */
	mutex_unlock(&blk_interposer_targets_lock);
	if (!killed) {
		/* A program that runs now may still be about to count there. */
		synchronize_rcu();
		percpu_ref_kill(&old->ref);
	}
	return old;
}

static int blk_interposer_drain_target(struct blk_interposer_target *target,
				       unsigned long *timeout)
{
	struct blk_interposer_inflight *spare, *old;
	int ret;

	/* What an earlier barrier waits for, or has given up on, comes first. */
	do {
		spare = &target->inflight[!READ_ONCE(target->now)];
		ret = blk_interposer_wait_idle(spare, timeout);
		if (ret)
			return ret;
		old = blk_interposer_switch(target, spare);
	} while (!old);
	return blk_interposer_wait_idle(old, timeout);
}

/*
 * Waits on all targets that bios of the disk may have reached, through others
 * too, and for bios of other disks there as well.
 */
static int blk_interposer_drain(struct blk_interposer_disk *idisk,
				unsigned long *timeout)
{
	DECLARE_BITMAP(reach, BLK_INTERPOSER_MAX_TARGETS);
	DECLARE_BITMAP(seen, BLK_INTERPOSER_MAX_TARGETS);
	struct blk_interposer_target *target;
	unsigned int id;
	int ret;

	blk_interposer_reach(idisk, 0, reach, seen);
	for_each_set_bit(id, reach, BLK_INTERPOSER_MAX_TARGETS) {
		target = blk_interposer_target_tryget(id);
		if (!target)
			continue;
		ret = blk_interposer_drain_target(target, timeout);
		blk_interposer_target_put(target);
		if (ret)
			return ret;
	}
	return 0;
}

/**
 * blk_interposer_barrier - wait for bios that the old list decided about
 * @disk: disk whose list was changed
 *
 * Waits for bios that had entered the queue, then, with the queue running
 * again, for redirected bios in flight: waiting for those under freeze would
 * deadlock with a target that stacks on this very queue.
 *
 * Not covered: bios above queue entry (current->bio_list, blk-throttle) and,
 * on bio-based disks, bios that were accepted before the first program was
 * attached. Freeze the filesystem or suspend the dm device for those.
 *
 * Context: may sleep, for long; no open_mutex and no idisk->lock held. The
 * caller holds a reference to @disk.
 * Return: 0; -EINTR after a fatal signal, -ETIMEDOUT: the change stands but
 * bios decided by the old list may still be under way.
 */
int blk_interposer_barrier(struct gendisk *disk)
{
	unsigned long timeout = BLK_INTERPOSER_BARRIER_TIMEOUT;
	struct blk_interposer_disk *idisk;
	unsigned int noio;
	int ret;

	noio = memalloc_noio_save();
	ret = blk_interposer_drain_queue(disk->queue, &timeout);
	memalloc_noio_restore(noio);
	if (ret)
		goto out;
	idisk = blk_interposer_of(disk);
	if (idisk)
		ret = blk_interposer_drain(idisk, &timeout);
out:
	if (ret)
		pr_warn_ratelimited("%s: blk_interposer: barrier gave up with %d, bios decided by the old programs are still in flight\n",
				    disk->disk_name, ret);
	return ret;
}
