// SPDX-License-Identifier: GPL-2.0
/*
 * Divides every page into two bios and sends the second to the same sectors of
 * the device in slot 0: each page that is swapped out or in needs both disks,
 * and memory for the division.
 */
#include "blk_policy.bpf.h"

#define HALF 4 /* sectors */

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_BLKDEV);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bpf_blkdev_val);
} targets SEC(".maps");

SEC("blk/submit")
int hostile_swap(struct bpf_bio *ctx)
{
	if (ctx->op == BPF_BIO_OP_FLUSH)
		return BPF_BIO_PASS;
	if (!bio_limit(ctx, (ctx->sector | (HALF - 1)) + 1))
		return BPF_BIO_FAIL;
	if (!(ctx->sector & HALF))
		return BPF_BIO_PASS;
	return bpf_redirect_map(&targets, 0, BPF_BIO_FAIL);
}
