// SPDX-License-Identifier: GPL-2.0
/*
 * BPF_PROG_TEST_RUN: which descriptions of a bio are refused, what programs
 * see of the others, and what comes back.
 */
#include "abi_obj.h"

static struct bpf_bio read_8(void)
{
	return bio(BPF_BIO_OP_READ, 64, 8);
}

/* A bio in a buffer with room for what a later kernel may append. */
struct longer {
	struct bpf_bio bio;
	__u8 more[24];
};

static int run(const struct obj *o, union bpf_attr *attr, const void *in)
{
	attr->test.prog_fd = o->fd;
	if (in) {
		attr->test.ctx_in = (unsigned long)in;
		if (!attr->test.ctx_size_in)
			attr->test.ctx_size_in = sizeof(struct bpf_bio);
	}
	return sys_bpf(BPF_PROG_TEST_RUN, attr);
}

static void expect(const struct obj *o, struct bpf_bio in, int want,
		   const char *name)
{
	union bpf_attr attr = {};

	tap_errno(run(o, &attr, &in), want, name);
}

static void test_bad_bios(const struct obj *o)
{
	struct bpf_bio in;
	char name[64];
	size_t i;

	expect(o, read_8(), 0, "a read");
	expect(o, bio(BPF_BIO_OP_UNSPEC, 0, 8), -EINVAL, "no operation");
	expect(o, bio(BPF_BIO_OP_MAX + 1, 0, 8), -EINVAL, "unknown operation");
	expect(o, bio(~0U, 0, 8), -EINVAL, "operation -1");
	expect(o, bio(BPF_BIO_OP_READ, 0, 0), -EINVAL, "read of nothing");
	expect(o, bio(BPF_BIO_OP_DISCARD, 0, 0), -EINVAL, "discard of nothing");
	expect(o, bio(BPF_BIO_OP_FLUSH, 0, 0), 0, "flush");
	expect(o, bio(BPF_BIO_OP_FLUSH, 0, 8), -EINVAL, "flush of something");
	expect(o, bio(BPF_BIO_OP_READ, 0, ~0U >> 9), 0, "longest bio");
	expect(o, bio(BPF_BIO_OP_READ, 0, (~0U >> 9) + 1), -EINVAL,
	       "longer than any bio");
	in = read_8();
	in.flags = BPF_BIO_F_ALL;
	expect(o, in, 0, "all flags");
	in.flags = BPF_BIO_F_ALL + 1;
	expect(o, in, -EINVAL, "unknown flag");
	for (i = 0; i < sizeof(in.reserved); i++) {
		in = read_8();
		in.reserved[i] = 1;
		snprintf(name, sizeof(name), "reserved byte %zu", i);
		expect(o, in, -EINVAL, name);
	}
}

static void test_bad_attr(const struct obj *o)
{
	static const struct {
		const char *name;
		union bpf_attr attr;
		int want;
	} rows[] = {
		{ "flags", { .test.flags = BPF_F_TEST_RUN_ON_CPU }, -EINVAL },
		{ "a CPU", { .test.cpu = 1 }, -EINVAL },
		{ "a batch size", { .test.batch_size = 1 }, -EINVAL },
		{ "data_size_out", { .test.data_size_out = 8 }, -EINVAL },
		{ "data that is not there",
		  { .test.data_size_in = 512 },
		  -EINVAL },
		{ "10 runs", { .test.repeat = 10 }, 0 },
	};
	struct bpf_bio in = read_8();
	union bpf_attr attr = {};
	char data[8];
	size_t i;

	tap_errno(run(o, &attr, NULL), -EINVAL, "no context");
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		attr = rows[i].attr;
		tap_errno(run(o, &attr, &in), rows[i].want, rows[i].name);
	}
	attr = (union bpf_attr){ .test.data_out = (unsigned long)data };
	tap_errno(run(o, &attr, &in), -EINVAL, "data_out");
	attr = (union bpf_attr){};
	tap_errno(run(o, &attr, (void *)8), -EFAULT, "context at address 8");
	attr = (union bpf_attr){ .test.ctx_out = 8, .test.ctx_size_out = 40 };
	tap_errno(run(o, &attr, &in), -EFAULT, "context back to address 8");
}

