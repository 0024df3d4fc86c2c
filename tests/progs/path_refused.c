// SPDX-License-Identifier: GPL-2.0
/*
 * usage: path_refused SOURCE TARGET TARGET4K [STABLE]
 *
 * Redirects and remaps that cannot be carried out: the error the bio ends
 * with, the counter that says why, and that nothing was written. STABLE needs
 * stable pages and cannot serve NOWAIT bios.
 */
#include <sys/uio.h>

#include "path.h"

static struct disk source, target, target4k;
static __u64 source_sectors, target_sectors;
static struct rule_prog p;
static __u8 *buf, *want;

static __u64 sectors_of(const struct disk *d)
{
	__u64 bytes;

	if (ioctl(d->fd, BLKGETSIZE64, &bytes))
		die("%s: no size", d->path);
	return bytes / SECTOR;
}

static void set_rule(const struct rule *rule)
{
	rule_clear(&p);
	rule_add(&p, rule);
}

static __u64 refusals(enum bpf_bio_refusal why)
{
	return stats_of(&p).refused[why];
}

static __u64 all_refusals(void)
{
	struct bpf_blk_stats stats = stats_of(&p);
	__u64 sum = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(stats.refused); i++)
		sum += stats.refused[i];
	return sum;
}

/* One bio: its result, and one refusal of that kind, or none at all. */
static void expect(const char *name, int got, int want_error,
		   enum bpf_bio_refusal why, __u64 before, __u64 all)
{
	__u64 more = refusals(why) - before, others = all_refusals() - all;
	bool counted = want_error ? more == 1 && others == 1 : !others;

	if (!tap(got == want_error && counted, "%s", name))
		printf("# got %d, want %d; counted %llu, in all %llu\n", got,
		       want_error, (unsigned long long)more,
		       (unsigned long long)others);
}

static void expect_read(const char *name, __u64 sector, __u32 sectors,
			int error, enum bpf_bio_refusal why)
{
	__u64 before = refusals(why), all = all_refusals();

	expect(name, disk_read(&source, buf, sector, sectors), error, why,
	       before, all);
}

static void expect_write(const char *name, __u64 sector, __u32 sectors,
			 int error, enum bpf_bio_refusal why)
{
	__u64 before = refusals(why), all = all_refusals();

	expect(name, disk_write(&source, buf, sector, sectors), error, why,
	       before, all);
}

static void test_align(void)
{
	struct rule r = { .last = 1023, .verdict = BPF_BIO_REDIRECT };

	must_target(&p, 0, &target4k);
	set_rule(&r);
	expect_read("8 sectors of a block of 8", 8, 8, 0,
		    BPF_BIO_REFUSED_ALIGN);
	expect_read("1 sector of a block of 8", 8, 1, -EINVAL,
		    BPF_BIO_REFUSED_ALIGN);
	expect_write("8 sectors of two blocks", 12, 8, -EINVAL,
		     BPF_BIO_REFUSED_ALIGN);
	r.offset = 4;
	set_rule(&r);
	expect_read("the place counts, not where the bio came from", 12, 8, 0,
		    BPF_BIO_REFUSED_ALIGN);
	/* The part fits the source, whose blocks are smaller. */
	r.offset = 0;
	r.accept = 4;
	set_rule(&r);
	expect_read("a part that is half a block of the target", 8, 8, -EINVAL,
		    BPF_BIO_REFUSED_PARTIAL);
}

