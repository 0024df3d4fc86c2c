// SPDX-License-Identifier: GPL-2.0
/*
 * usage: path_model direct|buffered|mmap DEVICE TARGET... [SEED]
 *
 * Each verdict, and then random mixtures of them, against a model: the first
 * MiB of the device and of the targets is kept in memory, every write goes to
 * both, every read is compared, and in the end the devices are compared with
 * the program gone. All of it byte for byte.
 */
#include <ctype.h>

#include "path.h"

#define REGION 2048U /* sectors of each device that take part */
#define MAX_TARGETS 4
#define ROUNDS 12
#define STEPS 40

enum way { DIRECT, BUFFERED, MMAP };

struct place {
	struct disk disk;
	__u8 data[REGION * SECTOR] __attribute__((aligned(4096)));
};

/* devices[0] is the source, slot i of the map is devices[i + 1] */
static struct place devices[MAX_TARGETS + 1];
static unsigned int nr_devices;
static struct rule_prog prog;
static __u32 unit; /* sectors, the largest logical block */
static enum way way;
static int cached = -1; /* the source without O_DIRECT */
static __u64 salt;

static __u8 *sector_of(unsigned int device, __u64 sector)
{
	return &devices[device].data[sector * SECTOR];
}

static void reset(void)
{
	unsigned int i;

	rule_clear(&prog);
	for (i = 0; i < nr_devices; i++) {
		fill(devices[i].data, 0, REGION, ++salt);
		if (disk_write(&devices[i].disk, devices[i].data, 0, REGION))
			die("cannot fill %s", devices[i].disk.path);
	}
	if (cached >= 0 && ioctl(cached, BLKFLSBUF))
		die("cannot drop the cache: %s", strerror(errno));
}

static const struct rule *rule_for(__u64 sector, __u32 op)
{
	__u32 i;

	for (i = 0; i < prog.state->nr_rules; i++) {
		const struct rule *r = &prog.state->rules[i];

		if (sector >= r->first && sector <= r->last &&
		    (!r->ops || r->ops & (1U << op)))
			return r;
	}
	return NULL;
}

/* Where a sector is, NULL if it is nowhere. */
static __u8 *locate(const struct rule *r, __u64 sector)
{
	if (!r || r->verdict == BPF_BIO_PASS)
		return sector_of(0, sector);
	if (r->verdict == BPF_BIO_REMAP)
		return sector_of(0, sector + r->offset);
	if (r->verdict == BPF_BIO_REDIRECT)
		return sector_of(r->key + 1, sector + r->offset);
	return NULL;
}

/* Write @buf, or zeroes, and tell the error that is to be expected. */
static int model_write(const __u8 *buf, __u64 sector, __u32 sectors)
{
	int error = 0;
	__u32 i;

	for (i = 0; i < sectors; i++) {
		const struct rule *r = rule_for(sector + i, BPF_BIO_OP_WRITE);
		__u8 *at = locate(r, sector + i);

		if (r && r->verdict == BPF_BIO_FAIL)
			error = r->error ?: -EIO;
		if (at && buf)
			memcpy(at, buf + i * SECTOR, SECTOR);
		else if (at)
			memset(at, 0, SECTOR);
	}
	return error;
}

static int model_read(__u8 *buf, __u64 sector, __u32 sectors)
{
	int error = 0;
	__u32 i;

	for (i = 0; i < sectors; i++) {
		const struct rule *r = rule_for(sector + i, BPF_BIO_OP_READ);
		__u8 *at = locate(r, sector + i);

		if (r && r->verdict == BPF_BIO_FAIL)
			error = r->error ?: -EIO;
		if (at)
			memcpy(buf + i * SECTOR, at, SECTOR);
		else
			memset(buf + i * SECTOR, 0, SECTOR);
	}
	return error;
}

static void drop_cache(void)
{
	if (fdatasync(cached) || ioctl(cached, BLKFLSBUF))
		die("cannot sync: %s", strerror(errno));
}

/* Through a mapping of whole pages, which the unit is then. */
static int mapped(void *buf, __u64 sector, __u32 sectors, bool write)
{
	size_t len = (size_t)sectors * SECTOR;
	char *at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, cached,
			sector * SECTOR);
	int err = 0;

	if (at == MAP_FAILED)
		return -errno;
	if (write) {
		memcpy(at, buf, len);
		err = msync(at, len, MS_SYNC) ? -errno : 0;
	} else {
		memcpy(buf, at, len);
	}
	munmap(at, len);
	return err;
}

static int do_io(void *buf, __u64 sector, __u32 sectors, bool write)
{
	size_t len = (size_t)sectors * SECTOR;
	ssize_t n;
	int err;

	if (way == DIRECT)
		return write ? disk_write(&devices[0].disk, buf, sector,
					  sectors) :
			       disk_read(&devices[0].disk, buf, sector,
					 sectors);
	if (way == MMAP) {
		err = mapped(buf, sector, sectors, write);
	} else {
		n = write ? pwrite(cached, buf, len, sector * SECTOR) :
			    pread(cached, buf, len, sector * SECTOR);
		err = n == (ssize_t)len ? 0 : n < 0 ? -errno : -ENODATA;
	}
	drop_cache();
	return err;
}

