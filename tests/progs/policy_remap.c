// SPDX-License-Identifier: GPL-2.0
/* Unit test of bpf-progs/remap.bpf.c with BPF_PROG_TEST_RUN. */
#include "policy_test.h"

/* The configuration that the model goes by. */
static __u64 a_first, b_first, nr;

static void configure(struct policy *p, __u64 a, __u64 b, __u64 n)
{
	a_first = a;
	b_first = b;
	nr = n;
	policy_open(p, "remap");
	policy_set(p, "a_first", &a, sizeof(a));
	policy_set(p, "b_first", &b, sizeof(b));
	policy_set(p, "nr", &n, sizeof(n));
	policy_load(p);
}

static struct fate model(const struct bpf_bio *in, __u64 sector)
{
	struct fate fate = { .verdict = BPF_BIO_PASS };

	(void)in;
	if (sector >= a_first && sector < a_first + nr) {
		fate.verdict = BPF_BIO_REMAP;
		fate.sector = sector - a_first + b_first;
	} else if (sector >= b_first && sector < b_first + nr) {
		fate.verdict = BPF_BIO_REMAP;
		fate.sector = sector - b_first + a_first;
	}
	return fate;
}

static void check(const char *name, __u64 a, __u64 b, __u64 n, __u64 limit)
{
	__u64 borders[] = { a, a + n, b, b + n };
	struct policy p;

	configure(&p, a, b, n);
	check_borders(&p, name, model, borders, ARRAY_SIZE(borders));
	check_random(&p, name, model, limit);
	policy_close(&p);
}

/* Twice the same mapping leads back: no sector is lost or doubled. */
static void check_exchange(void)
{
	struct bpf_bio in, out, back;
	unsigned int bad = 0;
	struct policy p;
	__u64 sector;

	configure(&p, 100, 1000, 64);
	for (sector = 0; sector < 1200; sector++) {
		in = bio(BPF_BIO_OP_WRITE, sector, 1);
		policy_run(&p, &in, &out);
		policy_run(&p, &out, &back);
		bad += back.sector != sector;
	}
	tap(!bad, "the mapping is its own inverse (%u wrong)", bad);
	policy_close(&p);
}

static void check_ops(void)
{
	struct bpf_bio in, out;
	struct policy p;
	__u32 op;

	configure(&p, 1024, 4096, 1024);
	for (op = BPF_BIO_OP_READ; op <= BPF_BIO_OP_MAX; op++) {
		bool flush = op == BPF_BIO_OP_FLUSH;
		bool zone = op >= BPF_BIO_OP_ZONE_APPEND;

		in = bio(op, flush ? 0 : 1024, flush ? 0 : 1024);
		tap(policy_run(&p, &in, &out) ==
				    (flush ? BPF_BIO_PASS : BPF_BIO_REMAP) &&
			    out.sector == (flush ? 0 : 4096),
		    "%s of a range %s", op_name(op),
		    flush ? "passes" : "is remapped");
		if (flush)
			continue;
		in = bio(op, 512, 1024);
		tap(policy_run(&p, &in, &out) ==
				    (zone ? BPF_BIO_FAIL : BPF_BIO_PASS) &&
			    out.nr_sectors == (zone ? 1024 : 512),
		    "%s across a border %s", op_name(op),
		    zone ? "fails whole" : "is divided");
	}
	policy_close(&p);
}

static void check_overlap(void)
{
	struct bpf_bio in, out;
	struct policy p;

	configure(&p, 1000, 1050, 100);
	in = bio(BPF_BIO_OP_READ, 992, 8);
	tap_eq(policy_run(&p, &in, &out), BPF_BIO_PASS,
	       "overlapping ranges: a bio before them passes");
	in.sector = 993;
	tap(policy_run(&p, &in, &out) == BPF_BIO_FAIL && out.error == -EINVAL,
	    "overlapping ranges: a bio that touches them fails");
	in.sector = 1149;
	tap(policy_run(&p, &in, &out) == BPF_BIO_FAIL && out.error == -EINVAL,
	    "overlapping ranges: a bio at their end fails");
	in.sector = 1150;
	tap_eq(policy_run(&p, &in, &out), BPF_BIO_PASS,
	       "overlapping ranges: a bio behind them passes");
	policy_close(&p);
}

int main(void)
{
	srand(1);
	check("a before b", 100, 1000, 64, 1500);
	check("b before a", 1000, 100, 64, 1500);
	check("adjacent", 64, 128, 64, 400);
	check("at sector 0", 0, 500, 8, 1000);
	check("beyond 2 TiB", 100, 5ULL << 32, 64, 6ULL << 32);
	check("single sectors", 7, 9, 1, 100);
	check("nothing configured", 0, 0, 0, 1000);
	check_exchange();
	check_ops();
	check_overlap();
	return tap_exit();
}
