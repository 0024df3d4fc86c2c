// SPDX-License-Identifier: GPL-2.0
/*
 * A program for all tests of the data path: ranges and operations to
 * verdicts, as user space fills them in, and a log of what it saw. Bios are
 * divided at the borders of ranges. progs/rule.h fills, attaches and reads it.
 */
#include "../../bpf-progs/blk_policy.bpf.h"
#include "rule.h"

char LICENSE[] SEC("license") = "GPL";

struct rule_state state;

struct {
	__uint(type, BPF_MAP_TYPE_BLKDEV);
	__type(key, __u32);
	__type(value, struct bpf_blkdev_val);
	__uint(max_entries, RULE_TARGETS);
} targets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, RULE_LOG_BYTES);
} seen SEC(".maps");

struct search {
	__u64 sector;
	__u64 border;
	__u32 op;
	__s32 found;
};

static long search_step(__u32 i, struct search *s)
{
	const struct rule *r;

	if (i >= RULE_MAX)
		return 1;
	r = &state.rules[i];
	if (s->op == BPF_BIO_OP_FLUSH) {
		if (!(r->ops & (1U << BPF_BIO_OP_FLUSH)))
			return 0;
		s->found = i;
		return 1;
	}
	if (r->ops && !(r->ops & (1U << s->op)))
		return 0;
	if (s->sector > r->last)
		return 0;
	if (s->sector < r->first) {
		if (!(r->flags & RULE_F_WHOLE))
			s->border = min(s->border, r->first);
		return 0;
	}
	if (!(r->flags & RULE_F_WHOLE))
		s->border = min(s->border, range_end(r->last));
	s->found = i;
	return 1;
}

/* What bpf_bio_accept_partial() answered, 1 if there was no need to ask. */
static int divide(struct bpf_bio *ctx, __u64 border, const struct rule *r)
{
	__u64 nr_sectors = ctx->nr_sectors;

	if (r && r->flags & RULE_F_ACCEPT)
		return bpf_bio_accept_partial(ctx, r->accept);
	if (ctx->op == BPF_BIO_OP_FLUSH)
		return 1;
	if (border < ctx->sector + nr_sectors)
		nr_sectors = border - ctx->sector;
	if (r && r->accept && r->accept < nr_sectors)
		nr_sectors = r->accept;
	if (nr_sectors >= ctx->nr_sectors)
		return 1;
	return bpf_bio_accept_partial(ctx, nr_sectors);
}

static int carry_out(struct bpf_bio *ctx, const struct rule *r)
{
	__u32 verdict = r->verdict;
	int chosen;

	if (r->flags & RULE_F_SCRIBBLE) {
		ctx->sector = 1;
		ctx->error = -95;
	}
	if (r->flags & RULE_F_IOPRIO)
		ctx->ioprio = r->ioprio;
	if (r->flags & RULE_F_HINT)
		ctx->write_hint = r->write_hint;
	if (verdict == BPF_BIO_FAIL)
		ctx->error = r->error;
	if (verdict == BPF_BIO_REMAP || verdict == BPF_BIO_REDIRECT)
		ctx->sector += r->offset;
	if ((verdict == BPF_BIO_REDIRECT && !(r->flags & RULE_F_BARE)) ||
	    r->flags & RULE_F_CHOOSE) {
		chosen = bpf_redirect_map(&targets, r->key, r->fallback);
		if (!(r->flags & RULE_F_CHOOSE))
			return chosen;
	}
	switch (verdict) {
	case BPF_BIO_PASS:
		return BPF_BIO_PASS;
	case BPF_BIO_REMAP:
		return BPF_BIO_REMAP;
	case BPF_BIO_DONE:
		return BPF_BIO_DONE;
	case BPF_BIO_REDIRECT:
		return BPF_BIO_REDIRECT;
	default:
		return BPF_BIO_FAIL;
	}
}

static void describe(struct rule_seen *log, struct bpf_bio *ctx)
{
	__u64 both;

	log->sector = ctx->sector;
	log->nr_sectors = ctx->nr_sectors;
	log->op = ctx->op;
	/* By one load, and by itself: the kernel loads it from elsewhere. */
	asm volatile("%0 = *(u64 *)(%1 + 16)" : "=r"(both) : "r"(ctx));
	log->flags = both;
	log->dev = both >> 32;
	if (ctx->dev != log->dev)
		log->dev = 0;
	log->partno = ctx->partno;
	log->error = ctx->error;
	log->ioprio = ctx->ioprio;
	log->write_hint = ctx->write_hint;
	log->cgroup = bpf_bio_cgroup_id(ctx);
	log->pid = bpf_get_current_pid_tgid() >> 32;
}

SEC("blk/submit")
int rule(struct bpf_bio *ctx)
{
	struct search s = {
		.sector = ctx->sector,
		.border = NO_BORDER,
		.op = ctx->op,
		.found = -1,
	};
	const struct rule *r = NULL;
	struct rule_seen log = {};
	int verdict = BPF_BIO_PASS;

	if (state.bypass)
		return BPF_BIO_PASS;
	if (!state.quiet)
		describe(&log, ctx);
	bpf_loop(min(state.nr_rules, RULE_MAX), search_step, &s, 0);
	if (s.found >= 0 && s.found < RULE_MAX)
		r = &state.rules[s.found];
	log.accepted = divide(ctx, s.border, r);
	if (r)
		verdict = carry_out(ctx, r);
	if (state.quiet)
		return verdict;
	/* The verifier wants the context itself, no pointer into it. */
	barrier_var(ctx);
	log.verdict = verdict;
	log.nr_after = ctx->nr_sectors;
	if (bpf_ringbuf_output(&seen, &log, sizeof(log), 0))
		__sync_fetch_and_add(&state.lost, 1);
	return verdict;
}
