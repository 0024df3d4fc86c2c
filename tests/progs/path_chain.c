// SPDX-License-Identifier: GPL-2.0
/*
 * usage: path_chain DEVICE TARGET
 *
 * Several programs on one device: who is asked, in which order, and what each
 * of them gets to see of what the others did.
 */
#include "path.h"

#define NR_PROGS 3

static struct rule_prog progs[NR_PROGS];
static struct disk dev, target;
static __u8 *buf, *want;

static void attach_all(void)
{
	int i;

	for (i = 0; i < NR_PROGS; i++)
		must_attach(&progs[i], &dev);
}

static void detach_all(void)
{
	int i;

	for (i = 0; i < NR_PROGS; i++) {
		rule_detach(&progs[i]);
		rule_clear(&progs[i]);
	}
}

static void forget(void)
{
	int i;

	for (i = 0; i < NR_PROGS; i++)
		if (rule_forget(&progs[i]))
			die("the log is broken");
}

static void expect_runs(const char *name, unsigned int a, unsigned int b,
			unsigned int c)
{
	unsigned int n[NR_PROGS];
	int i;

	for (i = 0; i < NR_PROGS; i++) {
		must_log(&progs[i]);
		n[i] = progs[i].nr_seen;
	}
	if (!tap(n[0] == a && n[1] == b && n[2] == c, "%s", name))
		printf("# runs %u %u %u, want %u %u %u\n", n[0], n[1], n[2], a,
		       b, c);
}

/* A verdict of the first program, and whether the second is asked. */
static void test_end(const char *name, const struct rule *rule, int error,
		     unsigned int later)
{
	char text[128];

	rule_add(&progs[0], rule);
	attach_all();
	forget();
	snprintf(text, sizeof(text), "%s: what the bio ends with", name);
	tap_eq(disk_read(&dev, buf, 8, 8), error, text);
	snprintf(text, sizeof(text), "%s: who was asked", name);
	expect_runs(text, 1, later, later);
	detach_all();
}

static void test_ends(void)
{
	const struct rule pass = { .last = 63 };
	const struct rule remap = { .last = 63,
				    .verdict = BPF_BIO_REMAP,
				    .offset = 64 };
	const struct rule fail = { .last = 63, .verdict = BPF_BIO_FAIL };
	const struct rule done = { .last = 63, .verdict = BPF_BIO_DONE };
	const struct rule redirect = { .last = 63,
				       .verdict = BPF_BIO_REDIRECT };

	test_end("pass", &pass, 0, 1);
	test_end("remap", &remap, 0, 1);
	test_end("fail", &fail, -EIO, 0);
	test_end("done", &done, 0, 0);
	test_end("redirect", &redirect, 0, 0);
}

static void test_sectors(void)
{
	const struct rule first = { .first = 0,
				    .last = 7,
				    .verdict = BPF_BIO_REMAP,
				    .offset = 100 * 8 };
	const struct rule second = {
		.first = 800, .last = 807, .verdict = BPF_BIO_REMAP, .offset = 8
	};

	rule_add(&progs[0], &first);
	rule_add(&progs[1], &second);
	attach_all();
	forget();
	fill(buf, 0, 8, 1);
	tap_eq(disk_write(&dev, buf, 0, 8), 0, "write through two remaps");
	expect_runs("each was asked once", 1, 1, 1);
	tap_eq(progs[0].seen[0].sector, 0, "the first sees the bio's sector");
	tap_eq(progs[1].seen[0].sector, 800, "the second what the first made");
	tap_eq(progs[2].seen[0].sector, 808, "the third what the second made");
	detach_all();
	tap_eq(disk_read(&dev, want, 808, 8), 0, "read where it must be");
	tap(!memcmp(buf, want, 8 * SECTOR), "the data is there");
}

/* The order is that of the list, not that of attaching. */
static void test_order(void)
{
	LIBBPF_OPTS(bpf_blk_opts, opts);
	const struct rule plus = { .last = 7,
				   .verdict = BPF_BIO_REMAP,
				   .offset = 8 };

	rule_add(&progs[0], &plus);
	must_attach(&progs[0], &dev);
	opts.flags = BPF_F_BEFORE;
	if (rule_attach(&progs[1], dev.path, &opts))
		die("cannot attach before all others");
	must_attach(&progs[2], &dev);
	forget();
	disk_read(&dev, buf, 0, 8);
	expect_runs("each is asked once", 1, 1, 1);
	tap_eq(progs[1].seen[0].sector, 0, "who was put before all is first");
	tap_eq(progs[2].seen[0].sector, 8, "who came last is last");
	detach_all();
}