static bool complain(const char *what, __u64 sector, __u32 sectors, int got,
		     int want)
{
	static unsigned int complaints;

	if (complaints++ < 10)
		printf("# %s of %llu + %u: got %d, want %d\n", what,
		       (unsigned long long)sector, sectors, got, want);
	return false;
}

static bool try_write(__u64 sector, __u32 sectors)
{
	static __u8 *buf;
	int got, want;

	buf = buf ?: buffer(REGION);
	fill(buf, sector, sectors, ++salt);
	want = model_write(buf, sector, sectors);
	got = do_io(buf, sector, sectors, true);
	return got == want || complain("write", sector, sectors, got, want);
}

static bool try_zero(__u64 sector, __u32 sectors)
{
	int want = model_write(NULL, sector, sectors);
	int got =
		disk_ioctl_range(&devices[0].disk, BLKZEROOUT, sector, sectors);

	return got == want || complain("zeroing", sector, sectors, got, want);
}

static bool try_read(__u64 sector, __u32 sectors)
{
	static __u8 *buf, *model;
	int got, want;
	__u32 i;

	buf = buf ?: buffer(REGION);
	model = model ?: buffer(REGION);
	want = model_read(model, sector, sectors);
	memset(buf, 0xa5, sectors * SECTOR);
	got = do_io(buf, sector, sectors, false);
	if (got != want)
		return complain("read", sector, sectors, got, want);
	if (want)
		return true;
	for (i = 0; i < sectors; i++)
		if (memcmp(buf + i * SECTOR, model + i * SECTOR, SECTOR))
			return complain("data", sector, sectors, i, -1);
	return true;
}

/* The devices as they are without the program. */
static bool compare(void)
{
	static __u8 *buf;
	unsigned int i;
	bool good = true;
	__u32 s;

	buf = buf ?: buffer(REGION);
	rule_detach(&prog);
	for (i = 0; i < nr_devices; i++) {
		if (disk_read(&devices[i].disk, buf, 0, REGION))
			die("cannot read %s back", devices[i].disk.path);
		for (s = 0; s < REGION; s++) {
			if (!memcmp(buf + s * SECTOR, sector_of(i, s), SECTOR))
				continue;
			good = complain(devices[i].disk.path, s, 1, i, -1);
			break;
		}
	}
	return good;
}

/* Begin, end and lie across each border, of one unit and of many. */
static bool try_borders(void)
{
	__u32 lengths[] = { unit, 2 * unit, 64, 512 };
	bool good = true;
	__u32 i, l;

	for (i = 0; i < prog.state->nr_rules; i++)
		for (l = 0; l < ARRAY_SIZE(lengths); l++) {
			const struct rule *r = &prog.state->rules[i];
			__u32 len = lengths[l], half = len / 2 / unit * unit;

			good &= try_write(r->first, len);
			good &= try_write(r->first - half, len);
			good &= try_read(r->first - len, 2 * len);
			good &= try_write(r->last + 1 - len, len);
			good &= try_read(r->first, len);
		}
	good &= try_write(0, REGION);
	good &= try_read(0, REGION);
	return good;
}

/* One verdict on the 128 sectors from 1024 on, so that all lengths fit. */
static void test_verdict(const char *name, const struct rule *rules, int count)
{
	bool good, same;
	__u32 bios = 0;
	int i;

	reset();
	for (i = 0; i < count; i++)
		rule_add(&prog, &rules[i]);
	must_attach(&prog, &devices[0].disk);
	good = try_borders();
	if (way == DIRECT) {
		good &= try_zero(1024 - 64, 128);
		good &= try_read(0, REGION);
	}
	bios = stats_of(&prog).bios[rules[0].verdict];
	same = compare();
	tap(good, "%s: every read and write", name);
	tap(same, "%s: what the devices hold", name);
	tap(bios, "%s: the program was asked (%u bios)", name, bios);
}

