// SPDX-License-Identifier: GPL-2.0
/*
 * usage: hostile_io PERCENT SOURCE TARGET [ALIAS]
 *
 * A program on SOURCE divides every bio and sends some of the parts to TARGET.
 * So many of the allocations fail that debugfs was told to look at; with 0 each
 * of this task, once. Everything has to end, without an error, and to be what
 * was written. I/O goes to ALIAS if it is given, a device that passes it on to
 * SOURCE.
 */
#include <sys/uio.h>

#include "hostile_fail.h"
#include "path.h"

#define PART 4U /* sectors */
#define SPAN 1024U /* sectors that have rules */
#define ROUNDS 8
#define STRIPE (SPAN / RULE_MAX)

static struct rule_prog p;
static struct disk disk;
static __u8 *out, *in;
static __u64 salt;

static void set_rules(void)
{
	struct rule stripe = { .accept = PART };
	unsigned int i;

	for (i = 0; i < RULE_MAX; i++) {
		stripe.first = (__u64)i * STRIPE;
		stripe.last = stripe.first + STRIPE - 1;
		stripe.verdict = i % 2 ? BPF_BIO_REDIRECT : BPF_BIO_PASS;
		rule_add(&p, &stripe);
	}
}

static int write_some(__u64 sector, __u32 sectors, int flags)
{
	struct iovec iov = { out, (size_t)sectors * SECTOR };
	ssize_t n;

	fill(out, sector, sectors, ++salt);
	n = pwritev2(disk.fd, &iov, 1, sector * SECTOR, flags);
	if (n < 0)
		return -errno;
	return n == (ssize_t)iov.iov_len ? 0 : -ENODATA;
}

static int check(__u64 sector, __u32 sectors)
{
	int ret = disk_read(&disk, in, sector, sectors);

	if (ret)
		return ret;
	return memcmp(in, out, (size_t)sectors * SECTOR) ? -EILSEQ : 0;
}

/* Four pages: more of them need a table that direct I/O allocates. */
#define FEW 32U

static int do_write(void)
{
	return write_some(0, FEW, 0);
}

static int do_sync_write(void)
{
	return write_some(0, FEW, RWF_DSYNC);
}

static int do_nowait_write(void)
{
	return write_some(0, FEW, RWF_NOWAIT);
}

static int do_read(void)
{
	return disk_read(&disk, in, 0, FEW);
}

static int do_flush(void)
{
	return fsync(disk.fd) ? -errno : 0;
}

static const struct {
	const char *name;
	int (*call)(void);
	int may; /* end with */
} ops[] = {
	{ "write", do_write, 0 },
	{ "read", do_read, 0 },
	{ "write that is to be durable", do_sync_write, 0 },
	{ "flush", do_flush, 0 },
	{ "write that may not wait", do_nowait_write, -EAGAIN },
};

static void fail_each(int which)
{
	unsigned int wrong = 0, lost = 0, again = 0;
	bool injected = true;
	int n, ret;

	for (n = 1; injected && n < FAIL_LIMIT; n++) {
		set_fail_nth(n);
		ret = ops[which].call();
		injected = fail_nth_done();
		if (ret && ret == ops[which].may && injected) {
			again++;
			continue;
		}
		if (ret) {
			wrong++;
			printf("# %s, allocation %d: %d\n", ops[which].name, n,
			       ret);
		}
		ret = check(0, FEW);
		lost += ret != 0;
	}
	printf("# %s: %d allocations failed, %u may have been tried again\n",
	       ops[which].name, n - 2, again);
	tap(!wrong && n < FAIL_LIMIT, "%s: no error", ops[which].name);
	tap(!lost, "%s: what was written is there", ops[which].name);
}

static void run_nth(void)
{
	size_t i;

	open_fail_nth();
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		fail_each(i);
}

static void run_all(int percent)
{
	unsigned int bad_write = 0, bad_flush = 0, bad_read = 0, again = 0;
	int i, ret;

	set_probability(percent);
	for (i = 0; i < ROUNDS; i++) {
		ret = write_some(0, SPAN, i % 4 == 3 ? RWF_DSYNC : 0);
		bad_write += ret != 0;
		ret = do_flush();
		bad_flush += ret != 0;
		ret = check(0, SPAN);
		bad_read += ret != 0;
		if (ret)
			printf("# round %d: %d\n", i, ret);
		ret = write_some(0, FEW, RWF_NOWAIT);
		again += ret == -EAGAIN;
		bad_write += ret && ret != -EAGAIN;
	}
	set_probability(0);
	printf("# %u of %d writes were to be tried again\n", again, ROUNDS);
	tap(!bad_write, "writes of many parts");
	tap(!bad_flush, "flushes");
	tap(!bad_read, "what was written is there");
	if (percent < 100)
		return;
	/* With no allocation at all the reserve does not last for its parts. */
	tap(again, "a write that may not wait is to be tried again");
	tap(stats_of(&p).refused[BPF_BIO_REFUSED_NOWAIT], "which is counted");
}

int main(int argc, char **argv)
{
	LIBBPF_OPTS(bpf_blk_opts, barrier, .flags = BPF_F_BLK_BARRIER);
	struct disk source, target;
	int percent;

	if (argc < 4 || argc > 5)
		die("usage: %s PERCENT SOURCE TARGET [ALIAS]", argv[0]);
	percent = atoi(argv[1]);
	source = disk_open(argv[2]);
	target = disk_open(argv[3]);
	disk = disk_open(argv[argc - 1 > 3 ? 4 : 2]);
	out = buffer(SPAN);
	in = buffer(SPAN);
	must_load(&p);
	must_target(&p, 0, &target);
	p.state->quiet = 1;
	set_rules();
	must_attach(&p, &source);
	if (write_some(0, SPAN, 0) || check(0, SPAN))
		die("I/O does not work");
	if (percent)
		run_all(percent);
	else
		run_nth();
	tap(stats_of(&p).bios[BPF_BIO_REDIRECT] >= RULE_MAX / 2,
	    "bios were redirected");
	tap_eq(stats_of(&p).refused[BPF_BIO_REFUSED_NOMEM], 0,
	       "none was refused for lack of memory");
	rule_detach(&p);
	/* It waits for those that are counted. */
	tap_eq(rule_attach(&p, source.path, &barrier), 0,
	       "no bio is counted any more");
	rule_close(&p);
	return tap_exit();
}
