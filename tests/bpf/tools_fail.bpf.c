// SPDX-License-Identifier: GPL-2.0
/*
 * Fails writes to sector 0 with ENOSPC, and those to sector 8 with an errno
 * that a bio cannot end with. What to do is decided in a global function, to
 * which the context must be passed on.
 */
#include <linux/bpf.h>
#include <linux/blk_interposer.h>
#include <bpf/bpf_helpers.h>

#define EPERM 1
#define ENOSPC 28

char LICENSE[] SEC("license") = "GPL";

__noinline int error_of(void *arg __arg_ctx)
{
	struct bpf_bio *ctx = arg;

	if (ctx->op != BPF_BIO_OP_WRITE)
		return 0;
	switch (ctx->sector) {
	case 0:
		return -ENOSPC;
	case 8:
		return -EPERM;
	default:
		return 0;
	}
}

SEC("blk/submit")
int tools_fail(struct bpf_bio *ctx)
{
	int error = error_of(ctx);

	if (!error)
		return BPF_BIO_PASS;
	ctx->error = error;
	return BPF_BIO_FAIL;
}
