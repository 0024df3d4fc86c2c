// SPDX-License-Identifier: GPL-2.0
/*
 * blk_interposer: running the programs of a device for a bio and carrying out
 * what they decide. This is the hot path.
 *
 * A bio has two stages here. As long as it names a partition and is not
 * BIO_REMAPPED it meets the partition's programs, with sectors relative to
 * the partition; afterwards, or if it names a whole disk, it meets the disk's.
 * BIO_INTERPOSED says that the stage the bio is in is over, so that what comes
 * back to submit_bio_noacct() (the rest of a bio that a driver had split, a
 * requeue) does not meet them again: an offset would be applied twice.
 */
#include <linux/blk-integrity.h>
#include <linux/filter.h>
#include <linux/ioprio.h>
#include "../blk.h"
#include "interposer.h"
#include <trace/events/blk_interposer.h>

static void blk_interposer_count(struct blk_interposer_slot *slot, u32 verdict,
				 u32 nr_sectors)
{
	struct blk_interposer_stats *stats = this_cpu_ptr(slot->stats);

	u64_stats_update_begin(&stats->syncp);
	u64_stats_inc(&stats->bios[verdict]);
	u64_stats_add(&stats->sectors[verdict], nr_sectors);
	u64_stats_update_end(&stats->syncp);
}

/* A verdict that ends the list or moves the bio: whose it is. */
static void blk_interposer_decided(struct blk_interposer_decision *d,
				   struct blk_interposer_slot *slot)
{
	d->prog_id = slot->prog->aux->id;
	d->counters = slot->counters;
}

/* What a program made of ioprio and write_hint, unless it makes no sense. */
static void blk_interposer_take_hints(struct blk_interposer_slot *slot,
				      struct bpf_bio_kern *ctx,
				      struct blk_interposer_decision *d)
{
	struct blk_interposer_decision refused;

	/* mq-deadline indexes by the class. */
	if (IOPRIO_PRIO_CLASS(ctx->uctx.ioprio) <= IOPRIO_CLASS_IDLE &&
	    ctx->uctx.write_hint <= (__force u8)WRITE_LIFE_EXTREME) {
		d->ioprio = ctx->uctx.ioprio;
		d->write_hint = ctx->uctx.write_hint;
		return;
	}
	/* Its own fault, not that of who moved the bio before. */
	refused = *d;
	blk_interposer_decided(&refused, slot);
	blk_interposer_refuse(&refused, ctx->bio, BPF_BIO_REFUSED_HINT);
	ctx->uctx.ioprio = d->ioprio;
	ctx->uctx.write_hint = d->write_hint;
}

static int blk_interposer_errno(int error)
{
	switch (error) {
	case 0:
		return -EIO;
	case -EIO:
	case -EOPNOTSUPP:
	case -ETIMEDOUT:
	case -ENOSPC:
	case -ENOLINK:
	case -EREMOTEIO:
	case -EBADE:
	case -ENODATA:
	case -EILSEQ:
	case -ENOMEM:
	case -EBUSY:
	case -ENODEV:
	case -ETIME:
	case -EINVAL:
		return error;
	default:
		return 0;
	}
}

/* An action of ours: the bio is to be completed. */
#define BLK_INTERPOSER_COMPLETE	(BLK_INTERPOSER_CONSUMED + 1)

/*
 * A flush goes to the source and to every dirty target whatever a program
 * says, unless it fails it: there is no sector to move, and a flush that was
 * swallowed would be a lie about data already acknowledged.
 */
static u32 blk_interposer_flush_verdict(u32 verdict)
{
	return verdict == BPF_BIO_FAIL ? BPF_BIO_FAIL : BPF_BIO_PASS;
}

/* The target stays open from here until the bio has ended. */
static void blk_interposer_choose(struct blk_interposer_disk *idisk,
				  struct blk_interposer_list *list,
				  struct blk_interposer_decision *d,
				  struct blk_interposer_target *target)
{
	d->inflight = target ? rcu_dereference(target->current_inflight) : NULL;
	if (!d->inflight)
		return;
	percpu_ref_get(&d->inflight->ref);
	/* In the RCU section of the run, see blk_interposer_publish(). */
	if (!test_bit(target->id, list->used))
		set_bit(target->id, list->used);
	if (!test_bit(target->id, idisk->used))
		set_bit(target->id, idisk->used);
}

