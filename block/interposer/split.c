// SPDX-License-Identifier: GPL-2.0
/*
 * blk_interposer: splitting a bio of which a program accepted a part.
 *
 * The first part is a clone from the bioset of the disk, chained to the bio,
 * which keeps the rest. The bioset has a rescuer, because parts split off
 * earlier may wait on current->bio_list for the caller to return.
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
 * blk_interposer_split - split off what was accepted
 * @idisk: of the disk of the bio
 * @bio: becomes the rest
 * @d: decision about the first nr_sectors
 * @reason: enum bpf_bio_refusal if it failed
 * @status: to complete the bio with then
 *
 * Context: process context, may sleep unless the bio is REQ_NOWAIT.
 * Return: the first part, chained to @bio; NULL on failure.
 */
struct bio *blk_interposer_split(struct blk_interposer_disk *idisk,
				 struct bio *bio,
				 const struct blk_interposer_decision *d,
				 int *reason, blk_status_t *status)
{
	gfp_t gfp = bio->bi_opf & REQ_NOWAIT ? GFP_NOWAIT : GFP_NOIO;
	struct bio *front;

	if (!blk_interposer_split_aligned(d)) {
		*reason = BPF_BIO_REFUSED_PARTIAL;
		*status = BLK_STS_INVAL;
		return NULL;
	}
	front = bio_split(bio, d->nr_sectors, gfp, &idisk->split);
	if (!front) {
		bool nowait = bio->bi_opf & REQ_NOWAIT;

		*reason = nowait ? BPF_BIO_REFUSED_NOWAIT :
				   BPF_BIO_REFUSED_NOMEM;
		*status = nowait ? BLK_STS_AGAIN : BLK_STS_RESOURCE;
		return NULL;
	}
	/* Nobody could poll for one part and then for the other. */
	bio_clear_polled(front);
	bio_clear_polled(bio);
	bio_chain(front, bio);
	blk_interposer_count_part(front, bio);
	return front;
}