static void test_verdicts(void)
{
	const struct rule pass = { .first = 1024, .last = 1151 };
	const struct rule fail = { .first = 1024,
				   .last = 1151,
				   .verdict = BPF_BIO_FAIL };
	const struct rule exchange[] = {
		{ .first = 1024,
		  .last = 1151,
		  .verdict = BPF_BIO_REMAP,
		  .offset = 128 },
		{ .first = 1152,
		  .last = 1279,
		  .verdict = BPF_BIO_REMAP,
		  .offset = -128 },
	};
	const struct rule done = { .first = 1024,
				   .last = 1151,
				   .verdict = BPF_BIO_DONE };
	const struct rule redirect = { .first = 1024,
				       .last = 1151,
				       .verdict = BPF_BIO_REDIRECT,
				       .offset = -512 };
	const struct rule whole = { .last = REGION - 1,
				    .verdict = BPF_BIO_REDIRECT };

	test_verdict("pass", &pass, 1);
	/* A page in the cache that cannot be written stays dirty. */
	if (way == DIRECT)
		test_verdict("fail", &fail, 1);
	test_verdict("remap", exchange, 2);
	test_verdict("done", &done, 1);
	test_verdict("redirect", &redirect, 1);
	if (way != DIRECT)
		return;
	reset();
	rule_add(&prog, &whole);
	must_attach(&prog, &devices[0].disk);
	tap(try_write(0, REGION) & try_read(512, 1024) & try_read(0, REGION),
	    "redirect of 1 MiB at once");
	tap(compare(), "what the devices hold");
}

/*
 * Cut the region into pieces of random length, give each a verdict. Remapped
 * ones are exchanged in pairs, redirected ones keep their place on a target:
 * no two sectors may end up in one, or the order of two parts would matter.
 */
static void random_rules(void)
{
	struct rule left = { .verdict = BPF_BIO_PASS };
	__u64 at = 0, len;

	while (at + 256 < REGION && prog.state->nr_rules < RULE_MAX - 2) {
		struct rule r = { .first = at };

		len = (1 + rand() % (rand() % 2 ? 4 : 160 / unit)) * unit;
		r.last = at + len - 1;
		at += len;
		r.verdict = rand() % (BPF_BIO_REDIRECT + 1);
		if (rand() % 4 == 0)
			r.accept = unit << (rand() % 3);
		if (r.verdict == BPF_BIO_FAIL && way != DIRECT)
			r.verdict = BPF_BIO_DONE;
		if (r.verdict == BPF_BIO_REDIRECT)
			r.key = rand() % (nr_devices - 1);
		if (r.verdict == BPF_BIO_REMAP) {
			left = r;
			left.first = at;
			left.last = at + len - 1;
			if (left.last >= REGION)
				break;
			r.offset = len;
			left.offset = -(__s64)len;
			at += len;
			rule_add(&prog, &left);
		}
		rule_add(&prog, &r);
	}
}

static bool fails(__u64 sector, __u32 sectors)
{
	const struct rule *r;

	for (; sectors; sector++, sectors--) {
		r = rule_for(sector, BPF_BIO_OP_WRITE);
		if (r && r->verdict == BPF_BIO_FAIL)
			return true;
	}
	return false;
}

static void test_random(int round)
{
	bool good = true, same;
	int step;

	reset();
	random_rules();
	must_attach(&prog, &devices[0].disk);
	for (step = 0; step < STEPS && good; step++) {
		__u32 units = REGION / unit;
		__u32 len = 1 + rand() % (rand() % 4 ? 32 : units);
		__u64 at = rand() % units;

		if (at + len > units)
			len = units - at;
		switch (rand() % (way == DIRECT ? 5 : 4)) {
		case 0:
		case 1:
			good &= try_write(at * unit, len * unit);
			break;
		case 2:
		case 3:
			good &= try_read(at * unit, len * unit);
			break;
		default:
			/* Which of two errors comes first is not defined. */
			if (fails(at * unit, len * unit))
				break;
			good &= try_zero(at * unit, len * unit);
		}
	}
	same = compare();
	tap(good && same, "random rules, round %d (%u rules)", round,
	    prog.state->nr_rules);
}

static void add_device(const char *path)
{
	if (nr_devices == ARRAY_SIZE(devices))
		die("too many devices");
	devices[nr_devices].disk = disk_open(path);
	if (devices[nr_devices].disk.block > unit)
		unit = devices[nr_devices].disk.block;
	if (nr_devices)
		must_target(&prog, nr_devices - 1, &devices[nr_devices].disk);
	nr_devices++;
}

int main(int argc, char **argv)
{
	static const char *const ways[] = { "direct", "buffered", "mmap" };
	unsigned int seed = 1;
	int i, mode = argc > 1 ? RULE_WORD(ways, argv[1]) : -1;

	if (mode < 0 || argc < 4)
		die("usage: %s direct|buffered|mmap DEVICE TARGET... [SEED]",
		    argv[0]);
	way = mode;
	/* The cache reads whole pages, wherever a border is. */
	unit = way == DIRECT ? 1 : 8;
	must_load(&prog);
	prog.state->quiet = 1;
	for (i = 2; i < argc; i++) {
		if (isdigit(argv[i][0]))
			seed = atoi(argv[i]);
		else
			add_device(argv[i]);
	}
	srand(seed);
	if (way != DIRECT) {
		cached = open(argv[2], O_RDWR | O_CLOEXEC);
		if (cached < 0)
			die("%s: %s", argv[2], strerror(errno));
	}
	test_verdicts();
	for (i = 0; i < ROUNDS; i++)
		test_random(i);
	rule_close(&prog);
	return tap_exit();
}
