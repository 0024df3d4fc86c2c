// SPDX-License-Identifier: GPL-2.0
/*
 * Sends writes with PREFLUSH, which is what a journal's commit records are, to
 * the device in slot 1, and everything else to that in slot 0. Nobody reads a
 * commit record but the recovery of a journal.
 */
#include <linux/bpf.h>
#include <linux/blk_interposer.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_BLKDEV);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct bpf_blkdev_val);
} flush_targets SEC(".maps");

/* With 1 they are completed without I/O. */
const volatile __u32 drop;

SEC("blk/submit")
int flush_commit(struct bpf_bio *ctx)
{
	if (ctx->op != BPF_BIO_OP_WRITE || !(ctx->flags & BPF_BIO_F_PREFLUSH))
		return bpf_redirect_map(&flush_targets, 0, BPF_BIO_FAIL);
	if (drop)
		return BPF_BIO_DONE;
	return bpf_redirect_map(&flush_targets, 1, BPF_BIO_FAIL);
}
