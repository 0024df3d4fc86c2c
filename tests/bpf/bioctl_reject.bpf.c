// SPDX-License-Identifier: GPL-2.0
/* Writes what may only be read: the verifier has to say so. */
#include <linux/bpf.h>
#include <linux/blk_interposer.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

SEC("blk/submit")
int bioctl_reject(struct bpf_bio *ctx)
{
	*(volatile __u32 *)&ctx->op = BPF_BIO_OP_READ;
	return BPF_BIO_PASS;
}
