/* SPDX-License-Identifier: GPL-2.0 */
/* Kinds of bios, and what submits one: for special_table.c. */
#ifndef __SPECIAL_KINDS_H
#define __SPECIAL_KINDS_H

#include <liburing.h>
#include <linux/blkzoned.h>
#include <linux/falloc.h>
#include <sys/uio.h>

#include "path.h"

#ifndef RWF_ATOMIC
#define RWF_ATOMIC 0x00000040
#endif

#define AT 2048U /* sector of data */
#define NR 16U
#define ZONE 8192U /* sectors */
#define PART 8U

enum dev {
	NONE,
	CACHED0,
	CACHED1,
	PLAIN,
	STABLE,
	ZONED0,
	ZONED1,
	COARSE,
	POLLED0,
	POLLED1,
	ATOMIC0,
	ATOMIC1,
	DEVS
};

/**
 * struct kind - of bios
 * @name: as in the table
 * @op: as programs see it, so are the others
 * @flag: that makes it one
 * @dev: where it is submitted
 * @target: that can do it
 * @unable: that cannot, NONE: each can
 * @bad: offset to a place where it cannot be done, 0: each can
 * @mute: the caller is not told that it is not supported
 * @prepare: called before each, NULL: nothing to do
 * @io: submits one, returns 0 or a negative errno
 */
struct kind {
	const char *name;
	enum bpf_bio_op op;
	__u32 flag;
	__u64 sector;
	__u32 nr;
	enum dev dev;
	enum dev target;
	enum dev unable;
	__s64 bad;
	bool mute;
	void (*prepare)(const struct kind *k);
	int (*io)(const struct kind *k);
};

static struct disk disks[DEVS];
static void *buf;

static int fd_of(const struct kind *k)
{
	return disks[k->dev].fd;
}

static int io_data(const struct kind *k, int flags)
{
	struct iovec iov = { buf, NR * SECTOR };
	ssize_t n;

	if (k->op == BPF_BIO_OP_READ)
		n = preadv2(fd_of(k), &iov, 1, AT * SECTOR, flags);
	else
		n = pwritev2(fd_of(k), &iov, 1, AT * SECTOR, flags);
	if (n < 0)
		return -errno;
	return n == NR * SECTOR ? 0 : -EIO;
}

static int io_plain(const struct kind *k)
{
	return io_data(k, 0);
}

static int io_fua(const struct kind *k)
{
	return io_data(k, RWF_DSYNC);
}

static int io_nowait(const struct kind *k)
{
	return io_data(k, RWF_NOWAIT);
}

static int io_atomic(const struct kind *k)
{
	return io_data(k, RWF_ATOMIC);
}

static int io_flush(const struct kind *k)
{
	return fsync(fd_of(k)) ? -errno : 0;
}

static int io_discard(const struct kind *k)
{
	return disk_ioctl_range(&disks[k->dev], BLKDISCARD, AT, NR);
}

/* Other than BLKZEROOUT it does not fall back to writes. */
static int io_zero(const struct kind *k)
{
	return fallocate(fd_of(k), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 AT * SECTOR, NR * SECTOR) ?
		       -errno :
		       0;
}

static int io_polled(const struct kind *k)
{
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	int ret = io_uring_queue_init(1, &ring, IORING_SETUP_IOPOLL);

	if (ret)
		die("no io_uring: %s", strerror(-ret));
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_read(sqe, fd_of(k), buf, NR * SECTOR, AT * SECTOR);
	ret = io_uring_submit(&ring);
	if (ret != 1)
		die("io_uring_submit: %d", ret);
	ret = io_uring_wait_cqe(&ring, &cqe);
	if (ret)
		die("io_uring_wait_cqe: %s", strerror(-ret));
	ret = cqe->res;
	io_uring_queue_exit(&ring);
	return ret == NR * SECTOR ? 0 : ret < 0 ? ret : -EIO;
}

static int zone_ioctl(enum dev dev, unsigned long what, __u64 sector, __u64 nr)
{
	struct blk_zone_range range = { sector, nr };

	return ioctl(disks[dev].fd, what, &range) ? -errno : 0;
}

