// SPDX-License-Identifier: GPL-2.0
/*
 * usage: abi_query DEVICE
 *
 * BPF_PROG_QUERY and the info and fdinfo of links: buffers that are too
 * small, structs of earlier and later headers, and the counters.
 */
#include "abi.h"

#define BIOS 3 /* that have passed each program */

static int dev;
static int progs[3]; /* the second has a link */
static int link_fd;

struct answer {
	__u32 ids[4];
	__u32 links[4];
	char stats[4][4096];
};

static struct answer answer;

static union bpf_attr query_attr(__u32 room)
{
	union bpf_attr attr = {
		.query.target_fd = dev,
		.query.attach_type = BPF_BLK_SUBMIT,
		.query.prog_ids = (unsigned long)answer.ids,
		.query.link_ids = (unsigned long)answer.links,
		.query.count = room,
	};

	memset(&answer, 0xaa, sizeof(answer));
	return attr;
}

static void test_room(void)
{
	union bpf_attr attr = query_attr(4);

	tap_errno(sys_bpf(BPF_PROG_QUERY, &attr), 0, "more room than needed");
	tap_eq(attr.query.count, 3, "how many there are");
	tap_eq(attr.query.revision, 4, "the revision");
	tap_eq(attr.query.attach_flags, 0, "no flags");
	tap(answer.ids[0] == prog_id(progs[0]) &&
		    answer.ids[1] == prog_id(progs[1]) &&
		    answer.ids[2] == prog_id(progs[2]),
	    "which they are");
	tap(!answer.links[0] && answer.links[1] == link_id(link_fd) &&
		    !answer.links[2],
	    "which has a link");
	tap_eq(answer.ids[3], 0xaaaaaaaa, "the rest of the room is untouched");

	attr = query_attr(3);
	tap_errno(sys_bpf(BPF_PROG_QUERY, &attr), 0, "just enough room");

	attr = query_attr(2);
	tap_errno(sys_bpf(BPF_PROG_QUERY, &attr), -ENOSPC, "too little room");
	tap_eq(attr.query.count, 3, "how many there are is told");
	tap(answer.ids[1] == prog_id(progs[1]) && answer.ids[2] == 0xaaaaaaaa,
	    "those that fit are told");

	attr = query_attr(0);
	tap_errno(sys_bpf(BPF_PROG_QUERY, &attr), 0, "no room");
	tap_eq(attr.query.count, 3, "how many there are is told again");
	tap_eq(answer.ids[0], 0xaaaaaaaa, "and nothing else");

	attr = query_attr(4);
	attr.query.prog_ids = 0;
	attr.query.link_ids = 0;
	tap_errno(sys_bpf(BPF_PROG_QUERY, &attr), 0, "no place for ids");
	tap_eq(attr.query.count, 3, "how many there are, without ids");
}

static void test_addresses(void)
{
	union bpf_attr attr;

	attr = query_attr(4);
	attr.query.prog_ids = 8;
	tap_errno(sys_bpf(BPF_PROG_QUERY, &attr), -EFAULT,
		  "program ids at address 8");
	attr = query_attr(4);
	attr.query.link_ids = 8;
	tap_errno(sys_bpf(BPF_PROG_QUERY, &attr), -EFAULT,
		  "link ids at address 8");
	attr = query_attr(4);
	attr.query.blk_stats = 8;
	attr.query.blk_stats_size = sizeof(struct bpf_blk_stats);
	tap_errno(sys_bpf(BPF_PROG_QUERY, &attr), -EFAULT,
		  "counters at address 8");
}

/* The struct that user space knows has @size bytes; ours goes on or ends. */
static void check_stats(const char *stats, __u32 size, const char *name)
{
	struct bpf_blk_stats want = {
		.bios[BPF_BIO_PASS] = BIOS,
		.sectors[BPF_BIO_PASS] = 8 * BIOS,
	};
	char all[4096] = {};

	memcpy(all, &want, sizeof(want));
	tap(!memcmp(stats, all, size), "%s", name);
}

