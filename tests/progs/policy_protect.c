// SPDX-License-Identifier: GPL-2.0
/* Unit test of bpf-progs/protect.bpf.c with BPF_PROG_TEST_RUN. */
#include <unistd.h>
#include "policy_test.h"
#include "protect.h"

/* The configuration that the model goes by. */
static struct protect_range ranges[PROTECT_MAX_RANGES];
static __u32 nr_ranges;
static __s32 error;

static void configure(struct policy *p, const struct protect_range *r,
		      size_t nr, __s32 err)
{
	memset(ranges, 0, sizeof(ranges));
	memcpy(ranges, r, nr * sizeof(*r));
	nr_ranges = nr;
	error = err;
	policy_open(p, "protect");
	policy_set(p, "ranges", ranges, sizeof(ranges));
	policy_set(p, "nr_ranges", &nr_ranges, sizeof(nr_ranges));
	policy_set(p, "error", &error, sizeof(error));
	policy_load(p);
}

static bool is_protected(__u64 sector)
{
	size_t i;

	for (i = 0; i < nr_ranges; i++)
		if ((sector >= ranges[i].first && sector <= ranges[i].last) ||
		    (sector >= ranges[i].last && sector <= ranges[i].first))
			return true;
	return !nr_ranges;
}

static struct fate model(const struct bpf_bio *in, __u64 sector)
{
	struct fate fate = { .verdict = BPF_BIO_PASS };

	if (in->op != BPF_BIO_OP_READ && is_protected(sector)) {
		fate.verdict = BPF_BIO_FAIL;
		fate.error = error;
	}
	return fate;
}

static void check(const char *name, const struct protect_range *r, size_t nr,
		  __u64 limit)
{
	__u64 *borders = calloc(2 * nr + 1, sizeof(*borders));
	struct policy p;
	size_t i, n = 0;

	if (!borders)
		die("out of memory");
	/* of many ranges take some: each border costs 60 bios */
	for (i = 0; i < nr; i += nr > 64 ? nr / 16 : 1) {
		borders[n++] = r[i].first;
		borders[n++] = r[i].last + 1;
	}
	if (!n)
		borders[n++] = 0;
	configure(&p, r, nr, -EREMOTEIO);
	check_borders(&p, name, model, borders, n);
	check_random(&p, name, model, limit);
	policy_close(&p);
	free(borders);
}

static void check_shapes(void)
{
	static const struct protect_range one[] = { { 0, 33 } };
	static const struct protect_range sorted[] = {
		{ 0, 33 },    { 100, 100 },   { 200, 207 },
		{ 208, 215 }, { 1000, 1499 },
	};
	static const struct protect_range unsorted[] = {
		{ 1000, 1499 },
		{ 0, 33 },
		{ 200, 207 },
		{ 100, 100 },
	};
	static const struct protect_range overlapping[] = {
		{ 100, 299 },
		{ 50, 149 },
		{ 120, 129 },
		{ 290, 389 },
	};
	static const struct protect_range mixed_up[] = {
		{ 0, 33 },
		{ 207, 200 },
		{ 300, 400 },
	};
	static const struct protect_range endless[] = {
		{ 8, 15 },
		{ 3000, ~0ULL },
	};
	static const struct protect_range uneven[] = {
		{ 0, 5 },
		{ 64, 64 },
		{ 70, 4100 },
		{ (1ULL << 33) - 1, (1ULL << 33) + 5 },
	};
	static struct protect_range many[PROTECT_MAX_RANGES];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(many); i++) {
		many[i].first = 10 + 100 * i;
		many[i].last = many[i].first + i % 60;
	}
	check("one range", one, ARRAY_SIZE(one), 200);
	check("sorted", sorted, ARRAY_SIZE(sorted), 2000);
	check("unsorted", unsorted, ARRAY_SIZE(unsorted), 2000);
	check("overlapping", overlapping, ARRAY_SIZE(overlapping), 500);
	check("last before first", mixed_up, ARRAY_SIZE(mixed_up), 500);
	check("beyond the last sector", endless, ARRAY_SIZE(endless), 4000);
	check("far apart", uneven, ARRAY_SIZE(uneven), 6000);
	check("1024 ranges", many, ARRAY_SIZE(many), 103000);
	many[0].first = 103000;
	many[0].last = 103100;
	check("1024 unsorted ranges", many, ARRAY_SIZE(many), 104000);
	check("no range", one, 0, 1000);
}

