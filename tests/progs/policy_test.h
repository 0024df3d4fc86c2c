/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Running a policy on described bios with BPF_PROG_TEST_RUN, for the unit
 * tests of the policies. Output is TAP.
 *
 * A policy may divide a bio. policy_resolve() therefore asks it again for the
 * rest, as the kernel does, and tells the fate of every single sector; a
 * plain model of the policy then needs to know of one sector at a time only.
 */
#ifndef __POLICY_TEST_H
#define __POLICY_TEST_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/bpf.h>
#include <linux/blk_interposer.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MAX_SECTORS 256 /* of a bio in these tests */

/* The device that the bios are for; no program looks it up. */
#define SOURCE_DEV 0x0800U

struct policy {
	struct bpf_object *obj;
	int prog_fd;
};

/* What became of one sector of a bio. */
struct fate {
	__u32 verdict;
	__s32 error; /* counts with FAIL */
	__u64 sector; /* where it went, counts with REMAP and REDIRECT */
	__u32 dev; /* counts with REDIRECT */
};

static unsigned int tap_count, tap_failed;

static inline void __attribute__((format(printf, 1, 2), noreturn))
die(const char *fmt, ...)
{
	va_list ap;

	printf("Bail out! ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	exit(1);
}

static inline bool __attribute__((format(printf, 2, 3)))
tap(bool good, const char *fmt, ...)
{
	va_list ap;

	printf("%sok %u - ", good ? "" : "not ", ++tap_count);
	tap_failed += !good;
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	return good;
}

static inline void tap_eq(__s64 got, __s64 want, const char *name)
{
	if (!tap(got == want, "%s", name))
		printf("# got %lld, want %lld\n", (long long)got,
		       (long long)want);
}

static inline int tap_exit(void)
{
	printf("1..%u\n", tap_count);
	return tap_failed != 0;
}

static inline void policy_open(struct policy *p, const char *name)
{
	const char *dir = getenv("POLICIES");
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s.bpf.o", dir ? dir : ".", name);
	p->obj = bpf_object__open(path);
	if (!p->obj)
		die("cannot open %s: %s", path, strerror(errno));
	p->prog_fd = -1;
}

/* Set a read-only global between policy_open() and policy_load(). */
static inline void policy_set(struct policy *p, const char *global,
			      const void *value, size_t size)
{
	const struct btf *btf = bpf_object__btf(p->obj);
	const struct btf_var_secinfo *info;
	const struct btf_type *section;
	struct bpf_map *map;
	size_t room;
	__u8 *data;
	int i, id;

	map = bpf_object__find_map_by_name(p->obj, ".rodata");
	id = btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC);
	if (!map || id < 0)
		die("the policy has no read-only globals");
	data = bpf_map__initial_value(map, &room);
	section = btf__type_by_id(btf, id);
	info = btf_var_secinfos(section);
	for (i = 0; i < btf_vlen(section); i++, info++) {
		const struct btf_type *var = btf__type_by_id(btf, info->type);

		if (strcmp(btf__name_by_offset(btf, var->name_off), global))
			continue;
		if (size > info->size || info->offset + info->size > room)
			die("%s has %u bytes, not %zu", global, info->size,
			    size);
		memcpy(data + info->offset, value, size);
		return;
	}
	die("the policy has no global %s", global);
}

static inline void policy_load(struct policy *p)
{
	struct bpf_program *prog;

	if (bpf_object__load(p->obj))
		die("cannot load: %s", strerror(errno));
	prog = bpf_object__next_program(p->obj, NULL);
	p->prog_fd = bpf_program__fd(prog);
}

static inline void policy_close(struct policy *p)
{
	bpf_object__close(p->obj);
	p->obj = NULL;
}

static inline int policy_map(const struct policy *p, const char *name)
{
	int fd = bpf_object__find_map_fd_by_name(p->obj, name);

	if (fd < 0)
		die("the policy has no map %s", name);
	return fd;
}

/*
 * Sum a __u64 at @offset in the values of all CPUs. A missing key counts as
 * 0, which is what it is in a hash.
 */
static inline __u64 percpu_sum(int map_fd, const void *key, size_t value_size,
			       size_t offset)
{
	size_t stride = (value_size + 7) / 8 * 8;
	int cpu, cpus = libbpf_num_possible_cpus();
	__u64 sum = 0, one;
	char *values;

	if (cpus < 1)
		die("how many CPUs are there?");
	values = calloc(cpus, stride);
	if (!values)
		die("out of memory");
	if (!bpf_map_lookup_elem(map_fd, key, values)) {
		for (cpu = 0; cpu < cpus; cpu++) {
			memcpy(&one, values + cpu * stride + offset,
			       sizeof(one));
			sum += one;
		}
	} else if (errno != ENOENT) {
		die("cannot read a counter: %s", strerror(errno));
	}
	free(values);
	return sum;
}

static inline struct bpf_bio bio(__u32 op, __u64 sector, __u32 nr_sectors)
{
	struct bpf_bio b = {
		.sector = sector,
		.nr_sectors = nr_sectors,
		.op = op,
		.dev = SOURCE_DEV,
	};

	return b;
}

static inline __u32 policy_run(const struct policy *p, const struct bpf_bio *in,
			       struct bpf_bio *out)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = in,
		    .ctx_size_in = sizeof(*in), .ctx_out = out,
		    .ctx_size_out = sizeof(*out));

	if (bpf_prog_test_run_opts(p->prog_fd, &opts))
		die("test run of op %u sector %llu + %u: %s", in->op,
		    (unsigned long long)in->sector, in->nr_sectors,
		    strerror(errno));
	return opts.retval;
}

