// SPDX-License-Identifier: GPL-2.0
/*
 * redirect: sends ranges of a device to other devices.
 *
 * What it does: a bio within one of `ranges` goes to the device in the slot
 * of the map `targets` that the range names; the rest passes. Bios that
 * straddle a border are divided there. Of ranges that overlap the one with
 * the lower index counts. Flushes pass: the kernel sends them to the device
 * and to every target that has unflushed writes.
 *
 * What it shows: BPF_MAP_TYPE_BLKDEV and bpf_redirect_map(), with a fallback.
 *
 * What it does not do: it copies nothing. The range has to be on the target
 * before the policy is attached, with the filesystem frozen in between, and
 * back on the device before it is detached. Zone operations cannot be
 * redirected; the kernel fails them and counts it.
 *
 *	ranges		see struct redirect_range
 *	nr_ranges	how many of them count; bioctl sets it by itself
 *	fallback	verdict for a range whose slot is empty: 1 (FAIL), or 0
 *			(PASS) where the device holds the same data. FAIL is the
 *			default, because a missing target must not turn into
 *			stale data silently.
 */
#include "blk_policy.bpf.h"
#include "redirect.h"

char LICENSE[] SEC("license") = "GPL";

const volatile struct redirect_range ranges[REDIRECT_MAX_RANGES];
const volatile __u32 nr_ranges;
const volatile __u32 fallback = BPF_BIO_FAIL;

struct {
	__uint(type, BPF_MAP_TYPE_BLKDEV);
	__type(key, __u32);
	__type(value, struct bpf_blkdev_val);
	__uint(max_entries, REDIRECT_MAX_TARGETS);
} targets SEC(".maps");

struct search {
	__u64 sector;
	__u64 border;
	__u64 to;
	__u32 key;
	bool found;
};

static long search_step(__u32 i, struct search *s)
{
	__u64 first, last;

	if (i >= REDIRECT_MAX_RANGES)
		return 1;
	/* Whoever mixed them up did not mean to redirect nothing. */
	first = min(ranges[i].first, ranges[i].last);
	last = max(ranges[i].first, ranges[i].last);
	if (s->sector > last)
		return 0;
	if (s->sector < first) {
		s->border = min(s->border, first);
		return 0;
	}
	s->border = min(s->border, range_end(last));
	s->to = s->sector - first + ranges[i].target_first;
	s->key = ranges[i].key;
	s->found = true;
	return 1;
}

SEC("blk/submit")
int redirect(struct bpf_bio *ctx)
{
	__u64 verdict = fallback == BPF_BIO_PASS ? BPF_BIO_PASS : BPF_BIO_FAIL;
	struct search s = { .sector = ctx->sector, .border = NO_BORDER };

	if (ctx->op == BPF_BIO_OP_FLUSH)
		return BPF_BIO_PASS;

	bpf_loop(min(nr_ranges, REDIRECT_MAX_RANGES), search_step, &s, 0);
	if (!bio_limit(ctx, s.border))
		return BPF_BIO_FAIL;
	if (!s.found)
		return BPF_BIO_PASS;
	ctx->sector = s.to;
	return bpf_redirect_map(&targets, s.key, verdict);
}
