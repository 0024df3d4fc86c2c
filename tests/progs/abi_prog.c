// SPDX-License-Identifier: GPL-2.0
/*
 * usage: abi_prog DEVICE OTHER LARGE
 *
 * What programs get and can do that needs BTF: the bio behind the context,
 * cookies, redirecting, asynchronous callbacks, replaced programs. On DEVICE,
 * with OTHER as a target, and in test runs. LARGE has blocks of 4096 bytes.
 */
#include "abi_obj.h"

static int dev, other, large;

static struct bpf_blk_stats stats(void)
{
	struct list list = must_query(dev);

	return list.stats[0];
}

static void test_kern_ctx(void)
{
	struct obj o = load_prog("abi_prog", "kern_ctx");
	struct bpf_bio in = bio(BPF_BIO_OP_READ, 64, 8), out;

	must(attach_prog(dev, o.fd, 0), "attach");
	GLOBAL(&o, __u64, seen_sector) = ~0ULL;
	tap_eq(direct_io(dev, false), 0, "kern ctx: a read");
	tap(GLOBAL(&o, __u64, seen_bio), "kern ctx: the bio");
	tap_eq(GLOBAL(&o, __u64, seen_sector), 0, "kern ctx: its sector");
	tap_eq(GLOBAL(&o, __u64, seen_size), 4096, "kern ctx: its size");
	must(detach_prog(dev, o.fd), "detach");

	GLOBAL(&o, __u64, seen_sector) = ~0ULL;
	tap_eq(run_once(&o, &in, &out), BPF_BIO_PASS, "kern ctx: test run");
	tap(!GLOBAL(&o, __u64, seen_bio), "kern ctx: no bio in a test run");
	tap_eq(GLOBAL(&o, __u64, seen_sector), 0,
	       "kern ctx: what is read through it is 0");
	close_prog(&o);
}

static void test_cookie(void)
{
	union bpf_attr attr = {
		.link_create.target_fd = dev,
		.link_create.attach_type = BPF_BLK_SUBMIT,
		.link_create.blk.cookie = 0x0123456789abcdefULL,
	};
	struct bpf_bio in = bio(BPF_BIO_OP_READ, 0, 8), out;
	struct obj o = load_prog("abi_prog", "cookie");
	int link;

	attr.link_create.prog_fd = o.fd;
	link = must(sys_bpf(BPF_LINK_CREATE, &attr), "attach");
	direct_io(dev, false);
	tap(GLOBAL(&o, __u64, seen_cookie) == 0x0123456789abcdefULL,
	    "cookie: of the link");
	close(link);
	must(attach_prog(dev, o.fd, 0), "attach");
	direct_io(dev, false);
	tap_eq(GLOBAL(&o, __u64, seen_cookie), 0,
	       "cookie: none without a link");
	must(detach_prog(dev, o.fd), "detach");
	GLOBAL(&o, __u64, seen_cookie) = 1;
	run_once(&o, &in, &out);
	tap_eq(GLOBAL(&o, __u64, seen_cookie), 0, "cookie: none in a test run");
	close_prog(&o);
}

static void test_redirect_flags(struct obj *o)
{
	static const struct {
		__u32 key;
		__u64 flags;
		int want;
		const char *name;
	} rows[] = {
		{ 0, BPF_BIO_PASS, BPF_BIO_REDIRECT, "a target" },
		{ 0, BPF_BIO_FAIL, BPF_BIO_REDIRECT, "a target, or fail" },
		{ 1, BPF_BIO_PASS, BPF_BIO_PASS, "no target, pass" },
		{ 1, BPF_BIO_FAIL, BPF_BIO_FAIL, "no target, fail" },
		{ 1, BPF_BIO_REMAP, BPF_BIO_REMAP, "no target, remap" },
		{ 1, BPF_BIO_DONE, BPF_BIO_DONE, "no target, done" },
		{ 4, BPF_BIO_DONE, BPF_BIO_DONE, "no such key" },
		{ ~0U, BPF_BIO_PASS, BPF_BIO_PASS, "no such key at all" },
		{ 0, BPF_BIO_REDIRECT, BPF_BIO_FAIL, "redirect as fallback" },
		{ 1, BPF_BIO_REDIRECT, BPF_BIO_FAIL,
		  "redirect as fallback, no target" },
		{ 1, 5, BPF_BIO_FAIL, "fallback 5" },
		{ 1, 7, BPF_BIO_FAIL, "fallback 7" },
		{ 0, 8, BPF_BIO_FAIL, "unknown flag" },
		{ 0, 1ULL << 32, BPF_BIO_FAIL, "unknown high flag" },
		{ 0, ~0ULL, BPF_BIO_FAIL, "all flags" },
	};
	struct bpf_bio in = bio(BPF_BIO_OP_READ, 0, 8), out;
	struct stat st;
	char name[80];
	size_t i;
	int got;

	if (fstat(other, &st))
		die("stat: %s", strerror(errno));
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		GLOBAL(o, __u32, in_key) = rows[i].key;
		GLOBAL(o, __u64, in_flags) = rows[i].flags;
		got = run_once(o, &in, &out);
		snprintf(name, sizeof(name), "bpf_redirect_map(): %s",
			 rows[i].name);
		tap_eq(got, rows[i].want, name);
		snprintf(name, sizeof(name), "bpf_redirect_map(): %s: device",
			 rows[i].name);
		tap_eq(out.dev,
		       rows[i].want == BPF_BIO_REDIRECT ? st.st_rdev :
							  SOURCE_DEV,
		       name);
	}
}

