// SPDX-License-Identifier: GPL-2.0
/*
 * blk_interposer: redirect targets, the counting of bios in flight to them,
 * and their end.
 *
 * A target begins when a device map gets a block device that no slot holds
 * yet (with that mode). It ends in this order: the last slot lets go; a grace
 * period later no program can choose it any more and its counter is killed;
 * the last redirected bio ends and the counter is gone; a worker flushes the
 * device and closes the file. An error of that flush is kept for the next
 * flush of every disk that had used the target: the write cache of the source
 * is where its owner looks for it.
 *
 * bi_bdev of a bio cannot lead to its target, because stacking drivers change
 * it on the way down; the index in bi_interposer does.
 */
#include <linux/blkdev.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/idr.h>
#include <linux/kdev_t.h>
#include <linux/slab.h>
#include "../blk.h"
#include "interposer.h"

/* On while a target exists: then bio_endio() looks at bi_interposer. */
DEFINE_STATIC_KEY_DEFERRED_FALSE(blk_interposer_endio_key, HZ);

static DEFINE_MUTEX(blk_interposer_targets_lock);
static LIST_HEAD(blk_interposer_targets);
static DEFINE_IDA(blk_interposer_target_ids);
static struct blk_interposer_target __rcu *
	blk_interposer_target_tbl[BLK_INTERPOSER_MAX_TARGETS];

static DEFINE_IDA(blk_interposer_indexes);
/* Written before the index is used in any bio, read while a bio holds it. */
static struct blk_interposer_inflight *
	blk_interposer_inflight_tbl[BLK_INTERPOSER_MAX_INDEX + 1];

static void blk_interposer_inflight_put(struct blk_interposer_inflight *inf)
{
	if (refcount_dec_and_test(&inf->refs))
		kfree(inf);
}

static void blk_interposer_target_free(struct blk_interposer_target *target)
{
	ida_free(&blk_interposer_target_ids, target->id);
	fput(target->file);
	kfree(target);
	static_branch_slow_dec_deferred(&blk_interposer_endio_key);
}

/**
 * blk_interposer_target_put - drop a reference
 * @target: the target
 *
 * Context: any. The last reference closes the device, later.
 */
void blk_interposer_target_put(struct blk_interposer_target *target)
{
	if (refcount_dec_and_test(&target->refs))
		blk_interposer_target_free(target);
}

/**
 * blk_interposer_target_tryget - target behind a bit of idisk->used
 * @id: number of the bit
 *
 * Context: any.
 * Return: the target with a reference, NULL if it is closed.
 */
struct blk_interposer_target *blk_interposer_target_tryget(unsigned int id)
{
	struct blk_interposer_target *target;

	rcu_read_lock();
	target = rcu_dereference(blk_interposer_target_tbl[id]);
	if (target && !refcount_inc_not_zero(&target->refs))
		target = NULL;
	rcu_read_unlock();
	return target;
}

/*
 * The flush before the close failed. Every disk whose bios may have got to the
 * target learns it, also those that reached it through other targets: nobody
 * else's flush takes the error from them.
 */
static void blk_interposer_target_tell(struct blk_interposer_target *target,
				       blk_status_t status)
{
	unsigned long *reach = bitmap_zalloc(2 * BLK_INTERPOSER_MAX_TARGETS,
					     GFP_NOIO);
	struct blk_interposer_disk *idisk;

	lockdep_assert_held(&blk_interposer_disks_lock);
	pr_warn("%pg: blk_interposer: flush before close failed (%d), redirected writes may be lost; the next flush of the source reports it\n",
		target->bdev, blk_status_to_errno(status));
	list_for_each_entry(idisk, &blk_interposer_disks, node) {
		if (reach)
			blk_interposer_reach(idisk, 0, reach, reach +
					     BITS_TO_LONGS(BLK_INTERPOSER_MAX_TARGETS));
		/* Without memory rather tell too many. */
		if (reach ? test_bit(target->id, reach) : idisk->active)
			WRITE_ONCE(idisk->flush_error, (__force int)status);
	}
	bitmap_free(reach);
}

/* No slot and no bio is left: flush, tell the disks, forget. */
static void blk_interposer_target_end(struct blk_interposer_target *target)
{
	blk_status_t status = blk_interposer_flush_target(target);
	struct blk_interposer_disk *idisk;
	unsigned int noio;

	mutex_lock(&blk_interposer_disks_lock);
	if (status)
		blk_interposer_target_tell(target, status);
	list_for_each_entry(idisk, &blk_interposer_disks, node) {
		noio = blk_interposer_lock(idisk);
		if (test_bit(target->id, idisk->used)) {
			/* The error first: a flush in between sees either. */
			smp_mb__before_atomic();
			blk_interposer_forget(idisk, target->id);
			blk_interposer_update_gate(idisk);
		}
		blk_interposer_unlock(idisk, noio);
	}
	mutex_unlock(&blk_interposer_disks_lock);

	RCU_INIT_POINTER(blk_interposer_target_tbl[target->id], NULL);
	synchronize_rcu();
	blk_interposer_target_put(target);
}

