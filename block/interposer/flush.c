// SPDX-License-Identifier: GPL-2.0
/*
 * blk_interposer: a flush of the source flushes what was redirected from it.
 *
 * A bio with REQ_PREFLUSH (an empty flush is one, too) that meets a disk or a
 * partition with redirect targets in use is held back. A worker sends a flush to
 * the source and to each dirty target that bios of the source may have reached,
 * through targets that redirect themselves included. When all have ended, an empty
 * flush is completed, and data is submitted without REQ_PREFLUSH; after an
 * error both are completed with it. So nothing is acknowledged and no data
 * that has to come after is written before everything before it is durable.
 *
 * A bio that names a partition comes twice: the partition's stage flushes what its
 * own programs redirected, the disk's stage what the disk's did, and the source.
 * Not all of it there: the lower device of a partition leads to the disk's stage,
 * and a stack on it that flushes it would be flushed by that again.
 *
 * A target becomes dirty when a redirected write ends, before its owner is
 * told. A flush takes the dirty mark away when it is sent, not when it ends:
 * a write that ends in between sets it again. As long as a flush is under way
 * the target does not count as clean either, so that a second flush, whose
 * write the first one may cover but has not made durable yet, sends its own.
 * A failed flush puts the mark back.
 *
 * Submitting a bio may wait for a flush of another disk, or of another stage of
 * the same: a write to md raid1 waits for its superblock. A workqueue promises no
 * more than a rescuer, which runs one item after the other, and a number of items
 * at a time. So each disk has workqueues of its own, as devices of device mapper
 * have, one for each reserve of memory. What starts the flushes never waits, and
 * can be common to all disks.
 *
 * Each bio has a work item of its own: that superblock may be on another partition
 * of the source. For the same reason the memory of the work item is not given back
 * before the bio has been submitted: at the same address the workqueue would take a
 * new one for the one that waits, and queue it behind.
 */
#include <linux/blkdev.h>
#include <linux/slab.h>
#include "../blk.h"
#include "interposer.h"
#include <trace/events/blk_interposer.h>

/**
 * struct blk_interposer_flush - a bio that waits for flushes
 * @idisk: of its disk; the bio may end before the work does, which the disk waits
 *	for before it goes
 * @work: sends the flushes, then lets the bio go on
 * @bio: the bio held back, or redirected and not yet submitted
 * @complete: it ends after the flush even if it has data
 * @partno: see blk_interposer_flush()
 * @own: see there
 * @pending: flushes that have not ended, and one while they are being sent
 * @status: first error
 * @took_error: one that a closed target had left
 * @reach: targets to look at
 * @seen: those whose own targets are in @reach already
 */
struct blk_interposer_flush {
	struct blk_interposer_disk *idisk;
	struct work_struct work;
	struct bio *bio;
	bool complete;
	u8 partno;
	bool own;
	atomic_t pending;
	int status;
	bool took_error;
	DECLARE_BITMAP(reach, BLK_INTERPOSER_MAX_TARGETS);
	DECLARE_BITMAP(seen, BLK_INTERPOSER_MAX_TARGETS);
};

struct blk_interposer_flush_bio {
	struct blk_interposer_flush *flush;
	struct blk_interposer_target *target;	/* NULL: the source */
	struct bio bio;				/* last */
};

#define BLK_INTERPOSER_FLUSH_POOL	4

/*
 * In bi_cookie of a bio that waits to be started, above the partition number and
 * below BLK_INTERPOSER_HELD
 */
#define BLK_INTERPOSER_FLUSH_OWN	BIT(8)
#define BLK_INTERPOSER_FLUSH_COMPLETE	BIT(9)

/* The disk's stage, with the source, is still to come. */
static bool blk_interposer_flush_goes_on(struct blk_interposer_flush *flush)
{
	return flush->own && flush->partno;
}

/* The disk's stage of what has been in that of a partition: others wait for it. */
static bool blk_interposer_flush_is_last(u8 partno, bool own)
{
	return own && !partno;
}

static struct blk_interposer_reserve *
blk_interposer_flush_reserve(struct blk_interposer_flush *flush)
{
	return &flush->idisk->reserves[blk_interposer_flush_is_last(flush->partno,
								    flush->own)];
}

/* Take the mark and announce a flush, unless there is nothing to flush. */
static bool blk_interposer_flush_begin(struct blk_interposer_target *target)
{
	int old = atomic_read(&target->state);

	do {
		if (!old && !READ_ONCE(target->passes_on))
			return false;
	} while (!atomic_try_cmpxchg(&target->state, &old,
				     (old & ~BLK_INTERPOSER_DIRTY) + 1));
	return true;
}

