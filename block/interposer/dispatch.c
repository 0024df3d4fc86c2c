// SPDX-License-Identifier: GPL-2.0
/*
 * blk_interposer: running the programs of a device for a bio.
 *
 * A bio has two stages here. As long as it names a partition and is not
 * BIO_REMAPPED it meets the partition's programs, with sectors relative to
 * the partition; afterwards, or if it names a whole disk, it meets the disk's.
 * BIO_INTERPOSED says that the stage the bio is in is over, so that what comes
 * back to submit_bio_noacct() (the rest of a bio that a driver had split, a
 * requeue) does not meet them again: an offset would be applied twice.
 *
 * The hot path is __blk_interposer_submit(): a bio that reads or writes data and
 * is let through by all programs as it is. docs/cost.md says what it costs.
 * Whatever else it is or they want is for blk_interposer_run() and act.c.
 */
#include <linux/filter.h>
#include <linux/ioprio.h>
#include "../blk.h"
#include "interposer.h"
#include "quick.h"
#include <trace/events/blk_interposer.h>

/* A verdict that ends the list or moves the bio: whose it is. */
static void blk_interposer_decided(struct blk_interposer_decision *d,
				   const struct blk_interposer_slot *slot)
{
	d->prog_id = slot->prog->aux->id;
	d->counters = slot->counters;
}

/* What a program made of ioprio and write_hint, unless it makes no sense. */
static void blk_interposer_take_hints(const struct blk_interposer_slot *slot,
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
	if (blk_interposer_is_used(list, target))
		return;
	/* In the RCU section of the run, see blk_interposer_publish(). */
	set_bit(target->id, idisk->used);
	/* Last: who finds this bit looks no further. */
	smp_mb__before_atomic();
	set_bit(target->id, list->used);
}

/* Programs stay on their CPU: per-CPU maps and the counters rely on it. */
static __always_inline void blk_interposer_run_lock(void)
{
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		migrate_disable();
	else
		preempt_disable();
}

static __always_inline void blk_interposer_run_unlock(void)
{
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		migrate_enable();
	else
		preempt_enable();
}

/* sector, error and the chosen target start anew for each program. */
static u32 blk_interposer_run_one(const struct blk_interposer_slot *slot,
				  struct bpf_bio_kern *ctx,
				  const struct blk_interposer_decision *d)
{
	ctx->uctx.sector = d->sector;
	ctx->uctx.error = 0;
	ctx->touched.any = 0;
	ctx->slot = slot;
	return bpf_prog_run(slot->prog, ctx);
}

/* What a program returned and wrote, for the bio and the programs after it. */
static u32 blk_interposer_take(const struct blk_interposer_slot *slot,
			       struct bpf_bio_kern *ctx,
			       struct blk_interposer_decision *d, u32 verdict)
{
	/* The verifier has checked the range: this holds if it ever misses. */
	if (unlikely(verdict >= BLK_INTERPOSER_NR_VERDICTS))
		verdict = BPF_BIO_FAIL;
	if (unlikely(ctx->uctx.op == BPF_BIO_OP_FLUSH))
		verdict = blk_interposer_flush_verdict(verdict);
	blk_interposer_count(slot->stats, verdict, ctx->uctx.nr_sectors);
	if (unlikely(ctx->touched.called & BPF_BIO_ACCEPTED)) {
		d->nr_sectors = ctx->uctx.nr_sectors;
		d->partial = true;
		/* What becomes of the part is still up to who moved it. */
		if (d->verdict == BPF_BIO_PASS)
			blk_interposer_decided(d, slot);
	}
	if (unlikely(ctx->touched.other) &&
	    (ctx->uctx.ioprio != d->ioprio ||
	     ctx->uctx.write_hint != d->write_hint))
		blk_interposer_take_hints(slot, ctx, d);
	return verdict;
}

/*
 * The decision of a list, of whose programs that of @slot has run and said
 * @verdict. ->inflight holds a reference if it is REDIRECT and a target was
 * chosen.
 */
static void blk_interposer_decide(struct blk_interposer_disk *idisk,
				  struct blk_interposer_list *list,
				  const struct blk_interposer_slot *slot,
				  struct bpf_bio_kern *ctx, u32 verdict,
				  struct blk_interposer_decision *d)
{
	*d = (struct blk_interposer_decision) {
		.bdev = list->bdev,
		.verdict = BPF_BIO_PASS,
		.sector = ctx->bio->bi_iter.bi_sector,
		.nr_sectors = ctx->uctx.nr_sectors,
		.ioprio = ctx->bio->bi_ioprio,
		.write_hint = (__force u8)ctx->bio->bi_write_hint,
	};
	for (;;) {
		verdict = blk_interposer_take(slot, ctx, d, verdict);
		if (verdict != BPF_BIO_PASS) {
			d->verdict = verdict;
			blk_interposer_decided(d, slot);
			if (verdict == BPF_BIO_REMAP ||
			    verdict == BPF_BIO_REDIRECT)
				d->sector = ctx->uctx.sector;
			if (verdict != BPF_BIO_REMAP)
				break;
		}
		slot++;
		if (!slot->run)
			return;
		verdict = blk_interposer_run_one(slot, ctx, d);
	}
	if (verdict == BPF_BIO_REDIRECT &&
	    ctx->touched.called & BPF_BIO_ASKED_TARGET)
		blk_interposer_choose(idisk, list, d, ctx->target);
	d->error = ctx->uctx.error;
}

