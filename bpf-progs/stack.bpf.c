// SPDX-License-Identifier: GPL-2.0
/*
 * stack: sends a device through what is stacked on its lower device.
 *
 * What it does: every bio, or those that the variables below choose, goes to the
 * device in slot 0 of the map `targets`, the top of a stack, to the same sector.
 * As long as the slot is empty everything passes: so a stack is put in with one
 * change of the map, and taken out with another. 'bioctl stack' does that.
 *
 * What it shows: how any stacking driver gets between a live device and its
 * users: attached with a lower device (bioctl attach --lower), on which the stack
 * is built.
 *
 * What it does not do: it does not care what the stack makes of the data. What
 * the variables exclude goes to the device itself: right for a stack that leaves
 * every block in its place, and for no other.
 *
 *	first, last	sectors that are sent through it, both included
 *	cgroup		only what this cgroup submits, by its id; 0: all
 *	writes		1: only what changes the device
 */
#include "blk_policy.bpf.h"

char LICENSE[] SEC("license") = "GPL";

const volatile __u64 first;
const volatile __u64 last = NO_BORDER;
const volatile __u64 cgroup;
const volatile __u32 writes;

struct {
	__uint(type, BPF_MAP_TYPE_BLKDEV);
	__type(key, __u32);
	__type(value, struct bpf_blkdev_val);
	__uint(max_entries, 1);
} targets SEC(".maps");

/*
 * Variables that are left as they are cost nothing: the verifier knows their
 * values and drops what is never done.
 */
SEC("blk/submit")
int stack(struct bpf_bio *ctx)
{
	/* The kernel sends it to the device and to the stack. */
	if (ctx->op == BPF_BIO_OP_FLUSH)
		return BPF_BIO_PASS;
	if (writes && ctx->op == BPF_BIO_OP_READ)
		return BPF_BIO_PASS;
	if (cgroup && bpf_bio_cgroup_id(ctx) != cgroup)
		return BPF_BIO_PASS;
	if (first || last != NO_BORDER) {
		if (ctx->sector > last)
			return BPF_BIO_PASS;
		if (ctx->sector < first) {
			if (!bio_limit(ctx, first))
				return BPF_BIO_FAIL;
			return BPF_BIO_PASS;
		}
		if (!bio_limit(ctx, range_end(last)))
			return BPF_BIO_FAIL;
	}
	return bpf_redirect_map(&targets, 0, BPF_BIO_PASS);
}