/* The last bio counted here has ended and its owner knows. */
static void blk_interposer_inflight_work(struct work_struct *work)
{
	struct blk_interposer_inflight *inf =
		container_of(work, struct blk_interposer_inflight, work);
	struct blk_interposer_target *target = inf->target;
	bool last;

	percpu_ref_exit(&inf->ref);
	ida_free(&blk_interposer_indexes, inf->index);

	mutex_lock(&blk_interposer_targets_lock);
	list_del(&inf->node);
	last = list_empty(&target->inflights);
	mutex_unlock(&blk_interposer_targets_lock);
	complete_all(&inf->done);
	blk_interposer_inflight_put(inf);
	if (last)
		blk_interposer_target_end(target);
}

static void blk_interposer_inflight_release(struct percpu_ref *ref)
{
	struct blk_interposer_inflight *inf =
		container_of(ref, struct blk_interposer_inflight, ref);

	queue_work(blk_interposer_close_wq, &inf->work);
}

/* Called with blk_interposer_targets_lock held; the target has a reference. */
static struct blk_interposer_inflight *
blk_interposer_inflight_alloc(struct blk_interposer_target *target)
{
	struct blk_interposer_inflight *inf;
	int index;

	inf = kzalloc(sizeof(*inf), GFP_KERNEL);
	if (!inf)
		return ERR_PTR(-ENOMEM);
	index = ida_alloc_range(&blk_interposer_indexes, 1,
				BLK_INTERPOSER_MAX_INDEX, GFP_KERNEL);
	if (index < 0) {
		kfree(inf);
		return ERR_PTR(index == -ENOSPC ? -ENFILE : index);
	}
	if (percpu_ref_init(&inf->ref, blk_interposer_inflight_release, 0,
			    GFP_KERNEL)) {
		ida_free(&blk_interposer_indexes, index);
		kfree(inf);
		return ERR_PTR(-ENOMEM);
	}
	inf->target = target;
	inf->index = index;
	refcount_set(&inf->refs, 1);
	init_completion(&inf->done);
	INIT_WORK(&inf->work, blk_interposer_inflight_work);
	blk_interposer_inflight_tbl[index] = inf;
	inf->seq = ++target->seq;
	list_add_tail(&inf->node, &target->inflights);
	return inf;
}

static struct blk_interposer_inflight *
blk_interposer_inflight_replace(struct blk_interposer_target *target,
				struct blk_interposer_inflight *inf)
{
	return rcu_replace_pointer(target->current_inflight, inf,
				   lockdep_is_held(&blk_interposer_targets_lock));
}

static struct blk_interposer_target *
blk_interposer_target_alloc(struct file *file, struct block_device *bdev,
			    bool writable)
{
	struct blk_interposer_target *target;
	struct blk_interposer_inflight *inf;
	int id;

	target = kzalloc(sizeof(*target), GFP_KERNEL);
	if (!target)
		return ERR_PTR(-ENOMEM);
	id = ida_alloc_max(&blk_interposer_target_ids,
			   BLK_INTERPOSER_MAX_TARGETS - 1, GFP_KERNEL);
	if (id < 0) {
		kfree(target);
		return ERR_PTR(id == -ENOSPC ? -ENFILE : id);
	}
	target->id = id;
	target->bdev = bdev;
	target->writable = writable;
	target->users = 1;
	INIT_LIST_HEAD(&target->inflights);
	refcount_set(&target->refs, 1);
	target->val.fd_or_dev = new_encode_dev(bdev->bd_dev);
	target->val.flags = writable ? 0 : BPF_BLKDEV_F_RDONLY;
	inf = blk_interposer_inflight_alloc(target);
	if (IS_ERR(inf)) {
		ida_free(&blk_interposer_target_ids, id);
		kfree(target);
		return ERR_CAST(inf);
	}
	RCU_INIT_POINTER(target->current_inflight, inf);
	target->file = get_file(file);
	static_branch_deferred_inc(&blk_interposer_endio_key);
	list_add(&target->node, &blk_interposer_targets);
	rcu_assign_pointer(blk_interposer_target_tbl[id], target);
	return target;
}

