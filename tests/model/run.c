// SPDX-License-Identifier: GPL-2.0
/* Executes a trace: plan a round, do it, compare. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model.h"

struct run_stats run_stats;

static const struct backend *backend;
static struct world world;
static bool *ever[MAX_DEVS]; /* chunks to zero before the next trace */
static FILE *say;
static bool good;
static atomic_uint begun, working;

static void set_ever(bool all)
{
	int i;

	for (i = 0; i < layout.nr; i++)
		memset(ever[i], all, WINDOW / CHUNK);
}

void run_open(const struct backend *b, enum fault fault, enum fault model)
{
	int i;

	backend = b;
	backend->open(fault);
	world_init(&world, model);
	for (i = 0; i < layout.nr; i++) {
		ever[i] = malloc(WINDOW / CHUNK);
		if (!ever[i])
			abort();
	}
	set_ever(true);
}

void run_close(void)
{
	int i;

	set_ever(false);
	backend->reset(ever);
	backend->close();
	world_free(&world);
	for (i = 0; i < layout.nr; i++)
		free(ever[i]);
}

static void print_stamp(__u64 stamp)
{
	int line = stamp >> 32, dev = stamp >> 24 & 0xff;

	if (!stamp)
		fprintf(say, " zeroes");
	else if (stamp == TORN)
		fprintf(say, " rubbish");
	else
		fprintf(say, " (step %d: device %d sector %llu)", line, dev,
			(stamp & 0xffffff) - 1);
}

static void print_difference(const struct cell *want, __u64 found)
{
	int i;

	fprintf(say, " found");
	print_stamp(found);
	fprintf(say, ", expected");
	for (i = 0; i < want->nr; i++)
		print_stamp(want->stamps[i]);
	fprintf(say, "\n");
}

static void print_step(const struct step *s)
{
	fprintf(say, "# step ");
	step_print(s, say);
}

static bool is_error(const struct plan *p, int error)
{
	int i;

	for (i = 0; i < p->nr_errors; i++)
		if (p->errors[i] == error)
			return true;
	return false;
}

static void check_result(const struct plan *p)
{
	int i;

	if (p->result ? is_error(p, p->result) : p->good)
		return;
	good = false;
	print_step(p->step);
	fprintf(say, "# ended with %d, expected%s", p->result,
		p->good ? " 0" : "");
	for (i = 0; i < p->nr_errors; i++)
		fprintf(say, " %d", p->errors[i]);
	fprintf(say, "\n");
}

static void check_read(const struct plan *p)
{
	__u32 k;

	if (!p->want || p->result)
		return;
	for (k = 0; k < p->step->nr; k++) {
		if (cell_allows(&p->want[k], p->found[k]))
			continue;
		good = false;
		print_step(p->step);
		fprintf(say, "# sector %llu:",
			(unsigned long long)p->step->sector + k);
		print_difference(&p->want[k], p->found[k]);
		return;
	}
}

static void check_flush(const struct plan *p)
{
	if (!p->missed || p->result)
		return;
	good = false;
	print_step(p->step);
	fprintf(say, "# did not flush devices %#x\n", p->missed);
}

static void do_step(struct plan *p)
{
	__u64 flushes[MAX_DEVS] = {};
	int i;

	for (i = 0; i < layout.nr; i++)
		if (p->flush & (1U << i))
			flushes[i] = backend->flushes(i);
	watch_step(p->thread, p->step);
	p->result = backend->io(p->step, p->thread, p->found);
	watch_step(p->thread, NULL);
	for (i = 0; i < layout.nr; i++)
		if (p->flush & (1U << i) && backend->flushes(i) <= flushes[i])
			p->missed |= 1U << i;
}

static void *work(void *arg)
{
	int thread = (long)arg, i;

	for (i = 0; i < world.nr_plans; i++) {
		struct plan *p = &world.plans[i];

		if (!p->run || p->step->live || p->thread != thread)
			continue;
		atomic_fetch_add(&begun, 1);
		do_step(p);
	}
	atomic_fetch_sub(&working, 1);
	return NULL;
}

static void change(struct plan *p)
{
	watch_step(MAX_THREADS, p->step);
	p->result = backend->config(p->step);
	watch_step(MAX_THREADS, NULL);
	run_stats.live++;
}