static void test_reset(void)
{
	const struct rule scribble = { .last = 63, .flags = RULE_F_SCRIBBLE };
	const struct rule choose = { .last = 63, .flags = RULE_F_CHOOSE };
	const struct rule bare = { .last = 63,
				   .verdict = BPF_BIO_REDIRECT,
				   .flags = RULE_F_BARE };

	rule_add(&progs[0], &scribble);
	attach_all();
	forget();
	fill(buf, 8, 8, 2);
	tap_eq(disk_write(&dev, buf, 8, 8), 0, "sector and error with PASS");
	must_log(&progs[1]);
	tap_eq(progs[1].seen[0].sector, 8, "the next sees the bio's sector");
	tap_eq(progs[1].seen[0].error, 0, "and no error");
	detach_all();
	disk_read(&dev, want, 8, 8);
	tap(!memcmp(buf, want, 8 * SECTOR), "the bio did not move");

	/* FAIL with 0 although the one before had written an errno. */
	rule_add(&progs[0], &scribble);
	rule_add(&progs[1],
		 &(struct rule){ .last = 63, .verdict = BPF_BIO_FAIL });
	attach_all();
	tap_eq(disk_read(&dev, buf, 8, 8), -EIO, "an error is not inherited");
	detach_all();

	rule_add(&progs[0], &choose);
	rule_add(&progs[1], &bare);
	attach_all();
	tap_eq(disk_read(&dev, buf, 8, 8), -EIO,
	       "nor is the target that another program chose");
	tap_eq(stats_of(&progs[1]).refused[BPF_BIO_REFUSED_NO_TARGET], 1,
	       "which is counted");
	detach_all();
}

/* The helper was called, but the verdict is another one. */
static void test_choose(void)
{
	const struct rule choose = { .last = 63, .flags = RULE_F_CHOOSE };

	rule_add(&progs[0], &choose);
	attach_all();
	fill(buf, 16, 8, 3);
	tap_eq(disk_write(&dev, buf, 16, 8), 0, "target chosen, then PASS");
	detach_all();
	disk_read(&dev, want, 16, 8);
	tap(!memcmp(buf, want, 8 * SECTOR), "it went to the device itself");
	disk_read(&target, want, 16, 8);
	tap(memcmp(buf, want, 8 * SECTOR), "and not to the target");
}

/* What the first one accepts is all the others get to see. */
static void test_partial(void)
{
	const struct rule four = { .last = 1023, .accept = 4 };
	const struct rule two = { .last = 1023, .accept = 2 };
	bool good = true;
	unsigned int i;

	rule_add(&progs[0], &four);
	rule_add(&progs[1], &two);
	attach_all();
	forget();
	tap_eq(disk_read(&dev, buf, 0, 8), 0, "two programs divide");
	/*
	 * 8: first accepts 4, second 2 of them. The rest of 6 starts again:
	 * 4, 2. Then 4: nothing left to divide for the first, 2. Then 2.
	 */
	expect_runs("the rest meets the chain from its start", 4, 4, 4);
	for (i = 0; i < 4; i++) {
		good &= progs[0].seen[i].sector == 2 * i;
		good &= progs[0].seen[i].nr_sectors == 8 - 2 * i;
		good &= progs[1].seen[i].nr_sectors == (i < 3 ? 4 : 2);
		good &= progs[2].seen[i].nr_sectors == 2;
	}
	tap(good, "each sees what those before it left");
	tap_eq(stats_of(&progs[2]).sectors[BPF_BIO_PASS], 8,
	       "every sector passed the last one once");
	detach_all();
}

/* A move that fails is whose it was, whatever a later one wanted besides. */
static void test_blame(const char *name, const struct rule *later,
		       unsigned int hints)
{
	const struct rule beyond = { .last = 63,
				     .verdict = BPF_BIO_REMAP,
				     .offset = later->first };
	struct bpf_blk_stats moved, besides;

	rule_add(&progs[0], &beyond);
	rule_add(&progs[1], later);
	attach_all();
	tap_eq(disk_read(&dev, buf, 0, 8), -EIO, name);
	moved = stats_of(&progs[0]);
	besides = stats_of(&progs[1]);
	tap(moved.refused[BPF_BIO_REFUSED_SECTOR] >= 1,
	    "%s: counted for who moved it", name);
	tap(!besides.refused[BPF_BIO_REFUSED_SECTOR], "%s: not for the other",
	    name);
	tap(besides.refused[BPF_BIO_REFUSED_HINT] == hints,
	    "%s: whose own fault is its own", name);
	detach_all();
}

static void test_blames(void)
{
	const struct rule part = { .first = 1ULL << 40,
				   .last = ~0ULL,
				   .accept = 4 };
	const struct rule hint = { .first = 1ULL << 40,
				   .last = ~0ULL,
				   .flags = RULE_F_IOPRIO,
				   .ioprio = 0xffff };

	test_blame("moved beyond the end, then divided", &part, 0);
	test_blame("moved beyond the end, then a bad hint", &hint, 1);
}

int main(int argc, char **argv)
{
	int i;

	if (argc != 3)
		die("usage: %s DEVICE TARGET", argv[0]);
	buf = buffer(64);
	want = buffer(64);
	dev = disk_open(argv[1]);
	target = disk_open(argv[2]);
	for (i = 0; i < NR_PROGS; i++) {
		must_load(&progs[i]);
		must_target(&progs[i], 0, &target);
	}
	test_ends();
	test_sectors();
	test_order();
	test_reset();
	test_choose();
	test_partial();
	test_blames();
	for (i = 0; i < NR_PROGS; i++)
		rule_close(&progs[i]);
	return tap_exit();
}
