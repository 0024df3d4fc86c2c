/* SPDX-License-Identifier: GPL-2.0 */
/*
 * blk_interposer: the parts of the hot path, __blk_interposer_submit(), most of
 * which are worth being done twice: once in general elsewhere, once here for what
 * nearly all bios are, data to be read or written, without anything special.
 * docs/cost.md says what that saves.
 */
#ifndef BLK_INTERPOSER_QUICK_H
#define BLK_INTERPOSER_QUICK_H

#include <linux/blk-crypto.h>
#include <linux/unaligned.h>
#include "../blk-cgroup.h"
#include "../blk-crypto-internal.h"
#include "interposer.h"
#include <trace/events/block.h>
#include <trace/events/blk_interposer.h>

/* States of a run: the sector was written, a target was asked for. */
#define BLK_INTERPOSER_MOVED	(((union bpf_bio_touched){ .sector = 1 }).any)
#define BLK_INTERPOSER_ASKED						\
	(((union bpf_bio_touched){ .called = BPF_BIO_ASKED_TARGET }).any)

static __always_inline void
blk_interposer_count(struct blk_interposer_stats __percpu *stats, u32 verdict,
		     u32 nr_sectors)
{
#if BITS_PER_LONG == 64
	this_cpu_inc(stats->bios[verdict]);
	this_cpu_add(stats->sectors[verdict], nr_sectors);
#else
	struct blk_interposer_stats *mine = this_cpu_ptr(stats);

	u64_stats_update_begin(&mine->syncp);
	mine->bios[verdict]++;
	mine->sectors[verdict] += nr_sectors;
	u64_stats_update_end(&mine->syncp);
#endif
}

/*
 * Fields of the context with two stores where bytes lie as they have to: error
 * is behind partno; ioprio and write_hint stand in a bio as they do here, and
 * behind them are reserved bytes and bpf_bio_kern.touched.
 */
static __always_inline void blk_interposer_fill_partno(struct bpf_bio *ctx,
						       u8 partno)
{
	BUILD_BUG_ON(offsetof(struct bpf_bio, error) !=
		     offsetof(struct bpf_bio, partno) + 4);
#ifdef __LITTLE_ENDIAN
	*(u64 *)&ctx->partno = partno;
#else
	ctx->partno = partno;
	ctx->error = 0;
#endif
}

static __always_inline void blk_interposer_fill_hints(struct bpf_bio *ctx,
						      const struct bio *bio)
{
#ifdef __LITTLE_ENDIAN
	BUILD_BUG_ON(offsetof(struct bio, bi_write_hint) !=
			     offsetof(struct bio, bi_ioprio) + 2 ||
		     offsetof(struct bpf_bio, write_hint) !=
			     offsetof(struct bpf_bio, ioprio) + 2 ||
		     offsetof(struct bpf_bio, ioprio) + 8 != sizeof(*ctx));
	*(u64 *)&ctx->ioprio =
		get_unaligned((const u32 *)&bio->bi_ioprio) & 0xffffff;
#else
	ctx->ioprio = bio->bi_ioprio;
	ctx->write_hint = (__force u8)bio->bi_write_hint;
	memset(ctx->reserved, 0, sizeof(ctx->reserved));
#endif
}

/*
 * What blk_interposer_fill_ctx() makes of a bio that reads or writes data and
 * has no other flags than these, but for what blk_interposer_fill_partno()
 * has done before.
 */
static __always_inline bool blk_interposer_fill_plain(struct bpf_bio *ctx,
						      struct bio *bio)
{
	const blk_opf_t plain = REQ_SYNC | REQ_META | REQ_PRIO | REQ_NOMERGE |
				REQ_IDLE | REQ_FUA | REQ_RAHEAD |
				REQ_BACKGROUND | REQ_NOWAIT | REQ_POLLED |
				REQ_ALLOC_CACHE | REQ_SWAP;
	blk_opf_t opf = bio->bi_opf;

