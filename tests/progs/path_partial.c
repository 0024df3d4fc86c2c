// SPDX-License-Identifier: GPL-2.0
/*
 * usage: path_partial DEVICE DEVICE4K
 *
 * bpf_bio_accept_partial(): parts of all sizes, down to each sector of a
 * large bio by itself, and the lengths it does not take. DEVICE has blocks of
 * 512 bytes and can zero or discard; DEVICE4K has blocks of 4 KiB.
 */
#include <sys/sysmacros.h>

#include "path.h"

#define REGION 4096U
#define BIG (32U << 11) /* sectors, of a bio without data */

static struct disk dev, dev4k;
static struct rule_prog p;
static __u8 *buf, *want;

static void begin(const struct disk *d, const struct rule *rule)
{
	rule_clear(&p);
	rule_add(&p, rule);
	must_attach(&p, d);
	if (rule_forget(&p))
		die("the log is broken");
}

/* Runs in a row over [0, sectors), each seeing what is left. */
static bool in_a_row(__u32 sectors, __u32 step)
{
	unsigned int i;

	must_log(&p);
	if (p.nr_seen != sectors / step)
		return false;
	for (i = 0; i < p.nr_seen; i++)
		if (p.seen[i].sector != i * step ||
		    p.seen[i].nr_sectors != sectors - i * step ||
		    p.seen[i].nr_after != step)
			return false;
	return true;
}

static void test_single_sectors(void)
{
	const struct rule ones = { .last = 2047,
				   .verdict = BPF_BIO_REMAP,
				   .offset = 2048,
				   .accept = 1 };

	fill(buf, 0, 2048, 1);
	begin(&dev, &ones);
	tap_eq(disk_write(&dev, buf, 0, 2048), 0,
	       "1 MiB written, sector by sector, each moved");
	tap(in_a_row(2048, 1), "the program saw each of them once (%u runs)",
	    p.nr_seen);
	tap_eq(stats_of(&p).sectors[BPF_BIO_REMAP], 2048, "counted once");
	if (rule_forget(&p))
		die("the log is broken");
	tap_eq(disk_read(&dev, want, 0, 2048), 0, "and read");
	tap(in_a_row(2048, 1), "each of them once");
	tap(!memcmp(buf, want, 2048 * SECTOR), "what was written");
	rule_detach(&p);
	disk_read(&dev, want, 2048, 2048);
	tap(!memcmp(buf, want, 2048 * SECTOR), "it lies where it was moved to");
}

/* No data, so the bio can be larger than memory would allow. */
static void test_big(void)
{
	const struct rule ones = { .last = ~0ULL,
				   .verdict = BPF_BIO_DONE,
				   .accept = 1 };
	struct bpf_blk_stats stats;

	p.state->quiet = 1;
	begin(&dev, &ones);
	tap_eq(disk_ioctl_range(&dev, BLKDISCARD, 0, BIG), 0,
	       "a discard of 32 MiB, sector by sector");
	stats = stats_of(&p);
	tap_eq(stats.bios[BPF_BIO_DONE], BIG, "one run for each sector");
	tap_eq(stats.sectors[BPF_BIO_DONE], BIG, "of which each was counted");
	rule_detach(&p);
	p.state->quiet = 0;
}

static void test_discard(void)
{
	const struct rule move = { .last = 63,
				   .ops = 1 << BPF_BIO_OP_DISCARD |
					  1 << BPF_BIO_OP_WRITE_ZEROES,
				   .verdict = BPF_BIO_REMAP,
				   .offset = 64,
				   .accept = 8 };
	__u32 i, zero = 0;

	memset(buf, 0xaa, 256 * SECTOR);
	disk_write(&dev, buf, 0, 256);
	begin(&dev, &move);
	tap_eq(disk_ioctl_range(&dev, BLKDISCARD, 0, 64), 0,
	       "a discard in parts, moved");
	tap(in_a_row(64, 8), "eight runs");
	rule_detach(&p);
	disk_read(&dev, want, 0, 256);
	for (i = 0; i < 64 * SECTOR; i++)
		zero += !want[64 * SECTOR + i];
	tap(!memcmp(want, buf, 64 * SECTOR), "its own sectors are untouched");
	tap(zero == 64 * SECTOR, "the others were discarded");
	tap(!memcmp(want + 128 * SECTOR, buf, 128 * SECTOR),
	    "what follows is untouched");
}