/* Programs stay on their CPU: per-CPU maps and the counters rely on it. */
static void blk_interposer_run_lock(void)
{
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		migrate_disable();
	else
		preempt_disable();
}

static void blk_interposer_run_unlock(void)
{
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		migrate_enable();
	else
		preempt_enable();
}

/*
 * Run one program and take what it wrote. sector, error and the chosen target
 * start anew for each program.
 */
static u32 blk_interposer_run_one(struct blk_interposer_slot *slot,
				  struct bpf_bio_kern *ctx,
				  struct blk_interposer_decision *d)
{
	u32 verdict;

	ctx->uctx.sector = d->sector;
	ctx->uctx.error = 0;
	ctx->target = NULL;
	ctx->cookie = slot->cookie;
	verdict = bpf_prog_run(slot->prog, ctx);
	/* The verifier has checked the range: this holds if it ever misses. */
	if (unlikely(verdict >= BLK_INTERPOSER_NR_VERDICTS))
		verdict = BPF_BIO_FAIL;
	if (unlikely(ctx->uctx.op == BPF_BIO_OP_FLUSH))
		verdict = blk_interposer_flush_verdict(verdict);
	blk_interposer_count(slot, verdict, ctx->accepted);
	if (unlikely(ctx->accepted != d->nr_sectors)) {
		d->nr_sectors = ctx->accepted;
		d->partial = true;
		/* What becomes of the part is still up to who moved it. */
		if (d->verdict == BPF_BIO_PASS)
			blk_interposer_decided(d, slot);
	}
	if (unlikely(ctx->uctx.ioprio != d->ioprio ||
		     ctx->uctx.write_hint != d->write_hint))
		blk_interposer_take_hints(slot, ctx, d);
	return verdict;
}

/*
 * Run the list. ->inflight holds a reference if the verdict is REDIRECT and a
 * target was chosen.
 */
static void blk_interposer_run(struct blk_interposer_disk *idisk,
			       struct blk_interposer_list *list,
			       struct bio *bio,
			       struct blk_interposer_decision *d)
{
	struct bpf_run_ctx *old_run_ctx;
	struct bpf_bio_kern ctx;
	unsigned int i;
	u32 verdict;

	blk_interposer_fill_ctx(&ctx.uctx, bio, list->bdev);
	ctx.bio = bio;
	ctx.data = NULL;
	ctx.data_len = 0;
	ctx.block_sectors = blk_interposer_split_unit(bio);
	ctx.accepted = ctx.uctx.nr_sectors;
	*d = (struct blk_interposer_decision) {
		.bdev = list->bdev,
		.verdict = BPF_BIO_PASS,
		.sector = ctx.uctx.sector,
		.nr_sectors = ctx.uctx.nr_sectors,
		.ioprio = ctx.uctx.ioprio,
		.write_hint = ctx.uctx.write_hint,
	};
	/* No bio may ask for that: submit_bio_noacct() ends it. */
	if (unlikely(ctx.uctx.op == BPF_BIO_OP_UNSPEC))
		return;

	blk_interposer_run_lock();
	old_run_ctx = bpf_set_run_ctx(&ctx.run_ctx);
	for (i = 0; i < list->count; i++) {
		struct blk_interposer_slot *slot = &list->slots[i];

		verdict = blk_interposer_run_one(slot, &ctx, d);
		if (likely(verdict == BPF_BIO_PASS))
			continue;
		d->verdict = verdict;
		blk_interposer_decided(d, slot);
		if (verdict == BPF_BIO_REMAP || verdict == BPF_BIO_REDIRECT)
			d->sector = ctx.uctx.sector;
		if (verdict == BPF_BIO_REMAP)
			continue;
		if (verdict == BPF_BIO_REDIRECT)
			blk_interposer_choose(idisk, list, d, ctx.target);
		d->error = ctx.uctx.error;
		break;
	}
	bpf_reset_run_ctx(old_run_ctx);
	blk_interposer_run_unlock();
}

