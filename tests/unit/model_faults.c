// SPDX-License-Identifier: GPL-2.0
/*
 * What the fuzzer of tests/model finds in a kernel in memory: nothing if it
 * follows the contract, and soon, with a short trace, each fault that is
 * planted there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../model/model.h"

#define SEEDS 400
#define SHORT 16 /* steps; a chain of 9 redirects has 12 */

static FILE *null;

static bool fails(const struct trace *t)
{
	return !run_trace(t, null);
}

/* Steps of the shrunken trace of the first seed that fails, 0 if none does */
static int steps_to(enum fault fault)
{
	int seed, steps = 0;

	run_open(&sim_backend, fault, FAULT_NONE);
	for (seed = 1; seed <= SEEDS && !steps; seed++) {
		struct trace t = {};

		generate(&t, seed);
		if (fails(&t)) {
			shrink(&t, fails, 60);
			assert_true(fails(&t));
			steps = t.nr;
			trace_print(&t, stdout, "# ");
		}
		trace_free(&t);
	}
	run_close();
	return steps;
}

static void test_faultless(void **state)
{
	(void)state;
	assert_int_equal(steps_to(FAULT_NONE), 0);
	assert_true(run_stats.io > run_stats.skipped);
	assert_true(run_stats.live > 0);
	assert_true(run_stats.counted > 0);
	assert_true(run_stats.flushes > 0);
	assert_true(run_stats.closes > 0);
}

static void test_planted(void **state)
{
	enum fault fault;
	int steps;

	(void)state;
	for (fault = FAULT_NONE + 1; fault < FAULTS; fault++) {
		steps = steps_to(fault);
		if (!steps || steps > SHORT)
			fail_msg("%s: %d steps", fault_names[fault], steps);
	}
}

/* What is printed is the same trace when it is read. */
static void test_text(void **state)
{
	struct trace t = {}, again = {};
	char one[65536], two[65536];
	FILE *f = tmpfile();

	(void)state;
	assert_non_null(f);
	generate(&t, 7);
	assert_true(t.nr > 100);
	trace_print(&t, f, "");
	rewind(f);
	assert_int_equal(trace_read(&again, f), 0);
	fclose(f);
	assert_int_equal(t.nr, again.nr);
	f = fmemopen(one, sizeof(one), "w");
	trace_print(&t, f, "");
	fclose(f);
	f = fmemopen(two, sizeof(two), "w");
	trace_print(&again, f, "");
	fclose(f);
	assert_string_equal(one, two);
	trace_free(&t);
	trace_free(&again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_faultless),
		cmocka_unit_test(test_planted),
		cmocka_unit_test(test_text),
	};

	null = fopen("/dev/null", "w");
	layout_add("a:8192");
	layout_add("b:8192:0:8");
	layout_add("c:16384");
	layout_add("p@0:1024:2048");
	layout_add("q@0:1024:4096");
	layout_add("l=1024:1:0+1024:3:0+512:1:2048");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