static void test_inner(void)
{
	const struct rule inner = { .first = 8,
				    .last = 11,
				    .verdict = BPF_BIO_FAIL,
				    .error = -ENOSPC };
	__u8 *old = buffer(64);

	fill(old, 0, 64, 2);
	disk_write(&dev, old, 0, 64);
	fill(buf, 0, 64, 3);
	begin(&dev, &inner);
	tap_eq(disk_write(&dev, buf, 0, 64), -ENOSPC,
	       "a part within fails: so does the whole");
	tap_eq(disk_read(&dev, want, 0, 64), -ENOSPC, "also when it is read");
	tap_eq(disk_read(&dev, want, 0, 8), 0, "what is before can be read");
	tap_eq(disk_read(&dev, want, 12, 8), 0, "what is behind can be read");
	rule_detach(&p);
	disk_read(&dev, want, 0, 64);
	tap(!memcmp(want, buf, 8 * SECTOR), "what is before was written");
	tap(!memcmp(want + 12 * SECTOR, buf + 12 * SECTOR, 52 * SECTOR),
	    "what is behind was written");
	tap(!memcmp(want + 8 * SECTOR, old + 8 * SECTOR, 4 * SECTOR),
	    "the part itself was not");
	free(old);
}

/* What the driver got since the last call, in bios: it may merge some. */
static unsigned long long arrived(void)
{
	static unsigned long long before;
	unsigned long long n[6], was = before;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/stat",
		 major(dev.dev), minor(dev.dev));
	f = fopen(path, "r");
	if (!f || fscanf(f, "%llu %llu %llu %llu %llu %llu", &n[0], &n[1],
			 &n[2], &n[3], &n[4], &n[5]) != 6)
		die("%s", path);
	fclose(f);
	/* Reads, merged ones; sectors and time; the same of writes. */
	before = n[0] + n[1] + n[4] + n[5];
	return before - was;
}

/* What passes as it is stays together, up to what does not. */
static void test_together(void)
{
	const struct rule four = { .last = 63, .accept = 4 };
	const struct rule moved = {
		.first = 24, .last = 27, .verdict = BPF_BIO_REMAP, .offset = 64
	};
	const struct rule hint = {
		.first = 56, .last = 59, .flags = RULE_F_HINT, .write_hint = 3
	};
	const struct rule prio = { .first = 40,
				   .last = 43,
				   .flags = RULE_F_IOPRIO,
				   .ioprio = 3 << 13 };
	__u8 *old = buffer(128);

	fill(old, 0, 128, 4);
	disk_write(&dev, old, 0, 128);
	fill(buf, 0, 64, 5);
	begin(&dev, &four);
	arrived();
	tap_eq(disk_write(&dev, buf, 0, 16), 0, "parts that all pass");
	tap(in_a_row(16, 4), "each was asked about");
	tap_eq(arrived(), 1, "and they were not divided");
	rule_clear(&p);
	disk_read(&dev, want, 0, 128);
	tap(!memcmp(want, buf, 16 * SECTOR) &&
		    !memcmp(want + 16 * SECTOR, old + 16 * SECTOR,
			    112 * SECTOR),
	    "all of them were written");
	arrived();
	rule_add(&p, &moved);
	rule_add(&p, &prio);
	rule_add(&p, &hint);
	rule_add(&p, &four);
	tap_eq(disk_write(&dev, buf, 0, 64), 0,
	       "one is moved, one has another priority, one a hint");
	tap_eq(arrived(), 7, "they and what is between them: seven");
	rule_clear(&p);
	rule_add(&p, &four);
	rule_add(&p, &(struct rule){ .first = 64,
				     .last = 127,
				     .verdict = BPF_BIO_FAIL,
				     .error = -ENODATA });
	tap_eq(disk_write(&dev, buf, 48, 32), -ENODATA, "the last one fails");
	tap_eq(arrived(), 1, "those before it were written");
	rule_detach(&p);
	disk_read(&dev, want, 0, 128);
	tap(!memcmp(want, buf, 24 * SECTOR) &&
		    !memcmp(want + 28 * SECTOR, buf + 28 * SECTOR, 20 * SECTOR),
	    "what passed lies where it should");
	tap(!memcmp(want + 48 * SECTOR, buf, 16 * SECTOR),
	    "and what came before the failure");
	tap(!memcmp(want + 24 * SECTOR, old + 24 * SECTOR, 4 * SECTOR) &&
		    !memcmp(want + 88 * SECTOR, buf + 24 * SECTOR, 4 * SECTOR),
	    "what was moved does, too");
	tap(!memcmp(want + 64 * SECTOR, old + 64 * SECTOR, 24 * SECTOR) &&
		    !memcmp(want + 92 * SECTOR, old + 92 * SECTOR, 36 * SECTOR),
	    "nothing else was touched");
	free(old);
}

