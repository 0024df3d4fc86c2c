// SPDX-License-Identifier: GPL-2.0
/*
 * A round of I/O: what each step may find and leave behind.
 *
 * What the model leaves open, and so does not do: a part that lies across the
 * end of a device or of what is modelled. What it takes either way, old or new:
 * discards, writes that a NOWAIT may have ended half way, and what a
 * BLKZEROOUT left undone when a part of it failed. Parts of a write beside one
 * that failed are written.
 */
#include <stdlib.h>
#include <string.h>

#include "model.h"

#define MAX_OUTCOMES 8192

static struct outcome outcomes[MAX_OUTCOMES], before[MAX_OUTCOMES];
/* How many outcomes a sector of the I/O has, and whether one is no error */
static unsigned char cover[MAX_IO];
static bool goes[MAX_IO];

static void *zalloc(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (!p)
		abort();
	return p;
}

void errors_add(int *errors, int *nr, int error)
{
	int i;

	for (i = 0; i < *nr; i++)
		if (errors[i] == error)
			return;
	if (*nr < MAX_ERRORS)
		errors[(*nr)++] = error;
}

void cell_set(struct cell *c, __u64 stamp)
{
	c->stamps[0] = stamp;
	c->nr = 1;
	c->any = false;
}

bool cell_allows(const struct cell *c, __u64 stamp)
{
	int i;

	for (i = 0; i < c->nr; i++)
		if (c->stamps[i] == stamp)
			return true;
	return c->any;
}

static void cell_add(struct cell *c, __u64 stamp)
{
	if (cell_allows(c, stamp))
		return;
	if (c->nr == MAX_STAMPS)
		c->any = true;
	else
		c->stamps[c->nr++] = stamp;
}

static void cell_merge(struct cell *c, const struct cell *other)
{
	int i;

	for (i = 0; i < other->nr; i++)
		cell_add(c, other->stamps[i]);
	c->any |= other->any;
}

__u64 stamp_of(const struct step *s, __u64 sector)
{
	return (__u64)s->line << 32 | (__u64)s->dev << 24 | (sector + 1);
}

void world_init(struct world *w, enum fault fault)
{
	int i;

	memset(w, 0, sizeof(*w));
	w->fault = fault;
	for (i = 0; i < layout.nr; i++) {
		w->cells[i] = zalloc(WINDOW, sizeof(struct cell));
		w->owners[i] = zalloc(WINDOW, sizeof(struct owner));
		w->pages[i] = zalloc(WINDOW / PAGE, sizeof(struct owner));
		w->touched[i] = zalloc(WINDOW / CHUNK, sizeof(bool));
	}
}

void world_free(struct world *w)
{
	int i;

	plan_forget(w);
	for (i = 0; i < layout.nr; i++) {
		free(w->cells[i]);
		free(w->owners[i]);
		free(w->pages[i]);
		free(w->touched[i]);
	}
}

void world_reset(struct world *w)
{
	int i, s;

	plan_forget(w);
	config_init(&w->versions[0]);
	w->nr_versions = 1;
	memset(&w->caches, 0, sizeof(w->caches));
	w->targets = 0;
	memset(w->counts, 0, sizeof(w->counts));
	for (i = 0; i < layout.nr; i++)
		for (s = 0; s < (int)WINDOW; s++) {
			cell_set(&w->cells[i][s], 0);
			w->cells[i][s].step = 0;
		}
}

void plan_forget(struct world *w)
{
	int i;

	for (i = 0; i < w->nr_plans; i++) {
		free(w->plans[i].want);
		free(w->plans[i].found);
	}
	free(w->plans);
	w->plans = NULL;
	w->nr_plans = 0;
}

static bool any_fate(const struct outcome *o, int nr, enum end fate)
{
	for (; nr; nr--, o++)
		if (o->fate == fate)
			return true;
	return false;
}