static void do_live(void)
{
	int i;

	for (i = 0; i < world.nr_plans; i++) {
		struct plan *p = &world.plans[i];

		if (!p->run || !p->step->live)
			continue;
		while (atomic_load(&begun) < p->step->after &&
		       atomic_load(&working))
			usleep(50);
		change(p);
	}
}

static void with_threads(void)
{
	pthread_t threads[MAX_THREADS];
	long t;

	atomic_store(&begun, 0);
	atomic_store(&working, MAX_THREADS);
	for (t = 0; t < MAX_THREADS; t++)
		if (pthread_create(&threads[t], NULL, work, (void *)t))
			abort();
	do_live();
	for (t = 0; t < MAX_THREADS; t++)
		pthread_join(threads[t], NULL);
}

/* Live steps from *@next on that are due: they keep their order. */
static void live_due(int *next, unsigned int done)
{
	for (; *next < world.nr_plans; (*next)++) {
		struct plan *p = &world.plans[*next];

		if (!p->run || !p->step->live)
			continue;
		if (p->step->after > done)
			return;
		change(p);
	}
}

/* The next step of a thread from *@at on. */
static struct plan *next_of(int thread, int *at)
{
	for (; *at < world.nr_plans; (*at)++) {
		struct plan *p = &world.plans[*at];

		if (p->run && !p->step->live && p->thread == thread)
			return p;
	}
	return NULL;
}

/* Mixes what the threads do as they might, the same for the same steps. */
static void without_threads(void)
{
	int at[MAX_THREADS] = {}, next = 0, thread, left;
	unsigned int done = 0, mix = world.plans->step->line;
	struct plan *p;

	for (left = world.nr_plans; left;) {
		mix = mix * 1103515245 + 12345;
		thread = (mix >> 16) % MAX_THREADS;
		p = next_of(thread, &at[thread]);
		if (!p) {
			/* Steps that are skipped, and live ones, count, too. */
			left--;
			continue;
		}
		live_due(&next, done++);
		do_step(p);
		at[thread]++;
	}
	for (thread = 0; thread < MAX_THREADS; thread++)
		for (; (p = next_of(thread, &at[thread])); at[thread]++)
			do_step(p);
	live_due(&next, ~0U);
}

static void compare_chunk(int leaf, __u32 first)
{
	struct cell *c = &world.cells[leaf][first];
	__u64 found[CHUNK];
	__u32 k, nr = CHUNK;
	__u32 wrong = 0, last = 0;

	if (first + nr > layout.devs[leaf].window)
		nr = layout.devs[leaf].window - first;
	backend->read(leaf, first, nr, found);
	for (k = 0; k < nr; k++, c++) {
		if (!cell_allows(c, found[k])) {
			if (!wrong++) {
				fprintf(say,
					"# device %d (%s) sector %u:", leaf,
					layout.devs[leaf].path, first + k);
				print_difference(c, found[k]);
			}
			last = first + k;
		}
		cell_set(c, found[k]);
	}
	if (!wrong)
		return;
	good = false;
	if (wrong > 1)
		fprintf(say, "# and %u more up to sector %u\n", wrong - 1,
			last);
}

static void compare(bool all)
{
	__u32 i;
	int d;

	for (d = 0; d < layout.nr; d++) {
		if (layout.devs[d].kind != DEV_LEAF)
			continue;
		for (i = 0; i * CHUNK < layout.devs[d].window; i++) {
			if (!all && !world.touched[d][i])
				continue;
			compare_chunk(d, i * CHUNK);
			ever[d][i] |= world.touched[d][i];
			world.touched[d][i] = false;
		}
	}
}

/* A flush that dm sends anew is counted below, and dm decides how many. */
static bool differs(const struct counts *want, const struct counts *got,
		    const struct counts *from)
{
	int i;

	for (i = 0; i < 8; i++) {
		if (want->sectors[i] != got->sectors[i] - from->sectors[i])
			return true;
		if (layout.stacked && (i == BPF_BIO_PASS || i == BPF_BIO_FAIL))
			continue;
		if (want->bios[i] != got->bios[i] - from->bios[i])
			return true;
	}
	for (i = 0; i < 16; i++)
		if (i != BPF_BIO_REFUSED_FLUSH &&
		    want->refused[i] != got->refused[i] - from->refused[i])
			return true;
	return false;
}

