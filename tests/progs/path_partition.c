// SPDX-License-Identifier: GPL-2.0
/*
 * usage: path_partition DISK PART1 PART2
 *
 * Programs of a partition and of its disk: whose sectors they see, which of
 * them is asked, how often, and where a bio goes that both have moved.
 */
#include <libgen.h>

#include "path.h"

static struct disk disk, parts[3];
static __u64 start[3], size[3];
static struct rule_prog on_disk, on_part;
static __u8 *buf, *want;

static __u64 sysfs_number(const char *path, const char *what)
{
	char name[4096], *copy = strdup(path);
	unsigned long long n;
	FILE *f;

	snprintf(name, sizeof(name), "/sys/class/block/%s/%s", basename(copy),
		 what);
	free(copy);
	f = fopen(name, "r");
	if (!f || fscanf(f, "%llu", &n) != 1)
		die("%s: cannot read a number", name);
	fclose(f);
	return n;
}

static void forget(void)
{
	if (rule_forget(&on_disk) || rule_forget(&on_part))
		die("the log is broken");
}

static void expect_runs(const char *name, unsigned int part, unsigned int whole)
{
	must_log(&on_disk);
	must_log(&on_part);
	if (!tap(on_part.nr_seen == part && on_disk.nr_seen == whole, "%s",
		 name))
		printf("# asked: partition %u, disk %u; want %u, %u\n",
		       on_part.nr_seen, on_disk.nr_seen, part, whole);
}

static void expect_seen(const char *name, const struct rule_prog *p,
			const struct disk *d, __u64 sector, __u32 partno)
{
	const struct rule_seen *s = p->seen;

	if (!tap(p->nr_seen == 1 && s->sector == sector && s->dev == d->dev &&
			 s->partno == partno && s->nr_sectors == 8,
		 "%s", name))
		printf("# sector %llu dev %#x partno %u nr %u, want %llu %#x %u 8\n",
		       (unsigned long long)s->sector, s->dev, s->partno,
		       s->nr_sectors, (unsigned long long)sector, d->dev,
		       partno);
}

static void clear(void)
{
	rule_clear(&on_disk);
	rule_clear(&on_part);
	forget();
}

static bool same(const struct disk *d, __u64 sector)
{
	return !disk_read(d, want, sector, 8) && !memcmp(buf, want, 8 * SECTOR);
}

static void test_views(void)
{
	clear();
	disk_write(&parts[2], buf, 8, 8);
	expect_runs("a write to the partition: each is asked once", 1, 1);
	expect_seen("the partition's program: its sectors", &on_part, &parts[2],
		    8, 2);
	expect_seen("the disk's program: absolute sectors", &on_disk, &disk,
		    start[2] + 8, 2);
	forget();
	disk_read(&parts[2], buf, 8, 8);
	expect_runs("a read as well", 1, 1);
	forget();
	disk_write(&disk, buf, start[2] + 8, 8);
	expect_runs("through the disk the partition is not asked", 0, 1);
	expect_seen("and the bio is nobody's", &on_disk, &disk, start[2] + 8,
		    0);
	forget();
	disk_write(&parts[1], buf, 8, 8);
	expect_runs("nor for another partition", 0, 1);
	expect_seen("of which the disk's program knows", &on_disk, &disk,
		    start[1] + 8, 1);
}

static void test_remap(void)
{
	clear();
	rule_add(&on_part, &(struct rule){ .last = 7,
					   .verdict = BPF_BIO_REMAP,
					   .offset = 16 });
	fill(buf, 0, 8, 10);
	tap_eq(disk_write(&parts[2], buf, 0, 8), 0, "moved on the partition");
	expect_runs("each is asked once", 1, 1);
	expect_seen("the disk's program sees the new sector", &on_disk, &disk,
		    start[2] + 16, 2);
	tap(same(&disk, start[2] + 16), "where it is");

	rule_add(&on_disk, &(struct rule){ .first = start[2] + 16,
					   .last = start[2] + 23,
					   .verdict = BPF_BIO_REMAP,
					   .offset = 24 });
	forget();
	fill(buf, 0, 8, 11);
	tap_eq(disk_write(&parts[2], buf, 0, 8), 0, "moved by both");
	expect_runs("each is asked once", 1, 1);
	rule_clear(&on_disk);
	tap(same(&disk, start[2] + 40), "both moves count");
}