/**
 * blk_interposer_complete - end a bio that has not been submitted any further
 * @bio: the bio
 * @status: its status
 *
 * Context: any.
 * Return: BLK_INTERPOSER_CONSUMED.
 */
enum blk_interposer_action blk_interposer_complete(struct bio *bio,
						   blk_status_t status)
{
	/* It may never get as far as to have its completion traced. */
	bio_clear_interposed(bio);
	/* A part that was split off and failed has left its error already. */
	if (status)
		bio->bi_status = status;
	bio_endio(bio);
	return BLK_INTERPOSER_CONSUMED;
}

static int blk_interposer_do_fail(const struct blk_interposer_decision *d,
				  struct bio *bio, blk_status_t *status)
{
	int error = blk_interposer_errno(d->error);

	if (unlikely(!error)) {
		blk_interposer_refuse(d, bio, BPF_BIO_REFUSED_ERRNO);
		error = -EIO;
	}
	trace_blk_interposer_fail(bio, d->bdev->bd_dev, d->prog_id, error);
	*status = errno_to_blk_status(error);
	return BLK_INTERPOSER_COMPLETE;
}

static int blk_interposer_do_done(const struct blk_interposer_decision *d,
				  struct bio *bio, blk_status_t *status)
{
	/* A zone append must return the sector it wrote; PI would not match. */
	if (bio_op(bio) == REQ_OP_ZONE_APPEND ||
	    (bio_op(bio) == REQ_OP_READ && bio_integrity(bio))) {
		blk_interposer_refuse(d, bio, BPF_BIO_REFUSED_OP);
		*status = BLK_STS_NOTSUPP;
	} else {
		trace_blk_interposer_done(bio, d->bdev->bd_dev, d->prog_id, 0);
		*status = BLK_STS_OK;
	}
	return BLK_INTERPOSER_COMPLETE;
}

/*
 * Carry out a decision on a bio that has exactly the length decided about,
 * up to its completion, which is for blk_interposer_settle(): the decision is
 * valid in the RCU section of the run, and bi_end_io() may sleep in there.
 *
 * Return: enum blk_interposer_action, or BLK_INTERPOSER_COMPLETE.
 */
static int blk_interposer_act(const struct blk_interposer_decision *d,
			      struct bio *bio, blk_status_t *status)
{
	int reason = -1;

	if (d->verdict == BPF_BIO_FAIL)
		return blk_interposer_do_fail(d, bio, status);
	if (d->verdict == BPF_BIO_DONE)
		return blk_interposer_do_done(d, bio, status);
	bio->bi_ioprio = d->ioprio;
	bio->bi_write_hint = (__force enum rw_hint)d->write_hint;
	if (d->verdict == BPF_BIO_REDIRECT) {
		reason = blk_interposer_redirect(bio, d, status);
		if (reason < 0)
			return BLK_INTERPOSER_REDIRECTED;
	} else if (d->verdict == BPF_BIO_REMAP) {
		reason = blk_interposer_remap(bio, d, status);
	}
	if (likely(reason < 0))
		return BLK_INTERPOSER_CONTINUE;
	blk_interposer_refuse(d, bio, reason);
	return BLK_INTERPOSER_COMPLETE;
}

/* Where submit_bio_noacct() asks from. */
struct blk_interposer_stage {
	struct blk_interposer_disk *idisk;
	struct block_device *bdev;	/* whose programs are asked */
	bool disk;			/* that is the whole disk */
	u8 partno;			/* what the bio named */
};

/*
 * What may sleep or take long, after blk_interposer_act(). A flush of the
 * source flushes what was redirected too; on its way through a partition the
 * disk's stage is still to come, and does it for both.
 */
