// SPDX-License-Identifier: GPL-2.0
/*
 * blk_interposer: can a bio go to another place?
 *
 * Whoever built the bio has looked at the limits of the device it was built
 * for; drivers take it for granted that somebody did. What
 * submit_bio_noacct() does not check, or would check against the partition
 * that bi_bdev still names when the sector is already one of the disk, is
 * checked here, before anything of the bio is changed.
 */
#include <linux/blk-crypto.h>
#include <linux/blk-integrity.h>
#include <linux/memremap.h>
#include "../blk.h"
#include "../blk-crypto-internal.h"
#include "interposer.h"

static int blk_interposer_no(enum bpf_bio_refusal reason, blk_status_t status,
			     blk_status_t *why)
{
	*why = status;
	return reason;
}

/*
 * What an atomic write may be is a matter of its length, and of its sector on
 * the disk: generic_atomic_write_valid() wants it aligned to its length, so
 * that it crosses no boundary within which the disk is atomic.
 */
static int blk_interposer_check_atomic(struct bio *bio, struct block_device *to,
				       u64 sector, blk_status_t *status)
{
	struct request_queue *q = bdev_get_queue(to);
	u32 bytes = bio->bi_iter.bi_size;

	if (!bdev_can_atomic_write(to))
		return blk_interposer_no(BPF_BIO_REFUSED_OP, BLK_STS_NOTSUPP,
					 status);
	if (bytes < queue_atomic_write_unit_min_bytes(q) ||
	    bytes > queue_atomic_write_unit_max_bytes(q) ||
	    !is_power_of_2(bytes) ||
	    !IS_ALIGNED(to->bd_start_sect + sector, bytes >> SECTOR_SHIFT))
		return blk_interposer_no(BPF_BIO_REFUSED_ALIGN, BLK_STS_INVAL,
					 status);
	return -1;
}

/*
 * An append returns the sector it wrote, which would be one of the other
 * place. The other operations are for one whole zone, or for all.
 */
static int blk_interposer_check_zones(struct bio *bio,
				      struct block_device *from,
				      struct block_device *to, u64 sector,
				      blk_status_t *status)
{
	bool aligned = true;

	switch (bio_op(bio)) {
	case REQ_OP_ZONE_RESET:
	case REQ_OP_ZONE_OPEN:
	case REQ_OP_ZONE_CLOSE:
	case REQ_OP_ZONE_FINISH:
		aligned = sector < bdev_nr_sectors(to) &&
			  bdev_is_zone_start(to, sector);
		break;
	case REQ_OP_ZONE_RESET_ALL:
		aligned = !sector;
		break;
	case REQ_OP_ZONE_APPEND:
		return blk_interposer_no(BPF_BIO_REFUSED_OP, BLK_STS_NOTSUPP,
					 status);
	default:
		return -1;
	}
	if (bdev_zone_sectors(to) != bdev_zone_sectors(from))
		return blk_interposer_no(BPF_BIO_REFUSED_OP, BLK_STS_NOTSUPP,
					 status);
	if (!aligned)
		return blk_interposer_no(BPF_BIO_REFUSED_ALIGN, BLK_STS_INVAL,
					 status);
	return -1;
}

#ifdef CONFIG_BLK_DEV_INTEGRITY
/*
 * The tags stay as they are: the seed of the bio says which sectors they were
 * made for, and t10_pi_type1_prepare() and its like put those of the place in
 * where the bio has ended up. That takes a device that makes of the tags what
 * the other does, see queue_limits_stack_integrity().
 */
static bool blk_interposer_same_tags(struct bio *bio, struct block_device *from,
				     struct block_device *to)
{
	const struct blk_integrity *a = &bdev_get_queue(from)->limits.integrity;
	const struct blk_integrity *b = &bdev_get_queue(to)->limits.integrity;

	return b->tuple_size && a->tuple_size == b->tuple_size &&
	       a->csum_type == b->csum_type &&
	       a->interval_exp == b->interval_exp &&
	       a->tag_size == b->tag_size && a->pi_offset == b->pi_offset &&
	       !((a->flags ^ b->flags) & BLK_INTEGRITY_REF_TAG) &&
	       bio_integrity(bio)->bip_vcnt <=
		       queue_max_integrity_segments(bdev_get_queue(to));
}

static int blk_interposer_check_tags(struct bio *bio, struct block_device *from,
				     struct block_device *to, u64 sector,
				     blk_status_t *status)
{
	u32 interval;

	if (!blk_interposer_same_tags(bio, from, to))
		return blk_interposer_no(BPF_BIO_REFUSED_OP, BLK_STS_NOTSUPP,
					 status);
	interval = 1U << bdev_get_queue(to)->limits.integrity.interval_exp;
	if (sector & ((interval >> SECTOR_SHIFT) - 1))
		return blk_interposer_no(BPF_BIO_REFUSED_ALIGN, BLK_STS_INVAL,
					 status);
	return -1;
}
#else
static int blk_interposer_check_tags(struct bio *bio, struct block_device *from,
				     struct block_device *to, u64 sector,
				     blk_status_t *status)
{
	return -1;
}
#endif

#ifdef CONFIG_BLK_INLINE_ENCRYPTION
/*
 * The data unit number is in the bio and does not follow the sector. On its
 * own device the bio stays what it was. Another one has to have the hardware: the
 * key was not made known to the fallback there (blk_crypto_start_using_key()),
 * which also ends what it has read twice. It has to be the same hardware: the
 * owner of the key has it evicted from its own devices only
 * (blk_crypto_evict_key()), and a keyslot elsewhere would go on pointing to it.
 */