static void test_sizes(const struct obj *o)
{
	struct longer in = { .bio = read_8() }, out;
	union bpf_attr attr = { .test.ctx_size_in = sizeof(in),
				.test.ctx_out = (unsigned long)&out,
				.test.ctx_size_out = sizeof(out) };

	memset(&out, 0xff, sizeof(out));
	tap_errno(run(o, &attr, &in), 0, "a longer context, zero at its end");
	tap_eq(attr.test.ctx_size_out, sizeof(struct bpf_bio),
	       "the size of what comes back");
	tap(!memcmp(&in.bio, &out.bio, sizeof(in.bio)), "it comes back");
	tap_eq(out.more[0], 0xff, "and no more");

	in.more[23] = 1;
	attr = (union bpf_attr){ .test.ctx_size_in = sizeof(in) };
	tap_errno(run(o, &attr, &in), -E2BIG, "a longer context in use");

	in.bio.flags = BPF_BIO_F_ALL + 1;
	attr = (union bpf_attr){
		.test.ctx_size_in = offsetof(struct bpf_bio, flags),
		.test.ctx_out = (unsigned long)&out,
		.test.ctx_size_out = sizeof(out),
	};
	tap_errno(run(o, &attr, &in), 0, "a shorter context");
	tap(out.bio.sector == in.bio.sector && !out.bio.flags && !out.bio.dev,
	    "what it lacks is zero");

	memset(&out, 0xff, sizeof(out));
	in.bio.flags = 0;
	attr = (union bpf_attr){
		.test.ctx_out = (unsigned long)&out,
		.test.ctx_size_out = offsetof(struct bpf_bio, flags),
	};
	tap_errno(run(o, &attr, &in), -ENOSPC, "less room than comes back");
	tap(out.bio.op == BPF_BIO_OP_READ && out.bio.flags == ~0U,
	    "only what fits comes back");
	tap_eq(attr.test.ctx_size_out, sizeof(struct bpf_bio),
	       "and how much it would be");
}

static int run_data(const struct obj *o, __u32 op, __u32 nr_sectors,
		    const void *data, __u32 size)
{
	struct bpf_bio in = bio(op, 0, nr_sectors);
	union bpf_attr attr = { .test.data_in = (unsigned long)data,
				.test.data_size_in = size };

	return run(o, &attr, &in);
}

