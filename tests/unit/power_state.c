// SPDX-License-Identifier: GPL-2.0
/* What a disk may forget, and what it may not: tests/progs/power_state.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define main power_state_main
#include "../progs/power_state.c"
#undef main

static char dir[] = "/tmp/power_state-XXXXXX";

/* A write puts the number of its request into one block. */
static struct power_request write_at(unsigned int block, uint64_t arrived,
				     uint64_t answered)
{
	return (struct power_request){ .arrived = arrived,
				       .answered = answered,
				       .offset = block * POWER_BLOCK,
				       .len = POWER_BLOCK };
}

static struct power_request flush(uint64_t arrived, uint64_t answered)
{
	return (struct power_request){ .arrived = arrived,
				       .answered = answered,
				       .stable = 1 };
}

static int setup(void **state)
{
	int fd;

	(void)state;
	if (!mkdtemp(dir))
		return 1;
	fd = power_open(dir, "0.base", O_WRONLY | O_CREAT);
	if (ftruncate(fd, 8 * POWER_BLOCK))
		return 1;
	close(fd);
	close(power_open(dir, "data", O_RDWR | O_CREAT));
	return 0;
}

static int teardown(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

static void build(struct power_request *log, size_t nr, uint64_t position,
		  uint64_t dice)
{
	int fd = power_open(dir, "data", O_RDWR);
	char buf[POWER_BLOCK];

	for (size_t i = 0; i < nr; i++) {
		memset(buf, i + 1, sizeof(buf));
		log[i].data = i * POWER_BLOCK;
		power_write(fd, buf, sizeof(buf), log[i].data);
	}
	close(fd);
	requests = log;
	nr_requests = nr;
	build_disk(dir, 0, position, dice);
	puts("");
}

/* Number of the request that has left its data there, 0 if none has. */
static int left(unsigned int block)
{
	int fd = power_open(dir, "0.left", O_RDONLY);
	char byte;

	power_read(fd, &byte, 1, block * POWER_BLOCK);
	close(fd);
	return byte;
}

#define BUILD(log, position) \
	build(log, sizeof(log) / sizeof((log)[0]), position, 0)

static void test_flush(void **state)
{
	struct power_request log[] = {
		write_at(0, 1, 2),
		write_at(1, 3, 6), /* unanswered when the flush arrives */
		flush(4, 8),
		write_at(2, 5, 7), /* answered before the flush is */
	};

	(void)state;
	BUILD(log, 7);
	assert_int_equal(left(0), 0);
	BUILD(log, 8);
	assert_int_equal(left(0), 1);
	assert_int_equal(left(1), 0);
	assert_int_equal(left(2), 0);
}

static void test_fua(void **state)
{
	struct power_request log[] = {
		write_at(0, 1, 2),
		write_at(1, 3, 4),
	};

	(void)state;
	log[1].fua = log[1].stable = 1;
	BUILD(log, 3);
	assert_int_equal(left(1), 0);
	BUILD(log, 4);
	assert_int_equal(left(0), 0);
	assert_int_equal(left(1), 2);
}

static void test_ignored(void **state)
{
	struct power_request log[] = {
		write_at(0, 1, 2),
		flush(3, 4),
		write_at(1, 5, 6),
	};

	(void)state;
	log[1].stable = 0;
	log[2].fua = 1;
	BUILD(log, 6);
	assert_int_equal(left(0), 0);
	assert_int_equal(left(1), 0);
}

static void test_other_disk(void **state)
{
	struct power_request log[] = {
		write_at(0, 1, 2),
		flush(3, 4),
	};

	(void)state;
	log[1].disk = 1;
	BUILD(log, 4);
	assert_int_equal(left(0), 0);
}

static void test_overwritten(void **state)
{
	struct power_request log[] = {
		write_at(0, 1, 2),
		flush(3, 4),
		write_at(0, 5, 6),
		flush(7, 8),
	};

	(void)state;
	BUILD(log, 7);
	assert_int_equal(left(0), 1);
	BUILD(log, 8);
	assert_int_equal(left(0), 3);
}

/* With dice all that is stable is there, and the rest now and then. */
static void test_dice(void **state)
{
	struct power_request log[] = {
		write_at(0, 1, 2),
		flush(3, 4),
		write_at(1, 5, 6),
		write_at(2, 9, 10),
	};
	unsigned int kept = 0;

	(void)state;
	for (uint64_t dice = 1; dice <= 32; dice++) {
		build(log, 4, 8, dice);
		assert_int_equal(left(0), 1);
		assert_int_equal(left(2), 0); /* has not arrived */
		kept += left(1) == 3;
	}
	assert_in_range(kept, 4, 28);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flush),
		cmocka_unit_test(test_fua),
		cmocka_unit_test(test_ignored),
		cmocka_unit_test(test_other_disk),
		cmocka_unit_test(test_overwritten),
		cmocka_unit_test(test_dice),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