/* Accept exactly that, whatever comes of it; the bio has 16 sectors. */
static void try_length(const struct disk *d, __u32 nr, int result, __u32 after)
{
	const struct rule exact = { .last = 15,
				    .accept = nr,
				    .flags = RULE_F_ACCEPT };
	bool good;

	begin(d, &exact);
	good = !disk_read(d, buf, 0, 16);
	must_log(&p);
	rule_detach(&p);
	good = good && p.nr_seen && p.seen[0].accepted == result &&
	       p.seen[0].nr_after == after;
	/* The rest begins outside of the rule's range and is not divided. */
	if (!tap(good, "accept %u of 16, blocks of %u", nr, d->block * SECTOR))
		printf("# got %d and %u sectors, want %d and %u\n",
		       p.nr_seen ? p.seen[0].accepted : 1,
		       p.nr_seen ? p.seen[0].nr_after : 0, result, after);
}

static void test_lengths(void)
{
	try_length(&dev, 0, -EINVAL, 16);
	try_length(&dev, 16, -EINVAL, 16);
	try_length(&dev, 17, -EINVAL, 16);
	try_length(&dev, ~0U, -EINVAL, 16);
	try_length(&dev, 15, 0, 15);
	try_length(&dev4k, 1, -EINVAL, 16);
	try_length(&dev4k, 7, -EINVAL, 16);
	try_length(&dev4k, 9, -EINVAL, 16);
	try_length(&dev4k, 12, -EINVAL, 16);
	try_length(&dev4k, 16, -EINVAL, 16);
	try_length(&dev4k, 8, 0, 8);
}

static void test_flush(void)
{
	const struct rule flush = { .ops = 1 << BPF_BIO_OP_FLUSH,
				    .accept = 1,
				    .flags = RULE_F_ACCEPT };

	begin(&dev, &flush);
	tap_eq(fsync(dev.fd), 0, "fsync");
	must_log(&p);
	rule_detach(&p);
	tap(p.nr_seen == 1 && p.seen[0].op == BPF_BIO_OP_FLUSH &&
		    p.seen[0].accepted == -EINVAL && !p.seen[0].nr_after,
	    "nothing can be accepted of a flush");
}

int main(int argc, char **argv)
{
	if (argc != 3)
		die("usage: %s DEVICE DEVICE4K", argv[0]);
	buf = buffer(REGION);
	want = buffer(REGION);
	dev = disk_open(argv[1]);
	dev4k = disk_open(argv[2]);
	must_load(&p);
	test_lengths();
	test_single_sectors();
	test_discard();
	test_big();
	test_inner();
	test_together();
	test_flush();
	rule_close(&p);
	return tap_exit();
}