static void test_data(void)
{
	static unsigned char data[(1 << 20) + 512];
	struct obj o = load_prog("abi_prog", "payload");
	unsigned char *seen = (unsigned char *)global(&o, "seen_bytes");
	size_t i;

	for (i = 0; i < sizeof(data); i++)
		data[i] = i * 7 + i / 256;
	tap_errno(run_data(&o, BPF_BIO_OP_READ, 8, data, 512), -EINVAL,
		  "payload of a read");
	tap_errno(run_data(&o, BPF_BIO_OP_DISCARD, 8, data, 512), -EINVAL,
		  "payload of a discard");
	tap_errno(run_data(&o, BPF_BIO_OP_WRITE, 1, data, 513), -EINVAL,
		  "payload longer than the write");
	tap_errno(run_data(&o, BPF_BIO_OP_WRITE, 4096, data, sizeof(data)),
		  -E2BIG, "payload of more than 1 MiB");
	tap_errno(run_data(&o, BPF_BIO_OP_WRITE, 2048, data, 1 << 20), 0,
		  "payload of 1 MiB");
	tap_errno(run_data(&o, BPF_BIO_OP_WRITE, 8, (void *)8, 512), -EFAULT,
		  "payload at address 8");

	tap_errno(run_data(&o, BPF_BIO_OP_WRITE, 8, data, 4096), 0,
		  "payload of a write");
	tap(!GLOBAL(&o, __s64, seen_ret) && !memcmp(seen, data, 64),
	    "bpf_bio_load_bytes() reads it");
	GLOBAL(&o, __u32, in_offset) = 4096 - 64;
	run_data(&o, BPF_BIO_OP_WRITE, 8, data, 4096);
	tap(!GLOBAL(&o, __s64, seen_ret) && !memcmp(seen, data + 4032, 64),
	    "to its end");
	GLOBAL(&o, __u32, in_offset) = 4096 - 63;
	run_data(&o, BPF_BIO_OP_WRITE, 8, data, 4096);
	tap_eq(GLOBAL(&o, __s64, seen_ret), -ERANGE, "not beyond its end");
	tap(!seen[0] && !memcmp(seen, seen + 1, 63), "and gives zeroes then");
	GLOBAL(&o, __u32, in_offset) = 0xffffffff;
	run_data(&o, BPF_BIO_OP_WRITE, 8, data, 4096);
	tap_eq(GLOBAL(&o, __s64, seen_ret), -ERANGE, "nor from far beyond");
	GLOBAL(&o, __u32, in_offset) = 0;
	run_data(&o, BPF_BIO_OP_WRITE, 8, data, 32);
	tap_eq(GLOBAL(&o, __s64, seen_ret), -ERANGE, "not beyond the payload");
	run_data(&o, BPF_BIO_OP_WRITE, 8, NULL, 0);
	tap_eq(GLOBAL(&o, __s64, seen_ret), -EINVAL, "nothing of no payload");
	run_data(&o, BPF_BIO_OP_READ, 8, NULL, 0);
	tap_eq(GLOBAL(&o, __s64, seen_ret), -EINVAL, "nothing of a read");
	close_prog(&o);
}

static void test_partial(void)
{
	struct obj o = load_prog("abi_prog", "partial");
	static const struct {
		const char *name;
		__u32 op, accept, flags;
		int want;
	} rows[] = {
		{ "1 of 8 sectors", BPF_BIO_OP_READ, 1, 0, 0 },
		{ "7 of 8 sectors", BPF_BIO_OP_WRITE, 7, 0, 0 },
		{ "of a discard", BPF_BIO_OP_DISCARD, 4, 0, 0 },
		{ "of a secure erase", BPF_BIO_OP_SECURE_ERASE, 4, 0, 0 },
		{ "of write zeroes", BPF_BIO_OP_WRITE_ZEROES, 4, 0, 0 },
		{ "nothing", BPF_BIO_OP_READ, 0, 0, -EINVAL },
		{ "all", BPF_BIO_OP_READ, 8, 0, -EINVAL },
		{ "more", BPF_BIO_OP_READ, 9, 0, -EINVAL },
		{ "-1", BPF_BIO_OP_READ, ~0U, 0, -EINVAL },
		{ "of a zone append", BPF_BIO_OP_ZONE_APPEND, 4, 0, -EINVAL },
		{ "of a zone reset", BPF_BIO_OP_ZONE_RESET, 4, 0, -EINVAL },
		{ "of an atomic write", BPF_BIO_OP_WRITE, 4, BPF_BIO_F_ATOMIC,
		  -EINVAL },
	};
	struct bpf_bio in, out;
	char name[80];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		in = bio(rows[i].op, 64, 8);
		in.flags = rows[i].flags;
		GLOBAL(&o, __u32, in_accept) = rows[i].accept;
		run_once(&o, &in, &out);
		snprintf(name, sizeof(name), "bpf_bio_accept_partial(): %s",
			 rows[i].name);
		tap_eq(GLOBAL(&o, __s64, seen_ret), rows[i].want, name);
		snprintf(name, sizeof(name), "%s: length", rows[i].name);
		tap_eq(out.nr_sectors, rows[i].want ? 8 : rows[i].accept, name);
		tap_eq(out.sector, 64, "the sector is as it was");
	}
	close_prog(&o);
}