/**
 * blk_interposer_target_open - a slot of a device map gets a block device
 * @file: open block device; its mode says whether it serves writes
 *
 * Slots with the same device and mode share one target, so that there is one
 * dirty state and one counter for it.
 *
 * Context: may sleep.
 * Return: the target, to be given back with blk_interposer_target_close();
 * -ENOTBLK: @file is no block device; -EBADF: it is not open for reading;
 * -ENODEV: the device was removed; -ENFILE: all indexes are in use; -ENOMEM.
 */
struct blk_interposer_target *blk_interposer_target_open(struct file *file)
{
	bool writable = file->f_mode & FMODE_WRITE;
	struct blk_interposer_target *target;
	struct block_device *bdev;

	if (!S_ISBLK(file_inode(file)->i_mode))
		return ERR_PTR(-ENOTBLK);
	if (!(file->f_mode & FMODE_READ))
		return ERR_PTR(-EBADF);
	bdev = I_BDEV(file->f_mapping->host);
	if (!disk_live(bdev->bd_disk))
		return ERR_PTR(-ENODEV);

	mutex_lock(&blk_interposer_targets_lock);
	list_for_each_entry(target, &blk_interposer_targets, node) {
		if (target->bdev == bdev && target->writable == writable) {
			target->users++;
			goto out;
		}
	}
	target = blk_interposer_target_alloc(file, bdev, writable);
out:
	mutex_unlock(&blk_interposer_targets_lock);
	return target;
}

/**
 * blk_interposer_target_close - a slot lets go of its target
 * @target: from blk_interposer_target_open()
 *
 * The device is closed later, when all bios in flight to it have ended and it
 * was flushed.
 *
 * Context: may sleep. A grace period has passed since a program could read
 * the slot.
 */
void blk_interposer_target_close(struct blk_interposer_target *target)
{
	struct blk_interposer_inflight *inf = NULL;

	mutex_lock(&blk_interposer_targets_lock);
	if (!--target->users) {
		list_del(&target->node);
		inf = blk_interposer_inflight_replace(target, NULL);
	}
	mutex_unlock(&blk_interposer_targets_lock);
	if (inf)
		percpu_ref_kill(&inf->ref);
}

/**
 * blk_interposer_target_gone - was the device of a target removed?
 * @target: target that the caller keeps from going away
 *
 * Context: any.
 * Return: true if it was; lookups in maps say so from then on.
 */
bool blk_interposer_target_gone(struct blk_interposer_target *target)
{
	struct gendisk *disk = target->bdev->bd_disk;

	if (likely(!test_bit(GD_DEAD, &disk->state) && disk_live(disk)))
		return false;
	WRITE_ONCE(target->val.flags, target->val.flags | BPF_BLKDEV_F_GONE);
	return true;
}

/**
 * blk_interposer_stacks_on - does I/O to a target come back to the source?
 * @target: redirect target
 * @source: device whose programs may choose it
 *
 * A bio of a stacking driver carries the hop count of the bio it was cloned
 * from. Drivers that submit bios of their own (dm-crypt, raid5, kcopyd) lose
 * it, so such a loop would have no end.
 *
 * Context: may sleep.
 * Return: true if it may.
 */
bool blk_interposer_stacks_on(struct blk_interposer_target *target,
			      struct block_device *source)
{
	return bd_disk_stacks_on(target->bdev->bd_disk, source);
}

/*
 * New bios get a new counter.
 *
 * Return: 0, or an error; *seq is that of the newest old counter.
 */
static int blk_interposer_drain_start(struct blk_interposer_target *target,
				      u64 *seq)
{
	struct blk_interposer_inflight *inf, *old = NULL;
	int ret = 0;

	mutex_lock(&blk_interposer_targets_lock);
	*seq = target->seq;
	/* Without slots no bio comes any more, and the counter is killed. */
	if (target->users) {
		inf = blk_interposer_inflight_alloc(target);
		if (IS_ERR(inf))
			ret = PTR_ERR(inf);
		else
			old = blk_interposer_inflight_replace(target, inf);
	}
	mutex_unlock(&blk_interposer_targets_lock);
	if (old) {
		/* A program that runs now may still be about to count there. */
		synchronize_rcu();
		percpu_ref_kill(&old->ref);
	}
	return ret;
}

