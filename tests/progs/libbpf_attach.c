// SPDX-License-Identifier: GPL-2.0
/*
 * usage: libbpf_attach DEVICE
 *
 * What libbpf of the patched tree adds, each function and each opts field, on
 * a device that nobody else uses.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stddef.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <linux/blk_interposer.h>

#include "policy_test.h"

#define NR_PROGS 3
#define BLOCK 4096

struct seen {
	__u64 cookie;
	__u64 bios;
};

static struct bpf_object *objs[NR_PROGS];
static struct bpf_program *progs[NR_PROGS];
static __u32 prog_ids[NR_PROGS];
static int dev;

static void load(int i, const char *name)
{
	const char *dir = getenv("TEST_BPF");
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s.bpf.o", dir ? dir : ".", name);
	objs[i] = bpf_object__open(path);
	if (!objs[i])
		die("cannot open %s: %s", path, strerror(errno));
	if (bpf_object__load(objs[i]))
		die("cannot load %s: %s", path, strerror(errno));
	progs[i] = bpf_object__next_program(objs[i], NULL);
	if (bpf_prog_get_info_by_fd(bpf_program__fd(progs[i]), &info, &len))
		die("no info: %s", strerror(errno));
	prog_ids[i] = info.id;
}

static struct seen seen(int i)
{
	struct bpf_map *map = bpf_object__find_map_by_name(objs[i], ".bss");
	struct seen seen = {};
	__u32 zero = 0;

	if (!map || bpf_map__value_size(map) != sizeof(seen) ||
	    bpf_map__lookup_elem(map, &zero, sizeof(zero), &seen, sizeof(seen),
				 0))
		die("cannot read what the program has seen");
	return seen;
}

static void read_block(void)
{
	void *buf = aligned_alloc(BLOCK, BLOCK);

	if (!buf || pread(dev, buf, BLOCK, 0) != BLOCK)
		die("cannot read the device: %s", strerror(errno));
	free(buf);
}

static struct bpf_link *attach(int i, const struct bpf_blk_opts *opts)
{
	return bpf_program__attach_blk(progs[i], dev, opts);
}

static void expect_no_link(struct bpf_link *link, int err, const char *name)
{
	int got = errno;

	if (!tap(!link && got == err, "%s", name))
		printf("# got %s, want %s\n", link ? "a link" : strerror(got),
		       strerror(err));
	bpf_link__destroy(link);
}

static __u32 link_id(struct bpf_link *link)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);

	if (bpf_link_get_info_by_fd(bpf_link__fd(link), &info, &len))
		die("no link info: %s", strerror(errno));
	return info.id;
}

static __u64 revision(void)
{
	LIBBPF_OPTS(bpf_prog_query_opts, opts);

	if (bpf_prog_query_opts(dev, BPF_BLK_SUBMIT, &opts))
		die("cannot query: %s", strerror(errno));
	return opts.revision;
}

/* @order: indices of programs as digits, first to last */
static void expect_order(const char *order, const char *name)
{
	__u32 ids[8] = {};
	LIBBPF_OPTS(bpf_prog_query_opts, opts, .prog_ids = ids,
		    .count = ARRAY_SIZE(ids));
	char got[9] = {};
	__u32 i;
	int j;

	if (bpf_prog_query_opts(dev, BPF_BLK_SUBMIT, &opts))
		die("cannot query: %s", strerror(errno));
	for (i = 0; i < opts.count && i < ARRAY_SIZE(ids); i++) {
		got[i] = '?';
		for (j = 0; j < NR_PROGS; j++) {
			if (prog_ids[j] == ids[i])
				got[i] = '0' + j;
		}
	}
	if (!tap(!strcmp(got, order), "%s", name))
		printf("# got '%s', want '%s'\n", got, order);
}

static void test_names(void)
{
	enum bpf_attach_type attach_type;
	enum bpf_prog_type prog_type;

	tap_eq(libbpf_prog_type_by_name("blk/submit", &prog_type, &attach_type),
	       0, "program type by section name");
	tap_eq(prog_type, BPF_PROG_TYPE_BLK_INTERPOSER, "it is ours");
	tap_eq(attach_type, BPF_BLK_SUBMIT, "and its attach type");
	tap_eq(libbpf_attach_type_by_name("blk/submit", &attach_type), 0,
	       "attach type by section name");
	expect_no_link(bpf_program__attach(progs[0]), EOPNOTSUPP,
		       "no section name tells the device");
}

