// SPDX-License-Identifier: GPL-2.0
/*
 * The model of tests/model against the contract, case by case: what is written
 * here stands in docs/design.md, sections 3, 4 and 6.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "../model/model.h"

enum { DISK, OTHER, PART, DM };

static struct config versions[2];
static struct config *config = versions;
static struct counts counts[MAX_PROGS];
static struct outcome out[64];

static int start(void **state)
{
	(void)state;
	config_init(config);
	memset(counts, 0, sizeof(counts));
	return 0;
}

static void add_rule(int prog, struct rule r)
{
	struct step s = { .verb = DO_RULE, .prog = prog, .rule = r };

	assert_int_equal(config_apply(config, &s), 0);
}

static void attach_at(int prog, int dev, enum where where)
{
	struct step s = {
		.verb = DO_ATTACH, .prog = prog, .dev = dev, .where = where
	};

	assert_int_equal(config_apply(config, &s), 0);
}

static int set_slot(int prog, int dev, bool ro)
{
	struct step s = { .verb = DO_SLOT, .prog = prog, .dev = dev, .ro = ro };

	return config_apply(config, &s);
}

static int go(__u32 op, int dev, __u64 sector, __u32 nr)
{
	struct router r = {
		.versions = versions,
		.nr_versions = 1,
		.counts = counts,
		.exact = true,
		.op = op,
		.outcomes = out,
		.room = ARRAY_SIZE(out),
	};

	route(&r, dev, sector, nr);
	return r.nr;
}

static int send(int dev, __u64 sector, __u32 nr)
{
	return go(BPF_BIO_OP_WRITE, dev, sector, nr);
}

static void is_place(const struct outcome *o, __u32 off, __u32 nr, int dev,
		     __u64 sector)
{
	assert_int_equal(o->fate, FATE_PLACE);
	assert_int_equal(o->off, off);
	assert_int_equal(o->nr, nr);
	assert_int_equal(o->dev, dev);
	assert_int_equal(o->sector, sector);
}

static void is_error(const struct outcome *o, int error)
{
	assert_int_equal(o->fate, FATE_ERROR);
	assert_int_equal(o->error, error);
}

static void test_no_program(void **state)
{
	(void)state;
	assert_int_equal(send(DISK, 5, 10), 1);
	is_place(&out[0], 0, 10, DISK, 5);
}

/* The rest is asked about again, from its original sector. */
static void test_parts(void **state)
{
	(void)state;
	add_rule(0, (struct rule){ .first = 8,
				   .last = 11,
				   .verdict = BPF_BIO_REMAP,
				   .offset = 100,
				   .accept = 3 });
	attach_at(0, DISK, AT_LAST);
	assert_int_equal(send(DISK, 4, 12), 4);
	is_place(&out[0], 0, 4, DISK, 4);
	is_place(&out[1], 4, 3, DISK, 108);
	is_place(&out[2], 7, 1, DISK, 111);
	is_place(&out[3], 8, 4, DISK, 12);
	assert_int_equal(counts[0].bios[BPF_BIO_REMAP], 2);
	assert_int_equal(counts[0].sectors[BPF_BIO_REMAP], 4);
	assert_int_equal(counts[0].bios[BPF_BIO_PASS], 2);
}

/* The next program sees the new sector; FAIL ends the list. */
static void test_order(void **state)
{
	(void)state;
	add_rule(0, (struct rule){ .last = 7,
				   .verdict = BPF_BIO_REMAP,
				   .offset = 16 });
	add_rule(1, (struct rule){ .first = 16,
				   .last = 23,
				   .verdict = BPF_BIO_FAIL,
				   .error = -ENOSPC });
	attach_at(0, DISK, AT_LAST);
	attach_at(1, DISK, AT_LAST);
	assert_int_equal(send(DISK, 0, 8), 1);
	is_error(&out[0], -ENOSPC);
	assert_int_equal(counts[0].sectors[BPF_BIO_REMAP], 8);
	assert_int_equal(counts[1].sectors[BPF_BIO_FAIL], 8);

	start(NULL);
	add_rule(0, (struct rule){ .last = 7,
				   .verdict = BPF_BIO_REMAP,
				   .offset = 16 });
	add_rule(1, (struct rule){
			    .first = 16, .last = 23, .verdict = BPF_BIO_FAIL });
	attach_at(0, DISK, AT_LAST);
	attach_at(1, DISK, AT_FIRST);
	assert_int_equal(send(DISK, 0, 8), 1);
	is_place(&out[0], 0, 8, DISK, 16);
}