static void test_end(void)
{
	struct rule r = { .last = 15, .verdict = BPF_BIO_REDIRECT };

	must_target(&p, 0, &target);
	r.offset = target_sectors - 8;
	set_rule(&r);
	expect_read("the last sectors of the target", 0, 8, 0,
		    BPF_BIO_REFUSED_SECTOR);
	expect_read("one more than there is", 1, 8, -EIO,
		    BPF_BIO_REFUSED_SECTOR);
	expect_write("also to write", 1, 8, -EIO, BPF_BIO_REFUSED_SECTOR);
	r.offset = target_sectors;
	set_rule(&r);
	expect_read("just behind the end", 0, 8, -EIO, BPF_BIO_REFUSED_SECTOR);
	r.offset = -8;
	set_rule(&r);
	expect_read("before the beginning", 0, 8, -EIO, BPF_BIO_REFUSED_SECTOR);
	r.verdict = BPF_BIO_REMAP;
	r.offset = source_sectors - 7;
	set_rule(&r);
	expect_write("a remap beyond the end", 0, 8, -EIO,
		     BPF_BIO_REFUSED_SECTOR);
	r.offset = -1;
	set_rule(&r);
	expect_read("a remap before the beginning", 0, 8, -EIO,
		    BPF_BIO_REFUSED_SECTOR);
}

static void set_read_only(const struct disk *d, int on)
{
	if (ioctl(d->fd, BLKROSET, &on))
		die("%s: cannot set read-only: %s", d->path, strerror(errno));
}

static void test_read_only(void)
{
	const struct rule r = { .last = 15, .verdict = BPF_BIO_REDIRECT };
	const struct rule move = { .last = 15,
				   .verdict = BPF_BIO_REMAP,
				   .offset = 8 };
	int err;

	fill(want, 0, 8, 1);
	disk_write(&target, want, 0, 8);
	set_rule(&r);
	set_read_only(&target, 1);
	expect_read("a read-only target can be read", 0, 8, 0,
		    BPF_BIO_REFUSED_RDONLY);
	expect_write("but not written", 0, 8, -EIO, BPF_BIO_REFUSED_RDONLY);
	set_read_only(&target, 0);

	err = rule_set_target(p.targets, 0, target.path, O_RDONLY);
	tap_eq(err, 0, "a target opened for reading only");
	expect_read("can be read", 0, 8, 0, BPF_BIO_REFUSED_RDONLY);
	expect_write("but not written", 0, 8, -EIO, BPF_BIO_REFUSED_RDONLY);
	must_target(&p, 0, &target);
	disk_read(&target, buf, 0, 8);
	tap(!memcmp(buf, want, 8 * SECTOR), "nothing was written");

	set_rule(&move);
	set_read_only(&source, 1);
	expect_read("a remapped read of a read-only disk", 0, 8, 0,
		    BPF_BIO_REFUSED_RDONLY);
	set_read_only(&source, 0);
}

/* What an empty slot means is up to the program. */
static void test_missing(__u32 key, const char *what)
{
	struct rule r = { .last = 15,
			  .verdict = BPF_BIO_REDIRECT,
			  .offset = 16,
			  .key = key };
	struct bpf_blk_stats before, after;
	__u32 f;

	rule_clear(&p);
	fill(want, 0, 64, 2);
	disk_write(&source, want, 0, 64);
	before = stats_of(&p);
	printf("# %s\n", what);
	for (f = 0; f <= 9; f++) {
		int error = f == BPF_BIO_FAIL || f >= BPF_BIO_REDIRECT ? -EIO :
									 0;

		r.fallback = f;
		set_rule(&r);
		tap_eq(disk_read(&source, buf, 0, 8), error, "fallback");
		if (f == BPF_BIO_PASS)
			tap(!memcmp(buf, want, 8 * SECTOR), "PASS: its own");
		if (f == BPF_BIO_REMAP)
			tap(!memcmp(buf, want + 16 * SECTOR, 8 * SECTOR),
			    "REMAP: to the sector that was meant");
		if (f == BPF_BIO_DONE)
			tap(!buf[0] && !memcmp(buf, buf + 1, 8 * SECTOR - 1),
			    "DONE: zeroes");
	}
	after = stats_of(&p);
	for (f = 0; f < 8; f++)
		before.bios[f] = after.bios[f] - before.bios[f];
	tap(before.bios[BPF_BIO_PASS] == 1 && before.bios[BPF_BIO_REMAP] == 1 &&
		    before.bios[BPF_BIO_DONE] == 1 &&
		    before.bios[BPF_BIO_FAIL] == 7 &&
		    !before.bios[BPF_BIO_REDIRECT],
	    "each counted as what it became");
}

