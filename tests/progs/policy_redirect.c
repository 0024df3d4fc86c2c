// SPDX-License-Identifier: GPL-2.0
/*
 * Unit test of bpf-progs/redirect.bpf.c with BPF_PROG_TEST_RUN.
 *
 * usage: policy_redirect TARGET TARGET: two block devices for the map. They
 * are opened and named, nothing is read from them or written to them.
 */
#include <fcntl.h>
#include <unistd.h>
#include <sys/stat.h>
#include "policy_test.h"
#include "redirect.h"

static const char *target_paths[2];
static __u32 target_devs[2];

/* The configuration that the model goes by. */
static struct redirect_range ranges[REDIRECT_MAX_RANGES];
static __u32 nr_ranges, fallback;

/* Key 0 and 1 are the targets, all others are empty. */
static void fill_targets(const struct policy *p)
{
	struct bpf_blkdev_val value = {};
	int fd, map_fd = policy_map(p, "targets");
	struct stat st;
	__u32 key;

	for (key = 0; key < 2; key++) {
		fd = open(target_paths[key], O_RDWR);
		if (fd < 0 || fstat(fd, &st))
			die("%s: %s", target_paths[key], strerror(errno));
		target_devs[key] = st.st_rdev;
		value.fd_or_dev = fd;
		if (bpf_map_update_elem(map_fd, &key, &value, BPF_ANY))
			die("%s in the map: %s", target_paths[key],
			    strerror(errno));
		close(fd);
	}
}

static void configure(struct policy *p, const struct redirect_range *r,
		      size_t nr, __u32 fall)
{
	memset(ranges, 0, sizeof(ranges));
	memcpy(ranges, r, nr * sizeof(*r));
	nr_ranges = nr;
	fallback = fall;
	policy_open(p, "redirect");
	policy_set(p, "ranges", ranges, sizeof(ranges));
	policy_set(p, "nr_ranges", &nr_ranges, sizeof(nr_ranges));
	policy_set(p, "fallback", &fallback, sizeof(fallback));
	policy_load(p);
	fill_targets(p);
}

static struct fate model(const struct bpf_bio *in, __u64 sector)
{
	struct fate fate = { .verdict = BPF_BIO_PASS };
	size_t i;

	(void)in;
	for (i = 0; i < nr_ranges; i++) {
		const struct redirect_range *r = &ranges[i];
		__u64 first = r->first < r->last ? r->first : r->last;
		__u64 last = r->first < r->last ? r->last : r->first;

		if (sector < first || sector > last)
			continue;
		if (r->key > 1) {
			fate.verdict = fallback;
			return fate;
		}
		fate.verdict = BPF_BIO_REDIRECT;
		fate.sector = sector - first + r->target_first;
		fate.dev = target_devs[r->key];
		return fate;
	}
	return fate;
}

static void check(const char *name, const struct redirect_range *r, size_t nr,
		  __u32 fall, __u64 limit)
{
	__u64 borders[2 * REDIRECT_MAX_RANGES + 1];
	struct policy p;
	size_t i, n = 0;

	for (i = 0; i < nr; i++) {
		borders[n++] = r[i].first;
		borders[n++] = r[i].last + 1;
	}
	if (!n)
		borders[n++] = 0;
	configure(&p, r, nr, fall);
	check_borders(&p, name, model, borders, n);
	check_random(&p, name, model, limit);
	policy_close(&p);
}

