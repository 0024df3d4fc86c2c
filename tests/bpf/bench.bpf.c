// SPDX-License-Identifier: GPL-2.0
/* One program for each verdict, as little as it takes: what a bio pays for. */
#include <linux/bpf.h>
#include <linux/blk_interposer.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

extern int bpf_bio_accept_partial(struct bpf_bio *ctx, __u32 nr_sectors) __ksym;

/* Where bios of at most 8 MiB are moved to */
#define MOVED_BY 16384

struct {
	__uint(type, BPF_MAP_TYPE_BLKDEV);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bpf_blkdev_val);
} one_target SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_BLKDEV);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct bpf_blkdev_val);
} many_targets SEC(".maps");

SEC("blk/submit")
int pass(struct bpf_bio *ctx)
{
	(void)ctx;
	return BPF_BIO_PASS;
}

/* What any policy looks at before it lets a bio through */
SEC("blk/submit")
int look(struct bpf_bio *ctx)
{
	if (ctx->op == BPF_BIO_OP_DISCARD && ctx->sector < MOVED_BY &&
	    ctx->nr_sectors > MOVED_BY)
		return BPF_BIO_FAIL;
	return BPF_BIO_PASS;
}

SEC("blk/submit")
int fail(struct bpf_bio *ctx)
{
	(void)ctx;
	return BPF_BIO_FAIL;
}

SEC("blk/submit")
int done(struct bpf_bio *ctx)
{
	(void)ctx;
	return BPF_BIO_DONE;
}

SEC("blk/submit")
int remap(struct bpf_bio *ctx)
{
	ctx->sector += MOVED_BY;
	return BPF_BIO_REMAP;
}

SEC("blk/submit")
int redirect(struct bpf_bio *ctx)
{
	(void)ctx;
	return bpf_redirect_map(&one_target, 0, BPF_BIO_FAIL);
}

SEC("blk/submit")
int redirect_many(struct bpf_bio *ctx)
{
	(void)ctx;
	return bpf_redirect_map(&many_targets, 4095, BPF_BIO_FAIL);
}

/* In two halves, which stay together */
SEC("blk/submit")
int split(struct bpf_bio *ctx)
{
	if (ctx->nr_sectors > 4 && bpf_bio_accept_partial(ctx, 4))
		return BPF_BIO_FAIL;
	return BPF_BIO_PASS;
}

/* One is moved, to where it is: two bios, but one request */
SEC("blk/submit")
int split_apart(struct bpf_bio *ctx)
{
	if (ctx->nr_sectors <= 4)
		return BPF_BIO_PASS;
	if (bpf_bio_accept_partial(ctx, 4))
		return BPF_BIO_FAIL;
	return BPF_BIO_REMAP;
}
