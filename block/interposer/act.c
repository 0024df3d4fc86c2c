// SPDX-License-Identifier: GPL-2.0
/*
 * blk_interposer: carrying out what the programs of a device have decided
 * about a bio, up to its completion or its flush.
 */
#include <linux/blk-integrity.h>
#include "../blk.h"
#include "interposer.h"
#include <trace/events/blk_interposer.h>

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

/**
 * blk_interposer_act - carry out a decision, up to the bio's completion
 * @d: the decision
 * @bio: bio that has exactly the length decided about
 * @status: to complete it with
 *
 * Completing it is for blk_interposer_settle(): the decision is valid in the
 * RCU section of the run, and bi_end_io() may sleep in there.
 *
 * Context: process context, does not sleep; @d->counters must not go away.
 * Return: enum blk_interposer_action, or BLK_INTERPOSER_COMPLETE.
 */
int blk_interposer_act(const struct blk_interposer_decision *d,
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

/**
 * blk_interposer_settle - what may sleep or take long in the end
 * @stage: where the bio is
 * @bio: the bio
 * @action: what blk_interposer_act() returned
 * @status: what that said
 *
 * A flush of the source flushes what was redirected, too. On its way through a
 * partition it flushes what that one's programs redirected, as long as the disk's
 * stage is still to come; there, what the disk's did.
 *
 * Context: process context, may sleep.
 * Return: as blk_interposer_submit().
 */
enum blk_interposer_action
blk_interposer_settle(const struct blk_interposer_stage *stage, struct bio *bio,
		      int action, blk_status_t status)
{
	u8 partno = stage->disk ? 0 : stage->partno;
	bool own = stage->disk && stage->partno;

	if (unlikely(action == BLK_INTERPOSER_COMPLETE)) {
		if (status)
			return blk_interposer_complete(bio, status);
		if (bio_op(bio) == REQ_OP_READ)
			zero_fill_bio(bio);
		if (!op_is_flush(bio->bi_opf))
			return blk_interposer_complete(bio, BLK_STS_OK);
		blk_interposer_flush(stage->idisk, partno, own, bio, true);
		return BLK_INTERPOSER_CONSUMED;
	}
	if (likely(!(bio->bi_opf & REQ_PREFLUSH)))
		return action;
	if (action == BLK_INTERPOSER_CONTINUE) {
		own = stage->partno;
		if (!blk_interposer_flush_needed(stage->idisk, partno, own))
			return action;
	}
	blk_interposer_flush(stage->idisk, partno, own, bio, false);
	return BLK_INTERPOSER_CONSUMED;
}
