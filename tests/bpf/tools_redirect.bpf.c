// SPDX-License-Identifier: GPL-2.0
/* Sends everything to the device in slot 0, if there is one. */
#include <linux/bpf.h>
#include <linux/blk_interposer.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_BLKDEV);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, struct bpf_blkdev_val);
} tools_targets SEC(".maps");

SEC("blk/submit")
int tools_redirect(struct bpf_bio *ctx)
{
	(void)ctx;
	return bpf_redirect_map(&tools_targets, 0, BPF_BIO_PASS);
}
