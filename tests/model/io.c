// SPDX-License-Identifier: GPL-2.0
/* I/O to the devices, each way that gets to submit_bio(). */
#include <fcntl.h>
#include <liburing.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <linux/fs.h>

#include "../progs/policy_test.h"
#undef ARRAY_SIZE
#include "model.h"

#define RING_PARTS 4U

/* One set for each thread, and one for comparing. */
static struct {
	__u8 *buf;
	struct io_uring ring;
} sets[MAX_THREADS + 1];

static struct {
	int direct;
	int cached;
} files[MAX_DEVS];

static int open_dev(int dev, int flags)
{
	int fd = open(layout.devs[dev].path, O_RDWR | O_CLOEXEC | flags);

	if (fd < 0)
		die("%s: %s", layout.devs[dev].path, strerror(errno));
	return fd;
}

void io_open(void)
{
	int i, err;

	for (i = 0; i <= MAX_THREADS; i++) {
		sets[i].buf = aligned_alloc(4096, MAX_IO * SECTOR);
		if (!sets[i].buf)
			die("out of memory");
		err = io_uring_queue_init(2 * RING_PARTS, &sets[i].ring, 0);
		if (err)
			die("no io_uring: %s", strerror(-err));
	}
	for (i = 0; i < layout.nr; i++) {
		files[i].direct = open_dev(i, O_DIRECT);
		files[i].cached = open_dev(i, 0);
		/* What is not asked for would be cached and go stale. */
		posix_fadvise(files[i].cached, 0, 0, POSIX_FADV_RANDOM);
	}
}

void io_close(void)
{
	int i;

	for (i = 0; i <= MAX_THREADS; i++) {
		free(sets[i].buf);
		io_uring_queue_exit(&sets[i].ring);
	}
	for (i = 0; i < layout.nr; i++) {
		close(files[i].direct);
		close(files[i].cached);
	}
}

static __u64 word_of(__u64 stamp, unsigned int i)
{
	return stamp ^ i * 0x9e3779b97f4a7c15ULL;
}

static void fill(__u8 *buf, const struct step *s)
{
	__u64 *word = (__u64 *)buf, stamp;
	unsigned int i;
	__u32 k;

	for (k = 0; k < s->nr; k++) {
		stamp = stamp_of(s, s->sector + k);
		for (i = 0; i < SECTOR / sizeof(*word); i++)
			*word++ = word_of(stamp, i);
	}
}

/* The stamp of a sector, TORN if it is not all of one. */
static __u64 stamp_in(const __u8 *sector)
{
	const __u64 *word = (const __u64 *)sector;
	__u64 stamp = word[0];
	unsigned int i;

	for (i = 1; i < SECTOR / sizeof(*word); i++)
		if (word[i] != (stamp ? word_of(stamp, i) : 0))
			return TORN;
	return stamp;
}

static void stamps_in(const __u8 *buf, __u32 nr, __u64 *found)
{
	__u32 k;

	for (k = 0; k < nr; k++)
		found[k] = stamp_in(buf + k * SECTOR);
}

static int outcome(ssize_t n, size_t want)
{
	if (n < 0)
		return -errno;
	return (size_t)n == want ? 0 : -ENODATA;
}

static int plain(const struct step *s, int fd, __u8 *buf, int flags)
{
	struct iovec iov = { buf, (size_t)s->nr * SECTOR };
	off_t at = s->sector * SECTOR;

	return outcome(s->op == IO_READ ? preadv2(fd, &iov, 1, at, flags) :
					  pwritev2(fd, &iov, 1, at, flags),
		       iov.iov_len);
}

/*
 * What io_uring makes of EAGAIN and EOPNOTSUPP: once more, and it may wait. Left
 * to it the request can be lost: if another thread of the process ends it,
 * io_complete_rw() of 6.12 asks for a reissue that nobody looks at any more.
 */
static int again(const struct step *s, int fd, __u8 *buf, __u32 from, __u32 to)
{
	off_t at = (off_t)(s->sector + from) * SECTOR;
	size_t len = (size_t)(to - from) * SECTOR;
	ssize_t n;

	n = s->op == IO_READ ? pread(fd, buf + from * SECTOR, len, at) :
			       pwrite(fd, buf + from * SECTOR, len, at);
	return n < 0 ? -errno : (int)n;
}