static void check_shapes(void)
{
	static const struct redirect_range plain[] = {
		{ 0, 7, 100, 0, 0 },
		{ 1000, 1099, 0, 1, 0 },
	};
	static const struct redirect_range unsorted[] = {
		{ 500, 599, 0, 0, 0 },
		{ 100, 149, 800, 1, 0 },
		{ 150, 199, 2000, 0, 0 },
		{ 50, 59, 0, 1, 0 },
	};
	/* the lower index counts */
	static const struct redirect_range overlapping[] = {
		{ 200, 299, 5000, 0, 0 },
		{ 100, 599, 7000, 1, 0 },
		{ 550, 649, 9000, 0, 0 },
	};
	static const struct redirect_range missing[] = {
		{ 100, 199, 0, 0, 0 },
		{ 200, 299, 0, 5, 0 },
		{ 400, 499, 0, REDIRECT_MAX_TARGETS, 0 },
	};
	static const struct redirect_range mixed_up[] = {
		{ 50, 59, 0, 1, 0 },
		{ 199, 100, 300, 0, 0 },
	};
	static struct redirect_range many[REDIRECT_MAX_RANGES];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(many); i++) {
		many[i].first = 100 * (ARRAY_SIZE(many) - i);
		many[i].last = many[i].first + i;
		many[i].target_first = 1000 * i;
		many[i].key = i % 2;
	}
	check("two ranges", plain, ARRAY_SIZE(plain), BPF_BIO_FAIL, 1500);
	check("unsorted", unsorted, ARRAY_SIZE(unsorted), BPF_BIO_FAIL, 1000);
	check("overlapping", overlapping, ARRAY_SIZE(overlapping), BPF_BIO_FAIL,
	      1000);
	check("empty slot fails", missing, ARRAY_SIZE(missing), BPF_BIO_FAIL,
	      1000);
	check("empty slot passes where wanted", missing, ARRAY_SIZE(missing),
	      BPF_BIO_PASS, 1000);
	check("last before first", mixed_up, ARRAY_SIZE(mixed_up), BPF_BIO_FAIL,
	      400);
	check("64 ranges", many, ARRAY_SIZE(many), BPF_BIO_FAIL, 7000);
	check("no range", plain, 0, BPF_BIO_FAIL, 1000);
}

static void check_ops(void)
{
	static const struct redirect_range r[] = { { 1024, 2047, 0, 1, 0 } };
	struct bpf_bio in, out;
	struct policy p;
	__u32 op;

	configure(&p, r, ARRAY_SIZE(r), BPF_BIO_FAIL);
	for (op = BPF_BIO_OP_READ; op <= BPF_BIO_OP_MAX; op++) {
		bool zone = op >= BPF_BIO_OP_ZONE_APPEND;

		if (op == BPF_BIO_OP_FLUSH) {
			in = bio(op, 0, 0);
			tap_eq(policy_run(&p, &in, &out), BPF_BIO_PASS,
			       "flush passes");
			continue;
		}
		in = bio(op, 1024, 1024);
		tap(policy_run(&p, &in, &out) == BPF_BIO_REDIRECT &&
			    out.sector == 0 && out.nr_sectors == 1024 &&
			    out.dev == target_devs[1],
		    "%s of a range is redirected", op_name(op));
		in = bio(op, 512, 1024);
		tap(policy_run(&p, &in, &out) ==
				    (zone ? BPF_BIO_FAIL : BPF_BIO_PASS) &&
			    out.nr_sectors == (zone ? 1024 : 512),
		    "%s across a border %s", op_name(op),
		    zone ? "fails whole" : "is divided");
	}
	policy_close(&p);
}

/* Anything but PASS as a fallback is FAIL. */
static void check_fallback(void)
{
	static const struct redirect_range r[] = { { 0, 7, 0, 9, 0 } };
	static const __u32 odd[] = { BPF_BIO_REMAP, BPF_BIO_DONE,
				     BPF_BIO_REDIRECT, 5, ~0U };
	struct bpf_bio in = bio(BPF_BIO_OP_READ, 0, 8), out;
	unsigned int bad = 0;
	struct policy p;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(odd); i++) {
		configure(&p, r, ARRAY_SIZE(r), odd[i]);
		bad += policy_run(&p, &in, &out) != BPF_BIO_FAIL;
		policy_close(&p);
	}
	tap(!bad, "a fallback other than PASS fails the bio");
}

int main(int argc, char **argv)
{
	if (argc != 3)
		die("usage: policy_redirect TARGET TARGET");
	target_paths[0] = argv[1];
	target_paths[1] = argv[2];
	srand(1);
	check_shapes();
	check_ops();
	check_fallback();
	return tap_exit();
}
