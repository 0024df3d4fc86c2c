// SPDX-License-Identifier: GPL-2.0
/*
 * Two programs that send everything to the device in a slot of theirs, or
 * pass it on where the slot is empty: for tests that exchange programs and
 * slots while bios are in flight.
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
} life_targets SEC(".maps");

SEC("blk/submit")
int life_slot0(struct bpf_bio *ctx)
{
	(void)ctx;
	return bpf_redirect_map(&life_targets, 0, BPF_BIO_PASS);
}

SEC("blk/submit")
int life_slot1(struct bpf_bio *ctx)
{
	(void)ctx;
	return bpf_redirect_map(&life_targets, 1, BPF_BIO_PASS);
}
