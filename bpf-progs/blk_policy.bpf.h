/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What all policies share.
 *
 * Policies include the uapi headers and not vmlinux.h: struct bpf_bio is ABI,
 * so nothing has to be relocated, the macros of the headers are at hand, and
 * a policy compiles where no kernel was built.
 */
#ifndef __BLK_POLICY_BPF_H
#define __BLK_POLICY_BPF_H

#include <stdbool.h>
#include <linux/types.h>
#include <linux/bpf.h>
#include <linux/blk_interposer.h>
#include <bpf/bpf_helpers.h>

#define NO_BORDER (~0ULL)

#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))

extern int bpf_bio_accept_partial(struct bpf_bio *ctx, __u32 nr_sectors) __ksym;
extern __u64 bpf_bio_cgroup_id(struct bpf_bio *ctx) __ksym;

/* The sector after a range, also of one that is meant to have no end. */
static __always_inline __u64 range_end(__u64 last)
{
	return last == NO_BORDER ? NO_BORDER : last + 1;
}

static __always_inline __u64 bio_end(const struct bpf_bio *ctx)
{
	return ctx->sector + ctx->nr_sectors;
}

/*
 * Whether half of the operation means something. A zone is reset whole, and
 * where an append will land nobody knows beforehand.
 */
static __always_inline bool bio_can_split(const struct bpf_bio *ctx)
{
	switch (ctx->op) {
	case BPF_BIO_OP_READ:
	case BPF_BIO_OP_WRITE:
	case BPF_BIO_OP_DISCARD:
	case BPF_BIO_OP_SECURE_ERASE:
	case BPF_BIO_OP_WRITE_ZEROES:
		return true;
	default:
		return false;
	}
}

/*
 * Let the verdict apply to the sectors below @border only; the bio then ends
 * there, also for ctx->nr_sectors and bio_end(). False when the bio
 * reaches beyond it and cannot be divided there: the caller then has one
 * verdict for both sides of the border and must take the safe one.
 */
static __always_inline bool bio_limit(struct bpf_bio *ctx, __u64 border)
{
	if (border >= bio_end(ctx))
		return true;
	return bio_can_split(ctx) &&
	       !bpf_bio_accept_partial(ctx, border - ctx->sector);
}

#endif /* __BLK_POLICY_BPF_H */