static void test_probes(void)
{
	enum bpf_prog_type type = BPF_PROG_TYPE_BLK_INTERPOSER;

	tap_eq(libbpf_probe_bpf_prog_type(type, NULL), 1, "probe of the type");
	tap_eq(libbpf_probe_bpf_map_type(BPF_MAP_TYPE_BLKDEV, NULL), 1,
	       "probe of the map type");
	tap_eq(libbpf_probe_bpf_helper(type, BPF_FUNC_redirect_map, NULL), 1,
	       "probe of a helper");
	tap_eq(libbpf_probe_bpf_helper(type, BPF_FUNC_skb_load_bytes, NULL), 0,
	       "probe of a helper that is not there");
}

static void test_order(void)
{
	LIBBPF_OPTS(bpf_blk_opts, before, .flags = BPF_F_BEFORE,
		    .relative_fd = bpf_program__fd(progs[0]));
	LIBBPF_OPTS(bpf_blk_opts, after);
	LIBBPF_OPTS(bpf_blk_opts, stale);
	struct bpf_link *links[NR_PROGS];

	links[0] = attach(0, NULL);
	tap(links[0], "attach without opts");
	links[1] = attach(1, &before);
	tap(links[1], "attach before a program");
	expect_order("10", "it is before");

	stale.expected_revision = revision() - 1;
	expect_no_link(attach(2, &stale), ESTALE, "revision of before");
	after.flags = BPF_F_AFTER | BPF_F_LINK;
	after.relative_id = link_id(links[1]);
	after.expected_revision = revision();
	links[2] = attach(2, &after);
	tap(links[2], "attach after a link, at the present revision");
	expect_order("120", "it is after");

	tap_eq(bpf_link__destroy(links[1]), 0, "close one");
	expect_order("20", "the others stay");
	bpf_link__destroy(links[0]);
	bpf_link__destroy(links[2]);
	expect_order("", "all are gone");
}

static void test_bad_opts(void)
{
	LIBBPF_OPTS(bpf_blk_opts, both, .flags = BPF_F_BEFORE,
		    .relative_fd = bpf_program__fd(progs[1]), .relative_id = 1);
	LIBBPF_OPTS(bpf_blk_opts, flags, .flags = 1U << 30);
	struct {
		struct bpf_blk_opts opts;
		__u64 more;
	} longer = {
		.opts.sz = sizeof(longer),
	};
	struct bpf_link *link;

	expect_no_link(attach(0, &both), EINVAL, "fd and id");
	expect_no_link(attach(0, &flags), EINVAL, "unknown flags");
	link = attach(0, &longer.opts);
	tap(link, "opts of a later libbpf");
	bpf_link__destroy(link);
	longer.more = 1;
	expect_no_link(attach(0, &longer.opts), EINVAL,
		       "opts of a later libbpf, in use");
	expect_no_link(bpf_program__attach_blk(progs[0], -1, NULL), EBADF,
		       "not a descriptor");
	expect_order("", "none of them has attached");
}

static void test_cookie_and_info(void)
{
	LIBBPF_OPTS(bpf_blk_opts, opts, .cookie = 0x1122334455667788ULL,
		    .flags = BPF_F_BLK_BARRIER);
	struct bpf_link *link = attach(0, &opts);
	struct bpf_blk_stats stats = {};
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);

	if (!tap(link, "attach with cookie and barrier"))
		return;
	read_block();
	tap_eq(seen(0).cookie, opts.cookie, "the program sees the cookie");
	tap_eq(seen(0).bios, 1, "once");

	info.blk.stats = (unsigned long)&stats;
	info.blk.stats_size = sizeof(stats);
	tap_eq(bpf_link_get_info_by_fd(bpf_link__fd(link), &info, &len), 0,
	       "info of the link");
	tap_eq(info.type, BPF_LINK_TYPE_BLK, "its type");
	tap_eq(info.prog_id, prog_ids[0], "its program");
	tap_eq(info.blk.attach_type, BPF_BLK_SUBMIT, "its attach type");
	tap_eq(info.blk.cookie, opts.cookie, "its cookie");
	tap_eq(info.blk.flags, 0, "it is not defunct");
	tap_eq(stats.bios[BPF_BIO_PASS], 1, "its bios");
	tap_eq(stats.sectors[BPF_BIO_PASS], BLOCK / 512, "its sectors");

	tap_eq(bpf_link__update_program(link, progs[1]), 0, "update");
	expect_order("1", "the other program is there");
	bpf_link__destroy(link);
}

