// SPDX-License-Identifier: GPL-2.0
/* Unit test of bpf-progs/count.bpf.c with BPF_PROG_TEST_RUN. */
#include "policy_test.h"
#include "count.h"

static struct count_value want_ops[COUNT_OPS];
static struct count_value want_flags[COUNT_FLAGS];

static void add(struct count_value *value, __u32 nr_sectors)
{
	value->bios++;
	value->sectors += nr_sectors;
}

static struct count_value read_value(int map_fd, const void *key)
{
	struct count_value value;

	value.bios = percpu_sum(map_fd, key, sizeof(value),
				offsetof(struct count_value, bios));
	value.sectors = percpu_sum(map_fd, key, sizeof(value),
				   offsetof(struct count_value, sectors));
	return value;
}

static bool same(struct count_value a, struct count_value b)
{
	return a.bios == b.bios && a.sectors == b.sectors;
}

/* Sum over all cgroups: a described bio has one, but which is not ours to say. */
static struct count_value sum_cgroups(int map_fd, __u32 op)
{
	struct count_value sum = {}, value;
	struct count_cgroup_key key, *prev = NULL;

	while (!bpf_map_get_next_key(map_fd, prev, &key)) {
		prev = &key;
		if (key.op != op)
			continue;
		value = read_value(map_fd, &key);
		sum.bios += value.bios;
		sum.sectors += value.sectors;
	}
	return sum;
}

static unsigned int run_bios(const struct policy *p)
{
	unsigned int i, bit, not_passed = 0;
	struct bpf_bio in, out;
	__u32 op, nr;

	for (i = 0; i < 1200; i++) {
		op = BPF_BIO_OP_READ + i % BPF_BIO_OP_MAX;
		nr = op == BPF_BIO_OP_FLUSH ? 0 : 1 + rand() % 2048;
		in = bio(op, rand(), nr);
		in.flags = rand() & BPF_BIO_F_ALL;
		not_passed += policy_run(p, &in, &out) != BPF_BIO_PASS ||
			      out.nr_sectors != nr || out.sector != in.sector;
		add(&want_ops[op], nr);
		for (bit = 0; bit < COUNT_FLAGS; bit++)
			if (in.flags & (1U << bit))
				add(&want_flags[bit], nr);
	}
	return not_passed;
}

int main(void)
{
	unsigned int bad = 0;
	struct policy p;
	int map_fd;
	__u32 key;

	srand(1);
	policy_open(&p, "count");
	policy_load(&p);
	tap_eq(run_bios(&p), 0, "every bio passes as it is");

	map_fd = policy_map(&p, "ops");
	for (key = 0; key < COUNT_OPS; key++) {
		if (key < BPF_BIO_OP_READ || key > BPF_BIO_OP_MAX)
			bad += !same(read_value(map_fd, &key), want_ops[key]);
		else
			tap(want_ops[key].bios && same(read_value(map_fd, &key),
						       want_ops[key]),
			    "bios and sectors of %s", op_name(key));
	}
	tap_eq(bad, 0, "nothing counted for operations that do not exist");

	map_fd = policy_map(&p, "flags");
	bad = 0;
	for (key = 0; key < COUNT_FLAGS; key++)
		bad += !same(read_value(map_fd, &key), want_flags[key]);
	tap_eq(bad, 0, "bios and sectors of each flag");

	map_fd = policy_map(&p, "cgroups");
	bad = 0;
	for (key = BPF_BIO_OP_READ; key <= BPF_BIO_OP_MAX; key++)
		bad += !same(sum_cgroups(map_fd, key), want_ops[key]);
	tap_eq(bad, 0, "each bio counted for one cgroup");
	policy_close(&p);
	return tap_exit();
}
