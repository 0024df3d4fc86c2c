// SPDX-License-Identifier: GPL-2.0
/* Passes everything, and nothing else: for tests of tools. */
#include <linux/bpf.h>
#include <linux/blk_interposer.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

SEC("blk/submit")
int tools_pass(struct bpf_bio *ctx)
{
	(void)ctx;
	return BPF_BIO_PASS;
}