static void blk_interposer_flush_finish(struct blk_interposer_target *target,
					blk_status_t status)
{
	/* The mark first: there must be no moment at which it looks clean. */
	if (status)
		atomic_or(BLK_INTERPOSER_DIRTY, &target->state);
	atomic_dec(&target->state);
}

static void blk_interposer_flush_end(struct work_struct *work);

static void blk_interposer_flush_put(struct blk_interposer_flush *flush)
{
	if (!atomic_dec_and_test(&flush->pending))
		return;
	INIT_WORK(&flush->work, blk_interposer_flush_end);
	queue_work(blk_interposer_flush_reserve(flush)->wq, &flush->work);
}

static void blk_interposer_flush_endio(struct bio *bio)
{
	struct blk_interposer_flush_bio *fbio =
		container_of(bio, struct blk_interposer_flush_bio, bio);
	struct blk_interposer_target *target = fbio->target;
	struct blk_interposer_flush *flush = fbio->flush;
	blk_status_t status = bio->bi_status;

	if (status)
		cmpxchg(&flush->status, 0, (__force int)status);
	if (target) {
		blk_interposer_flush_finish(target, status);
		blk_interposer_target_put(target);
	}
	bio_put(bio);
	blk_interposer_flush_put(flush);
}

/*
 * To the whole disk and marked, so that no program of the target can fail or
 * swallow it. What its programs had redirected is in ->reach.
 */
static void blk_interposer_flush_send(struct blk_interposer_flush *flush,
				      struct block_device *bdev,
				      struct blk_interposer_target *target)
{
	struct blk_interposer_flush_bio *fbio;
	struct bio *bio;

	/* Without a write cache it would succeed on a removed device. */
	if (target && blk_interposer_target_gone(target)) {
		cmpxchg(&flush->status, 0, (__force int)BLK_STS_IOERR);
		blk_interposer_flush_finish(target, BLK_STS_IOERR);
		blk_interposer_target_put(target);
		return;
	}
	bio = bio_alloc_bioset(bdev_whole(bdev), 0,
			       REQ_OP_WRITE | REQ_PREFLUSH | REQ_SYNC, GFP_NOIO,
			       &blk_interposer_flush_reserve(flush)->bios);
	fbio = container_of(bio, struct blk_interposer_flush_bio, bio);
	fbio->flush = flush;
	fbio->target = target;
	bio->bi_end_io = blk_interposer_flush_endio;
	bio_set_interposed(bio);
	atomic_inc(&flush->pending);
	submit_bio(bio);
}

/* The gate may close now: not before the bio went on, which waits for no lock. */
static void blk_interposer_flush_take_error(struct blk_interposer_flush *flush)
{
	struct blk_interposer_disk *idisk = flush->idisk;
	int status;

	/* Pairs with the barrier in blk_interposer_target_end(). */
	smp_rmb();
	status = blk_interposer_take_error(idisk, flush->partno, flush->own);
	if (!status)
		return;
	flush->took_error = true;
	cmpxchg(&flush->status, 0, status);
}

static void blk_interposer_flush_close_gate(struct blk_interposer_disk *idisk)
{
	unsigned int noio = blk_interposer_lock(idisk);

	blk_interposer_update_gate(idisk);
	blk_interposer_unlock(idisk, noio);
}

static void blk_interposer_flush_run(struct work_struct *work)
{
	struct blk_interposer_flush *flush =
		container_of(work, struct blk_interposer_flush, work);
	struct blk_interposer_target *target;
	unsigned int id;

	blk_interposer_reach(flush->idisk, flush->partno, flush->own,
			     flush->reach, flush->seen);
	if (!blk_interposer_flush_goes_on(flush))
		blk_interposer_flush_send(flush, flush->idisk->disk->part0,
					  NULL);
	for_each_set_bit(id, flush->reach, BLK_INTERPOSER_MAX_TARGETS) {
		target = blk_interposer_target_tryget(id);
		if (!target)
			continue;
		if (blk_interposer_flush_begin(target))
			blk_interposer_flush_send(flush, target->bdev, target);
		else
			blk_interposer_target_put(target);
	}
	/* After the walk: a target that was closed meanwhile left it there. */
	blk_interposer_flush_take_error(flush);
	blk_interposer_flush_put(flush);
}

/* Return: false if memory is short; an earlier flush will bring some back. */
static bool blk_interposer_flush_start(struct blk_interposer_disk *idisk,
				       struct bio *bio)
{
	bool own = bio->bi_cookie & BLK_INTERPOSER_FLUSH_OWN;
	struct blk_interposer_reserve *reserve;
	struct blk_interposer_flush *flush;
	u8 partno = bio->bi_cookie;