/* Each operation within, outside of and across a range. */
static void check_ops(void)
{
	static const struct protect_range r[] = { { 1024, 2047 } };
	struct bpf_bio in, out;
	struct policy p;
	__u32 op, want;

	configure(&p, r, ARRAY_SIZE(r), -EIO);
	for (op = BPF_BIO_OP_READ; op <= BPF_BIO_OP_MAX; op++) {
		bool harmless = op == BPF_BIO_OP_READ || op == BPF_BIO_OP_FLUSH;
		bool divisible = op == BPF_BIO_OP_WRITE ||
				 op == BPF_BIO_OP_DISCARD ||
				 op == BPF_BIO_OP_SECURE_ERASE ||
				 op == BPF_BIO_OP_WRITE_ZEROES;
		__u32 nr = op == BPF_BIO_OP_FLUSH ? 0 : 1024;

		want = harmless ? BPF_BIO_PASS : BPF_BIO_FAIL;
		in = bio(op, 1024, nr);
		tap(policy_run(&p, &in, &out) == want && out.nr_sectors == nr &&
			    (harmless || out.error == -EIO),
		    "%s of a range %s", op_name(op),
		    harmless ? "passes" : "fails");

		/*
		 * Where an append lands is not known, see zone_sectors. A reset
		 * of all zones may be longer than it can say.
		 */
		want = op == BPF_BIO_OP_ZONE_APPEND ||
				       op == BPF_BIO_OP_ZONE_RESET_ALL ?
			       BPF_BIO_FAIL :
			       BPF_BIO_PASS;
		in = bio(op, 4096, nr);
		tap(policy_run(&p, &in, &out) == want && out.nr_sectors == nr,
		    "%s behind it %s", op_name(op),
		    want == BPF_BIO_PASS ? "passes" : "fails");
		if (!nr)
			continue;

		/* 512 sectors before the range, 512 within */
		want = harmless || divisible ? BPF_BIO_PASS : BPF_BIO_FAIL;
		in = bio(op, 512, nr);
		tap(policy_run(&p, &in, &out) == want &&
			    out.nr_sectors == (divisible ? 512 : nr),
		    "%s across its beginning %s", op_name(op),
		    divisible ? "is divided" :
		    harmless  ? "passes" :
				"fails whole");

		/* 512 sectors within, 512 behind */
		want = harmless ? BPF_BIO_PASS : BPF_BIO_FAIL;
		in = bio(op, 1536, nr);
		tap(policy_run(&p, &in, &out) == want &&
			    out.nr_sectors == (divisible ? 512 : nr),
		    "%s across its end %s", op_name(op),
		    divisible ? "is divided" :
		    harmless  ? "passes" :
				"fails whole");
	}
	policy_close(&p);
}

static void check_zone_append(void)
{
	static const struct protect_range r[] = { { 1100, 1107 } };
	const __u64 zone_sectors = 1024;
	const __u32 one = 1;
	struct bpf_bio in, out;
	struct policy p;

	policy_open(&p, "protect");
	policy_set(&p, "ranges", r, sizeof(r));
	policy_set(&p, "nr_ranges", &one, sizeof(one));
	policy_set(&p, "zone_sectors", &zone_sectors, sizeof(zone_sectors));
	policy_load(&p);
	in = bio(BPF_BIO_OP_ZONE_APPEND, 0, 8);
	tap_eq(policy_run(&p, &in, &out), BPF_BIO_PASS,
	       "append to a zone before the range passes");
	in.sector = 1024;
	tap_eq(policy_run(&p, &in, &out), BPF_BIO_FAIL,
	       "append to the zone with the range fails");
	in.sector = 2048;
	tap_eq(policy_run(&p, &in, &out), BPF_BIO_PASS,
	       "append to a zone behind the range passes");
	policy_close(&p);
}

static int keep_event(void *ctx, void *data, size_t size)
{
	struct protect_event *event = ctx;

	if (size < sizeof(*event))
		return -EINVAL;
	memcpy(event, data, sizeof(*event));
	return 0;
}

static __u64 counter(const struct policy *p, __u32 key)
{
	return percpu_sum(policy_map(p, "counters"), &key, sizeof(__u64), 0);
}

static void check_events(void)
{
	static const struct protect_range r[] = { { 1024, 1031 } };
	struct protect_event event = {};
	struct bpf_bio in, out;
	struct ring_buffer *rb;
	struct policy p;
	__u64 refused;
	int i;

	configure(&p, r, ARRAY_SIZE(r), -EIO);
	rb = ring_buffer__new(policy_map(&p, "events"), keep_event, &event,
			      NULL);
	if (!rb)
		die("ring buffer: %s", strerror(errno));

	in = bio(BPF_BIO_OP_WRITE, 1000, 8);
	policy_run(&p, &in, &out);
	tap_eq(ring_buffer__consume(rb), 0, "no event for what passes");

	in = bio(BPF_BIO_OP_WRITE, 1028, 100);
	in.flags = BPF_BIO_F_SYNC | BPF_BIO_F_FUA;
	in.partno = 3;
	policy_run(&p, &in, &out);
	tap_eq(ring_buffer__consume(rb), 1, "one event for a refusal");
	tap_eq(event.sector, 1028, "event: first sector refused");
	tap_eq(event.nr_sectors, 4, "event: only the part that was refused");
	tap_eq(event.op, BPF_BIO_OP_WRITE, "event: operation");
	tap_eq(event.flags, in.flags, "event: flags");
	tap_eq(event.dev, SOURCE_DEV, "event: device");
	tap_eq(event.partno, 3, "event: partition");
	tap_eq(event.error, -EIO, "event: error");
	tap_eq(event.pid, getpid(), "event: pid");
	tap_eq(event.tid, gettid(), "event: tid");
	tap(!strncmp(event.comm, program_invocation_short_name,
		     PROTECT_COMM_LEN - 1),
	    "event: comm");
	tap(event.time_ns != 0, "event: time");
	tap_eq(counter(&p, PROTECT_REFUSED), 1, "one refusal counted");
	tap_eq(counter(&p, PROTECT_LOST), 0, "no event lost");

	/* nobody reads: the buffer fills up, the refusals go on */
	for (i = 0; i < 5000; i++)
		if (policy_run(&p, &in, &out) != BPF_BIO_FAIL)
			break;
	tap_eq(i, 5000, "refuses while the ring buffer is full");
	refused = counter(&p, PROTECT_REFUSED);
	tap_eq(refused, 5001, "every refusal counted");
	tap_eq(ring_buffer__consume(rb) + counter(&p, PROTECT_LOST),
	       refused - 1, "an event is delivered or counted as lost");
	tap(counter(&p, PROTECT_LOST) > 0, "some events were lost");
	ring_buffer__free(rb);
	policy_close(&p);
}

int main(void)
{
	srand(1);
	check_shapes();
	check_ops();
	check_zone_append();
	check_events();
	return tap_exit();
}