static void test_outputs(void)
{
	struct bpf_bio in = read_8(), out = {}, want;
	struct obj o = load_prog("abi_prog", "write_all");
	union bpf_attr attr = {
		.test.repeat = 100,
		.test.ctx_out = (unsigned long)&out,
		.test.ctx_size_out = sizeof(out),
	};
	int verdict;

	GLOBAL(&o, __u64, in_sector) = 1ULL << 40;
	GLOBAL(&o, __s32, in_error) = -ENOSPC;
	GLOBAL(&o, __u16, in_ioprio) = 0x4007;
	GLOBAL(&o, __u8, in_write_hint) = 5;
	in.error = -ETIME;
	in.partno = 3;
	in.ioprio = 0x2001;
	in.flags = BPF_BIO_F_SYNC | BPF_BIO_F_RAHEAD;
	want = in;
	want.sector = 1ULL << 40;
	want.error = -ENOSPC;
	want.ioprio = 0x4007;
	want.write_hint = 5;
	for (verdict = 0; verdict < BPF_BIO_REDIRECT; verdict++) {
		GLOBAL(&o, __u32, in_verdict) = verdict;
		memset(&out, 0xff, sizeof(out));
		tap_eq(run_once(&o, &in, &out), verdict, "the verdict");
		tap(!memcmp(&out, &want, sizeof(out)),
		    "all that it wrote, and nothing else, has changed");
	}
	GLOBAL(&o, __u32, seen_runs) = 0;
	tap_errno(run(&o, &attr, &in), 0, "100 runs");
	tap_eq(GLOBAL(&o, __u32, seen_runs), 100, "it ran so often");
	tap_eq(GLOBAL(&o, __s64, seen_ret), -ETIME,
	       "the last saw the bio as given");
	tap(!memcmp(&out, &want, sizeof(out)), "what it left comes back");
	close_prog(&o);
}

/* The cgroup v2 of the caller is the last line of the file. */
static __u64 own_cgroup(void)
{
	FILE *file = fopen("/proc/self/cgroup", "r");
	char line[512], path[600];
	struct stat st;

	if (!file)
		die("/proc/self/cgroup: %s", strerror(errno));
	while (fgets(line, sizeof(line), file))
		;
	fclose(file);
	line[strcspn(line, "\n")] = '\0';
	snprintf(path, sizeof(path), "/sys/fs/cgroup%s", line + strlen("0::"));
	if (stat(path, &st))
		die("%s: %s", path, strerror(errno));
	return st.st_ino;
}

static void test_cgroup(void)
{
	struct obj o = load_prog("abi_prog", "cookie");
	struct bpf_bio in = read_8(), out;

	run_once(&o, &in, &out);
	tap_eq(GLOBAL(&o, __u64, seen_cgroup), own_cgroup(),
	       "bpf_bio_cgroup_id() is that of the caller");
	close_prog(&o);
}

static void test_ops(const struct obj *o)
{
	struct bpf_bio in, out;
	unsigned int bad = 0;
	__u32 op, bit;

	for (op = 1; op <= BPF_BIO_OP_MAX; op++) {
		in = bio(op, 8, op == BPF_BIO_OP_FLUSH ? 0 : 8);
		if (run_once(o, &in, &out) || memcmp(&in, &out, sizeof(in)))
			bad++;
	}
	tap(!bad, "every operation");
	for (bit = 1, bad = 0; bit & BPF_BIO_F_ALL; bit <<= 1) {
		in = bio(BPF_BIO_OP_WRITE, 8, 8);
		in.flags = bit;
		if (run_once(o, &in, &out) || memcmp(&in, &out, sizeof(in)))
			bad++;
	}
	tap(!bad, "every flag");
}

int main(void)
{
	struct obj pass = { .fd = load_return(BPF_BIO_PASS) };

	libbpf_set_print(NULL);
	test_bad_bios(&pass);
	test_bad_attr(&pass);
	test_sizes(&pass);
	test_ops(&pass);
	test_data();
	test_partial();
	test_outputs();
	test_cgroup();
	return tap_exit();
}