static bool well_formed(const struct step *s)
{
	const struct dev *d = &layout.devs[s->dev];
	__u32 unit = step_cached(s) ? PAGE : layout.unit;

	if (!s->nr || s->sector + s->nr > d->window)
		return false;
	if ((s->sector | s->nr) % unit)
		return false;
	if (step_cached(s) && d->sectors % PAGE)
		return false;
	return s->op == IO_READ || s->op == IO_WRITE || s->way == WAY_DIRECT;
}

static struct router router(struct world *w, const struct step *s,
			    struct counts *counts)
{
	static const __u32 ops[] = {
		[IO_READ] = BPF_BIO_OP_READ,
		[IO_WRITE] = BPF_BIO_OP_WRITE,
		/* Rules make no difference between this and WRITE_ZEROES. */
		[IO_ZERO] = BPF_BIO_OP_WRITE,
		[IO_DISCARD] = BPF_BIO_OP_DISCARD,
	};
	struct router r = {
		.versions = w->versions,
		.nr_versions = w->nr_versions,
		.counts = w->nr_versions == 1 ? counts : NULL,
		.used = w->nr_versions == 1 ? w->caches.used : NULL,
		.may = w->caches.may,
		.fault = w->fault,
		.exact = (s->way == WAY_DIRECT || s->way == WAY_DSYNC ||
			  s->way == WAY_NOWAIT) &&
			 (s->op == IO_READ || s->op == IO_WRITE),
		.zero = s->op == IO_ZERO,
		.fua = s->way == WAY_DSYNC,
		.op = ops[s->op],
		.outcomes = outcomes,
		.room = MAX_OUTCOMES,
	};

	return r;
}

/* Is each bio of the step known, and what it does to the counters? */
static bool countable(const struct step *s)
{
	if (s->verb == DO_SYNC)
		return true;
	return (s->way == WAY_DIRECT || s->way == WAY_DSYNC) &&
	       (s->op == IO_READ || s->op == IO_WRITE);
}

static void note_covers(const struct outcome *o, int nr)
{
	__u32 k;

	memset(cover, 0, sizeof(cover));
	memset(goes, 0, sizeof(goes));
	for (; nr; nr--, o++)
		for (k = o->off; k < o->off + o->nr; k++) {
			if (cover[k] < 255)
				cover[k]++;
			if (o->fate != FATE_ERROR)
				goes[k] = true;
		}
}

static void expect_errors(struct plan *p, const struct outcome *o, int nr)
{
	const struct step *s = p->step;
	int error;
	__u32 k;

	p->good = true;
	for (k = 0; k < s->nr; k++)
		if (!goes[k])
			p->good = false;
	for (; nr; nr--, o++) {
		if (o->fate != FATE_ERROR)
			continue;
		error = o->error;
		/* To BLKDISCARD it is advice. */
		if (s->op == IO_DISCARD && error == -EOPNOTSUPP)
			p->good = true;
		else
			errors_add(p->errors, &p->nr_errors, error);
	}
	if (s->op == IO_DISCARD) {
		/* Some device has none, and its error came first. */
		p->good = true;
		errors_add(p->errors, &p->nr_errors, -EOPNOTSUPP);
	}
	if (s->way == WAY_NOWAIT) {
		errors_add(p->errors, &p->nr_errors, -EAGAIN);
		errors_add(p->errors, &p->nr_errors, -EOPNOTSUPP);
	}
}

static void expect_read(struct world *w, struct plan *p,
			const struct outcome *o, int nr)
{
	const struct cell zero = { .nr = 1 };
	__u32 k;

	p->want = zalloc(p->step->nr, sizeof(*p->want));
	p->found = zalloc(p->step->nr, sizeof(*p->found));
	for (; nr; nr--, o++)
		for (k = 0; k < o->nr; k++) {
			if (o->fate == FATE_PLACE)
				cell_merge(&p->want[o->off + k],
					   &w->cells[o->dev][o->sector + k]);
			else if (o->fate == FATE_DONE)
				cell_merge(&p->want[o->off + k], &zero);
		}
}