/* Ask for the whole bio, then for what was left over, until nothing is. */
static inline void policy_resolve(const struct policy *p,
				  const struct bpf_bio *in, struct fate *fates)
{
	struct bpf_bio rest = *in, out;
	__u32 verdict, i;

	if (in->nr_sectors > MAX_SECTORS)
		die("bio of %u sectors", in->nr_sectors);
	while (rest.nr_sectors) {
		verdict = policy_run(p, &rest, &out);
		if (!out.nr_sectors || out.nr_sectors > rest.nr_sectors)
			die("%u of %u sectors accepted", out.nr_sectors,
			    rest.nr_sectors);
		for (i = 0; i < out.nr_sectors; i++, fates++) {
			fates->verdict = verdict;
			fates->error = out.error;
			fates->sector = out.sector + i;
			fates->dev = out.dev;
		}
		rest.sector += out.nr_sectors;
		rest.nr_sectors -= out.nr_sectors;
	}
}

static inline const char *op_name(__u32 op)
{
	static const char *const names[] = {
		[BPF_BIO_OP_READ] = "read",
		[BPF_BIO_OP_WRITE] = "write",
		[BPF_BIO_OP_FLUSH] = "flush",
		[BPF_BIO_OP_DISCARD] = "discard",
		[BPF_BIO_OP_SECURE_ERASE] = "secure erase",
		[BPF_BIO_OP_WRITE_ZEROES] = "write zeroes",
		[BPF_BIO_OP_ZONE_APPEND] = "zone append",
		[BPF_BIO_OP_ZONE_OPEN] = "zone open",
		[BPF_BIO_OP_ZONE_CLOSE] = "zone close",
		[BPF_BIO_OP_ZONE_FINISH] = "zone finish",
		[BPF_BIO_OP_ZONE_RESET] = "zone reset",
		[BPF_BIO_OP_ZONE_RESET_ALL] = "zone reset all",
	};

	return op < ARRAY_SIZE(names) && names[op] ? names[op] : "unknown";
}

/* The operations that may be divided; on these policy and model are run. */
static const __u32 divisible_ops[] = {
	BPF_BIO_OP_READ,	 BPF_BIO_OP_WRITE,	  BPF_BIO_OP_DISCARD,
	BPF_BIO_OP_SECURE_ERASE, BPF_BIO_OP_WRITE_ZEROES,
};

/* What the policy has to do with one sector of a bio. */
typedef struct fate (*model_fn)(const struct bpf_bio *in, __u64 sector);

static inline bool fate_equal(const struct fate *a, const struct fate *b)
{
	if (a->verdict != b->verdict)
		return false;
	switch (a->verdict) {
	case BPF_BIO_FAIL:
		return a->error == b->error;
	case BPF_BIO_REMAP:
		return a->sector == b->sector;
	case BPF_BIO_REDIRECT:
		return a->sector == b->sector && a->dev == b->dev;
	default:
		return true;
	}
}

/* One bio; says what differs, but only for the first few. */
static inline bool bio_as_model(const struct policy *p, model_fn model,
				const struct bpf_bio *in)
{
	static unsigned int complaints;
	struct fate got[MAX_SECTORS], want;
	__u32 i;

	policy_resolve(p, in, got);
	for (i = 0; i < in->nr_sectors; i++) {
		want = model(in, in->sector + i);
		if (fate_equal(&got[i], &want))
			continue;
		if (complaints++ < 10)
			printf("# %s %llu + %u, sector %llu: got verdict %u error %d sector %llu dev %x, want %u %d %llu %x\n",
			       op_name(in->op), (unsigned long long)in->sector,
			       in->nr_sectors,
			       (unsigned long long)in->sector + i,
			       got[i].verdict, got[i].error,
			       (unsigned long long)got[i].sector, got[i].dev,
			       want.verdict, want.error,
			       (unsigned long long)want.sector, want.dev);
		return false;
	}
	return true;
}

/* Begin and end up to two sectors away from each border, and across it. */
static inline void check_borders(const struct policy *p, const char *name,
				 model_fn model, const __u64 *borders,
				 size_t nr_borders)
{
	static const __u32 lengths[] = { 1, 2, 3, 8, 64, MAX_SECTORS };
	unsigned int bad = 0, run = 0;
	struct bpf_bio in;
	size_t b, l;
	int delta;

	for (b = 0; b < nr_borders; b++)
		for (delta = -2; delta <= 2; delta++)
			for (l = 0; l < ARRAY_SIZE(lengths); l++) {
				/* sector 0 has nothing before it */
				__u64 at = (borders[b] < 2 ? 2 : borders[b]) +
					   delta;

				in = bio(
					divisible_ops[run %
						      ARRAY_SIZE(divisible_ops)],
					at, lengths[l]);
				bad += !bio_as_model(p, model, &in);
				run++;
				/* and ending there */
				if (at < lengths[l])
					continue;
				in.sector = at - lengths[l];
				bad += !bio_as_model(p, model, &in);
				run++;
			}
	tap(!bad && run, "%s: bios at borders (%u run, %u wrong)", name, run,
	    bad);
}

static inline void check_random(const struct policy *p, const char *name,
				model_fn model, __u64 limit)
{
	const unsigned int run = 1000;
	unsigned int bad = 0, i;
	struct bpf_bio in;

	for (i = 0; i < run; i++) {
		in = bio(divisible_ops[rand() % ARRAY_SIZE(divisible_ops)],
			 (((__u64)rand() << 31) | rand()) % limit,
			 1 + rand() % MAX_SECTORS);
		bad += !bio_as_model(p, model, &in);
	}
	tap(!bad, "%s: random bios (%u run, %u wrong)", name, run, bad);
}

#endif /* __POLICY_TEST_H */
