// SPDX-License-Identifier: GPL-2.0
/*
 * blk_interposer: redirect targets, the counting of bios in flight to them,
 * and their end. Waiting for those bios is in barrier.c.
 *
 * A target begins when a device map gets a block device that no slot holds yet
 * (with that mode). It ends in this order: the last slot lets go; a grace
 * period later no program can choose it any more and its counter is killed; the
 * last redirected bio ends and the counter is at rest; a worker waits for those
 * that went on to other targets, flushes the device and closes the file. An
 * error of that flush is kept for the next flush of every disk that had used
 * the target: the write cache of the source is where its owner looks for it.
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

/* The list below, and what says so in struct blk_interposer_target */
DEFINE_MUTEX(blk_interposer_targets_lock);
static LIST_HEAD(blk_interposer_targets);
static DEFINE_IDA(blk_interposer_target_ids);
/* By bi_interposer: two of each target, and none for 0 */
static struct blk_interposer_inflight __rcu *
	blk_interposer_inflight_tbl[BIO_INTERPOSER_INDEX_MASK + 1];

/* The counter that a bio holds; that keeps the target in its place. */
static struct blk_interposer_inflight *
blk_interposer_inflight_of(const struct bio *bio)
{
	unsigned int index = bio->bi_interposer & BIO_INTERPOSER_INDEX_MASK;

	return rcu_dereference_protected(blk_interposer_inflight_tbl[index],
					 true);
}

/* Let it be found in the table, or not any more. */
static void blk_interposer_target_show(struct blk_interposer_target *target,
				       bool show)
{
	struct blk_interposer_inflight *inf;
	int i;

	for (i = 0; i < ARRAY_SIZE(target->inflight); i++) {
		inf = &target->inflight[i];
		rcu_assign_pointer(blk_interposer_inflight_tbl[inf->index],
				   show ? inf : NULL);
	}
}

static void blk_interposer_inflight_exit(struct blk_interposer_target *target)
{
	percpu_ref_exit(&target->inflight[0].ref);
	percpu_ref_exit(&target->inflight[1].ref);
}

static void blk_interposer_target_free(struct blk_interposer_target *target)
{
	blk_interposer_inflight_exit(target);
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
	struct blk_interposer_target *target = NULL;
	struct blk_interposer_inflight *inf;

	rcu_read_lock();
	inf = rcu_dereference(blk_interposer_inflight_tbl[2 * id + 1]);
	if (inf && refcount_inc_not_zero(&inf->target->refs))
		target = inf->target;
	rcu_read_unlock();
	return target;
}

/*
 * The flush before the close failed. Every disk and every partition whose bios may
 * have got to the target learns it, also those that reached it through other
 * targets: nobody else's flush takes the error from them.
 */
static void blk_interposer_target_tell(struct blk_interposer_target *target,
				       blk_status_t status)
{
	DECLARE_BITMAP(reach, BLK_INTERPOSER_MAX_TARGETS);
	DECLARE_BITMAP(seen, BLK_INTERPOSER_MAX_TARGETS);
	struct blk_interposer_disk *idisk;
	struct blk_interposer_used *used;
	unsigned long idx;

	lockdep_assert_held(&blk_interposer_disks_lock);
	pr_warn("%pg: blk_interposer: flush before close failed (%d), redirected writes may be lost; the next flush of the source reports it\n",
		target->bdev, blk_status_to_errno(status));
	list_for_each_entry(idisk, &blk_interposer_disks, node) {
		xa_for_each(&idisk->used_by, idx, used) {
			blk_interposer_reach(idisk, idx, true, reach, seen);
			if (test_bit(target->id, reach))
				WRITE_ONCE(used->flush_error,
					   (__force int)status);
		}
	}
}

/* No slot and no bio is left: wait, flush, tell the disks, forget. */
static void blk_interposer_target_end(struct work_struct *work)
{
	struct blk_interposer_target *target =
		container_of(work, struct blk_interposer_target, end_work);
	struct blk_interposer_disk *idisk;
	blk_status_t status;
	unsigned int noio;

	/* First: what they have made dirty the flush is to reach. */
	blk_interposer_drain_onward(target);
	status = blk_interposer_flush_target(target);
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

	blk_interposer_target_show(target, false);
	synchronize_rcu();
	blk_interposer_target_put(target);
}

/* The last bio counted here has ended and its owner knows. */
static void blk_interposer_inflight_release(struct percpu_ref *ref)
{
	struct blk_interposer_inflight *inf =
		container_of(ref, struct blk_interposer_inflight, ref);
	struct blk_interposer_target *target = inf->target;

	/* From here on a barrier may start it again. */
	smp_store_release(&inf->turns, inf->turns + 1);
	wake_up_all(&target->drained);
	if (atomic_dec_and_test(&target->counting))
		queue_work(blk_interposer_close_wq, &target->end_work);
}