static void write_sector(struct cell *c, const struct step *s, __u64 stamp,
			 bool sure)
{
	/* Two parts of one write in one place: either is the last. */
	if (sure && c->step != s->line)
		cell_set(c, stamp);
	else
		cell_add(c, stamp);
	c->step = s->line;
}

static void expect_write(struct world *w, struct plan *p,
			 const struct outcome *o, int nr)
{
	const struct step *s = p->step;
	/*
	 * io_uring may not wait either: where one part of a bio fails, another
	 * may have ended with EAGAIN, which nobody is told then.
	 */
	bool sure =
		s->op != IO_DISCARD && s->way != WAY_NOWAIT &&
		((s->op != IO_ZERO && s->way != WAY_URING) || !p->nr_errors);
	__u64 stamp;
	bool all;
	__u32 k;

	for (; nr; nr--, o++) {
		if (o->fate != FATE_PLACE)
			continue;
		all = sure;
		for (k = 0; k < o->nr; k++) {
			stamp = s->op == IO_WRITE ?
					stamp_of(s, s->sector + o->off + k) :
					0;
			all &= cover[o->off + k] == 1;
			write_sector(&w->cells[o->dev][o->sector + k], s, stamp,
				     sure && cover[o->off + k] == 1);
			w->touched[o->dev][(o->sector + k) / CHUNK] = true;
		}
		if (o->target >= 0 && all)
			w->caches.dirty[o->target] = p->thread + 2;
	}
}

/* What is done without I/O is flushed nevertheless, through no program. */
static void expect_done(struct world *w, struct plan *p,
			const struct outcome *o, int nr)
{
	for (; nr; nr--, o++) {
		if (o->fate != FATE_DONE || !o->fua)
			continue;
		world_clean(w, o->dev, p->thread);
		/* dm sends its flush through those below it. */
		if (layout.stacked)
			errors_add(p->errors, &p->nr_errors, -EIO);
	}
}

/*
 * What a flush of @dev comes to. A fan-out that another thread began may have
 * cleaned what this one would.
 */
static void expect_flush(struct world *w, struct plan *p, bool sure)
{
	const struct step *s = p->step;
	struct router r = router(w, s, w->counts);
	struct flushed flushed = {};
	bool fails = false, all = true;
	int v, i;

	for (v = 0; v < w->nr_versions; v++) {
		fails = flush_reach(&w->caches, &r, v, s->dev, p->thread,
				    &flushed);
		all &= fails;
	}
	for (i = 0; i < flushed.nr_errors; i++)
		errors_add(p->errors, &p->nr_errors, flushed.errors[i]);
	if (all && sure)
		p->good = false;
	if (!flushed.nr_errors && p->good && w->nr_versions == 1 &&
	    w->flushers == 1) {
		for (i = 0; i < layout.nr; i++)
			if (layout.devs[i].counts)
				p->flush |= flushed.leaves & (1U << i);
		p->targets = flushed.targets;
	}
	world_clean(w, s->dev, p->thread);
}

static void plan_sync(struct world *w, struct plan *p)
{
	p->run = true;
	p->good = true;
	p->thread = p->step->thread;
	expect_flush(w, p, true);
	if (layout.stacked)
		w->counted = false;
}

