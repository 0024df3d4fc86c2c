// SPDX-License-Identifier: GPL-2.0
/* Completes all writes without I/O, also those that ask for a flush. */
#include <linux/bpf.h>
#include <linux/blk_interposer.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

SEC("blk/submit")
int flush_done(struct bpf_bio *ctx)
{
	return ctx->op == BPF_BIO_OP_READ ? BPF_BIO_PASS : BPF_BIO_DONE;
}
