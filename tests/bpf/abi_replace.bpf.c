// SPDX-License-Identifier: GPL-2.0
/* Programs that take the place of another. */
#include <linux/bpf.h>
#include <linux/blk_interposer.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

__u32 runs, seen_op, in_verdict;

/* All the verifier knows is that it is a verdict. */
SEC("?freplace")
int replaced(struct bpf_bio *ctx)
{
	__u32 verdict = in_verdict;

	runs++;
	seen_op = ctx->op;
	return verdict <= BPF_BIO_REDIRECT ? verdict : BPF_BIO_PASS;
}

/* Not even that. */
SEC("?freplace")
int replaced_any(struct bpf_bio *ctx)
{
	seen_op = ctx->op;
	return in_verdict;
}