static bool blk_interposer_can_encrypt(struct bio *bio,
				       struct block_device *from,
				       struct block_device *to)
{
	return bdev_get_queue(to)->crypto_profile ==
		       bdev_get_queue(from)->crypto_profile &&
	       blk_crypto_config_supported_natively(to,
						    &bio->bi_crypt_context->bc_key->crypto_cfg);
}
#else
static bool blk_interposer_can_encrypt(struct bio *bio,
				       struct block_device *from,
				       struct block_device *to)
{
	return true;
}
#endif

/**
 * blk_interposer_check_place - can a bio go to a sector of a device?
 * @bio: bio of the stage of @d
 * @d: verdict BPF_BIO_REMAP or BPF_BIO_REDIRECT; its sector is where to
 * @to: device that @d->sector is relative to
 * @status: to complete the bio with if it cannot
 *
 * Context: any.
 * Return: a negative value if it can, or enum bpf_bio_refusal.
 */
int blk_interposer_check_place(struct bio *bio,
			       const struct blk_interposer_decision *d,
			       struct block_device *to, blk_status_t *status)
{
	u32 block = bdev_logical_block_size(to) >> SECTOR_SHIFT;
	struct block_device *from = d->bdev;
	u32 nr_sectors = bio_sectors(bio);
	u64 size = bdev_nr_sectors(to);
	int reason;

	if (nr_sectors > size || d->sector > size - nr_sectors)
		return blk_interposer_no(BPF_BIO_REFUSED_SECTOR, BLK_STS_IOERR,
					 status);
	if (op_is_write(bio->bi_opf) && bdev_read_only(to))
		return blk_interposer_no(BPF_BIO_REFUSED_RDONLY, BLK_STS_IOERR,
					 status);
	if ((d->sector | nr_sectors) & (block - 1))
		return blk_interposer_no(BPF_BIO_REFUSED_ALIGN, BLK_STS_INVAL,
					 status);
	if (unlikely(bdev_is_zoned(from))) {
		reason = blk_interposer_check_zones(bio, from, to, d->sector,
						    status);
		if (reason >= 0)
			return reason;
	}
	if (unlikely(bio->bi_opf & REQ_ATOMIC)) {
		reason = blk_interposer_check_atomic(bio, to, d->sector,
						     status);
		if (reason >= 0)
			return reason;
	}
	if (unlikely(bio_integrity(bio))) {
		reason = blk_interposer_check_tags(bio, from, to, d->sector,
						   status);
		if (reason >= 0)
			return reason;
	}
	if (unlikely(bio_has_crypt_ctx(bio)) &&
	    d->verdict == BPF_BIO_REDIRECT &&
	    !blk_interposer_can_encrypt(bio, from, to))
		return blk_interposer_no(BPF_BIO_REFUSED_OP, BLK_STS_NOTSUPP,
					 status);
	return -1;
}

/**
 * blk_interposer_dma_aligned - are the pages of a bio aligned for a device?
 * @bio: the bio
 * @from: device it was built for
 * @to: device it shall go to
 *
 * Only a device with a coarser alignment makes us look at the pages.
 *
 * Context: any.
 * Return: true if they are.
 */
bool blk_interposer_dma_aligned(struct bio *bio, struct block_device *from,
				struct block_device *to)
{
	unsigned int mask = bdev_dma_alignment(to);
	struct bvec_iter iter;
	struct bio_vec bv;

	if (likely(!(mask & ~bdev_dma_alignment(from))) || !bio_has_data(bio))
		return true;
	bio_for_each_bvec(bv, bio, iter)
		if ((bv.bv_offset | bv.bv_len) & mask)
			return false;
	return true;
}

/**
 * blk_interposer_can_reach - can a device get at the pages of a bio?
 * @bio: the bio
 * @from: device it was built for
 * @to: device it shall go to
 *
 * Memory of a PCI device is mapped into a bio only for a queue that can do DMA
 * between peers (blk_queue_pci_p2pdma() in bio_iov_iter_get_pages()).
 *
 * Context: any.
 * Return: true if it can.
 */
bool blk_interposer_can_reach(struct bio *bio, struct block_device *from,
			      struct block_device *to)
{
	struct bvec_iter iter;
	struct bio_vec bv;

	if (likely(!blk_queue_pci_p2pdma(bdev_get_queue(from)) ||
		   blk_queue_pci_p2pdma(bdev_get_queue(to))) ||
	    !bio_has_data(bio))
		return true;
	bio_for_each_bvec(bv, bio, iter)
		if (is_pci_p2pdma_page(bv.bv_page))
			return false;
	return true;
}

/**
 * blk_interposer_whole_blocks - can a bio be divided at a device's blocks?
 * @bio: the bio
 * @from: device it was built for
 * @to: device it shall go to
 *
 * bio_split_rw_at() divides for the limits of a queue, and rounds down to a
 * logical block. If there is nothing left of a block, the bio stays as it is,
 * against the limits. Who builds bios for a device sees to that
 * (bdev_iter_is_aligned()): a block lies in one piece, or in two with the border
 * of their pages between them.
 *
 * Context: any.
 * Return: true if all blocks of @to in @bio do.
 */
bool blk_interposer_whole_blocks(struct bio *bio, struct block_device *from,
				 struct block_device *to)
{
	unsigned int mask = bdev_logical_block_size(to) - 1, bytes = 0, end = 0;
	struct bvec_iter iter;
	struct bio_vec bv;

	if (likely(!(mask & ~(bdev_logical_block_size(from) - 1))) ||
	    !bio_has_data(bio))
		return true;
	bio_for_each_bvec(bv, bio, iter) {
		if (bytes & mask && offset_in_page(end | bv.bv_offset))
			return false;
		bytes += bv.bv_len;
		end = bv.bv_offset + bv.bv_len;
	}
	return true;
}