/*
 * Run the list for any bio.
 *
 * Return: false if there is nothing that a program could say of it.
 */
static bool blk_interposer_run(struct blk_interposer_disk *idisk,
			       struct blk_interposer_list *list,
			       struct bio *bio,
			       struct blk_interposer_decision *d)
{
	struct bpf_bio_kern ctx = { .bio = bio, .slot = list->slots };
	struct bpf_run_ctx *outer;
	u32 verdict;

	blk_interposer_fill_ctx(&ctx.uctx, bio, list);
	/* No bio may ask for that: submit_bio_noacct() ends it. */
	if (unlikely(ctx.uctx.op == BPF_BIO_OP_UNSPEC))
		return false;

	blk_interposer_run_lock();
	outer = bpf_set_run_ctx(&ctx.run_ctx);
	verdict = bpf_prog_run(ctx.slot->prog, &ctx);
	blk_interposer_decide(idisk, list, ctx.slot, &ctx, verdict, d);
	bpf_reset_run_ctx(outer);
	blk_interposer_run_unlock();
	return true;
}

static void blk_interposer_enter(struct blk_interposer_stage *stage,
				 struct bio *bio, struct block_device *bdev)
{
	stage->bdev = bdev;
	stage->partno = bdev_partno(bio->bi_bdev);
	stage->disk = !bdev_is_partition(bdev);
	stage->idisk = blk_interposer_of(bdev->bd_disk);
}

/**
 * blk_interposer_ask - ask the programs, if there are any and the bio is for them
 * @stage: where the bio is
 * @bio: the bio
 * @d: what they decided, valid in the RCU section that begins here
 *
 * Context: process context, does not sleep.
 * Return: false if nobody was asked. The caller leaves the RCU section.
 */
bool blk_interposer_ask(const struct blk_interposer_stage *stage,
			struct bio *bio, struct blk_interposer_decision *d)
	__acquires(RCU)
{
	struct blk_interposer_list *list;

	rcu_read_lock();
	list = rcu_dereference(stage->bdev->bd_interposer_list);
	if (unlikely(bio->bi_opf & REQ_PREFLUSH) &&
	    blk_interposer_is_close_flush(bio))
		list = NULL;
	return list && blk_interposer_run(stage->idisk, list, bio, d);
}

/* Do what was decided about the whole bio. */
static enum blk_interposer_action
blk_interposer_finish(const struct blk_interposer_stage *stage,
		      struct blk_interposer_decision *d, struct bio *bio)
	__releases(RCU)
{
	blk_status_t status = BLK_STS_IOERR;
	int ret;

	bio_set_interposed(bio);
	ret = blk_interposer_act(d, bio, &status);
	rcu_read_unlock();
	return blk_interposer_settle(stage, bio, ret, status);
}

static enum blk_interposer_action
blk_interposer_carry_out(const struct blk_interposer_stage *stage,
			 struct blk_interposer_decision *d, struct bio *bio)
	__releases(RCU)
{
	if (likely(!d->partial))
		return blk_interposer_finish(stage, d, bio);
	return blk_interposer_submit_parts(stage, d, bio);
}

/* Cold, that is, out of the way of the hot path; what it calls is not. */
static noinline __cold enum blk_interposer_action
blk_interposer_submit_slow(struct bio *bio, struct block_device *bdev)
{
	struct blk_interposer_decision d __uninitialized;
	struct blk_interposer_stage stage;

	blk_interposer_enter(&stage, bio, bdev);
	if (blk_interposer_ask(&stage, bio, &d))
		return blk_interposer_carry_out(&stage, &d, bio);
	rcu_read_unlock();
	return blk_interposer_settle(&stage, bio, BLK_INTERPOSER_CONTINUE,
				     BLK_STS_OK);
}

/*
 * From the middle of the hot path: a program wants something. @state is its
 * verdict, and touched.any, which has no bit of a verdict.
 */
static noinline enum blk_interposer_action
blk_interposer_submit_decide(struct bpf_bio_kern *ctx, u32 state)
	__releases(RCU)
{
	struct blk_interposer_decision d __uninitialized;
	struct blk_interposer_list *list = ctx->slot->list;
	struct blk_interposer_stage stage __uninitialized;
	struct bio *bio = ctx->bio;

	blk_interposer_enter(&stage, bio, list->bdev);
	blk_interposer_decide(stage.idisk, list, ctx->slot, ctx,
			      state ^ ctx->touched.any, &d);
	bpf_reset_run_ctx(NULL);
	blk_interposer_run_unlock();
	return blk_interposer_carry_out(&stage, &d, bio);
}