static void plan_io(struct world *w, struct plan *p)
{
	const struct step *s = p->step;
	struct router trial = router(w, s, NULL), r;
	struct use uses[2] = {
		{ .step = s, .outcomes = outcomes, .write = s->op != IO_READ },
		{ .step = s, .outcomes = before },
	};
	int nr_uses = 1, i;

	if (!well_formed(s))
		return;
	trial.used = NULL;
	trial.may = NULL;
	route(&trial, s->dev, s->sector, s->nr);
	if (any_fate(outcomes, trial.nr, FATE_OPEN))
		return;
	/*
	 * dm divides a NOWAIT bio. If one part then ends with EAGAIN and the
	 * other later, io_uring forgets the request: not only with us.
	 */
	if (s->way == WAY_URING && trial.divided)
		return;
	/* A page that cannot be written stays in the cache. */
	if (step_cached(s) && any_fate(outcomes, trial.nr, FATE_ERROR))
		return;
	uses[0].nr = trial.nr;
	if (s->way == WAY_MMAP && s->op == IO_WRITE) {
		/* The page is read first. */
		trial.op = BPF_BIO_OP_READ;
		trial.outcomes = before;
		route(&trial, s->dev, s->sector, s->nr);
		if (any_fate(before, trial.nr, FATE_OPEN) ||
		    any_fate(before, trial.nr, FATE_ERROR))
			return;
		uses[1].nr = trial.nr;
		nr_uses = 2;
	}
	p->thread = own_thread(w, s, uses, nr_uses);
	if (p->thread < 0)
		return;
	for (i = 0; i < nr_uses; i++)
		own_take(w, &uses[i], p->thread);

	p->run = true;
	if (!countable(s) || (layout.stacked && step_flushes(s)))
		w->counted = false;
	r = router(w, s, w->counts);
	route(&r, s->dev, s->sector, s->nr);
	note_covers(outcomes, r.nr);
	expect_errors(p, outcomes, r.nr);
	if (s->op == IO_READ) {
		expect_read(w, p, outcomes, r.nr);
		return;
	}
	expect_write(w, p, outcomes, r.nr);
	expect_done(w, p, outcomes, r.nr);
	/* Only what was written is flushed. */
	if (step_flushes(s) && p->good)
		expect_flush(w, p, !p->nr_errors);
	else if (step_flushes(s))
		world_clean(w, s->dev, p->thread);
}

/* At most one change of a slot, and then nothing else: see route.c. */
static void plan_live(struct world *w, struct plan *p)
{
	const struct step *s = p->step;
	struct config *last = &w->versions[w->nr_versions - 1];
	static bool slot;

	if (w->nr_versions == 1)
		slot = false;
	if (w->nr_versions > MAX_LIVE || slot ||
	    (s->verb == DO_SLOT && w->nr_versions > 1))
		return;
	last[1] = *last;
	if (config_apply(&last[1], s))
		return;
	slot = s->verb == DO_SLOT;
	w->nr_versions++;
	p->run = true;
	p->good = true;
}

/*
 * Threads have no order among each other: what one wrote another may have
 * flushed after it, though the trace has it before.
 */
static void settle_dirty(struct world *w)
{
	__u8 *dirty = w->caches.dirty;
	struct plan *p;
	int i, t;

	for (i = 0; i < w->nr_plans; i++) {
		p = &w->plans[i];
		for (t = 0; t < layout.nr; t++)
			if (p->targets & (1U << t) &&
			    w->cleaners[t] & ~(1U << p->thread))
				p->flush = 0;
	}
	for (t = 0; t < layout.nr; t++)
		if (dirty[t] > 1)
			dirty[t] = !(w->cleaners[t] & ~(1U << (dirty[t] - 2)));
}

void plan_round(struct world *w, const struct step *steps, int nr)
{
	struct plan *p;
	int i;

	own_nothing(w);
	memset(w->counts, 0, sizeof(w->counts));
	memset(w->cleaners, 0, sizeof(w->cleaners));
	w->flushers = own_flushers(steps, nr);
	w->plans = zalloc(nr, sizeof(*w->plans));
	w->nr_plans = nr;
	for (i = 0; i < nr; i++) {
		w->plans[i].step = &steps[i];
		if (steps[i].live)
			plan_live(w, &w->plans[i]);
	}
	w->counted = w->nr_versions == 1;
	for (i = 0; i < nr; i++) {
		p = &w->plans[i];
		if (p->step->live)
			continue;
		if (p->step->verb == DO_SYNC)
			plan_sync(w, p);
		else
			plan_io(w, p);
		w->skipped += !p->run;
	}
	settle_dirty(w);
}