static void test_stats(void)
{
	static const __u32 sizes[] = {
		sizeof(struct bpf_blk_stats),	  sizeof(__u64), 1,
		sizeof(struct bpf_blk_stats) + 8, 4096,
	};
	union bpf_attr attr;
	char name[64];
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		attr = query_attr(4);
		attr.query.blk_stats = (unsigned long)answer.stats;
		attr.query.blk_stats_size = sizes[i];
		snprintf(name, sizeof(name), "counters of %u bytes", sizes[i]);
		tap_errno(sys_bpf(BPF_PROG_QUERY, &attr), 0, name);
		for (j = 0; j < ARRAY_SIZE(progs); j++)
			check_stats(&answer.stats[0][0] + j * sizes[i],
				    sizes[i], "of a program");
		tap_eq((&answer.stats[0][0])[3 * sizes[i]], (char)0xaa,
		       "and nothing after the last");
	}
	attr = query_attr(1);
	attr.query.blk_stats = (unsigned long)answer.stats;
	attr.query.blk_stats_size = sizeof(struct bpf_blk_stats);
	tap_errno(sys_bpf(BPF_PROG_QUERY, &attr), -ENOSPC,
		  "counters, too little room");
	check_stats(answer.stats[0], sizeof(struct bpf_blk_stats),
		    "of the program that fits");
	tap_eq(answer.stats[0][sizeof(struct bpf_blk_stats)], (char)0xaa,
	       "not of those that do not");
}

static void test_bad_stats(void)
{
	static const struct {
		const char *name;
		__u32 type, size;
		bool buffer;
		int want;
	} rows[] = {
		{ "no size", BPF_BLK_SUBMIT, 0, true, -EINVAL },
		{ "no buffer", BPF_BLK_SUBMIT, 320, false, -EINVAL },
		{ "more than a page", BPF_BLK_SUBMIT, 4097, true, -EINVAL },
		{ "of another attach type", BPF_TCX_INGRESS, 320, true,
		  -EINVAL },
	};
	union bpf_attr attr;
	char name[64];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		attr = query_attr(4);
		attr.query.attach_type = rows[i].type;
		attr.query.blk_stats =
			rows[i].buffer ? (unsigned long)answer.stats : 0;
		attr.query.blk_stats_size = rows[i].size;
		snprintf(name, sizeof(name), "counters: %s", rows[i].name);
		tap_errno(sys_bpf(BPF_PROG_QUERY, &attr), rows[i].want, name);
	}
	attr = query_attr(4);
	attr.query.attach_flags = 1;
	tap_errno(sys_bpf(BPF_PROG_QUERY, &attr), -EINVAL, "attach flags");
}

/* User space that was built before or after the counters came. */
static void test_attr_size(void)
{
	union bpf_attr attr = query_attr(4);
	struct {
		union bpf_attr attr;
		__u64 more;
	} longer = { .attr = query_attr(4) };
	int ret;

	ret = syscall(__NR_bpf, BPF_PROG_QUERY, &attr,
		      offsetof(union bpf_attr, query.blk_stats));
	tap(!ret && attr.query.count == 3, "attr without counters");
	ret = syscall(__NR_bpf, BPF_PROG_QUERY, &longer, sizeof(longer));
	tap(!ret && longer.attr.query.count == 3, "longer attr");
	longer.attr = query_attr(4);
	longer.more = 1;
	ret = syscall(__NR_bpf, BPF_PROG_QUERY, &longer, sizeof(longer));
	tap_errno(ret ? -errno : 0, -E2BIG, "longer attr in use");
}

static int get_info(struct bpf_link_info *info, __u32 *len)
{
	union bpf_attr attr = {
		.info.bpf_fd = link_fd,
		.info.info_len = *len,
		.info.info = (unsigned long)info,
	};
	int ret = sys_bpf(BPF_OBJ_GET_INFO_BY_FD, &attr);

	*len = attr.info.info_len;
	return ret;
}

static int get_stats(void *stats, __u32 size)
{
	struct bpf_link_info info = {
		.blk.stats = (unsigned long)stats,
		.blk.stats_size = size,
	};
	__u32 len = sizeof(info);

	return get_info(&info, &len);
}

