// SPDX-License-Identifier: GPL-2.0
/*
 * Whose sectors and pages they are in this round: no two threads use the same,
 * unless both only read.
 */
#include <string.h>

#include "model.h"

static bool foreign(const struct owner *o, int thread, bool write)
{
	return (o->writer && o->writer != thread + 1) ||
	       (write && o->readers & ~(1 << thread));
}

static void take(struct owner *o, int thread, bool write)
{
	o->readers |= 1 << thread;
	if (write)
		o->writer = thread + 1;
}

bool step_cached(const struct step *s)
{
	return s->way == WAY_BUFFERED || s->way == WAY_MMAP;
}

/* Is it free for @thread? With @mark, it is taken. */
static bool use(struct world *w, const struct use *u, int thread, bool mark)
{
	const struct step *s = u->step;
	struct owner *o;
	__u64 page;
	__u32 k;
	int i;

	for (i = 0; i < u->nr; i++) {
		if (u->outcomes[i].fate != FATE_PLACE)
			continue;
		o = &w->owners[u->outcomes[i].dev][u->outcomes[i].sector];
		for (k = 0; k < u->outcomes[i].nr; k++, o++) {
			if (mark)
				take(o, thread, u->write);
			else if (foreign(o, thread, u->write))
				return false;
		}
	}
	/* Direct I/O makes the cache of what it overlaps go, or waits for it. */
	for (page = s->sector / PAGE; page * PAGE < s->sector + s->nr; page++) {
		o = &w->pages[s->dev][page];
		if (mark)
			take(o, thread, step_cached(s));
		else if (foreign(o, thread, step_cached(s)))
			return false;
	}
	return true;
}

bool step_flushes(const struct step *s)
{
	return s->verb == DO_SYNC ||
	       (s->verb == DO_IO &&
		(s->way == WAY_DSYNC || (step_cached(s) && s->op == IO_WRITE)));
}

void own_take(struct world *w, const struct use *u, int thread)
{
	use(w, u, thread, true);
}

/* The thread of the step, or another one to whom all of it belongs. */
int own_thread(struct world *w, const struct step *s, struct use *u, int nr)
{
	int t, i;

	for (t = 0; t < MAX_THREADS; t++) {
		int thread = (s->thread + t) % MAX_THREADS;

		for (i = 0; i < nr; i++)
			if (!use(w, &u[i], thread, false))
				break;
		if (i == nr)
			return thread;
		/* Who flushes is known beforehand. */
		if (step_flushes(s))
			break;
	}
	return -1;
}

/* Threads that flush in a round; they keep their steps. */
int own_flushers(const struct step *s, int nr)
{
	unsigned int threads = 0;

	for (; nr; nr--, s++)
		if (!s->live && step_flushes(s))
			threads |= 1U << s->thread;
	return __builtin_popcount(threads);
}

void own_nothing(struct world *w)
{
	int i;

	for (i = 0; i < layout.nr; i++) {
		memset(w->owners[i], 0, WINDOW * sizeof(struct owner));
		memset(w->pages[i], 0, WINDOW / PAGE * sizeof(struct owner));
	}
}
