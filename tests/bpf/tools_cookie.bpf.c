// SPDX-License-Identifier: GPL-2.0
/* Tells which attachment ran it and how often. */
#include <linux/bpf.h>
#include <linux/blk_interposer.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct {
	__u64 cookie;
	__u64 bios;
} seen;

SEC("blk/submit")
int tools_cookie(struct bpf_bio *ctx)
{
	seen.cookie = bpf_get_attach_cookie(ctx);
	__sync_fetch_and_add(&seen.bios, 1);
	return BPF_BIO_PASS;
}