static int io_zone(const struct kind *k)
{
	static const unsigned long calls[] = {
		[BPF_BIO_OP_ZONE_OPEN] = BLKOPENZONE,
		[BPF_BIO_OP_ZONE_CLOSE] = BLKCLOSEZONE,
		[BPF_BIO_OP_ZONE_FINISH] = BLKFINISHZONE,
		[BPF_BIO_OP_ZONE_RESET] = BLKRESETZONE,
		[BPF_BIO_OP_ZONE_RESET_ALL] = BLKRESETZONE,
	};

	return zone_ioctl(k->dev, calls[k->op], k->sector, k->nr);
}

static __u64 size_of(enum dev dev)
{
	__u64 bytes;

	if (ioctl(disks[dev].fd, BLKGETSIZE64, &bytes))
		die("%s: no size", disks[dev].path);
	return bytes / SECTOR;
}

/* All are empty; to be closed they have to be open. */
static void prepare_zones(const struct kind *k)
{
	static const enum dev devs[] = { ZONED0, ZONED1 };
	size_t i;
	__u64 at;

	for (i = 0; i < ARRAY_SIZE(devs); i++) {
		if (zone_ioctl(devs[i], BLKRESETZONE, 0, size_of(devs[i])))
			die("%s: no reset", disks[devs[i]].path);
		for (at = ZONE; at <= 2 * ZONE; at += ZONE)
			if (k->op == BPF_BIO_OP_ZONE_CLOSE &&
			    zone_ioctl(devs[i], BLKOPENZONE, at, ZONE))
				die("%s: no open zone", disks[devs[i]].path);
	}
}

#define DATA .sector = AT, .nr = NR, .dev = CACHED0, .target = CACHED1
#define ZONES                                              \
	.dev = ZONED0, .target = ZONED1, .unable = COARSE, \
	.prepare = prepare_zones, .io = io_zone
#define ONE_ZONE .sector = ZONE, .nr = ZONE, .bad = 8, ZONES

static struct kind kinds[] = {
	{ "read", BPF_BIO_OP_READ, DATA, .io = io_plain },
	{ "write", BPF_BIO_OP_WRITE, DATA, .io = io_plain },
	{ "empty flush", BPF_BIO_OP_FLUSH, .dev = CACHED0, .target = CACHED1,
	  .io = io_flush },
	{ "FUA", BPF_BIO_OP_WRITE, BPF_BIO_F_FUA, DATA, .io = io_fua },
	{ "discard", BPF_BIO_OP_DISCARD, DATA, .unable = PLAIN, .mute = true,
	  .io = io_discard },
	{ "write zeroes", BPF_BIO_OP_WRITE_ZEROES, DATA, .unable = PLAIN,
	  .io = io_zero },
	{ "zone reset", BPF_BIO_OP_ZONE_RESET, ONE_ZONE },
	{ "zone open", BPF_BIO_OP_ZONE_OPEN, ONE_ZONE },
	{ "zone close", BPF_BIO_OP_ZONE_CLOSE, ONE_ZONE },
	{ "zone finish", BPF_BIO_OP_ZONE_FINISH, ONE_ZONE },
	{ "zone reset all", BPF_BIO_OP_ZONE_RESET_ALL, .bad = ZONE, ZONES },
	{ "NOWAIT", BPF_BIO_OP_READ, BPF_BIO_F_NOWAIT, DATA, .unable = STABLE,
	  .io = io_nowait },
	{ "polled", BPF_BIO_OP_READ, BPF_BIO_F_POLLED, .sector = AT, .nr = NR,
	  .dev = POLLED0, .target = POLLED1, .io = io_polled },
	{ "atomic", BPF_BIO_OP_WRITE, BPF_BIO_F_ATOMIC, .sector = AT, .nr = NR,
	  .dev = ATOMIC0, .target = ATOMIC1, .unable = PLAIN, .bad = PART,
	  .io = io_atomic },
};

#endif /* __SPECIAL_KINDS_H */
