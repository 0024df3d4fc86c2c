// SPDX-License-Identifier: GPL-2.0
/* Loads bytes of the payload, before and after a part was accepted. */
#include "../../bpf-progs/blk_policy.bpf.h"
#include "path_load.h"

char LICENSE[] SEC("license") = "GPL";

extern int bpf_bio_load_bytes(struct bpf_bio *ctx, __u32 offset, void *to,
			      __u32 to__sz) __ksym;

struct load_state state;

SEC("blk/submit")
int path_load(struct bpf_bio *ctx)
{
	__u32 len = state.len;

	if (ctx->op == BPF_BIO_OP_FLUSH)
		return BPF_BIO_PASS;
	if (state.accept && bpf_bio_accept_partial(ctx, state.accept))
		return BPF_BIO_PASS;
	if (len < 1 || len > LOAD_MAX)
		return BPF_BIO_FAIL;
	state.runs++;
	state.result = bpf_bio_load_bytes(ctx, state.offset, state.data, len);
	return state.runs == 1 ? BPF_BIO_PASS : BPF_BIO_DONE;
}
