/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For the tests of the ABI. They talk to bpf(2) directly where it matters:
 * libbpf has checks of its own before the kernel sees anything.
 */
#ifndef __ABI_H
#define __ABI_H

#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>

#include "policy_test.h"

/* What bpf(2) answers where no operation of a map does it; not in errno.h. */
#define ENOTSUPP 524

#define INSN(c, d, s, o, i)                 \
	((struct bpf_insn){ .code = (c),    \
			    .dst_reg = (d), \
			    .src_reg = (s), \
			    .off = (o),     \
			    .imm = (i) })
#define MOV(d, i) INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define MOV_REG(d, s) INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define ALU(op, d, i) INSN(BPF_ALU64 | (op) | BPF_K, d, 0, 0, i)
#define LDX(size, d, s, o) INSN(BPF_LDX | BPF_MEM | (size), d, s, o, 0)
#define STX(size, d, s, o) INSN(BPF_STX | BPF_MEM | (size), d, s, o, 0)
#define ST(size, d, o, i) INSN(BPF_ST | BPF_MEM | (size), d, 0, o, i)
#define JMP(op, d, i, o) INSN(BPF_JMP | (op) | BPF_K, d, 0, o, i)
#define CALL(func) INSN(BPF_JMP | BPF_CALL, 0, 0, 0, func)
#define KFUNC(id) INSN(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_KFUNC_CALL, 0, id)
#define EXIT() INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
/* two instructions */
#define LD_IMM64(d, pseudo, lo, hi) \
	INSN(BPF_LD | BPF_DW | BPF_IMM, d, pseudo, 0, lo), INSN(0, 0, 0, 0, hi)
#define LD_MAP(d, fd) LD_IMM64(d, BPF_PSEUDO_MAP_FD, fd, 0)

static inline int sys_bpf(enum bpf_cmd cmd, union bpf_attr *attr)
{
	int ret = syscall(__NR_bpf, cmd, attr, sizeof(*attr));

	return ret < 0 ? -errno : ret;
}

static inline int must(int ret, const char *what)
{
	if (ret < 0)
		die("%s: %s", what, strerror(-ret));
	return ret;
}

static inline int must_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		die("%s: %s", path, strerror(errno));
	return fd;
}

static char verifier_log[1 << 16];

/* The message is in verifier_log. */
static inline int load_insns(enum bpf_prog_type type, const char *license,
			     const struct bpf_insn *insns, size_t cnt)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .log_level = 1,
		    .log_buf = verifier_log, .log_size = sizeof(verifier_log));
	int fd;

	if (type == BPF_PROG_TYPE_BLK_INTERPOSER)
		opts.expected_attach_type = BPF_BLK_SUBMIT;
	verifier_log[0] = '\0';
	fd = bpf_prog_load(type, NULL, license, insns, cnt, &opts);
	return fd < 0 ? -errno : fd;
}

static inline int load_blk(const struct bpf_insn *insns, size_t cnt)
{
	return load_insns(BPF_PROG_TYPE_BLK_INTERPOSER, "GPL", insns, cnt);
}

static inline int load_return(int verdict)
{
	const struct bpf_insn insns[] = { MOV(BPF_REG_0, verdict), EXIT() };

	return must(load_blk(insns, ARRAY_SIZE(insns)), "load a program");
}

static inline int load_socket_filter(void)
{
	const struct bpf_insn insns[] = { MOV(BPF_REG_0, 0), EXIT() };

	return must(load_insns(BPF_PROG_TYPE_SOCKET_FILTER, "GPL", insns,
			       ARRAY_SIZE(insns)),
		    "load a socket filter");
}

/* A link that is none of ours. */
static inline int open_raw_tracepoint(void)
{
	const struct bpf_insn insns[] = { MOV(BPF_REG_0, 0), EXIT() };
	int prog = must(load_insns(BPF_PROG_TYPE_RAW_TRACEPOINT, "GPL", insns,
				   ARRAY_SIZE(insns)),
			"load a tracing program");
	int link = bpf_raw_tracepoint_open("sched_process_exec", prog);

	close(prog);
	return must(link < 0 ? -errno : link, "open a tracepoint");
}

/* A program that sends everything to key 0 of the map. */
static inline int load_redirect(int map_fd)
{
	const struct bpf_insn insns[] = {
		LD_MAP(BPF_REG_1, map_fd),
		MOV(BPF_REG_2, 0),
		MOV(BPF_REG_3, BPF_BIO_PASS),
		CALL(BPF_FUNC_redirect_map),
		EXIT(),
	};

	return must(load_blk(insns, ARRAY_SIZE(insns)), "load a redirect");
}

static inline int new_map(enum bpf_map_type type, __u32 value_size, __u32 max)
{
	int fd = bpf_map_create(type, NULL, sizeof(__u32), value_size, max,
				NULL);

	return must(fd < 0 ? -errno : fd, "create a map");
}

static inline int new_blkdev_map(__u32 max)
{
	return new_map(BPF_MAP_TYPE_BLKDEV, sizeof(struct bpf_blkdev_val), max);
}

