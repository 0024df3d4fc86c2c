// SPDX-License-Identifier: GPL-2.0
/*
 * usage: model [OPTION...] DEVICE...
 *
 *	-s SEED		first seed, 1
 *	-n COUNT	so many seeds, 1
 *	-t SECONDS	seeds until the time is over
 *	-r FILE		this trace instead
 *	-p		print the trace of the seed, do nothing
 *	-f FAULT	plant a fault; it is a failure not to find it
 *	-w SECONDS	a trace may take, 60
 *	-x WAY		direct I/O instead of this way, to look behind what it finds
 *	-m		use a kernel in memory
 *
 * DEVICE as in layout.c. Output is TAP. A trace that fails is shrunk and
 * printed; -r runs what was printed.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../progs/policy_test.h"
#undef ARRAY_SIZE
#include "model.h"

#define SHRINK_SECONDS 60

static const struct backend *backend = &real_backend;
static enum fault fault;
static bool left_out[IO_WAYS];

static bool fails(const struct trace *t)
{
	static FILE *null;

	null = null ?: fopen("/dev/null", "w");
	return !run_trace(t, null);
}

/* true: the trace was fine */
static bool try(struct trace *t)
{
	struct trace whole = {};
	int i;

	if (run_trace(t, stdout))
		return true;
	for (i = 0; i < t->nr; i++)
		trace_add(&whole, &t->steps[i]);
	if (!fails(t) && !fails(t) && !fails(t)) {
		printf("# not again in three tries, the whole trace:\n");
		trace_print(t, stdout, "# ");
		trace_free(&whole);
		return false;
	}
	shrink(t, fails, SHRINK_SECONDS);
	printf("# of %d steps these are enough:\n", whole.nr);
	trace_print(t, stdout, "# ");
	run_trace(t, stdout);
	trace_free(&whole);
	return false;
}

static void from_file(const char *path)
{
	FILE *f = fopen(path, "r");
	struct trace t = {};
	int line;

	if (!f)
		die("%s: %s", path, strerror(errno));
	line = trace_read(&t, f);
	if (line)
		die("%s:%d: no step", path, line);
	fclose(f);
	run_open(backend, fault, FAULT_NONE);
	tap(run_trace(&t, stdout), "%s", path);
	run_close();
	trace_free(&t);
}

static void make(struct trace *t, __u64 seed)
{
	int i;

	generate(t, seed);
	for (i = 0; i < t->nr; i++)
		if (left_out[t->steps[i].way])
			t->steps[i].way = WAY_DIRECT;
}

/* Steps of the trace that shows the fault that was planted, 0 if none does */
static int find_planted(__u64 seed, int count)
{
	int i, steps;
	bool found;

	for (i = 0; i < count; i++) {
		struct trace t = {};

		make(&t, seed + i);
		found = fails(&t);
		if (found) {
			shrink(&t, fails, SHRINK_SECONDS);
			steps = t.nr;
			trace_print(&t, stdout, "# ");
			run_trace(&t, stdout);
		}
		trace_free(&t);
		if (!found)
			continue;
		printf("# seed %llu found '%s', %d steps\n",
		       (unsigned long long)seed + i, fault_names[fault], steps);
		return steps;
	}
	return 0;
}

static void print_stats(void)
{
	printf("# %lu I/Os, %lu changes, %lu during I/O, %lu steps skipped, %lu rounds counted, %lu flushes and %lu closes with something to flush\n",
	       run_stats.io, run_stats.changes, run_stats.live,
	       run_stats.skipped, run_stats.counted, run_stats.flushes,
	       run_stats.closes);
}

static void seeds(__u64 seed, int count, int seconds)
{
	time_t until = time(NULL) + seconds;
	int done = 0;
	bool good = true;

	for (; good && (seconds ? time(NULL) < until : done < count); done++) {
		struct trace t = {};

		printf("# seed %llu\n", (unsigned long long)seed + done);
		fflush(stdout);
		make(&t, seed + done);
		good = try(&t);
		trace_free(&t);
		if (!seconds)
			tap(good, "seed %llu", (unsigned long long)seed + done);
	}
	if (seconds)
		tap(good, "%d seeds from %llu on", done,
		    (unsigned long long)seed);
	print_stats();
	/* Planted once by hand: a generator of steps that are all skipped. */
	tap(run_stats.io > run_stats.skipped, "most steps could be predicted");
}

static void leave_out(const char *name)
{
	int i;

	for (i = 0; i < IO_WAYS; i++)
		if (!strcmp(way_names[i], name)) {
			left_out[i] = true;
			return;
		}
	die("no way '%s'", name);
}

static enum fault fault_of(const char *name)
{
	int i;

	for (i = 0; i < FAULTS; i++)
		if (!strcmp(fault_names[i], name))
			return i;
	die("no fault '%s'", name);
}

int main(int argc, char **argv)
{
	int option, count = 1, seconds = 0, limit = 60, steps;
	const char *file = NULL;
	struct trace t = {};
	bool print = false;
	__u64 seed = 1;

	while ((option = getopt(argc, argv, "s:n:t:r:pf:w:x:m")) != -1) {
		if (option == 's')
			seed = strtoull(optarg, NULL, 0);
		else if (option == 'n')
			count = atoi(optarg);
		else if (option == 't')
			seconds = atoi(optarg);
		else if (option == 'r')
			file = optarg;
		else if (option == 'p')
			print = true;
		else if (option == 'f')
			fault = fault_of(optarg);
		else if (option == 'w')
			limit = atoi(optarg);
		else if (option == 'x')
			leave_out(optarg);
		else if (option == 'm')
			backend = &sim_backend;
		else
			die("see the top of main.c");
	}
	for (; optind < argc; optind++)
		layout_add(argv[optind]);
	if (!layout.nr)
		die("no devices");
	if (print) {
		make(&t, seed);
		trace_print(&t, stdout, "");
		return 0;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	watch_start(limit);
	if (file) {
		from_file(file);
		return tap_exit();
	}
	/* In the kernel if that is ours, else in the model. */
	run_open(backend, fault, backend == &real_backend ? fault : FAULT_NONE);
	if (fault == FAULT_NONE) {
		seeds(seed, count, seconds);
	} else {
		steps = find_planted(seed, count);
		tap(steps, "%s: found", fault_names[fault]);
		tap(steps && steps <= 16, "%s: the trace is short (%d steps)",
		    fault_names[fault], steps);
	}
	run_close();
	return tap_exit();
}