static enum blk_interposer_action
blk_interposer_settle(const struct blk_interposer_stage *stage, struct bio *bio,
		      int action, blk_status_t status)
{
	if (unlikely(action == BLK_INTERPOSER_COMPLETE)) {
		if (status)
			return blk_interposer_complete(bio, status);
		if (bio_op(bio) == REQ_OP_READ)
			zero_fill_bio(bio);
		if (!op_is_flush(bio->bi_opf))
			return blk_interposer_complete(bio, BLK_STS_OK);
		blk_interposer_flush(stage->idisk, stage->partno, bio, true);
		return BLK_INTERPOSER_CONSUMED;
	}
	if (likely(!(bio->bi_opf & REQ_PREFLUSH)))
		return action;
	if (action == BLK_INTERPOSER_CONTINUE &&
	    (!stage->disk ||
	     !blk_interposer_flush_needed(stage->idisk, stage->partno)))
		return action;
	blk_interposer_flush(stage->idisk, stage->partno, bio, false);
	return BLK_INTERPOSER_CONSUMED;
}

/*
 * The part that was accepted goes its way; @bio becomes the rest.
 *
 * Return: false if the bio could not be split; it was completed.
 */
static bool blk_interposer_submit_part(const struct blk_interposer_stage *stage,
				       struct blk_interposer_decision *d,
				       struct bio *bio)
{
	blk_status_t status = BLK_STS_IOERR;
	struct bio *front;
	int ret;

	front = blk_interposer_split(stage->idisk, bio, d, &ret, &status);
	if (!front) {
		blk_interposer_refuse(d, bio, ret);
		if (d->inflight)
			percpu_ref_put(&d->inflight->ref);
		blk_interposer_complete(bio, status);
		return false;
	}
	bio_set_interposed(front);
	ret = blk_interposer_act(d, front, &status);
	if (blk_interposer_settle(stage, front, ret, status) !=
	    BLK_INTERPOSER_CONSUMED)
		submit_bio_noacct(front);
	return true;
}

/**
 * __blk_interposer_submit - blk_interposer_submit() behind the gate
 * @bio: bio whose device, or its disk, has programs or dirty targets
 *
 * A bio of which only a part was accepted is split, the part is submitted and
 * the rest asked about again, in a loop: submit_bio_noacct() for the rest
 * would recurse once for each sector.
 *
 * Context: process context, may sleep.
 * Return: as blk_interposer_submit().
 */
enum blk_interposer_action __blk_interposer_submit(struct bio *bio)
{
	struct blk_interposer_stage stage;
	blk_status_t status = BLK_STS_IOERR;
	struct blk_interposer_decision d;
	struct blk_interposer_list *list;
	int action;
	bool split;

	if (bio_flagged(bio, BIO_INTERPOSED))
		return BLK_INTERPOSER_CONTINUE;
	stage.partno = bdev_partno(bio->bi_bdev);
	stage.disk = !stage.partno || bio_flagged(bio, BIO_REMAPPED);
	stage.bdev = stage.disk ? bdev_whole(bio->bi_bdev) : bio->bi_bdev;
	stage.idisk = blk_interposer_of(stage.bdev->bd_disk);

	for (;;) {
		action = BLK_INTERPOSER_CONTINUE;
		rcu_read_lock();
		list = rcu_dereference(stage.bdev->bd_interposer_list);
		if (unlikely(bio->bi_opf & REQ_PREFLUSH) &&
		    blk_interposer_is_close_flush(bio))
			list = NULL;
		if (!list) {
			rcu_read_unlock();
			break;
		}
		blk_interposer_run(stage.idisk, list, bio, &d);
		if (likely(!d.partial)) {
			bio_set_interposed(bio);
			action = blk_interposer_act(&d, bio, &status);
			rcu_read_unlock();
			break;
		}
		refcount_inc(&d.counters->refs);
		rcu_read_unlock();
		split = blk_interposer_submit_part(&stage, &d, bio);
		blk_interposer_counters_put(d.counters);
		if (!split)
			return BLK_INTERPOSER_CONSUMED;
		cond_resched();
	}
	return blk_interposer_settle(&stage, bio, action, status);
}