/* One counter that runs, and one at rest for the next barrier. */
static int blk_interposer_inflight_init(struct blk_interposer_target *target)
{
	static const unsigned int flags[] = {
		PERCPU_REF_ALLOW_REINIT,
		PERCPU_REF_INIT_DEAD | PERCPU_REF_ALLOW_REINIT,
	};
	struct blk_interposer_inflight *inf;
	int i, ret;

	init_waitqueue_head(&target->drained);
	INIT_WORK(&target->end_work, blk_interposer_target_end);
	atomic_set(&target->counting, 1);
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		inf = &target->inflight[i];
		inf->target = target;
		inf->index = 2 * target->id + i + 1;
		inf->turns = !i;
		ret = percpu_ref_init(&inf->ref,
				      blk_interposer_inflight_release, flags[i],
				      GFP_KERNEL);
		if (ret)
			return ret;
	}
	RCU_INIT_POINTER(target->current_inflight, &target->inflight[0]);
	return 0;
}

static struct blk_interposer_target *
blk_interposer_target_alloc(struct file *file, struct block_device *bdev,
			    bool writable)
{
	struct blk_interposer_target *target;
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
	refcount_set(&target->refs, 1);
	target->val.fd_or_dev = new_encode_dev(bdev->bd_dev);
	target->val.flags = writable ? 0 : BPF_BLKDEV_F_RDONLY;
	if (blk_interposer_inflight_init(target)) {
		blk_interposer_inflight_exit(target);
		ida_free(&blk_interposer_target_ids, id);
		kfree(target);
		return ERR_PTR(-ENOMEM);
	}
	target->file = get_file(file);
	static_branch_deferred_inc(&blk_interposer_endio_key);
	list_add(&target->node, &blk_interposer_targets);
	blk_interposer_target_show(target, true);
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
 * -ENODEV: the device was removed; -EOPNOTSUPP: it is a lower device; -ENFILE:
 * %BLK_INTERPOSER_MAX_TARGETS are open; -ENOMEM.
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
	/*
	 * A flush of it is one of the original, whose disk may have targets of
	 * its own, and it again. Whoever wants it stacks on it.
	 */
	if (bdev_test_flag(bdev, BD_LOWER))
		return ERR_PTR(-EOPNOTSUPP);

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
	mutex_lock(&blk_interposer_targets_lock);
	if (!--target->users) {
		list_del(&target->node);
		RCU_INIT_POINTER(target->current_inflight, NULL);
		percpu_ref_kill(&target->inflight[target->now].ref);
	}
	mutex_unlock(&blk_interposer_targets_lock);
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

/*
 * Take the counter out of a bio. Its hops go too: an owner that submits the
 * bio again without a reset starts from zero.
 */
static struct blk_interposer_inflight *
blk_interposer_take(struct bio *bio)
{
	struct blk_interposer_inflight *inf = blk_interposer_inflight_of(bio);

	bio->bi_interposer = 0;
	/* Before the owner is told: its next flush must see it. */
	if (inf && op_is_write(bio->bi_opf))
		blk_interposer_mark_dirty(inf->target);
	return inf;
}

/**
 * blk_interposer_uncount - a bio goes on from its target to another
 * @bio: bio that was redirected
 * @from: device whose programs redirect it again: the target, its disk, or a device
 *	below that a driver mapped it to in place
 *
 * Context: any.
 */
void blk_interposer_uncount(struct bio *bio, struct block_device *from)
{
	struct blk_interposer_inflight *inf = blk_interposer_inflight_of(bio);

	if (!inf)
		return;
	if (op_is_write(bio->bi_opf))
		WRITE_ONCE(inf->target->passes_on, true);
	if (unlikely(from->bd_disk != inf->target->bdev->bd_disk))
		WRITE_ONCE(inf->target->strays, true);
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
	struct blk_interposer_inflight *inf = blk_interposer_inflight_of(bio);

	if (!inf)
		return;
	part->bi_interposer |= inf->index;
	percpu_ref_get(&inf->ref);
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
	struct blk_interposer_inflight *inf;

	/* Most are clones of those that were redirected. */
	if (!(bio->bi_interposer & BIO_INTERPOSER_INDEX_MASK)) {
		bio->bi_interposer = 0;
		return false;
	}
	inf = blk_interposer_take(bio);
	if (bio->bi_end_io)
		bio->bi_end_io(bio);
	percpu_ref_put(&inf->ref);
	return true;
}
