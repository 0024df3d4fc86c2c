// SPDX-License-Identifier: GPL-2.0
/*
 * A kernel in memory that follows the contract, or breaks it in a known way:
 * shows on the host what the fuzzer would find, and how fast.
 */
#include <string.h>

#include "model.h"

#define MAX_OUTCOMES 8192

static struct {
	enum fault fault;
	struct config config;
	struct caches caches;
	struct counts counts[MAX_PROGS];
	__u64 data[MAX_DEVS][WINDOW];
	__u64 flushes[MAX_DEVS];
	struct outcome outcomes[MAX_OUTCOMES];
} sim;

static void sim_open(enum fault fault)
{
	memset(&sim, 0, sizeof(sim));
	sim.fault = fault;
	sim.caches.exact = true;
	config_init(&sim.config);
}

static void sim_close(void)
{
}

static void sim_reset(bool *const *touched)
{
	(void)touched;
	sim_open(sim.fault);
}

/* Targets are closed at once. */
static bool sim_settle(int targets)
{
	(void)targets;
	return true;
}

static void sim_close_targets(void)
{
	int i, k;

	for (i = 0; i < layout.nr; i++) {
		if (config_has_target(&sim.config, i))
			continue;
		if (sim.caches.dirty[i] && sim.fault != FAULT_CLOSE)
			sim.flushes[whole_of(i)]++;
		sim.caches.dirty[i] = 0;
		for (k = 0; k < layout.nr; k++)
			sim.caches.used[k] &= ~(1U << i);
	}
}

static int sim_config(const struct step *s)
{
	int ret = config_apply(&sim.config, s);

	/* Counters are the link's. */
	if (!ret && s->verb == DO_REPLACE)
		sim.counts[s->other] = sim.counts[s->prog];
	if (!ret && s->verb == DO_ATTACH)
		memset(&sim.counts[s->prog], 0, sizeof(struct counts));
	sim_close_targets();
	return ret;
}

static struct router sim_router(__u32 op)
{
	struct router r = {
		.versions = &sim.config,
		.nr_versions = 1,
		.counts = sim.counts,
		.used = sim.caches.used,
		.fault = sim.fault,
		.exact = true,
		.op = op,
		.outcomes = sim.outcomes,
		.room = MAX_OUTCOMES,
	};

	return r;
}

static int sim_flush(int dev)
{
	struct router r = sim_router(BPF_BIO_OP_FLUSH);
	struct flushed flushed = {};
	__u32 reach;
	int i;

	flush_reach(&sim.caches, &r, 0, dev, -1, &flushed);
	reach = config_reach(&sim.config, whole_of(dev));
	for (i = 0; i < layout.nr; i++) {
		if (flushed.leaves & (1U << i))
			sim.flushes[i]++;
		if (!flushed.nr_errors && reach & (1U << whole_of(i)))
			sim.caches.dirty[i] = 0;
	}
	return flushed.nr_errors ? flushed.errors[0] : 0;
}

static int sim_part(const struct step *s, const struct outcome *o, __u64 *found)
{
	bool write = s->op != IO_READ;
	__u32 k;

	if (o->fate == FATE_ERROR)
		return o->error;
	for (k = 0; k < o->nr; k++) {
		__u64 *at = &sim.data[o->dev][o->sector + k];

		if (o->fate == FATE_DONE && !write)
			found[o->off + k] = 0;
		else if (o->fate == FATE_PLACE && !write)
			found[o->off + k] = *at;
		else if (o->fate == FATE_PLACE)
			*at = s->op == IO_WRITE ?
				      stamp_of(s, s->sector + o->off + k) :
				      0;
	}
	if (write && o->fate == FATE_PLACE && o->target >= 0)
		sim.caches.dirty[o->target] = 1;
	return 0;
}

static int sim_io(const struct step *s, int thread, __u64 *found)
{
	static const __u32 ops[] = {
		[IO_READ] = BPF_BIO_OP_READ,
		[IO_WRITE] = BPF_BIO_OP_WRITE,
		[IO_ZERO] = BPF_BIO_OP_WRITE_ZEROES,
		[IO_DISCARD] = BPF_BIO_OP_DISCARD,
	};
	struct router r = sim_router(ops[s->op]);
	int i, error, first = 0;

	(void)thread;
	if (s->verb == DO_SYNC)
		return sim_flush(s->dev);
	route(&r, s->dev, s->sector, s->nr);
	for (i = 0; i < r.nr; i++) {
		error = sim_part(s, &sim.outcomes[i], found);
		first = first ?: error;
	}
	if (!first && s->op == IO_WRITE &&
	    (s->way == WAY_DSYNC || s->way == WAY_BUFFERED ||
	     s->way == WAY_MMAP))
		first = sim_flush(s->dev);
	return s->op == IO_DISCARD && first == -EOPNOTSUPP ? 0 : first;
}

static __u64 sim_flushes(int leaf)
{
	return sim.flushes[leaf];
}

static void sim_counts(int prog, struct counts *counts)
{
	*counts = sim.counts[prog];
}

static void sim_read(int leaf, __u64 sector, __u32 nr, __u64 *found)
{
	memcpy(found, &sim.data[leaf][sector], nr * sizeof(*found));
}

const struct backend sim_backend = {
	.open = sim_open,
	.close = sim_close,
	.reset = sim_reset,
	.config = sim_config,
	.io = sim_io,
	.flushes = sim_flushes,
	.counts = sim_counts,
	.settle = sim_settle,
	.read = sim_read,
};