/* Several at a time; the first error of them. */
static int ring(const struct step *s, int fd, __u8 *buf, struct io_uring *ring)
{
	__u32 units = s->nr / layout.unit, parts, i, from, to;
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;
	int error = 0, n, res;

	parts = units < RING_PARTS ? units : RING_PARTS;
	for (i = 0; i < parts; i++) {
		from = units * i / parts * layout.unit;
		to = units * (i + 1) / parts * layout.unit;
		sqe = io_uring_get_sqe(ring);
		if (s->op == IO_READ)
			io_uring_prep_read(sqe, fd, buf + from * SECTOR,
					   (to - from) * SECTOR,
					   (s->sector + from) * SECTOR);
		else
			io_uring_prep_write(sqe, fd, buf + from * SECTOR,
					    (to - from) * SECTOR,
					    (s->sector + from) * SECTOR);
		sqe->rw_flags = RWF_NOWAIT;
		sqe->user_data = i;
	}
	n = io_uring_submit_and_wait(ring, parts);
	if (n != (int)parts)
		die("io_uring_submit: %s", strerror(-n));
	for (i = 0; i < parts; i++) {
		n = io_uring_wait_cqe(ring, &cqe);
		if (n)
			die("io_uring_wait_cqe: %s", strerror(-n));
		from = units * cqe->user_data / parts * layout.unit;
		to = units * (cqe->user_data + 1) / parts * layout.unit;
		res = cqe->res;
		io_uring_cqe_seen(ring, cqe);
		if (res == -EAGAIN || res == -EOPNOTSUPP)
			res = again(s, fd, buf, from, to);
		if (res < 0)
			error = error ?: res;
		else if ((__u32)res != (to - from) * SECTOR)
			error = error ?: -ENODATA;
	}
	return error;
}

static int mapped(const struct step *s, int fd, __u8 *buf)
{
	size_t len = (size_t)s->nr * SECTOR;
	char *at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			s->sector * SECTOR);
	int err = 0;

	if (at == MAP_FAILED)
		return -errno;
	/* As above: the fd's advice is not the mapping's. */
	madvise(at, len, MADV_RANDOM);
	if (s->op == IO_WRITE) {
		memcpy(at, buf, len);
		err = msync(at, len, MS_SYNC) ? -errno : 0;
	} else {
		memcpy(buf, at, len);
	}
	munmap(at, len);
	return err;
}

/* With nothing of it in the cache, before and after */
static int through_cache(const struct step *s, int fd, __u8 *buf)
{
	int err;

	if (s->way == WAY_MMAP)
		err = mapped(s, fd, buf);
	else
		err = plain(s, fd, buf, 0);
	if (!err && s->op == IO_WRITE && fdatasync(fd))
		err = -errno;
	if (ioctl(fd, BLKFLSBUF))
		die("BLKFLSBUF: %s", strerror(errno));
	return err;
}

static int range(const struct step *s, int fd)
{
	__u64 range[] = { s->sector * SECTOR, (__u64)s->nr * SECTOR };

	return ioctl(fd, s->op == IO_ZERO ? BLKZEROOUT : BLKDISCARD, range) ?
		       -errno :
		       0;
}

int io_step(const struct step *s, int thread, __u64 *found)
{
	int fd = files[s->dev].direct, err;
	__u8 *buf = sets[thread].buf;

	if (s->verb == DO_SYNC)
		return fdatasync(files[s->dev].cached) ? -errno : 0;
	if (s->op == IO_ZERO || s->op == IO_DISCARD)
		return range(s, fd);
	if (s->op == IO_WRITE)
		fill(buf, s);
	else
		memset(buf, 0xa5, (size_t)s->nr * SECTOR);
	switch (s->way) {
	case WAY_DSYNC:
		err = plain(s, fd, buf, RWF_DSYNC);
		break;
	case WAY_NOWAIT:
		err = plain(s, fd, buf, RWF_NOWAIT);
		break;
	case WAY_URING:
		err = ring(s, fd, buf, &sets[thread].ring);
		break;
	case WAY_BUFFERED:
	case WAY_MMAP:
		err = through_cache(s, files[s->dev].cached, buf);
		break;
	default:
		err = plain(s, fd, buf, 0);
	}
	if (!err && s->op == IO_READ)
		stamps_in(buf, s->nr, found);
	return err;
}

void io_read(int leaf, __u64 sector, __u32 nr, __u64 *found)
{
	__u8 *buf = sets[MAX_THREADS].buf;
	ssize_t n = pread(files[leaf].direct, buf, (size_t)nr * SECTOR,
			  sector * SECTOR);

	if (n != (ssize_t)nr * SECTOR)
		die("cannot read %s back: %s", layout.devs[leaf].path,
		    strerror(errno));
	stamps_in(buf, nr, found);
}

void io_zero(int leaf, __u64 sector, __u32 nr)
{
	__u8 *buf = sets[MAX_THREADS].buf;
	ssize_t n;

	memset(buf, 0, (size_t)nr * SECTOR);
	n = pwrite(files[leaf].direct, buf, (size_t)nr * SECTOR,
		   sector * SECTOR);
	if (n != (ssize_t)nr * SECTOR)
		die("cannot zero %s: %s", layout.devs[leaf].path,
		    strerror(errno));
}
