/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Loading, filling, attaching and reading bpf/rule.bpf.c. Functions return 0
 * or a negative errno.
 */
#ifndef __RULE_PROGS_H
#define __RULE_PROGS_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <linux/bpf.h>
#include <linux/blk_interposer.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "../bpf/rule.h"

struct rule_prog {
	struct bpf_object *obj;
	struct bpf_program *prog;
	struct bpf_link *link;
	struct ring_buffer *ring;
	struct rule_state *state;
	struct rule_seen *seen; /* the log since rule_forget() */
	unsigned int nr_seen;
	unsigned int room;
	int targets;
};

static inline int rule_collect(void *data, void *entry, size_t size)
{
	struct rule_prog *p = data;

	if (size < sizeof(*p->seen))
		return -EINVAL;
	if (p->nr_seen == p->room) {
		unsigned int room = p->room ? 2 * p->room : 256;
		void *seen = realloc(p->seen, room * sizeof(*p->seen));

		if (!seen)
			return -ENOMEM;
		p->seen = seen;
		p->room = room;
	}
	memcpy(&p->seen[p->nr_seen++], entry, sizeof(*p->seen));
	return 0;
}

/* The log and the rules of a loaded program. */
static inline int rule_map(struct rule_prog *p, int bss, int ring)
{
	p->state = mmap(NULL, sizeof(*p->state), PROT_READ | PROT_WRITE,
			MAP_SHARED, bss, 0);
	if (p->state == MAP_FAILED)
		return -errno;
	p->ring = ring_buffer__new(ring, rule_collect, p, NULL);
	return p->ring ? 0 : -errno;
}

static inline void rule_close(struct rule_prog *p)
{
	bpf_link__destroy(p->link);
	ring_buffer__free(p->ring);
	if (p->state && p->state != MAP_FAILED)
		munmap(p->state, sizeof(*p->state));
	bpf_object__close(p->obj);
	free(p->seen);
	memset(p, 0, sizeof(*p));
}

static inline int rule_load(struct rule_prog *p)
{
	const char *dir = getenv("TEST_BPF");
	char path[4096];
	int err;

	memset(p, 0, sizeof(*p));
	snprintf(path, sizeof(path), "%s/rule.bpf.o", dir ? dir : ".");
	p->obj = bpf_object__open(path);
	if (!p->obj)
		return -errno;
	err = bpf_object__load(p->obj);
	if (err)
		goto out;
	p->prog = bpf_object__next_program(p->obj, NULL);
	p->targets = bpf_object__find_map_fd_by_name(p->obj, "targets");
	err = rule_map(
		p, bpf_map__fd(bpf_object__find_map_by_name(p->obj, ".bss")),
		bpf_object__find_map_fd_by_name(p->obj, "seen"));
out:
	if (err)
		rule_close(p);
	return err;
}

/* Rules are read by the program while they are written: the number is last. */
static inline void rule_add(struct rule_prog *p, const struct rule *rule)
{
	p->state->rules[p->state->nr_rules] = *rule;
	__atomic_fetch_add(&p->state->nr_rules, 1, __ATOMIC_RELEASE);
}

static inline void rule_clear(struct rule_prog *p)
{
	__atomic_store_n(&p->state->nr_rules, 0, __ATOMIC_RELEASE);
}

static inline int rule_read_log(struct rule_prog *p)
{
	int n = ring_buffer__consume(p->ring);

	if (n < 0)
		return n;
	return p->state->lost ? -ENOSPC : 0;
}

static inline int rule_forget(struct rule_prog *p)
{
	int err = rule_read_log(p);

	p->nr_seen = 0;
	return err;
}

/* @mode: as of open(2) */
static inline int rule_set_target(int targets, __u32 key, const char *path,
				  int mode)
{
	struct bpf_blkdev_val val = {};
	int fd = open(path, mode | O_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	val.fd_or_dev = fd;
	err = bpf_map_update_elem(targets, &key, &val, BPF_ANY);
	close(fd);
	return err;
}

static inline int rule_attach(struct rule_prog *p, const char *path,
			      const struct bpf_blk_opts *opts)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return -errno;
	p->link = bpf_program__attach_blk(p->prog, fd, opts);
	if (!p->link)
		err = -errno;
	close(fd);
	return err;
}

static inline void rule_detach(struct rule_prog *p)
{
	bpf_link__destroy(p->link);
	p->link = NULL;
}

static inline int rule_link_stats(int link, struct bpf_blk_stats *stats)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);

	memset(stats, 0, sizeof(*stats));
	info.blk.stats = (unsigned long)stats;
	info.blk.stats_size = sizeof(*stats);
	return bpf_link_get_info_by_fd(link, &info, &len);
}

static const char *const rule_ops[] = {
	[BPF_BIO_OP_READ] = "read",
	[BPF_BIO_OP_WRITE] = "write",
	[BPF_BIO_OP_FLUSH] = "flush",
	[BPF_BIO_OP_DISCARD] = "discard",
	[BPF_BIO_OP_SECURE_ERASE] = "secure_erase",
	[BPF_BIO_OP_WRITE_ZEROES] = "write_zeroes",
	[BPF_BIO_OP_ZONE_APPEND] = "zone_append",
	[BPF_BIO_OP_ZONE_OPEN] = "zone_open",
	[BPF_BIO_OP_ZONE_CLOSE] = "zone_close",
	[BPF_BIO_OP_ZONE_FINISH] = "zone_finish",
	[BPF_BIO_OP_ZONE_RESET] = "zone_reset",
	[BPF_BIO_OP_ZONE_RESET_ALL] = "zone_reset_all",
};

static const char *const rule_verdicts[] = {
	[BPF_BIO_PASS] = "pass",	 [BPF_BIO_FAIL] = "fail",
	[BPF_BIO_REMAP] = "remap",	 [BPF_BIO_DONE] = "done",
	[BPF_BIO_REDIRECT] = "redirect",
};

static const char *const rule_refusals[] = {
	[BPF_BIO_REFUSED_SECTOR] = "sector",
	[BPF_BIO_REFUSED_RDONLY] = "rdonly",
	[BPF_BIO_REFUSED_ALIGN] = "align",
	[BPF_BIO_REFUSED_LOOP] = "loop",
	[BPF_BIO_REFUSED_NO_TARGET] = "no_target",
	[BPF_BIO_REFUSED_TARGET_GONE] = "target_gone",
	[BPF_BIO_REFUSED_STABLE] = "stable",
	[BPF_BIO_REFUSED_OP] = "op",
	[BPF_BIO_REFUSED_NOWAIT] = "nowait",
	[BPF_BIO_REFUSED_ERRNO] = "errno",
	[BPF_BIO_REFUSED_HINT] = "hint",
	[BPF_BIO_REFUSED_PARTIAL] = "partial",
	[BPF_BIO_REFUSED_FLUSH] = "flush",
	[BPF_BIO_REFUSED_NOMEM] = "nomem",
};

/* Index of a word, -1 if it is not among them. */
static inline int rule_word(const char *const *words, int count,
			    const char *word)
{
	int i;

	for (i = 0; i < count; i++)
		if (words[i] && !strcmp(words[i], word))
			return i;
	return -1;
}

#define RULE_WORD(words, word) \
	rule_word(words, sizeof(words) / sizeof((words)[0]), word)

#endif /* __RULE_PROGS_H */