static inline int map_set(int map_fd, __u32 key, int dev_fd)
{
	struct bpf_blkdev_val val = { .fd_or_dev = dev_fd };

	return bpf_map_update_elem(map_fd, &key, &val, BPF_ANY) ? -errno : 0;
}

static inline __u32 prog_id(int fd)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	if (bpf_prog_get_info_by_fd(fd, &info, &len))
		die("info of a program: %s", strerror(errno));
	return info.id;
}

static inline struct bpf_link_info link_info(int fd)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);

	if (bpf_link_get_info_by_fd(fd, &info, &len))
		die("info of a link: %s", strerror(errno));
	return info;
}

static inline __u32 link_id(int fd)
{
	return link_info(fd).id;
}

static inline int attach_prog(int dev, int prog, __u32 flags)
{
	union bpf_attr attr = {
		.target_fd = dev,
		.attach_bpf_fd = prog,
		.attach_type = BPF_BLK_SUBMIT,
		.attach_flags = flags,
	};

	return sys_bpf(BPF_PROG_ATTACH, &attr);
}

static inline int detach_prog(int dev, int prog)
{
	union bpf_attr attr = {
		.target_fd = dev,
		.attach_bpf_fd = prog,
		.attach_type = BPF_BLK_SUBMIT,
	};

	return sys_bpf(BPF_PROG_DETACH, &attr);
}

static inline int attach_link(int dev, int prog, __u32 flags)
{
	union bpf_attr attr = {
		.link_create.prog_fd = prog,
		.link_create.target_fd = dev,
		.link_create.attach_type = BPF_BLK_SUBMIT,
		.link_create.flags = flags,
	};

	return sys_bpf(BPF_LINK_CREATE, &attr);
}

#define MAX_LIST 63

/* What is attached, as BPF_PROG_QUERY tells it. */
struct list {
	__u32 count;
	__u64 revision;
	__u32 progs[MAX_LIST + 1];
	__u32 links[MAX_LIST + 1];
	struct bpf_blk_stats stats[MAX_LIST + 1];
};

static inline int query(int dev, struct list *list)
{
	union bpf_attr attr = {
		.query.target_fd = dev,
		.query.attach_type = BPF_BLK_SUBMIT,
		.query.prog_ids = (unsigned long)list->progs,
		.query.link_ids = (unsigned long)list->links,
		.query.count = ARRAY_SIZE(list->progs),
		.query.blk_stats = (unsigned long)list->stats,
		.query.blk_stats_size = sizeof(list->stats[0]),
	};
	int ret;

	memset(list, 0, sizeof(*list));
	ret = sys_bpf(BPF_PROG_QUERY, &attr);
	list->count = attr.query.count;
	list->revision = attr.query.revision;
	return ret;
}

static inline struct list must_query(int dev)
{
	struct list list = {};

	must(query(dev, &list), "query");
	return list;
}

/* Programs and links, not their counters. */
static inline bool same_list(const struct list *a, const struct list *b)
{
	return a->count == b->count && a->revision == b->revision &&
	       !memcmp(a->progs, b->progs, sizeof(a->progs)) &&
	       !memcmp(a->links, b->links, sizeof(a->links));
}

/* @want and @got are 0 or negative errnos, or a descriptor instead of 0. */
static inline bool tap_errno(int got, int want, const char *name)
{
	bool good = want ? got == want : got >= 0;

	if (!tap(good, "%s%s%s", name, want ? ": " : "",
		 want == -ENOTSUPP ? "ENOTSUPP" :
		 want		   ? strerrorname_np(-want) :
				     ""))
		printf("# got %d (%s), want %d\n", got,
		       got < 0 ? strerror(-got) : "success", want);
	return good;
}

/* One bio of 4 KiB, past the page cache. */
static inline int direct_io(int dev, bool write)
{
	static char buf[4096] __attribute__((aligned(4096)));
	ssize_t done = write ? pwrite(dev, buf, sizeof(buf), 0) :
			       pread(dev, buf, sizeof(buf), 0);

	return done < 0 ? -errno : done == sizeof(buf) ? 0 : -EIO;
}

static inline bool wait_gone(bool (*there)(__u32), __u32 id)
{
	int i;

	for (i = 0; i < 1000 && there(id); i++)
		usleep(10000);
	return i < 1000;
}

static inline bool prog_id_there(__u32 id)
{
	int fd = bpf_prog_get_fd_by_id(id);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static inline bool link_id_there(__u32 id)
{
	int fd = bpf_link_get_fd_by_id(id);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static inline bool map_id_there(__u32 id)
{
	int fd = bpf_map_get_fd_by_id(id);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Write a word to a file of sysfs or configfs. */
static inline void write_file(const char *path, const char *word)
{
	int fd = must_open(path, O_WRONLY);

	if (write(fd, word, strlen(word)) != (ssize_t)strlen(word))
		die("write '%s' to %s: %s", word, path, strerror(errno));
	close(fd);
}

#endif /* __ABI_H */