	BUILD_BUG_ON((__force u32)REQ_OP_READ || (__force u32)REQ_OP_WRITE != 1);
	BUILD_BUG_ON(BPF_BIO_OP_WRITE - BPF_BIO_OP_READ != 1);
	if (unlikely(opf & ~(REQ_OP_WRITE | plain) || bio_has_crypt_ctx(bio)))
		return false;
	ctx->nr_sectors = bio_sectors(bio);
	if (unlikely(!ctx->nr_sectors))
		return false;
	ctx->sector = bio->bi_iter.bi_sector;
	ctx->op = BPF_BIO_OP_READ + (__force u32)(opf & REQ_OP_WRITE);
	ctx->flags = blk_interposer_plain_flags(opf);
	blk_interposer_fill_hints(ctx, bio);
	return true;
}

/*
 * Blocks are not larger than a page (blk_validate_block_size()): a move by whole
 * pages changes no alignment. Where that was wrong before, it is as wrong as it
 * would have been without us.
 */
static __always_inline bool
blk_interposer_quick_place(const struct bio *bio, struct block_device *to,
			   u64 sector, u64 nr_sectors)
{
	u64 end;

	return !check_add_overflow(sector, nr_sectors, &end) &&
	       end <= bdev_nr_sectors(to) &&
	       !((sector ^ bio->bi_iter.bi_sector) & (PAGE_SECTORS - 1));
}

/* !bdev_read_only() but for GD_READ_ONLY: no call, and for a whole disk not twice */
static __always_inline bool
blk_interposer_quick_writable(struct block_device *bdev)
{
	u32 flags = atomic_read(&bdev->__bd_flags);

	return likely(!(flags & (BD_READ_ONLY | BD_PARTNO))) ||
	       (!(flags & BD_READ_ONLY) &&
		!bdev_test_flag(bdev_whole(bdev), BD_READ_ONLY));
}

/*
 * What blk_interposer_remap() does, for a plain bio and the last program.
 *
 * Return: false, and nothing was done, if there is something to be looked at
 * closely.
 */
static __always_inline bool
blk_interposer_quick_remap(const struct bpf_bio_kern *ctx,
			   const struct blk_interposer_slot *slot,
			   u64 nr_sectors)
{
	struct block_device *bdev = slot->bdev;
	u64 sector = ctx->uctx.sector;
	struct bio *bio = ctx->bio;

	if (slot[1].run ||
	    !blk_interposer_quick_place(bio, bdev, sector, nr_sectors) ||
	    trace_blk_interposer_remap_enabled() ||
	    trace_block_bio_remap_enabled())
		return false;
	if (op_is_write(bio->bi_opf) &&
	    (!blk_interposer_quick_writable(bdev) ||
	     test_bit(GD_READ_ONLY, &bdev->bd_disk->state)))
		return false;
	bio->bi_iter.bi_sector = sector;
	blk_interposer_count(slot->stats, BPF_BIO_REMAP, nr_sectors);
	return true;
}

/*
 * blk_interposer_check_target() for a plain bio: it may say no where that has
 * no objection, never yes where it has one, but for a disk that is about to be
 * removed: as long as it is not GD_DEAD, it takes bios.
 */
