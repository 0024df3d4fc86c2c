/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For tests of what becomes of the data: direct I/O in sectors, patterns, and
 * rule programs that end the test when preparing them fails.
 */
#ifndef __PATH_H
#define __PATH_H

#include <sys/ioctl.h>
#include <sys/stat.h>
#include <linux/fs.h>

#include "policy_test.h"
#include "rule.h"

#define SECTOR 512U
#define BUFFER_SECTORS 2048U /* 1 MiB, the largest bio of these tests */

struct disk {
	const char *path;
	int fd; /* O_DIRECT */
	__u32 block; /* logical, in sectors */
	__u32 dev; /* as struct bpf_bio has it */
};

static inline struct disk disk_open(const char *path)
{
	struct disk d = { .path = path };
	struct stat st;
	int bytes;

	d.fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (d.fd < 0 || ioctl(d.fd, BLKSSZGET, &bytes) || fstat(d.fd, &st))
		die("%s: %s", path, strerror(errno));
	d.block = bytes / SECTOR;
	d.dev = st.st_rdev;
	return d;
}

static inline void *buffer(__u32 sectors)
{
	void *buf = aligned_alloc(4096, ((size_t)sectors * SECTOR + 4095) /
						4096 * 4096);

	if (!buf)
		die("out of memory");
	return buf;
}

/* Both return 0 or a negative errno; half of it done is an error, too. */
static inline int disk_write(const struct disk *d, const void *buf,
			     __u64 sector, __u32 sectors)
{
	ssize_t n =
		pwrite(d->fd, buf, (size_t)sectors * SECTOR, sector * SECTOR);

	if (n < 0)
		return -errno;
	return n == (ssize_t)sectors * SECTOR ? 0 : -ENODATA;
}

static inline int disk_read(const struct disk *d, void *buf, __u64 sector,
			    __u32 sectors)
{
	ssize_t n =
		pread(d->fd, buf, (size_t)sectors * SECTOR, sector * SECTOR);

	if (n < 0)
		return -errno;
	return n == (ssize_t)sectors * SECTOR ? 0 : -ENODATA;
}

static inline int disk_ioctl_range(const struct disk *d, unsigned long what,
				   __u64 sector, __u32 sectors)
{
	__u64 range[2] = { sector * SECTOR, (__u64)sectors * SECTOR };

	return ioctl(d->fd, what, range) ? -errno : 0;
}

/* Every sector says where it was meant to be, and from which round it is. */
static inline void fill(void *buf, __u64 sector, __u32 sectors, __u64 salt)
{
	__u64 *word = buf;
	__u32 i, j;

	for (i = 0; i < sectors; i++)
		for (j = 0; j < SECTOR / sizeof(*word); j++)
			*word++ = (sector + i) * 0x9e3779b97f4a7c15ULL + j +
				  (salt << 48);
}

/* @p stays where it is: the log's reader knows its address. */
static inline void must_load(struct rule_prog *p)
{
	int err = rule_load(p);

	if (err)
		die("cannot load the rule program: %s", strerror(-err));
}

static inline void must_attach(struct rule_prog *p, const struct disk *d)
{
	int err = rule_attach(p, d->path, NULL);

	if (err)
		die("cannot attach to %s: %s", d->path, strerror(-err));
}

static inline void must_target(struct rule_prog *p, __u32 key,
			       const struct disk *d)
{
	int err = rule_set_target(p->targets, key, d->path, O_RDWR);

	if (err)
		die("target %s: %s", d->path, strerror(-err));
}

static inline struct bpf_blk_stats stats_of(struct rule_prog *p)
{
	struct bpf_blk_stats stats;
	int err = rule_link_stats(bpf_link__fd(p->link), &stats);

	if (err)
		die("no counters: %s", strerror(-err));
	return stats;
}

static inline void must_log(struct rule_prog *p)
{
	int err = rule_read_log(p);

	if (err)
		die("no log: %s", strerror(-err));
}

#endif /* __PATH_H */