	reserve = &idisk->reserves[blk_interposer_flush_is_last(partno, own)];
	flush = mempool_alloc(&reserve->works, GFP_NOWAIT);
	if (!flush)
		return false;
	flush->idisk = idisk;
	flush->bio = bio;
	flush->complete = bio->bi_cookie & BLK_INTERPOSER_FLUSH_COMPLETE;
	flush->own = own;
	flush->partno = partno;
	WRITE_ONCE(bio->bi_cookie, BLK_QC_T_NONE);
	flush->status = 0;
	flush->took_error = false;
	atomic_set(&flush->pending, 1);
	INIT_WORK(&flush->work, blk_interposer_flush_run);
	queue_work(reserve->wq, &flush->work);
	return true;
}

/* Whose redirect it was is not known any more: the first of the disk's. */
static void blk_interposer_flush_failed(struct gendisk *disk, struct bio *bio)
{
	struct blk_interposer_decision d = { .bdev = disk->part0 };
	struct blk_interposer_list *list = NULL;
	struct block_device *part;
	unsigned long idx;

	rcu_read_lock();
	xa_for_each(&disk->part_tbl, idx, part) {
		list = rcu_dereference(part->bd_interposer_list);
		if (list)
			break;
	}
	if (list) {
		d.bdev = list->bdev;
		d.prog_id = list->slots[0].prog->aux->id;
		d.counters = list->slots[0].counters;
	}
	blk_interposer_refuse(&d, bio, BPF_BIO_REFUSED_FLUSH);
	rcu_read_unlock();
}

static void blk_interposer_flush_end(struct work_struct *work)
{
	struct blk_interposer_flush *flush =
		container_of(work, struct blk_interposer_flush, work);
	blk_status_t status = (__force blk_status_t)flush->status;
	struct blk_interposer_disk *idisk = flush->idisk;
	bool took_error = flush->took_error;
	struct bio *bio = flush->bio;

	if (status)
		blk_interposer_flush_failed(idisk->disk, bio);
	if (blk_interposer_flush_goes_on(flush)) {
		bio->bi_opf |= REQ_PREFLUSH;
		bio_set_interposed(bio);
	} else if (!bio_sectors(bio)) {
		flush->complete = true;
	}
	if (status || flush->complete)
		blk_interposer_complete(bio, status);
	else
		submit_bio_noacct(bio);
	mempool_free(flush, &blk_interposer_flush_reserve(flush)->works);
	/* Some may wait for what we gave back. */
	mod_delayed_work(blk_interposer_wq, &idisk->flush_work, 0);
	if (took_error)
		blk_interposer_flush_close_gate(idisk);
}

/* Memory may come back without a flush of ours that ends. */
#define BLK_INTERPOSER_FLUSH_RETRY	(HZ / 50)

/* Start as many as there is memory for; the others wait in their list. */
static void blk_interposer_flush_work(struct work_struct *work)
{
	struct blk_interposer_disk *idisk =
		container_of(to_delayed_work(work), struct blk_interposer_disk,
			     flush_work);
	struct bio_list fresh, left = BIO_EMPTY_LIST;
	struct bio *bio;

	spin_lock_irq(&idisk->flush_lock);
	fresh = idisk->flush_new;
	bio_list_init(&idisk->flush_new);
	spin_unlock_irq(&idisk->flush_lock);

	/* Behind one for which there is none may be one with a reserve. */
	while ((bio = bio_list_pop(&fresh)))
		if (!blk_interposer_flush_start(idisk, bio))
			bio_list_add(&left, bio);
	if (bio_list_empty(&left))
		return;
	spin_lock_irq(&idisk->flush_lock);
	bio_list_merge_head(&idisk->flush_new, &left);
	spin_unlock_irq(&idisk->flush_lock);
	queue_delayed_work(blk_interposer_wq, &idisk->flush_work,
			   BLK_INTERPOSER_FLUSH_RETRY);
}

/**
 * blk_interposer_flush - hold a bio back until everything is flushed
 * @idisk: of the disk whose stage the bio is in
 * @partno: partition that the bio named, as long as it is in that one's stage
 * @own: flush only what the programs of this stage have redirected: they are not
 *	all that the bio meets
 * @bio: bio with REQ_PREFLUSH, or with REQ_FUA and @complete; it may have been
 *	redirected already
 * @complete: complete the bio after the flush, without I/O of its own
 *
 * Context: any. Takes the bio over.
 */
void blk_interposer_flush(struct blk_interposer_disk *idisk, u8 partno, bool own,
			  struct bio *bio, bool complete)
{
	unsigned long irqflags;