static void test_link_info(void)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);
	struct stat st;

	if (fstat(dev, &st))
		die("stat: %s", strerror(errno));
	tap_errno(get_info(&info, &len), 0, "info of a link");
	tap_eq(info.type, BPF_LINK_TYPE_BLK, "its type");
	tap_eq(info.prog_id, prog_id(progs[1]), "its program");
	tap_eq(info.blk.dev, st.st_rdev, "its device");
	tap_eq(info.blk.attach_type, BPF_BLK_SUBMIT, "its attach type");
	tap_eq(info.blk.flags, 0, "it is not defunct");
	tap_eq(info.blk.cookie, 77, "its cookie");

	len = offsetof(struct bpf_link_info, blk.stats);
	memset(&info, 0, sizeof(info));
	tap_errno(get_info(&info, &len), 0, "a shorter info");
	tap(info.blk.dev == st.st_rdev && !info.blk.cookie, "as much as fits");

	memset(&answer, 0xaa, sizeof(answer));
	tap_errno(get_stats(answer.stats, 4096), 0, "more counters than known");
	check_stats(answer.stats[0], 4096, "known ones, then zeroes");
	memset(&answer, 0xaa, sizeof(answer));
	tap_errno(get_stats(answer.stats, 16), 0, "fewer counters than known");
	check_stats(answer.stats[0], 16, "those asked for");
	tap_eq(answer.stats[0][16], (char)0xaa, "and no others");
	tap_errno(get_stats(answer.stats, 4097), -EINVAL, "more than a page");
	tap_errno(get_stats(answer.stats, 0), -EINVAL, "counters, no size");
	tap_errno(get_stats(NULL, 320), -EINVAL, "counters, no buffer");
	tap_errno(get_stats((void *)8, 320), -EFAULT, "counters at address 8");
}

static const char *fdinfo(void)
{
	static char text[4096];
	char path[64];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", link_fd);
	fd = must_open(path, O_RDONLY);
	len = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[len < 0 ? 0 : len] = '\0';
	return text;
}

static void expect_line(const char *fmt, ...)
{
	char line[128];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (!tap(strstr(fdinfo(), line), "fdinfo: %.*s",
		 (int)strcspn(line + 1, "\n"), line + 1))
		printf("# it is\n%s\n", fdinfo());
}

static void test_fdinfo(void)
{
	struct bpf_link_info info = link_info(link_fd);
	const struct bpf_insn bad_hint[] = {
		ST(BPF_B, BPF_REG_1, offsetof(struct bpf_bio, write_hint), 99),
		MOV(BPF_REG_0, BPF_BIO_PASS),
		EXIT(),
	};
	struct stat st;
	int prog;

	if (fstat(dev, &st))
		die("stat: %s", strerror(errno));
	expect_line("\nlink_id:\t%u\n", info.id);
	expect_line("\nprog_id:\t%u\n", info.prog_id);
	expect_line("\ndev:\t%llu:%llu\n", (unsigned long long)st.st_rdev >> 8,
		    (unsigned long long)st.st_rdev & 0xff);
	expect_line("\nattach_type:\t%u (submit)\n", BPF_BLK_SUBMIT);
	expect_line("\ncookie:\t77\n");
	expect_line("\npass:\t%d bios %d sectors\n", BIOS, 8 * BIOS);
	expect_line("\nfail:\t0 bios 0 sectors\n");
	expect_line("\nremap:\t0 bios 0 sectors\n");
	expect_line("\ndone:\t0 bios 0 sectors\n");
	expect_line("\nredirect:\t0 bios 0 sectors\n");
	expect_line("\nlink_type:\tblk\n");
	tap(!strstr(fdinfo(), "refused"), "fdinfo: no refusals");

	prog = must(load_blk(bad_hint, ARRAY_SIZE(bad_hint)), "load");
	must(bpf_link_update(link_fd, prog, NULL), "update");
	direct_io(dev, false);
	expect_line("\nrefused_%d:\t1\n", BPF_BIO_REFUSED_HINT);
	expect_line("\npass:\t%d bios %d sectors\n", BIOS + 1, 8 * BIOS + 8);
	close(prog);
}

int main(int argc, char **argv)
{
	union bpf_attr attr = {
		.link_create.attach_type = BPF_BLK_SUBMIT,
		.link_create.blk.cookie = 77,
	};
	size_t i;

	if (argc != 2)
		die("usage: %s DEVICE", argv[0]);
	dev = must_open(argv[1], O_RDONLY | O_DIRECT);
	for (i = 0; i < ARRAY_SIZE(progs); i++)
		progs[i] = load_return(BPF_BIO_PASS);
	must(attach_prog(dev, progs[0], 0), "attach");
	attr.link_create.target_fd = dev;
	attr.link_create.prog_fd = progs[1];
	link_fd = must(sys_bpf(BPF_LINK_CREATE, &attr), "attach a link");
	must(attach_prog(dev, progs[2], 0), "attach");
	for (i = 0; i < BIOS; i++)
		must(direct_io(dev, false), "read");

	test_room();
	test_addresses();
	test_stats();
	test_bad_stats();
	test_attr_size();
	test_link_info();
	test_fdinfo();
	must(detach_prog(dev, progs[0]), "detach");
	must(detach_prog(dev, progs[2]), "detach");
	close(link_fd);
	return tap_exit();
}
