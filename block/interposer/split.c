// SPDX-License-Identifier: GPL-2.0
/*
 * blk_interposer: splitting a bio of which a program accepted a part.
 *
 * The first part is a clone from the bioset of the disk, chained to the bio,
 * which keeps the rest. The bioset has a rescuer, because parts split off
 * earlier may wait on current->bio_list for the caller to return.
 *
 * Parts in a row that pass as they are stay together: they are asked about one
 * after the other, and become one part when something else comes behind them. If
 * nothing does, the bio passes whole.
 */
#include <linux/blk-crypto.h>
#include <linux/blk-integrity.h>
#include "../blk.h"
#include "../blk-crypto-internal.h"
#include "interposer.h"

/**
 * blk_interposer_split_unit - granularity at which a bio may be split
 * @bio: the bio
 *
 * Context: any.
 * Return: sectors, a power of two: the logical block size, or more where
 * integrity intervals or data units are larger; 0 if the bio cannot be split.
 */
u32 blk_interposer_split_unit(struct bio *bio)
{
	u32 bytes = bdev_logical_block_size(bio->bi_bdev);

	switch (bio_op(bio)) {
	case REQ_OP_READ:
	case REQ_OP_WRITE:
	case REQ_OP_DISCARD:
	case REQ_OP_SECURE_ERASE:
	case REQ_OP_WRITE_ZEROES:
		break;
	default:
		return 0;
	}
	if (!bio_sectors(bio) || (bio->bi_opf & REQ_ATOMIC))
		return 0;
#ifdef CONFIG_BLK_DEV_INTEGRITY
	if (bio_integrity(bio)) {
		struct blk_integrity *bi = bdev_get_integrity(bio->bi_bdev);

		if (bi)
			bytes = max(bytes, 1U << bi->interval_exp);
	}
#endif
#ifdef CONFIG_BLK_INLINE_ENCRYPTION
	if (bio_has_crypt_ctx(bio))
		bytes = max(bytes,
			    bio->bi_crypt_context->bc_key->crypto_cfg.data_unit_size);
#endif
	return bytes >> SECTOR_SHIFT;
}

/**
 * blk_interposer_fits - is a length one of whole blocks of a target?
 * @target: redirect target
 * @nr_sectors: length in sectors
 *
 * Context: any; the target must not go away.
 * Return: true if it is.
 */
bool blk_interposer_fits(struct blk_interposer_target *target, u32 nr_sectors)
{
	u32 block = bdev_logical_block_size(target->bdev) >> SECTOR_SHIFT;

	return !(nr_sectors & (block - 1));
}

/* The target may have been chosen after the part was accepted. */
static bool
blk_interposer_split_aligned(const struct blk_interposer_decision *d)
{
	return !d->inflight ||
	       blk_interposer_fits(d->inflight->target, d->nr_sectors);
}

/**
 * struct blk_interposer_parts - a bio that is taken apart
 * @stage: where it is
 * @bio: what of it has not been submitted; while it is asked about, without
 *	what is in @kept
 * @kept: the decision about its first sectors, which pass as they are; none if
 *	->nr_sectors is 0. With a reference to ->counters.
 * @whole: bi_iter of @bio with those
 * @plug: so that the driver gets one request for parts that stay together
 * @plugged: @plug was started, as there is a part
 * @settled: @action is what is to be done about @bio in the end
 * @action: see there
 */
struct blk_interposer_parts {
	const struct blk_interposer_stage *stage;
	struct bio *bio;
	struct blk_interposer_decision kept;
	struct bvec_iter whole;
	struct blk_plug plug;
	bool plugged;
	bool settled;
	enum blk_interposer_action action;
};

static void blk_interposer_hold(const struct blk_interposer_decision *d)
{
	if (d->counters)
		refcount_inc(&d->counters->refs);
}

static void blk_interposer_let_go(const struct blk_interposer_decision *d)
{
	if (d->counters)
		blk_interposer_counters_put(d->counters);
}

/* Split off what was accepted. NULL: it could not be, the bio was completed. */
static struct bio *blk_interposer_split(struct blk_interposer_parts *p,
					const struct blk_interposer_decision *d)
{
	struct bio *bio = p->bio, *front;
	bool nowait = bio->bi_opf & REQ_NOWAIT;
	blk_status_t status;
	int reason;

	if (!blk_interposer_split_aligned(d)) {
		reason = BPF_BIO_REFUSED_PARTIAL;
		status = BLK_STS_INVAL;
		goto refused;
	}
	front = bio_split(bio, d->nr_sectors, nowait ? GFP_NOWAIT : GFP_NOIO,
			  &p->stage->idisk->split);
	if (!front) {
		reason = nowait ? BPF_BIO_REFUSED_NOWAIT :
				  BPF_BIO_REFUSED_NOMEM;
		status = nowait ? BLK_STS_AGAIN : BLK_STS_RESOURCE;
		goto refused;
	}
	/* Nobody could poll for one part and then for the other. */
	bio_clear_polled(front);
	bio_clear_polled(bio);
	bio_chain(front, bio);
	blk_interposer_count_part(front, bio);
	return front;
refused:
	blk_interposer_refuse(d, bio, reason);
	if (d->inflight)
		percpu_ref_put(&d->inflight->ref);
	p->action = blk_interposer_complete(bio, status);
	p->settled = true;
	return NULL;
}

