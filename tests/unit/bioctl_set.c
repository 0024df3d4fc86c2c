// SPDX-License-Identifier: GPL-2.0
/* bioctl --set: from text to the bytes of a policy's read-only globals. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <bpf/btf.h>

#include "../../loader/bioctl.h"

static struct bpf_object *object;

/* $OUT/tests/bpf is beside $OUT/tests/unit, where this program is. */
static char *test_object(void)
{
	char self[4096];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (len < 0)
		return NULL;
	self[len] = '\0';
	*strrchr(self, '/') = '\0';
	return strf("%s/../bpf/bioctl_globals.bpf.o", self);
}

static int open_object(void **state)
{
	(void)state;
	object = bpf_object__open_file(test_object(), NULL);
	return object ? 0 : -1;
}

static int close_object(void **state)
{
	(void)state;
	bpf_object__close(object);
	return 0;
}

static int set(const char *first, const char *second, char **error)
{
	char *sets[] = { (char *)first, (char *)second };

	*error = NULL;
	return set_globals(object, sets, second ? 2 : 1, error);
}

static void accepts(const char *assignment)
{
	char *error;

	if (set(assignment, NULL, &error))
		fail_msg("%s: %s", assignment, error);
}

static void rejects(const char *assignment, const char *because)
{
	char *error;

	if (!set(assignment, NULL, &error))
		fail_msg("%s was accepted", assignment);
	if (!strstr(error, because))
		fail_msg("%s: '%s' does not say '%s'", assignment, error,
			 because);
}

/* The bytes of a global, found independently of the code under test. */
static const void *bytes(const char *name)
{
	const struct btf *btf = bpf_object__btf(object);
	struct bpf_map *map;
	__s32 id;
	size_t size;

	id = btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC);
	assert_true(id > 0);
	map = bpf_object__find_map_by_name(object, ".rodata");
	assert_non_null(map);
	for (int i = 0; i < btf_vlen(btf__type_by_id(btf, id)); i++) {
		const struct btf_var_secinfo *info =
			btf_var_secinfos(btf__type_by_id(btf, id)) + i;
		const struct btf_type *var = btf__type_by_id(btf, info->type);

		if (!strcmp(btf__name_by_offset(btf, var->name_off), name))
			return (char *)bpf_map__initial_value(map, &size) +
			       info->offset;
	}
	fail_msg("no global %s", name);
	return NULL;
}

#define value(type, name) (*(const type *)bytes(name))

static void integers(void **state)
{
	(void)state;
	accepts("byte=255");
	assert_int_equal(value(__u8, "byte"), 255);
	accepts("small=-128");
	assert_int_equal(value(__s8, "small"), -128);
	accepts("word=0xBEEF");
	assert_int_equal(value(__u16, "word"), 0xbeef);
	accepts("wide=18446744073709551615");
	assert_true(value(__u64, "wide") == UINT64_MAX);
	accepts("deep=-9223372036854775808");
	assert_true(value(__s64, "deep") == INT64_MIN);
	accepts("wide=3G");
	assert_true(value(__u64, "wide") == 3ULL << 30);
	accepts("word=63k");
	assert_int_equal(value(__u16, "word"), 63 << 10);
	accepts("error=-61");
	assert_int_equal(value(__s32, "error"), -61);
	accepts("error=-ENODATA");
	assert_int_equal(value(__s32, "error"), -ENODATA);
	accepts("error=EIO");
	assert_int_equal(value(__s32, "error"), EIO);
}

static void integers_out_of_range(void **state)
{
	(void)state;
	accepts("byte=7");
	rejects("byte=256", "does not fit");
	rejects("byte=-1", "negative");
	rejects("small=128", "does not fit");
	rejects("small=-129", "does not fit");
	rejects("word=64K", "does not fit");
	rejects("wide=18446744073709551616", "not a number");
	rejects("wide=16777216T", "not a number");
	rejects("deep=9223372036854775808", "does not fit");
	rejects("byte=", "not a number");
	rejects("byte=1x", "not a number");
	rejects("byte=1KK", "not a number");
	rejects("byte=- 1", "not a number");
	rejects("byte=+1", "not a number");
	rejects("word=EIO", "not a number");
	rejects("error=EWRONG", "not a number");
	assert_int_equal(value(__u8, "byte"), 7);
}

static void booleans(void **state)
{
	static const char *const yes[] = { "1", "yes", "on", "true", "TRUE" };
	static const char *const no[] = { "0", "no", "off", "false", "No" };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(yes); i++) {
		accepts(strf("enabled=%s", yes[i]));
		assert_int_equal(value(__u8, "enabled"), 1);
		accepts(strf("enabled=%s", no[i]));
		assert_int_equal(value(__u8, "enabled"), 0);
	}
	rejects("enabled=2", "neither yes nor no");
	rejects("enabled=", "neither yes nor no");
}