/* Sectors of the partition first, then those of the disk. */
static void test_partition(void **state)
{
	(void)state;
	add_rule(0, (struct rule){
			    .last = 7, .verdict = BPF_BIO_REMAP, .offset = 8 });
	add_rule(1, (struct rule){ .first = 2048 + 8,
				   .last = 2048 + 15,
				   .verdict = BPF_BIO_REMAP,
				   .offset = -2000 });
	attach_at(0, PART, AT_LAST);
	attach_at(1, DISK, AT_LAST);
	assert_int_equal(send(PART, 0, 8), 1);
	is_place(&out[0], 0, 8, DISK, 56);
	assert_int_equal(send(DISK, 2048 + 8, 8), 1);
	is_place(&out[0], 0, 8, DISK, 56);
}

static void test_redirect(void **state)
{
	(void)state;
	assert_int_equal(set_slot(0, OTHER, false), 0);
	add_rule(0, (struct rule){ .last = 7,
				   .verdict = BPF_BIO_REDIRECT,
				   .offset = 10 });
	/* The target's own programs are met there. */
	add_rule(1, (struct rule){
			    .first = 14, .last = 15, .verdict = BPF_BIO_DONE });
	attach_at(0, DISK, AT_LAST);
	attach_at(1, OTHER, AT_LAST);
	assert_int_equal(send(DISK, 0, 8), 3);
	is_place(&out[0], 0, 4, OTHER, 10);
	assert_int_equal(out[0].target, OTHER);
	assert_int_equal(out[1].fate, FATE_DONE);
	assert_int_equal(out[1].off, 4);
	is_place(&out[2], 6, 2, OTHER, 16);
}

static void test_refusals(void **state)
{
	(void)state;
	assert_int_equal(set_slot(0, OTHER, true), 0);
	add_rule(0, (struct rule){ .last = 7, .verdict = BPF_BIO_REDIRECT });
	add_rule(0, (struct rule){ .first = 8,
				   .last = 15,
				   .verdict = BPF_BIO_REMAP,
				   .offset = 16384 - 10 });
	add_rule(0, (struct rule){ .first = 16,
				   .last = 23,
				   .verdict = BPF_BIO_FAIL,
				   .error = -EPERM });
	attach_at(0, DISK, AT_LAST);
	send(DISK, 0, 8);
	is_error(&out[0], -EIO);
	assert_int_equal(counts[0].refused[BPF_BIO_REFUSED_RDONLY], 1);
	go(BPF_BIO_OP_READ, DISK, 0, 8);
	is_place(&out[0], 0, 8, OTHER, 0);
	send(DISK, 8, 8);
	is_error(&out[0], -EIO);
	assert_int_equal(counts[0].refused[BPF_BIO_REFUSED_SECTOR], 1);
	send(DISK, 16, 8);
	is_error(&out[0], -EIO);
	assert_int_equal(counts[0].refused[BPF_BIO_REFUSED_ERRNO], 1);
}

static void test_fallback(void **state)
{
	(void)state;
	add_rule(0, (struct rule){ .last = 7,
				   .verdict = BPF_BIO_REDIRECT,
				   .offset = 8,
				   .fallback = BPF_BIO_DONE });
	add_rule(0, (struct rule){ .first = 8,
				   .last = 15,
				   .verdict = BPF_BIO_REDIRECT,
				   .offset = 8,
				   .fallback = BPF_BIO_PASS });
	attach_at(0, DISK, AT_LAST);
	assert_int_equal(send(DISK, 0, 16), 2);
	assert_int_equal(out[0].fate, FATE_DONE);
	is_place(&out[1], 8, 8, DISK, 8);
}