static __always_inline bool
blk_interposer_quick_check(struct bio *bio, struct block_device *from,
			   struct blk_interposer_target *target, u64 sector,
			   u64 nr_sectors)
{
	struct queue_limits *a = &bdev_get_queue(from)->limits, *b;
	struct block_device *to = target->bdev;
	blk_opf_t opf = bio->bi_opf;

	b = &bdev_get_queue(to)->limits;
	if (bio->bi_interposer ||
	    !blk_interposer_quick_place(bio, to, sector, nr_sectors) ||
	    b->logical_block_size > a->logical_block_size ||
	    b->dma_alignment & ~a->dma_alignment ||
	    READ_ONCE(to->bd_disk->state) & (BIT(GD_DEAD) | BIT(GD_READ_ONLY)) ||
	    trace_blk_interposer_redirect_enabled() ||
	    trace_block_bio_remap_enabled())
		return false;
	if (IS_ENABLED(CONFIG_PCI_P2PDMA) &&
	    a->features & ~b->features & BLK_FEAT_PCI_P2PDMA)
		return false;
	if (unlikely(opf & (REQ_POLLED | REQ_NOWAIT)) &&
	    (opf & REQ_POLLED || !(b->features & BLK_FEAT_NOWAIT)))
		return false;
	if (!op_is_write(opf))
		return true;
	return target->writable && !bdev_stable_writes(to) &&
	       blk_interposer_quick_writable(to);
}

static __always_inline struct blkcg_gq *
blk_interposer_blkg(const struct bio *bio)
{
#ifdef CONFIG_BLK_CGROUP
	return bio->bi_blkg;
#else
	return NULL;
#endif
}

static __always_inline bool blk_interposer_is_root(const struct blkcg_gq *blkg,
						   struct block_device *bdev)
{
#ifdef CONFIG_BLK_CGROUP
	return blkg == bdev_get_queue(bdev)->root_blkg;
#else
	return true;
#endif
}

/*
 * bio_set_dev() to another device, but for the flags, of a bio that is the root
 * cgroup's. bio_associate_blkg() would look for that again; the root of one queue
 * has its counterpart in any other.
 */
static __always_inline void
blk_interposer_set_dev_of_root(struct bio *bio, struct blkcg_gq *root,
			       struct block_device *to)
{
	bio->bi_bdev = to;
#ifdef CONFIG_BLK_CGROUP
	bio->bi_blkg = bdev_get_queue(to)->root_blkg;
	blkg_get(bio->bi_blkg);
	blkg_put(root);
#endif
}

/*
 * What blk_interposer_redirect() does, for a plain bio.
 *
 * Return: false, and nothing was done, if there is something to be looked at
 * closely.
 */
static __always_inline bool
blk_interposer_quick_redirect(const struct bpf_bio_kern *ctx)
{
	const struct blk_interposer_slot *slot = ctx->slot;
	struct blk_interposer_target *target = ctx->target;
	u64 nr_sectors = ctx->uctx.nr_sectors;
	struct blk_interposer_inflight *inf;
	struct bio *bio = ctx->bio;
	struct blkcg_gq *root;

	if (unlikely(!target || !blk_interposer_is_used(slot->list, target)))
		return false;
	inf = rcu_dereference(target->current_inflight);
	if (unlikely(!inf ||
		     !blk_interposer_quick_check(bio, slot->bdev, target,
						 ctx->uctx.sector, nr_sectors)))
		return false;
	percpu_ref_get(&inf->ref);
	blk_interposer_count(slot->stats, BPF_BIO_REDIRECT, nr_sectors);
	if (op_is_write(bio->bi_opf) &&
	    bdev_get_queue(target->bdev)->limits.features &
		    BLK_FEAT_WRITE_CACHE &&
	    blk_interposer_needs_fua(slot->bdev, target->bdev))
		bio->bi_opf |= REQ_FUA;
	bio->bi_interposer = 1 << BIO_INTERPOSER_INDEX_BITS | inf->index;
	bio->bi_iter.bi_sector = ctx->uctx.sector;
	root = blk_interposer_blkg(bio);
	if (unlikely(!blk_interposer_is_root(root, slot->bdev))) {
		bio_set_dev(bio, target->bdev);
		return true;
	}
	bio->bi_flags &= ~(BIT(BIO_REMAPPED) | BIT(BIO_INTERPOSED) |
			   BIT(BIO_BPS_THROTTLED));
	blk_interposer_set_dev_of_root(bio, root, target->bdev);
	return true;
}

#endif /* BLK_INTERPOSER_QUICK_H */
