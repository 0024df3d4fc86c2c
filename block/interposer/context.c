// SPDX-License-Identifier: GPL-2.0
/*
 * blk_interposer: describing a bio to a program, in numbers that are ABI.
 */
#include <linux/blk-crypto.h>
#include <linux/blk-integrity.h>
#include <linux/blkdev.h>
#include "../blk.h"
#include "../blk-crypto-internal.h"
#include "interposer.h"

/* REQ_OP_* to enum bpf_bio_op; what has no entry is not shown to programs. */
static const u8 blk_interposer_ops[(__force u32)REQ_OP_LAST] = {
	[(__force u32)REQ_OP_READ]		= BPF_BIO_OP_READ,
	[(__force u32)REQ_OP_WRITE]		= BPF_BIO_OP_WRITE,
	[(__force u32)REQ_OP_DISCARD]		= BPF_BIO_OP_DISCARD,
	[(__force u32)REQ_OP_SECURE_ERASE]	= BPF_BIO_OP_SECURE_ERASE,
	[(__force u32)REQ_OP_WRITE_ZEROES]	= BPF_BIO_OP_WRITE_ZEROES,
	[(__force u32)REQ_OP_ZONE_APPEND]	= BPF_BIO_OP_ZONE_APPEND,
	[(__force u32)REQ_OP_ZONE_OPEN]		= BPF_BIO_OP_ZONE_OPEN,
	[(__force u32)REQ_OP_ZONE_CLOSE]	= BPF_BIO_OP_ZONE_CLOSE,
	[(__force u32)REQ_OP_ZONE_FINISH]	= BPF_BIO_OP_ZONE_FINISH,
	[(__force u32)REQ_OP_ZONE_RESET]	= BPF_BIO_OP_ZONE_RESET,
	[(__force u32)REQ_OP_ZONE_RESET_ALL]	= BPF_BIO_OP_ZONE_RESET_ALL,
};

static u32 blk_interposer_flags(struct bio *bio)
{
	blk_opf_t opf = bio->bi_opf;
	u32 flags = blk_interposer_plain_flags(opf);

	if (opf & REQ_PREFLUSH)
		flags |= BPF_BIO_F_PREFLUSH;
	if (opf & REQ_ATOMIC)
		flags |= BPF_BIO_F_ATOMIC;
	if (opf & REQ_NOUNMAP)
		flags |= BPF_BIO_F_NOUNMAP;
	if (bio_has_crypt_ctx(bio))
		flags |= BPF_BIO_F_CRYPT;
	return flags;
}

/* Zone management bios carry no length; policies on ranges need one. */
static void blk_interposer_fill_zone(struct bpf_bio *ctx, struct bio *bio,
				     struct block_device *bdev)
{
	switch (bio_op(bio)) {
	case REQ_OP_ZONE_RESET_ALL:
		ctx->sector = 0;
		ctx->nr_sectors = min_t(u64, bdev_nr_sectors(bdev), U32_MAX);
		break;
	case REQ_OP_ZONE_OPEN:
	case REQ_OP_ZONE_CLOSE:
	case REQ_OP_ZONE_FINISH:
	case REQ_OP_ZONE_RESET:
		ctx->nr_sectors = bdev_zone_sectors(bdev);
		break;
	default:
		break;
	}
}

/**
 * blk_interposer_fill_ctx - describe a bio to a program
 * @ctx: to be filled
 * @bio: the bio
 * @list: of the programs that will see it
 *
 * Context: any.
 */
void blk_interposer_fill_ctx(struct bpf_bio *ctx, struct bio *bio,
			     const struct blk_interposer_list *list)
{
	u32 op = (__force u32)bio_op(bio);

	ctx->sector = bio->bi_iter.bi_sector;
	ctx->nr_sectors = bio_sectors(bio);
	ctx->op = op < ARRAY_SIZE(blk_interposer_ops) ?
		  blk_interposer_ops[op] : BPF_BIO_OP_UNSPEC;
	ctx->flags = blk_interposer_flags(bio);
	ctx->dev = list->slots[0].dev;
	ctx->partno = bdev_partno(bio->bi_bdev);
	ctx->error = 0;
	ctx->ioprio = bio->bi_ioprio;
	ctx->write_hint = (__force u8)bio->bi_write_hint;
	memset(ctx->reserved, 0, sizeof(ctx->reserved));
	if (unlikely(!ctx->nr_sectors)) {
		if (ctx->op == BPF_BIO_OP_WRITE)
			ctx->op = BPF_BIO_OP_FLUSH;
		else
			blk_interposer_fill_zone(ctx, bio, list->bdev);
	}
}