/* The end of the partition is not the end of the disk. */
static void test_ends(void)
{
	struct bpf_blk_stats before = stats_of(&on_part), after;

	clear();
	rule_add(&on_part, &(struct rule){ .last = 7,
					   .verdict = BPF_BIO_REMAP,
					   .offset = size[1] - 8 });
	rule_add(&on_part, &(struct rule){ .first = 8,
					   .last = 15,
					   .verdict = BPF_BIO_REMAP,
					   .offset = size[2] - 15 });
	rule_add(&on_part, &(struct rule){ .first = 16,
					   .last = 23,
					   .verdict = BPF_BIO_REMAP,
					   .offset = size[2] - 24 });
	tap_eq(disk_read(&parts[2], buf, 16, 8), 0, "the last sectors");
	tap_eq(disk_read(&parts[2], buf, 8, 8), -EIO, "one too far");
	after = stats_of(&on_part);
	tap_eq(after.refused[BPF_BIO_REFUSED_SECTOR] -
		       before.refused[BPF_BIO_REFUSED_SECTOR],
	       1, "is refused and counted");
	clear();
	/* What the disk's program does is not bounded by the partition. */
	rule_add(&on_disk,
		 &(struct rule){ .first = start[2],
				 .last = start[2] + 7,
				 .verdict = BPF_BIO_REMAP,
				 .offset = start[1] + 32 - start[2] });
	fill(buf, 0, 8, 12);
	tap_eq(disk_write(&parts[2], buf, 0, 8), 0,
	       "the disk's program moves it out of the partition");
	rule_clear(&on_disk);
	tap(same(&parts[1], 32), "into the other one");
}

static void test_fail(void)
{
	clear();
	rule_add(&on_part, &(struct rule){ .last = 7,
					   .verdict = BPF_BIO_FAIL,
					   .error = -ENOSPC });
	rule_add(&on_disk, &(struct rule){ .first = start[2] + 8,
					   .last = start[2] + 15,
					   .verdict = BPF_BIO_FAIL,
					   .error = -ETIMEDOUT });
	tap_eq(disk_write(&parts[2], buf, 0, 8), -ENOSPC,
	       "failed by the partition's program");
	expect_runs("the disk's is not asked", 1, 0);
	forget();
	tap_eq(disk_write(&parts[2], buf, 8, 8), -ETIMEDOUT,
	       "failed by the disk's program");
	expect_runs("both were asked", 1, 1);
	tap_eq(disk_write(&disk, buf, start[2], 8), 0,
	       "the partition's program does not guard the disk");
}

/* From one partition to its neighbour, and to the disk below both. */
static void test_redirect(void)
{
	clear();
	must_target(&on_part, 0, &parts[1]);
	must_target(&on_part, 1, &disk);
	rule_add(&on_part, &(struct rule){ .last = 7,
					   .verdict = BPF_BIO_REDIRECT,
					   .offset = 64 });
	rule_add(&on_part, &(struct rule){ .first = 8,
					   .last = 15,
					   .verdict = BPF_BIO_REDIRECT,
					   .offset = start[1],
					   .key = 1 });
	fill(buf, 0, 8, 13);
	tap_eq(disk_write(&parts[2], buf, 0, 8), 0, "to another partition");
	expect_runs("each is asked once", 1, 1);
	expect_seen("the disk's program sees where it goes", &on_disk, &disk,
		    start[1] + 64, 1);
	tap(same(&parts[1], 64), "the data is there");
	forget();
	fill(buf, 0, 8, 14);
	tap_eq(disk_write(&parts[2], buf, 8, 8), 0, "to the disk");
	expect_runs("each is asked once", 1, 1);
	expect_seen("the bio is no partition's any more", &on_disk, &disk,
		    start[1] + 8, 0);
	tap(same(&parts[1], 8), "the data is there");
}

static void test_partial(void)
{
	clear();
	/* To where they are: what passes as it is stays together. */
	rule_add(&on_part, &(struct rule){ .last = 63,
					   .accept = 4,
					   .verdict = BPF_BIO_REMAP });
	rule_add(&on_disk,
		 &(struct rule){ .first = start[2],
				 .last = start[2] + 63,
				 .accept = 2,
				 .verdict = BPF_BIO_REMAP,
				 .offset = start[1] - start[2] + 128 });
	fill(buf, 0, 8, 15);
	tap_eq(disk_write(&parts[2], buf, 0, 8), 0, "divided on both");
	expect_runs("8 in fours, then each of these in twos", 2, 4);
	rule_clear(&on_disk);
	tap(same(&parts[1], 128), "moved once, whole");
}

int main(int argc, char **argv)
{
	int i;

	if (argc != 4)
		die("usage: %s DISK PART1 PART2", argv[0]);
	buf = buffer(8);
	want = buffer(8);
	disk = disk_open(argv[1]);
	for (i = 1; i <= 2; i++) {
		parts[i] = disk_open(argv[i + 1]);
		start[i] = sysfs_number(argv[i + 1], "start");
		size[i] = sysfs_number(argv[i + 1], "size");
	}
	must_load(&on_disk);
	must_load(&on_part);
	must_attach(&on_disk, &disk);
	must_attach(&on_part, &parts[2]);
	test_views();
	test_remap();
	test_ends();
	test_fail();
	test_redirect();
	test_partial();
	rule_close(&on_part);
	rule_close(&on_disk);
	return tap_exit();
}