static void test_redirect(void)
{
	struct bpf_bio in = bio(BPF_BIO_OP_READ, 0, 8), out;
	struct obj o = load_prog("abi_prog", "redirect");

	must(map_set(obj_map(&o, "targets"), 0, other), "set the target");
	test_redirect_flags(&o);

	GLOBAL(&o, __u32, in_key) = 0;
	GLOBAL(&o, __u64, in_flags) = BPF_BIO_PASS;
	GLOBAL(&o, __u32, in_calls) = 2;
	GLOBAL(&o, __u32, in_second_key) = 3;
	tap_eq(run_once(&o, &in, &out), BPF_BIO_PASS,
	       "bpf_redirect_map() twice: the second found nothing");
	tap_eq(out.dev, SOURCE_DEV, "the first has no effect");
	GLOBAL(&o, __u32, in_second_key) = 9999;
	tap_eq(run_once(&o, &in, &out), BPF_BIO_PASS,
	       "bpf_redirect_map() twice: the second had no such key");
	tap_eq(out.dev, SOURCE_DEV, "then the first has none, either");
	/* Although the verdict is for one. */
	GLOBAL(&o, __u32, in_calls) = 3;
	must(attach_prog(dev, o.fd, 0), "attach");
	tap_errno(direct_io(dev, false), -EIO, "nor for a bio");
	must(detach_prog(dev, o.fd), "detach");
	close_prog(&o);

	o = load_prog("abi_prog", "redirect_then_pass");
	must(map_set(obj_map(&o, "targets"), 0, other), "set the target");
	must(attach_prog(dev, o.fd, 0), "attach");
	tap_eq(direct_io(dev, false), 0, "a target was chosen, then PASS");
	tap_eq(GLOBAL(&o, __s64, seen_ret), BPF_BIO_REDIRECT, "it was chosen");
	tap_eq(stats().bios[BPF_BIO_PASS], 1, "the bio passed");
	must(detach_prog(dev, o.fd), "detach");
	close_prog(&o);

	o = load_prog("abi_prog", "redirect_nowhere");
	must(attach_prog(dev, o.fd, 0), "attach");
	tap_errno(direct_io(dev, false), -EIO, "REDIRECT without a target");
	tap_eq(stats().refused[BPF_BIO_REFUSED_NO_TARGET], 1,
	       "it is counted as such");
	must(detach_prog(dev, o.fd), "detach");
	tap_eq(run_once(&o, &in, &out), BPF_BIO_REDIRECT, "in a test run");
	tap_eq(out.dev, SOURCE_DEV, "there is no target");
	close_prog(&o);
}

static void test_redirect_partial(void)
{
	static const struct {
		const char *name;
		__u32 key, accept;
		int want;
	} rows[] = {
		{ "no target: 1 of 16 sectors", 3, 1, 0 },
		{ "blocks of 512 bytes: 1 of 16", 0, 1, 0 },
		{ "blocks of 4096 bytes: 1 of 16", 1, 1, -EINVAL },
		{ "blocks of 4096 bytes: 12 of 16", 1, 12, -EINVAL },
		{ "blocks of 4096 bytes: 8 of 16", 1, 8, 0 },
	};
	struct bpf_bio in = bio(BPF_BIO_OP_READ, 0, 16), out;
	struct obj o = load_prog("abi_prog", "redirect_partial");
	size_t i;

	must(map_set(obj_map(&o, "targets"), 0, other), "set the target");
	must(map_set(obj_map(&o, "targets"), 1, large), "set the target");
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		GLOBAL(&o, __u32, in_key) = rows[i].key;
		GLOBAL(&o, __u32, in_accept) = rows[i].accept;
		run_once(&o, &in, &out);
		tap_eq(GLOBAL(&o, __s64, seen_ret), rows[i].want, rows[i].name);
		tap_eq(out.nr_sectors, rows[i].want ? 16 : rows[i].accept,
		       "its length");
	}
	close_prog(&o);
}

static void test_spin_lock(void)
{
	struct obj o = load_prog("abi_prog", "locked");

	must(attach_prog(dev, o.fd, 0), "attach");
	tap_errno(direct_io(dev, false), 0, "spin lock: a read");
	tap_errno(direct_io(dev, false), 0, "spin lock: another");
	tap_eq(GLOBAL(&o, __u32, seen_runs), 2, "spin lock: both counted");
	must(detach_prog(dev, o.fd), "detach");
	close_prog(&o);
}