	/*
	 * The bio waits for other bios, in a context that is not the
	 * submitter's: neither polling nor NOWAIT mean anything from here on. It
	 * will be polled for nevertheless, see blk_interposer_is_held().
	 */
	bio_clear_polled(bio);
	bio->bi_opf &= ~(REQ_PREFLUSH | REQ_NOWAIT);
	WRITE_ONCE(bio->bi_cookie,
		   BLK_INTERPOSER_HELD | partno |
			   (own ? BLK_INTERPOSER_FLUSH_OWN : 0) |
			   (complete ? BLK_INTERPOSER_FLUSH_COMPLETE : 0));
	spin_lock_irqsave(&idisk->flush_lock, irqflags);
	bio_list_add(&idisk->flush_new, bio);
	mod_delayed_work(blk_interposer_wq, &idisk->flush_work, 0);
	spin_unlock_irqrestore(&idisk->flush_lock, irqflags);
}

static void blk_interposer_close_endio(struct bio *bio)
{
	complete(bio->bi_private);
}

/**
 * blk_interposer_is_close_flush - is it the last flush of a target?
 * @bio: bio with REQ_PREFLUSH
 *
 * It takes the fan-out of the target's disk but none of its programs.
 *
 * Context: any.
 * Return: true if it is.
 */
bool blk_interposer_is_close_flush(struct bio *bio)
{
	return bio->bi_end_io == blk_interposer_close_endio;
}

/**
 * blk_interposer_flush_target - flush a target before it is closed
 * @target: target without bios in flight
 *
 * Context: process context, sleeps until the flush has ended.
 * Return: status of the flush; 0 if the target was clean.
 */
blk_status_t blk_interposer_flush_target(struct blk_interposer_target *target)
{
	DECLARE_COMPLETION_ONSTACK(done);
	blk_status_t status;
	struct bio bio;

	if (!blk_interposer_flush_begin(target))
		return BLK_STS_OK;
	if (blk_interposer_target_gone(target))
		return BLK_STS_IOERR;
	bio_init(&bio, bdev_whole(target->bdev), NULL, 0,
		 REQ_OP_WRITE | REQ_PREFLUSH | REQ_SYNC);
	bio.bi_private = &done;
	bio.bi_end_io = blk_interposer_close_endio;
	submit_bio(&bio);
	wait_for_completion_io(&done);
	status = bio.bi_status;
	bio_uninit(&bio);
	blk_interposer_flush_finish(target, status);
	return status;
}

static void blk_interposer_reserve_exit(struct blk_interposer_reserve *reserve)
{
	destroy_workqueue(reserve->wq);
	bioset_exit(&reserve->bios);
	mempool_exit(&reserve->works);
}

static int blk_interposer_reserve_init(struct blk_interposer_reserve *reserve,
				       struct gendisk *disk)
{
	reserve->wq = alloc_workqueue("blki-%.26s",
				      WQ_MEM_RECLAIM | WQ_UNBOUND, 0,
				      disk->disk_name);
	if (!reserve->wq)
		return -ENOMEM;
	if (mempool_init_kmalloc_pool(&reserve->works,
				      BLK_INTERPOSER_FLUSH_POOL,
				      sizeof(struct blk_interposer_flush)))
		goto out_wq;
	if (bioset_init(&reserve->bios, BLK_INTERPOSER_FLUSH_POOL,
			offsetof(struct blk_interposer_flush_bio, bio), 0))
		goto out_works;
	return 0;

out_works:
	mempool_exit(&reserve->works);
out_wq:
	destroy_workqueue(reserve->wq);
	return -ENOMEM;
}

/**
 * blk_interposer_flush_init - what a disk needs to flush its targets
 * @idisk: of the disk
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int blk_interposer_flush_init(struct blk_interposer_disk *idisk)
{
	int ret;

	ret = blk_interposer_reserve_init(&idisk->reserves[0], idisk->disk);
	if (ret)
		return ret;
	ret = blk_interposer_reserve_init(&idisk->reserves[1], idisk->disk);
	if (ret) {
		blk_interposer_reserve_exit(&idisk->reserves[0]);
		return ret;
	}
	spin_lock_init(&idisk->flush_lock);
	bio_list_init(&idisk->flush_new);
	INIT_DELAYED_WORK(&idisk->flush_work, blk_interposer_flush_work);
	return 0;
}

/**
 * blk_interposer_flush_exit - undo blk_interposer_flush_init()
 * @idisk: of a disk without bios
 *
 * Waits for the work that bios have left, which looks for others before it ends.
 *
 * Context: may sleep; takes idisk->lock in that work.
 */
void blk_interposer_flush_exit(struct blk_interposer_disk *idisk)
{
	drain_workqueue(idisk->reserves[0].wq);
	drain_workqueue(idisk->reserves[1].wq);
	cancel_delayed_work_sync(&idisk->flush_work);
	blk_interposer_reserve_exit(&idisk->reserves[1]);
	blk_interposer_reserve_exit(&idisk->reserves[0]);
}