static void print_counts(const char *name, const struct counts *c,
			 const struct counts *from)
{
	int i;

	fprintf(say, "#  %s:", name);
	for (i = 0; i < 8; i++)
		if (c->bios[i] - from->bios[i])
			fprintf(say, " verdict %d %llu/%llu", i,
				(unsigned long long)(c->bios[i] -
						     from->bios[i]),
				(unsigned long long)(c->sectors[i] -
						     from->sectors[i]));
	for (i = 0; i < 16; i++)
		if (c->refused[i] - from->refused[i])
			fprintf(say, " refused %d %llu", i,
				(unsigned long long)(c->refused[i] -
						     from->refused[i]));
	fprintf(say, "\n");
}

static void check_counts(const struct counts *from)
{
	static const struct counts zero;
	struct counts got;
	int p;

	if (!world.counted)
		return;
	run_stats.counted++;
	for (p = 0; p < MAX_PROGS; p++) {
		if (world.versions[0].progs[p].dev < 0)
			continue;
		backend->counts(p, &got);
		if (!differs(&world.counts[p], &got, &from[p]))
			continue;
		good = false;
		fprintf(say, "# counters of program %d differ\n", p);
		print_counts("found", &got, &from[p]);
		print_counts("expected", &world.counts[p], &zero);
	}
}

/* What was closed has been flushed then, which later flushes rely on. */
static void settle(void)
{
	if (backend->settle(config_targets(&world.versions[0])))
		return;
	good = false;
	fprintf(say, "# targets are not closed\n");
}

static void play_round(const struct step *steps, int nr)
{
	struct counts from[MAX_PROGS];
	int i;

	for (i = 0; i < MAX_PROGS; i++)
		if (world.versions[0].progs[i].dev >= 0)
			backend->counts(i, &from[i]);
	plan_round(&world, steps, nr);
	if (backend->threads)
		with_threads();
	else
		without_threads();
	for (i = 0; i < world.nr_plans; i++) {
		const struct plan *p = &world.plans[i];

		if (!p->run)
			continue;
		check_result(p);
		check_read(p);
		check_flush(p);
		run_stats.io += !p->step->live;
		run_stats.flushes += !!p->flush;
	}
	check_counts(from);
	compare(false);
	world.versions[0] = world.versions[world.nr_versions - 1];
	world.nr_versions = 1;
	settle();
	world_forget_targets(&world);
	plan_forget(&world);
}

/* The device that this step closes for redirects, if it has to be flushed. */
static int closed_dirty(const struct step *s, const struct config *old)
{
	int dev = s->verb == DO_SLOT ? old->progs[s->prog].slots[s->key].dev :
				       -1;

	if (dev < 0 || world.caches.dirty[dev] != 1 ||
	    config_has_target(&world.versions[0], dev) ||
	    !layout.devs[whole_of(dev)].counts)
		return -1;
	return whole_of(dev);
}

static void configure(const struct step *s)
{
	static struct config old;
	int want, got, leaf;
	__u64 flushes = 0;

	old = world.versions[0];
	want = config_apply(&world.versions[0], s);
	if (want > 0) {
		world.skipped++;
		return;
	}
	leaf = closed_dirty(s, &old);
	if (leaf >= 0)
		flushes = backend->flushes(leaf);
	watch_step(MAX_THREADS, s);
	got = backend->config(s);
	watch_step(MAX_THREADS, NULL);
	run_stats.changes++;
	if (got != want) {
		good = false;
		print_step(s);
		fprintf(say, "# ended with %d, expected %d\n", got, want);
	}
	settle();
	if (leaf >= 0) {
		run_stats.closes++;
		if (backend->flushes(leaf) <= flushes) {
			good = false;
			print_step(s);
			fprintf(say, "# device %d was closed without a flush\n",
				leaf);
		}
	}
	world_forget_targets(&world);
}

bool run_trace(const struct trace *t, FILE *to)
{
	int i, from = 0;

	say = to;
	good = true;
	watch_trace(t);
	backend->reset(ever);
	set_ever(false);
	world_reset(&world);
	for (i = 0; i <= t->nr && good; i++) {
		const struct step *s = i < t->nr ? &t->steps[i] : NULL;

		if (s && (s->live || s->verb == DO_IO || s->verb == DO_SYNC))
			continue;
		if (i > from)
			play_round(&t->steps[from], i - from);
		from = i + 1;
		if (s && s->verb != DO_ROUND && good)
			configure(s);
	}
	compare(true);
	watch_trace(NULL);
	run_stats.skipped += world.skipped;
	world.skipped = 0;
	/* Whatever went wrong may have written anywhere. */
	if (!good)
		set_ever(true);
	return good;
}