static void texts(void **state)
{
	(void)state;
	accepts("label=1234567");
	assert_string_equal(bytes("label"), "1234567");
	/* A shorter one leaves nothing of the longer. */
	accepts("label=a=b");
	assert_memory_equal(bytes("label"), "a=b\0\0\0\0", 8);
	accepts("label=");
	assert_string_equal(bytes("label"), "");
	rejects("label=12345678", "longer than 7");
}

static void enums(void **state)
{
	(void)state;
	accepts("color=GREEN");
	assert_int_equal(value(__u32, "color"), 2);
	accepts("color=BLUE");
	assert_true(value(__u32, "color") == 0x80000000);
	accepts("color=1");
	assert_int_equal(value(__u32, "color"), 1);
	rejects("color=PINK", "none of RED, GREEN, BLUE");
}

static void arrays(void **state)
{
	const __u32 *numbers;

	(void)state;
	accepts("numbers=10,20");
	numbers = bytes("numbers");
	assert_int_equal(numbers[0], 10);
	assert_int_equal(numbers[1], 20);
	assert_int_equal(numbers[2], 3);
	assert_int_equal(value(__u32, "nr_numbers"), 2);
	accepts("numbers[3]=40");
	assert_int_equal(numbers[3], 40);
	assert_int_equal(numbers[2], 3);
	assert_int_equal(value(__u32, "nr_numbers"), 4);
	rejects("numbers[4]=1", "no element '4'");
	rejects("numbers[-1]=1", "no element '-1'");
	rejects("numbers[]=1", "no element ''");
	rejects("numbers[1=1", "has no elements");
	rejects("numbers=1,2,3,4,5", "more than the 4 elements");
	rejects("numbers=1,,2", "not a number");
	rejects("byte[0]=1", "has no elements");
}

static void count_given_by_the_user(void **state)
{
	char *error;

	(void)state;
	assert_int_equal(set("ranges=1-2,3-4", "nr_ranges=1", &error), 0);
	assert_int_equal(value(__u32, "nr_ranges"), 1);
	assert_int_equal(set("nr_ranges=1", "ranges=1-2,3-4", &error), 0);
	assert_int_equal(value(__u32, "nr_ranges"), 1);
}

struct range {
	__u64 first;
	__u64 last;
	__s32 weight;
};

static void structs(void **state)
{
	const struct range *range = bytes("range");
	const struct range *ranges = bytes("ranges");

	(void)state;
	accepts("range.last=9");
	assert_int_equal(range->first, 1);
	assert_int_equal(range->last, 9);
	accepts("range=7:8:-9");
	assert_int_equal(range->first, 7);
	assert_int_equal(range->last, 8);
	assert_int_equal(range->weight, -9);
	accepts("ranges=0-2047,4096-8191--3");
	assert_int_equal(ranges[0].first, 0);
	assert_int_equal(ranges[0].last, 2047);
	assert_int_equal(ranges[1].first, 4096);
	assert_int_equal(ranges[1].last, 8191);
	assert_int_equal(ranges[1].weight, -3);
	assert_int_equal(value(__u32, "nr_ranges"), 2);
	accepts("ranges[2].first=1M");
	assert_int_equal(ranges[2].first, 1 << 20);
	assert_int_equal(value(__u32, "nr_ranges"), 3);
	rejects("range=1:2:3:4", "more values than the 3 members");
	rejects("range.middle=1", "no member 'middle'");
	rejects("range.las=1", "no member 'las'");
	rejects("ranges[1].last[0]=1", "has no elements");
	rejects("ranges[9].last=1", "no element '9'");
	rejects("byte.first=1", "no member 'first'");
}

static void what_cannot_be_set(void **state)
{
	(void)state;
	rejects("bits=1:2", "bit fields");
	rejects("bits.high=1", "bit fields");
	rejects("pointer=1", "cannot be set");
	rejects("unknown=1", "no setting 'unknown'");
	rejects("hidden=1", "no setting 'hidden'");
	rejects("writable=1", "no setting 'writable'");
	rejects("byte", "not NAME=VALUE");
	rejects("=1", "not NAME=VALUE");
	rejects("=", "not NAME=VALUE");
}

static void known_settings_are_listed(void **state)
{
	char *known = set_known(object);

	(void)state;
	assert_non_null(strstr(known, "byte (__u8)"));
	assert_non_null(strstr(known, "enabled (_Bool)"));
	assert_non_null(strstr(known, "label (char[8])"));
	assert_non_null(strstr(known, "color (enum color)"));
	assert_non_null(strstr(known, "ranges (struct range[4])"));
	assert_null(strstr(known, "hidden"));
	assert_null(strstr(known, "writable"));
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, open_object, close_object)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(integers),
		TEST(integers_out_of_range),
		TEST(booleans),
		TEST(texts),
		TEST(enums),
		TEST(arrays),
		TEST(count_given_by_the_user),
		TEST(structs),
		TEST(what_cannot_be_set),
		TEST(known_settings_are_listed),
	};

	return cmocka_run_group_tests_name("bioctl --set", tests, NULL, NULL);
}