static void test_no_helper(void)
{
	const struct rule bare = { .last = 15,
				   .verdict = BPF_BIO_REDIRECT,
				   .flags = RULE_F_BARE };

	must_target(&p, 0, &target);
	set_rule(&bare);
	expect_read("REDIRECT without bpf_redirect_map()", 0, 8, -EIO,
		    BPF_BIO_REFUSED_NO_TARGET);
	expect_write("also a write", 0, 8, -EIO, BPF_BIO_REFUSED_NO_TARGET);
}

static int read_nowait(void)
{
	struct iovec iov = { buf, 8 * SECTOR };
	ssize_t n = preadv2(source.fd, &iov, 1, 0, RWF_NOWAIT);

	return n < 0 ? -errno : 0;
}

static void test_nowait(const struct disk *stable)
{
	const struct rule r = { .last = 15, .verdict = BPF_BIO_REDIRECT };
	__u64 before, all;

	must_target(&p, 0, &target);
	set_rule(&r);
	tap_eq(read_nowait(), 0, "NOWAIT to a target that can do it");
	must_log(&p);
	tap(p.nr_seen && p.seen[p.nr_seen - 1].flags & BPF_BIO_F_NOWAIT,
	    "the program sees the flag");
	must_target(&p, 0, stable);
	before = refusals(BPF_BIO_REFUSED_NOWAIT);
	all = all_refusals();
	expect("NOWAIT to a target that cannot", read_nowait(), -EAGAIN,
	       BPF_BIO_REFUSED_NOWAIT, before, all);
	expect_read("which can be read otherwise", 0, 8, 0,
		    BPF_BIO_REFUSED_NOWAIT);
	expect_write("but not written: it needs stable pages", 0, 8,
		     -EOPNOTSUPP, BPF_BIO_REFUSED_STABLE);
}

/* What is as coarse as the target takes the short way, if nobody looks. */
static void test_source4k(const struct disk *stable)
{
	const struct rule move = { .last = 1023,
				   .verdict = BPF_BIO_REMAP,
				   .offset = 4 };
	const struct rule r = { .last = 15, .verdict = BPF_BIO_REDIRECT };

	rule_detach(&p);
	must_target(&p, 0, stable);
	source = target4k;
	must_attach(&p, &source);
	set_rule(&move);
	expect_read("a remap by half a block", 8, 8, -EINVAL,
		    BPF_BIO_REFUSED_ALIGN);
	set_rule(&r);
	expect_read("equal blocks: read", 0, 8, 0, BPF_BIO_REFUSED_STABLE);
	expect_write("it needs stable pages", 0, 8, -EOPNOTSUPP,
		     BPF_BIO_REFUSED_STABLE);
	expect_write("and still does", 0, 8, -EOPNOTSUPP,
		     BPF_BIO_REFUSED_STABLE);
}

int main(int argc, char **argv)
{
	struct disk stable;

	if (argc != 4 && argc != 5)
		die("usage: %s SOURCE TARGET TARGET4K [STABLE]", argv[0]);
	buf = buffer(64);
	want = buffer(64);
	source = disk_open(argv[1]);
	target = disk_open(argv[2]);
	target4k = disk_open(argv[3]);
	source_sectors = sectors_of(&source);
	target_sectors = sectors_of(&target);
	must_load(&p);
	must_attach(&p, &source);
	test_align();
	test_end();
	test_read_only();
	test_missing(3, "an empty slot");
	test_missing(RULE_TARGETS, "the first slot that is not there");
	test_missing(~0U, "the last slot that is not there");
	test_no_helper();
	if (argc == 5) {
		stable = disk_open(argv[4]);
		test_nowait(&stable);
		test_source4k(&stable);
	}
	rule_close(&p);
	return tap_exit();
}