/*
 * The part that was accepted goes its way; @p->bio becomes the rest.
 *
 * Return: false if the bio could not be split; it was completed.
 */
static bool blk_interposer_submit_part(struct blk_interposer_parts *p,
				       const struct blk_interposer_decision *d)
{
	blk_status_t status = BLK_STS_IOERR;
	struct bio *front;
	int ret;

	if (!p->plugged)
		blk_start_plug(&p->plug);
	p->plugged = true;
	front = blk_interposer_split(p, d);
	if (!front)
		return false;
	bio_set_interposed(front);
	ret = blk_interposer_act(d, front, &status);
	if (blk_interposer_settle(p->stage, front, ret, status) !=
	    BLK_INTERPOSER_CONSUMED)
		submit_bio_noacct(front);
	return true;
}

static bool blk_interposer_stays(const struct blk_interposer_decision *d,
				 struct bio *bio)
{
	return d->verdict == BPF_BIO_PASS && d->ioprio == bio->bi_ioprio &&
	       d->write_hint == (__force u8)bio->bi_write_hint;
}

static void blk_interposer_keep(struct blk_interposer_parts *p,
				const struct blk_interposer_decision *d)
{
	struct bio *bio = p->bio;

	if (p->kept.nr_sectors) {
		p->kept.nr_sectors += d->nr_sectors;
	} else {
		p->kept = *d;
		blk_interposer_hold(&p->kept);
		p->whole = bio->bi_iter;
	}
	/* Not bio_advance(): contexts stay at the beginning, as it will, too. */
	if (d->partial)
		bio_advance_iter(bio, &bio->bi_iter,
				 d->nr_sectors << SECTOR_SHIFT);
}

/* What follows does not stay with what was kept. */
static bool blk_interposer_submit_kept(struct blk_interposer_parts *p)
{
	bool good;

	if (!p->kept.nr_sectors)
		return true;
	p->bio->bi_iter = p->whole;
	good = blk_interposer_submit_part(p, &p->kept);
	blk_interposer_let_go(&p->kept);
	p->kept.nr_sectors = 0;
	return good;
}

/*
 * Do what was decided about the next part.
 *
 * Return: false if there is nothing left to be asked about.
 */
static bool blk_interposer_next_part(struct blk_interposer_parts *p,
				     const struct blk_interposer_decision *d)
{
	blk_status_t status = BLK_STS_IOERR;
	int ret;

	if (blk_interposer_stays(d, p->bio)) {
		blk_interposer_keep(p, d);
		return d->partial;
	}
	if (!blk_interposer_submit_kept(p)) {
		if (d->inflight)
			percpu_ref_put(&d->inflight->ref);
		return false;
	}
	if (d->partial)
		return blk_interposer_submit_part(p, d);
	bio_set_interposed(p->bio);
	ret = blk_interposer_act(d, p->bio, &status);
	p->action = blk_interposer_settle(p->stage, p->bio, ret, status);
	p->settled = true;
	return false;
}

/**
 * blk_interposer_submit_parts - a bio of which the first part was decided about
 * @stage: where the bio is
 * @d: the decision, with the RCU section that it is valid in; used for others
 * @bio: the bio
 *
 * The rest is asked about in a loop: submit_bio_noacct() for it would recurse,
 * once for each sector if the programs want it so.
 *
 * Context: process context, may sleep unless the bio is REQ_NOWAIT.
 * Return: as blk_interposer_submit(); CONSUMED if there is more than one part.
 */
enum blk_interposer_action
blk_interposer_submit_parts(const struct blk_interposer_stage *stage,
			    struct blk_interposer_decision *d, struct bio *bio)
	__releases(RCU)
{
	struct blk_interposer_parts p __uninitialized;
	bool more;

	p.stage = stage;
	p.bio = bio;
	p.kept.nr_sectors = 0;
	p.plugged = false;
	p.settled = false;
	for (;;) {
		blk_interposer_hold(d);
		rcu_read_unlock();
		more = blk_interposer_next_part(&p, d);
		blk_interposer_let_go(d);
		if (!more)
			break;
		cond_resched();
		if (!blk_interposer_ask(stage, bio, d)) {
			rcu_read_unlock();
			break;
		}
	}
	if (!p.settled) {
		/* Nobody wants anything of what is left. */
		if (p.kept.nr_sectors) {
			bio->bi_iter = p.whole;
			blk_interposer_let_go(&p.kept);
		}
		bio_set_interposed(bio);
		p.action = blk_interposer_settle(stage, bio,
						 BLK_INTERPOSER_CONTINUE,
						 BLK_STS_OK);
	}
	if (!p.plugged)
		return p.action;
	/* The bio has its mark, as the parts have; the plug is ours. */
	if (p.action != BLK_INTERPOSER_CONSUMED)
		submit_bio_noacct(bio);
	blk_finish_plug(&p.plug);
	return BLK_INTERPOSER_CONSUMED;
}