static void test_query(void)
{
	const __u32 short_size = offsetof(struct bpf_blk_stats, sectors);
	struct bpf_blk_stats stats[4] = {};
	__u32 ids[4] = {}, link_ids[4] = {};
	LIBBPF_OPTS(bpf_prog_query_opts, opts, .count = ARRAY_SIZE(ids),
		    .prog_ids = ids, .link_ids = link_ids, .blk_stats = stats,
		    .blk_stats_size = sizeof(stats[0]));
	struct bpf_link *link = attach(0, NULL);
	__u64 *bios = (void *)stats;

	if (!link)
		die("cannot attach: %s", strerror(errno));
	read_block();
	if (bpf_prog_attach_opts(bpf_program__fd(progs[1]), dev, BPF_BLK_SUBMIT,
				 NULL))
		die("cannot attach without a link: %s", strerror(errno));
	read_block();

	tap_eq(bpf_prog_query_opts(dev, BPF_BLK_SUBMIT, &opts), 0, "query");
	tap_eq(opts.count, 2, "programs");
	tap_eq(ids[0], prog_ids[0], "first program");
	tap_eq(ids[1], prog_ids[1], "second program");
	tap_eq(link_ids[0], link_id(link), "the first has a link");
	tap_eq(link_ids[1], 0, "the second has none");
	tap_eq(stats[0].bios[BPF_BIO_PASS], 2, "bios of the first");
	tap_eq(stats[1].bios[BPF_BIO_PASS], 1, "bios of the second");

	memset(stats, 0, sizeof(stats));
	opts.count = ARRAY_SIZE(ids);
	opts.blk_stats_size = short_size;
	tap_eq(bpf_prog_query_opts(dev, BPF_BLK_SUBMIT, &opts), 0,
	       "query of an earlier, shorter struct");
	tap_eq(bios[BPF_BIO_PASS], 2, "bios of the first");
	tap_eq(bios[short_size / sizeof(*bios) + BPF_BIO_PASS], 1,
	       "bios of the second");
	tap_eq(bios[2 * short_size / sizeof(*bios)], 0, "nothing after it");

	tap_eq(bpf_prog_detach_opts(bpf_program__fd(progs[1]), dev,
				    BPF_BLK_SUBMIT, NULL),
	       0, "detach what has no link");
	bpf_link__destroy(link);
}

static void test_detach(void)
{
	LIBBPF_OPTS(bpf_link_detach_opts, unknown, .flags = 1);
	LIBBPF_OPTS(bpf_link_detach_opts, barrier, .flags = BPF_F_BLK_BARRIER);
	struct bpf_link *link = attach(0, NULL);
	int fd;

	if (!link)
		die("cannot attach: %s", strerror(errno));
	fd = bpf_link__fd(link);
	tap_eq(bpf_link_detach_opts(fd, &unknown), -EINVAL, "unknown flags");
	expect_order("0", "still there");
	tap_eq(bpf_link_detach_opts(fd, &barrier), 0, "detach with barrier");
	expect_order("", "gone");
	bpf_link__destroy(link);

	link = attach(0, NULL);
	tap(link, "attach again");
	tap_eq(bpf_link_detach(bpf_link__fd(link)), 0, "detach without opts");
	expect_order("", "gone again");
	bpf_link__destroy(link);
}

int main(int argc, char **argv)
{
	int i;

	if (argc != 2)
		die("usage: %s DEVICE", argv[0]);
	dev = open(argv[1], O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (dev < 0)
		die("%s: %s", argv[1], strerror(errno));
	load(0, "tools_cookie");
	load(1, "tools_pass");
	load(2, "tools_fail");

	test_names();
	test_probes();
	test_order();
	test_bad_opts();
	test_cookie_and_info();
	test_query();
	test_detach();

	for (i = 0; i < NR_PROGS; i++)
		bpf_object__close(objs[i]);
	close(dev);
	return tap_exit();
}
