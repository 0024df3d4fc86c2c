// SPDX-License-Identifier: GPL-2.0
/*
 * remap: exchanges two equally long ranges of one device.
 *
 * What it does: what is addressed to sectors [a_first, a_first + nr) goes to
 * [b_first, b_first + nr) and the other way round; the rest passes. Bios that
 * straddle a border are divided there.
 *
 * What it shows: BPF_BIO_REMAP, and that a mapping of the whole device onto
 * itself loses no sector.
 *
 * What it does not do: it moves no data. Whoever wants the device to look as
 * before copies both ranges first, with the filesystem frozen. Zone
 * operations cannot be remapped; the kernel fails them and counts it.
 * Ranges that overlap are no exchange: what touches them fails with EINVAL.
 *
 *	a_first		first sector of one range
 *	b_first		first sector of the other
 *	nr		sectors of each; with 0 everything passes
 */
#include "blk_policy.bpf.h"

#define EINVAL 22

char LICENSE[] SEC("license") = "GPL";

const volatile __u64 a_first;
const volatile __u64 b_first;
const volatile __u64 nr;

SEC("blk/submit")
int remap(struct bpf_bio *ctx)
{
	__u64 low = a_first < b_first ? a_first : b_first;
	__u64 high = a_first < b_first ? b_first : a_first;
	__u64 border = NO_BORDER;
	__u64 sector = ctx->sector;
	__u64 to = sector;

	if (ctx->op == BPF_BIO_OP_FLUSH || !nr)
		return BPF_BIO_PASS;

	if (high - low < nr) {
		if (bio_end(ctx) <= low || sector >= high + nr)
			return BPF_BIO_PASS;
		ctx->error = -EINVAL;
		return BPF_BIO_FAIL;
	}

	if (sector < low) {
		border = low;
	} else if (sector - low < nr) {
		border = low + nr;
		to = sector - low + high;
	} else if (sector < high) {
		border = high;
	} else if (sector - high < nr) {
		border = high + nr;
		to = sector - high + low;
	}
	if (!bio_limit(ctx, border))
		return BPF_BIO_FAIL;
	if (to == sector)
		return BPF_BIO_PASS;
	ctx->sector = to;
	return BPF_BIO_REMAP;
}