/* 8 redirects in a row are carried out, the 9th is not. */
static void test_hops(void **state)
{
	(void)state;
	assert_int_equal(set_slot(0, DISK, false), 0);
	add_rule(0, (struct rule){ .first = 1,
				   .last = 9,
				   .verdict = BPF_BIO_REDIRECT,
				   .offset = 1,
				   .accept = 1 });
	attach_at(0, DISK, AT_LAST);
	assert_int_equal(send(DISK, 2, 1), 1);
	is_place(&out[0], 0, 1, DISK, 10);
	assert_int_equal(counts[0].bios[BPF_BIO_REDIRECT], 8);
	assert_int_equal(send(DISK, 1, 1), 1);
	is_error(&out[0], -EIO);
	assert_int_equal(counts[0].bios[BPF_BIO_REDIRECT], 8 + 9);
	assert_int_equal(counts[0].refused[BPF_BIO_REFUSED_LOOP], 1);
}

static void test_stack(void **state)
{
	(void)state;
	assert_int_equal(send(DM, 1020, 8), 2);
	is_place(&out[0], 0, 4, OTHER, 1020);
	is_place(&out[1], 4, 4, DISK, 2048);
	/* dm on a partition of the source, and on the other disk */
	assert_int_equal(set_slot(0, DM, false), 0);
	struct step s = { .verb = DO_ATTACH, .prog = 0, .dev = DISK };
	assert_int_equal(config_apply(config, &s), -ELOOP);
	s.dev = PART;
	assert_int_equal(config_apply(config, &s), -ELOOP);
	s.dev = OTHER;
	assert_int_equal(config_apply(config, &s), -ELOOP);
}

/* Each bio sees a list as it was, or as it is. */
static void test_versions(void **state)
{
	struct step s = { .verb = DO_DETACH };
	struct router r = {
		.versions = versions,
		.nr_versions = 2,
		.op = BPF_BIO_OP_WRITE,
		.outcomes = out,
		.room = ARRAY_SIZE(out),
	};

	(void)state;
	add_rule(0, (struct rule){ .last = 3,
				   .verdict = BPF_BIO_REMAP,
				   .offset = 100 });
	attach_at(0, DISK, AT_LAST);
	versions[1] = versions[0];
	assert_int_equal(config_apply(&versions[1], &s), 0);
	route(&r, DISK, 0, 8);
	assert_int_equal(r.nr, 3);
	is_place(&out[0], 0, 4, DISK, 100);
	is_place(&out[1], 0, 4, DISK, 0);
	is_place(&out[2], 4, 4, DISK, 4);
}

static __u32 flushed(const struct caches *c, int dev, bool fails)
{
	struct router r = { .versions = versions,
			    .nr_versions = 1,
			    .op = BPF_BIO_OP_WRITE };
	struct flushed f = {};

	assert_int_equal(flush_reach(c, &r, 0, dev, 0, &f), fails);
	assert_int_equal(f.nr_errors, fails);
	return f.leaves;
}

static void test_flush(void **state)
{
	struct caches c = { .used = { [PART] = 1U << OTHER },
			    .dirty = { [OTHER] = 1 } };

	(void)state;
	assert_int_equal(flushed(&c, PART, false), 1U << DISK | 1U << OTHER);
	/* A disk stands for its partitions, not the other way round. */
	assert_int_equal(flushed(&c, DISK, false), 1U << DISK | 1U << OTHER);
	c.used[PART] = 0;
	assert_int_equal(flushed(&c, PART, false), 1U << DISK);
	/* Through a target that redirects itself */
	c.used[PART] = 1U << DM;
	c.used[DM] = 1U << OTHER;
	assert_int_equal(flushed(&c, PART, false), 1U << DISK | 1U << OTHER);
	add_rule(0, (struct rule){ .ops = 1U << BPF_BIO_OP_FLUSH,
				   .verdict = BPF_BIO_FAIL });
	attach_at(0, DISK, AT_LAST);
	assert_int_equal(flushed(&c, PART, true), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_no_program, start),
		cmocka_unit_test_setup(test_parts, start),
		cmocka_unit_test_setup(test_order, start),
		cmocka_unit_test_setup(test_partition, start),
		cmocka_unit_test_setup(test_redirect, start),
		cmocka_unit_test_setup(test_refusals, start),
		cmocka_unit_test_setup(test_fallback, start),
		cmocka_unit_test_setup(test_hops, start),
		cmocka_unit_test_setup(test_stack, start),
		cmocka_unit_test_setup(test_versions, start),
		cmocka_unit_test_setup(test_flush, start),
	};

	layout_add("disk:16384");
	layout_add("other:16384");
	layout_add("part@0:1024:2048");
	layout_add("dm=1024:1:0+1024:2:0");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
