// SPDX-License-Identifier: GPL-2.0
/*
 * blk_interposer: moving a bio to another sector or to another device, in
 * place: no clone, no allocation, bi_end_io and bi_private untouched
 * (nvme_ns_head_submit_bio() is the precedent).
 *
 * After a move everything submit_bio_noacct() checks has to hold for the new
 * place, and some things it leaves to whoever built the bio: place.c.
 */
#include "../blk.h"
#include "../blk-mq.h"
#include "interposer.h"
#include <trace/events/block.h>
#include <trace/events/blk_interposer.h>

/**
 * blk_interposer_remap - move a bio to another sector of its device
 * @bio: bio of the stage of @d
 * @d: verdict BPF_BIO_REMAP
 * @status: to complete the bio with if it was refused
 *
 * Context: process context, does not sleep.
 * Return: a negative value, or enum bpf_bio_refusal; the bio is as it was
 * then.
 */
int blk_interposer_remap(struct bio *bio,
			 const struct blk_interposer_decision *d,
			 blk_status_t *status)
{
	u64 from = bio->bi_iter.bi_sector;
	int reason;

	if (d->sector == from)
		return -1;
	reason = blk_interposer_check_place(bio, d, d->bdev, status);
	if (unlikely(reason >= 0))
		return reason;
	trace_blk_interposer_remap(bio, d->bdev->bd_dev, d->prog_id,
				   d->bdev->bd_dev, d->sector);
	bio->bi_iter.bi_sector = d->sector;
	trace_block_bio_remap(bio, d->bdev->bd_dev, from);
	return -1;
}

static int blk_interposer_check_target(struct bio *bio,
				       const struct blk_interposer_decision *d,
				       blk_status_t *status)
{
	struct blk_interposer_target *target = d->inflight->target;
	struct block_device *from = d->bdev, *to = target->bdev;
	int reason;

	*status = BLK_STS_IOERR;
	if (bio->bi_interposer >> BIO_INTERPOSER_INDEX_BITS >=
	    BPF_BIO_MAX_HOPS) {
		pr_warn_ratelimited("%pg: blk_interposer: redirect to %pg is one of a loop, %u were done\n",
				    from, to, BPF_BIO_MAX_HOPS);
		return BPF_BIO_REFUSED_LOOP;
	}
	if (unlikely(blk_interposer_target_gone(target)))
		return BPF_BIO_REFUSED_TARGET_GONE;
	if (op_is_write(bio->bi_opf) && !target->writable)
		return BPF_BIO_REFUSED_RDONLY;
	reason = blk_interposer_check_place(bio, d, to, status);
	if (reason >= 0)
		return reason;
	if (!blk_interposer_dma_aligned(bio, from, to) ||
	    !blk_interposer_whole_blocks(bio, from, to)) {
		*status = BLK_STS_INVAL;
		return BPF_BIO_REFUSED_ALIGN;
	}
	*status = BLK_STS_NOTSUPP;
	if (!blk_interposer_can_reach(bio, from, to))
		return BPF_BIO_REFUSED_OP;
	if (op_is_write(bio->bi_opf) && bio_has_data(bio) &&
	    bdev_stable_writes(to) && !bdev_stable_writes(from))
		return BPF_BIO_REFUSED_STABLE;
	/*
	 * The owner of a source without a write cache never sends flushes, and
	 * neither operation can carry REQ_FUA. For zeroing it falls back to
	 * writes, which can.
	 */
	if ((bio_op(bio) == REQ_OP_WRITE_ZEROES ||
	     bio_op(bio) == REQ_OP_SECURE_ERASE) &&
	    bdev_write_cache(to) && !bdev_write_cache(from))
		return BPF_BIO_REFUSED_OP;
	if ((bio->bi_opf & REQ_NOWAIT) && !bdev_nowait(to)) {
		*status = BLK_STS_AGAIN;
		return BPF_BIO_REFUSED_NOWAIT;
	}
	return -1;
}

/* Both kinds of disk end a polled bio that they cannot poll for. */
static bool blk_interposer_can_poll(struct block_device *bdev)
{
	struct request_queue *q = bdev_get_queue(bdev);

	if (queue_is_mq(q))
		return blk_mq_can_poll(q);
	return q->limits.features & BLK_FEAT_POLL;
}

/**
 * blk_interposer_redirect - send a bio to another device
 * @bio: bio of the stage of @d
 * @d: verdict BPF_BIO_REDIRECT; the reference to its counter is taken over
 * @status: to complete the bio with if it was refused
 *
 * A bio that was redirected before changes its counter. The earlier target stays
 * open for it nevertheless: see blk_interposer_drain_onward().
 *
 * Context: process context, does not sleep.
 * Return: a negative value: bi_bdev and bi_sector are the target's, the bio is
 * to be submitted again. Otherwise enum bpf_bio_refusal; the bio is as it was.
 */
int blk_interposer_redirect(struct bio *bio,
			    const struct blk_interposer_decision *d,
			    blk_status_t *status)
{
	unsigned int hops = bio->bi_interposer >> BIO_INTERPOSER_INDEX_BITS;
	struct blk_interposer_inflight *inf = d->inflight;
	u64 from = bio->bi_iter.bi_sector;
	struct block_device *to;
	int reason;

	if (unlikely(!inf)) {
		*status = BLK_STS_IOERR;
		return BPF_BIO_REFUSED_NO_TARGET;
	}
	reason = blk_interposer_check_target(bio, d, status);
	if (unlikely(reason >= 0)) {
		percpu_ref_put(&inf->ref);
		return reason;
	}
	to = inf->target->bdev;
	trace_blk_interposer_redirect(bio, d->bdev->bd_dev, d->prog_id,
				      to->bd_dev, d->sector);
	/* It ends by interrupt then; bio_poll() finds nothing to poll for. */
	if (unlikely(bio->bi_opf & REQ_POLLED) && !blk_interposer_can_poll(to))
		bio_clear_polled(bio);
	blk_interposer_uncount(bio, d->bdev);
	if (bio_op(bio) == REQ_OP_WRITE && bio_sectors(bio) &&
	    blk_interposer_needs_fua(d->bdev, to))
		bio->bi_opf |= REQ_FUA;
	bio->bi_interposer = (hops + 1) << BIO_INTERPOSER_INDEX_BITS |
			     inf->index;
	bio_set_dev(bio, to);
	bio->bi_iter.bi_sector = d->sector;
	trace_block_bio_remap(bio, d->bdev->bd_dev, from);
	return -1;
}