/* Wait for all old counters, also those that earlier barriers gave up on. */
static int blk_interposer_drain_target(struct blk_interposer_target *target,
				       unsigned long *timeout)
{
	struct blk_interposer_inflight *inf;
	long left;
	u64 seq;
	int ret;

	ret = blk_interposer_drain_start(target, &seq);
	while (!ret) {
		mutex_lock(&blk_interposer_targets_lock);
		inf = list_first_entry_or_null(&target->inflights,
					       struct blk_interposer_inflight,
					       node);
		if (inf && inf->seq <= seq)
			refcount_inc(&inf->refs);
		else
			inf = NULL;
		mutex_unlock(&blk_interposer_targets_lock);
		if (!inf)
			break;
		left = wait_for_completion_killable_timeout(&inf->done,
							    *timeout);
		blk_interposer_inflight_put(inf);
		if (left <= 0)
			ret = left < 0 ? -EINTR : -ETIMEDOUT;
		else
			*timeout = left;
	}
	return ret;
}

/**
 * blk_interposer_drain - wait for the redirected bios of a disk
 * @idisk: of the disk
 * @timeout: jiffies to wait at most; what is left of it on return
 *
 * Waits on all targets that bios of the disk may have reached, through others
 * too, and for bios of other disks there as well.
 *
 * Context: may sleep, no locks held.
 * Return: 0, -EINTR, -ETIMEDOUT, or -ENOMEM, -ENFILE for a new counter.
 */
int blk_interposer_drain(struct blk_interposer_disk *idisk,
			 unsigned long *timeout)
{
	struct blk_interposer_target *target;
	unsigned long *reach;
	unsigned int id;
	int ret = 0;

	reach = bitmap_zalloc(2 * BLK_INTERPOSER_MAX_TARGETS, GFP_KERNEL);
	if (!reach)
		return -ENOMEM;
	blk_interposer_reach(idisk, 0, reach, reach +
			     BITS_TO_LONGS(BLK_INTERPOSER_MAX_TARGETS));
	for_each_set_bit(id, reach, BLK_INTERPOSER_MAX_TARGETS) {
		target = blk_interposer_target_tryget(id);
		if (!target)
			continue;
		ret = blk_interposer_drain_target(target, timeout);
		blk_interposer_target_put(target);
		if (ret)
			break;
	}
	bitmap_free(reach);
	return ret;
}

/*
 * Take the counter out of a bio. Its hops go too: an owner that submits the
 * bio again without a reset starts from zero.
 */
static struct blk_interposer_inflight *
blk_interposer_take(struct bio *bio)
{
	unsigned int index = bio->bi_interposer & BIO_INTERPOSER_INDEX_MASK;
	struct blk_interposer_inflight *inf;

	bio->bi_interposer = 0;
	if (!index)
		return NULL;
	inf = blk_interposer_inflight_tbl[index];
	/* Before the owner is told: its next flush must see it. */
	if (op_is_write(bio->bi_opf))
		blk_interposer_mark_dirty(inf->target);
	return inf;
}

/**
 * blk_interposer_uncount - a bio goes on from its target to another
 * @bio: bio that was redirected to a device whose programs, or those of a
 *	device below that a driver mapped it to in place, redirect it again
 *
 * Context: any.
 */
void blk_interposer_uncount(struct bio *bio)
{
	unsigned int index = bio->bi_interposer & BIO_INTERPOSER_INDEX_MASK;
	struct blk_interposer_inflight *inf;

	if (!index)
		return;
	inf = blk_interposer_inflight_tbl[index];
	if (op_is_write(bio->bi_opf))
		WRITE_ONCE(inf->target->passes_on, true);
	bio->bi_interposer &= BIO_INTERPOSER_HOPS_MASK;
	percpu_ref_put(&inf->ref);
}

/**
 * blk_interposer_count_part - a part of a redirected bio counts by itself
 * @part: first part of @bio, its clone
 * @bio: the rest, which may go on to another target while @part is in flight
 *
 * Context: any.
 */
void blk_interposer_count_part(struct bio *part, const struct bio *bio)
{
	unsigned int index = bio->bi_interposer & BIO_INTERPOSER_INDEX_MASK;

	if (!index)
		return;
	part->bi_interposer |= index;
	percpu_ref_get(&blk_interposer_inflight_tbl[index]->ref);
}

void __blk_interposer_end_part(struct bio *bio)
{
	struct blk_interposer_inflight *inf = blk_interposer_take(bio);

	if (inf)
		percpu_ref_put(&inf->ref);
}

/*
 * The first time bio_endio() gets here is the end: a bio whose bi_end_io is
 * hooked in place to end it once more (decryption in blk-crypto-fallback) must
 * not be redirected. Those with a crypt context are refused.
 */
bool __blk_interposer_endio(struct bio *bio)
{
	struct blk_interposer_inflight *inf = blk_interposer_take(bio);

	if (!inf)
		return false;
	if (bio->bi_end_io)
		bio->bi_end_io(bio);
	percpu_ref_put(&inf->ref);
	return true;
}