static void test_global_function(void)
{
	struct bpf_bio in = bio(BPF_BIO_OP_READ, 0, 8), out;
	struct obj o = load_prog("abi_prog", "call_global");

	must(map_set(obj_map(&o, "targets"), 0, other), "set the target");
	GLOBAL(&o, __u32, in_key) = 0;
	tap_eq(run_once(&o, &in, &out), BPF_BIO_REDIRECT,
	       "bpf_redirect_map() in a global function");
	GLOBAL(&o, __u32, in_key) = 1;
	tap_eq(run_once(&o, &in, &out), BPF_BIO_PASS, "with a free slot");
	tap_eq(GLOBAL(&o, __s64, seen_ret), BPF_BIO_DONE, "and its fallback");
	close_prog(&o);
}

/* Callbacks run on whatever task they interrupt: there is no bio to redirect */
static void test_async(void)
{
	struct bpf_bio in = bio(BPF_BIO_OP_READ, 0, 8), out;
	struct obj o = open_prog("abi_prog", "timer_redirect");
	int i;

	tap(try_load(&o) && strstr(verifier_log, "not allowed in asynchronous"),
	    "bpf_redirect_map() in a timer callback is refused");
	close_prog(&o);

	o = load_prog("abi_prog", "timer_global");
	must(map_set(obj_map(&o, "targets"), 0, other), "set the target");
	run_once(&o, &in, &out);
	for (i = 0; i < 500 && !GLOBAL(&o, __u32, seen_runs); i++)
		usleep(10000);
	tap_eq(GLOBAL(&o, __u32, seen_runs), 1, "a timer has fired");
	tap_eq(GLOBAL(&o, __s64, seen_ret), BPF_BIO_FAIL,
	       "bpf_redirect_map() behind its callback chooses nothing");
	close_prog(&o);
}

/* More than a scalar of the context is not to be had as memory. */
static void test_context_as_memory(void)
{
	static const char *const names[] = { "memory_kfunc", "memory_global" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		struct obj o = open_prog("abi_prog", names[i]);

		if (!tap(try_load(&o) && strstr(verifier_log, "type=ctx"),
			 "%s: the context is no memory", names[i]))
			printf("# log: %s\n", verifier_log);
		close_prog(&o);
	}
}

static int open_replace(struct obj *ext, const char *name,
			const struct obj *target)
{
	*ext = open_prog("abi_replace", name);
	if (bpf_program__set_attach_target(ext->prog, target->fd, "cookie"))
		die("no target: %s", strerror(errno));
	return try_load(ext);
}

/* A verdict of the program that took the place of the first. */
static void test_freplace_verdict(struct obj *ext, int verdict, int refusal)
{
	struct bpf_blk_stats before = stats(), after;

	GLOBAL(ext, __u32, in_verdict) = verdict;
	tap_errno(direct_io(dev, false), -EIO, "freplace: the bio fails");
	after = stats();
	tap_eq(after.bios[verdict], before.bios[verdict] + 1,
	       "freplace: its verdict is counted");
	if (refusal >= 0)
		tap_eq(after.refused[refusal], before.refused[refusal] + 1,
		       "freplace: and refused");
}

/* What comes in place of an attached program is held to the same verdicts. */
static void test_freplace(void)
{
	struct obj o = load_prog("abi_prog", "cookie"), ext;
	struct bpf_link *link;

	must(attach_prog(dev, o.fd, 0), "attach");
	tap(open_replace(&ext, "replaced_any", &o) &&
		    strstr(verifier_log, "should have been in [0, 4]"),
	    "freplace: a verdict that is none is refused");
	close_prog(&ext);
	if (!tap(!open_replace(&ext, "replaced", &o), "freplace: load"))
		die("log: %s", verifier_log);
	link = bpf_program__attach_freplace(ext.prog, o.fd, "cookie");
	if (!tap(link, "freplace: attach"))
		die("attach: %s", strerror(errno));
	test_freplace_verdict(&ext, BPF_BIO_FAIL, -1);
	test_freplace_verdict(&ext, BPF_BIO_REDIRECT,
			      BPF_BIO_REFUSED_NO_TARGET);
	tap_eq(GLOBAL(&ext, __u32, runs), 2, "freplace: it ran");
	tap_eq(GLOBAL(&ext, __u32, seen_op), BPF_BIO_OP_READ,
	       "freplace: with the context");
	GLOBAL(&ext, __u32, in_verdict) = BPF_BIO_PASS;
	tap_errno(direct_io(dev, false), 0, "freplace: PASS");
	GLOBAL(&ext, __u32, in_verdict) = BPF_BIO_FAIL;
	bpf_link__destroy(link);
	tap_errno(direct_io(dev, false), 0, "freplace: detached");
	must(detach_prog(dev, o.fd), "detach");
	close_prog(&ext);
	close_prog(&o);
}

int main(int argc, char **argv)
{
	if (argc != 4)
		die("usage: %s DEVICE OTHER LARGE", argv[0]);
	dev = must_open(argv[1], O_RDWR | O_DIRECT);
	other = must_open(argv[2], O_RDWR);
	large = must_open(argv[3], O_RDWR);
	libbpf_set_print(NULL);
	test_kern_ctx();
	test_cookie();
	test_redirect();
	test_redirect_partial();
	test_spin_lock();
	test_global_function();
	test_async();
	test_context_as_memory();
	test_freplace();
	return tap_exit();
}
