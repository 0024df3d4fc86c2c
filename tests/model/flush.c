// SPDX-License-Identifier: GPL-2.0
/*
 * Which devices a flush has to reach: docs/design.md, section 6. The model
 * knows a target to be dirty, or does not know: then it may be flushed or not.
 */
#include "model.h"

struct walk {
	const struct caches *c;
	struct router *r;
	int version;
	int thread;
	struct flushed *out;
	int depth;
};

static bool flush_device(struct walk *w, int dev, bool sure);

/* Targets that programs of @dev chose, and those of its disk. */
static __u32 used_by(const __u32 *used, int dev)
{
	__u32 mask = used[dev] | used[whole_of(dev)];
	int i;

	if (layout.devs[dev].kind == DEV_PART)
		return mask;
	/* A disk stands for its partitions. */
	for (i = 0; i < layout.nr; i++)
		if (whole_of(i) == dev)
			mask |= used[i];
	return mask;
}

/* Through targets that redirect themselves */
static __u32 reached(const __u32 *used, int dev)
{
	__u32 reach = used_by(used, dev), seen = 0;
	int i;

	while (reach & ~seen) {
		i = __builtin_ctz(reach & ~seen);
		seen |= 1U << i;
		reach |= used_by(used, i);
	}
	return reach;
}

/* Not through the programs of the disk. true: it is sure to fail. */
static bool flush_below(struct walk *w, int disk, bool sure)
{
	const struct dev *d = &layout.devs[disk];
	bool fails = false;
	int i;

	if (d->kind == DEV_LEAF && sure)
		w->out->leaves |= 1U << disk;
	for (i = 0; i < d->nr_segments; i++)
		fails |= flush_device(w, d->segments[i].dev, sure);
	return fails;
}

static bool flush_targets(struct walk *w, int dev, bool sure)
{
	const struct caches *c = w->c;
	__u32 reach = reached(c->used, dev), may = reached(c->may, dev);
	bool fails = false, due;
	int i;

	for (i = 0; i < layout.nr; i++) {
		due = reach & (1U << i) &&
		      (c->dirty[i] == 1 || c->dirty[i] == w->thread + 2);
		if (due || (!c->exact && (reach | may) & (1U << i))) {
			fails |= flush_below(w, whole_of(i), sure && due);
			if (due)
				w->out->targets |= 1U << i;
		}
	}
	return fails;
}

static bool flush_device(struct walk *w, int dev, bool sure)
{
	bool fails = false;
	int error;

	if (w->depth == 8)
		return false;
	w->depth++;
	error = route_flush(w->r, w->version, dev);
	if (error) {
		errors_add(w->out->errors, &w->out->nr_errors, error);
		fails = sure;
	} else {
		if (w->r->fault != FAULT_FLUSH)
			fails = flush_targets(w, dev, sure);
		fails |= flush_below(w, whole_of(dev), sure);
	}
	w->depth--;
	return fails;
}

bool flush_reach(const struct caches *c, struct router *r, int version, int dev,
		 int thread, struct flushed *out)
{
	struct walk w = {
		.c = c,
		.r = r,
		.version = version,
		.thread = thread,
		.out = out,
	};

	return flush_device(&w, dev, true);
}

void world_clean(struct world *w, int dev, int thread)
{
	__u32 reach =
		config_reach(&w->versions[w->nr_versions - 1], whole_of(dev));
	int i;

	for (i = 0; i < layout.nr; i++) {
		if (!(reach & (1U << whole_of(i))))
			continue;
		w->caches.dirty[i] = 0;
		if (thread >= 0)
			w->cleaners[i] |= 1U << thread;
	}
}

void world_forget_targets(struct world *w)
{
	int i, k;

	for (i = 0; i < layout.nr; i++) {
		if (config_has_target(&w->versions[0], i)) {
			w->targets |= 1U << i;
			continue;
		}
		if (!(w->targets & (1U << i)))
			continue;
		w->targets &= ~(1U << i);
		w->caches.dirty[i] = 0;
		world_clean(w, i, -1);
		for (k = 0; k < layout.nr; k++)
			w->caches.used[k] &= ~(1U << i);
	}
}