/* The same. Not inline: bios that pass would pay for the registers it uses. */
static noinline enum blk_interposer_action
blk_interposer_submit_redirect(struct bpf_bio_kern *ctx)
	__releases(RCU)
{
	if (unlikely(!blk_interposer_quick_redirect(ctx)))
		return blk_interposer_submit_decide(ctx, ctx->touched.any |
							 BPF_BIO_REDIRECT);
	current->bpf_ctx = NULL;
	blk_interposer_run_unlock();
	rcu_read_unlock();
	return BLK_INTERPOSER_REDIRECTED;
}

/*
 * The hot path, of a whole disk (@partno is 0) or a partition's bio.
 * @bdev: whose programs are asked
 */
static __always_inline enum blk_interposer_action
blk_interposer_submit_to(struct bio *bio, struct block_device *bdev, u8 partno)
{
	struct bpf_bio_kern ctx __uninitialized;
	const struct blk_interposer_slot *slot;
	enum blk_interposer_action action = BLK_INTERPOSER_CONTINUE;
	struct blk_interposer_list *list;
	u64 nr_sectors;
	u32 state;

	/* Or a verdict and what was touched would not be apart. */
	BUILD_BUG_ON(((union bpf_bio_touched){ .verdict = 0xff }).any != 0xff);
	blk_interposer_fill_partno(&ctx.uctx, partno);
	/* What uses a run context and waits for I/O would lose it below. */
	if (unlikely(!blk_interposer_fill_plain(&ctx.uctx, bio) ||
		     current->bpf_ctx) ||
	    static_branch_unlikely(&bpf_stats_enabled_key))
		return blk_interposer_submit_slow(bio, bdev);

	rcu_read_lock();
	list = rcu_dereference(bdev->bd_interposer_list);
	if (unlikely(!list)) {
		rcu_read_unlock();
		goto out;
	}
	ctx.bio = bio;
	nr_sectors = ctx.uctx.nr_sectors;
	blk_interposer_run_lock();
	cant_migrate();
	current->bpf_ctx = &ctx.run_ctx;
	slot = list->slots;
	do {
		ctx.slot = slot;
		state = bpf_dispatcher_nop_func(&ctx, slot->insns, slot->run);
		state |= ctx.touched.any;
		if (unlikely(state)) {
			if (state == (BLK_INTERPOSER_MOVED | BPF_BIO_REMAP) &&
			    blk_interposer_quick_remap(&ctx, slot, nr_sectors))
				break;
			if ((state & ~BLK_INTERPOSER_MOVED) ==
			    (BLK_INTERPOSER_ASKED | BPF_BIO_REDIRECT))
				return blk_interposer_submit_redirect(&ctx);
			return blk_interposer_submit_decide(&ctx, state);
		}
		blk_interposer_count(slot->stats, BPF_BIO_PASS, nr_sectors);
		slot++;
	} while (unlikely(slot->run));
	current->bpf_ctx = NULL;
	blk_interposer_run_unlock();
	rcu_read_unlock();
	/* From memory: a register for it would have to be saved. */
	bio_set_interposed(ctx.bio);
out:
	/* Or the compiler keeps a 0 it has seen before, in one more register. */
	OPTIMIZER_HIDE_VAR(action);
	return action;
}

/* Not inline: bios of whole disks would pay for it. */
static noinline enum blk_interposer_action
blk_interposer_submit_part(struct bio *bio, struct block_device *bdev)
{
	u8 partno = bdev_partno(bdev);

	if (bio_flagged(bio, BIO_REMAPPED))
		bdev = bdev_whole(bdev);
	return blk_interposer_submit_to(bio, bdev, partno);
}

/**
 * __blk_interposer_submit - blk_interposer_submit() behind the gate
 * @bio: bio whose device, or its disk, has programs or dirty targets, or is a
 *	lower device
 * @bdev: bi_bdev of @bio
 *
 * Context: process context, may sleep.
 * Return: as blk_interposer_submit().
 */
enum blk_interposer_action __blk_interposer_submit(struct bio *bio,
						   struct block_device *bdev)
{
	u32 flags;

	/* One of a lower device has no mark, or finds its way there. */
	if (bio_flagged(bio, BIO_INTERPOSED))
		return BLK_INTERPOSER_CONTINUE;
	flags = atomic_read(&bdev->__bd_flags);
	if (unlikely(flags & (BD_PARTNO | BD_LOWER))) {
		if (flags & BD_LOWER)
			return blk_interposer_to_original(bio, bdev);
		return blk_interposer_submit_part(bio, bdev);
	}
	return blk_interposer_submit_to(bio, bdev, 0);
}
