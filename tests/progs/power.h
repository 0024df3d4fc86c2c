/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is left of several disks after a power failure, and what must be.
 *
 * power_disk serves the disks: one process, so there is one order of all that
 * happens to them. Each request gets a position when it arrives and another
 * one just before its answer is sent; `position` in the directory of the run
 * is the last one given. The machine loses power at one position for all
 * disks at once.
 *
 * A disk promises this and no more: what a write has brought is stable
 * - from the answer of the write, if it had FUA or the disk has no cache,
 * - from the answer of a flush that arrived after the answer of the write.
 * Of all other writes that have arrived any part may be left, in any order;
 * aligned blocks of 4 KiB are written whole or not at all, as on a disk with
 * such sectors behind an interface of 512 bytes (ext4 and btrfs rely on it
 * for their superblocks). power_state builds what may be left.
 *
 * power_load writes files and looks at `position` before each step and after
 * the last fsync of it has returned. Whatever the step had to bring to the
 * disks is at or before the second position, so it holds at every position
 * from there on; power_check tells whether it does.
 *
 * Files of the directory: N.base, the disk as it was in the beginning; N.now,
 * as it is; data and requests, the log; steps, of the load.
 */
#ifndef __POWER_H
#define __POWER_H

#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define POWER_DISKS 3
#define POWER_BLOCK 4096U
#define POWER_NEVER UINT64_MAX

#define POWER_THREADS 4
#define POWER_FILES 4 /* of each thread */
#define POWER_FILE_MAX (96U << 10)

struct power_request {
	uint64_t arrived, answered;
	uint64_t offset, data; /* on the disk, in the log; bytes */
	uint32_t len; /* 0: a flush */
	uint16_t disk;
	uint8_t fua;
	uint8_t stable; /* by its own answer; flush: it does what it says */
};

enum power_op {
	POWER_READY, /* directories are there; holds nothing itself */
	POWER_CREATE,
	POWER_APPEND,
	POWER_OVERWRITE,
	POWER_REPLACE, /* by the rename of a new file over it */
	POWER_RENAME,
	POWER_REMOVE,
};

struct power_step {
	uint64_t start, end;
	uint32_t thread, op, file, name, off, len, seed, pad;
};

struct power_file {
	bool there;
	uint32_t name, len;
	uint8_t data[POWER_FILE_MAX];
};

static inline void __attribute__((format(printf, 1, 2), noreturn))
power_die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, ": %m\n");
	exit(2);
}

static inline int power_open(const char *dir, const char *name, int flags)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, flags | O_CLOEXEC, 0600);
	if (fd < 0)
		power_die("%s", path);
	return fd;
}

static inline void *power_alloc(size_t nr, size_t size)
{
	void *p = calloc(nr ? nr : 1, size);

	if (!p)
		power_die("memory");
	return p;
}

static inline void power_read(int fd, void *to, size_t len, off_t at)
{
	if (pread(fd, to, len, at) != (ssize_t)len)
		power_die("read");
}

static inline void power_write(int fd, const void *from, size_t len, off_t at)
{
	if (pwrite(fd, from, len, at) != (ssize_t)len)
		power_die("write");
}

/* All entries of a file of them. */
static inline void *power_entries(const char *dir, const char *name,
				  size_t size, size_t *nr)
{
	int fd = power_open(dir, name, O_RDONLY);
	struct stat st;
	void *entries;

	if (fstat(fd, &st))
		power_die("%s", name);
	*nr = st.st_size / size;
	entries = power_alloc(*nr, size);
	power_read(fd, entries, *nr * size, 0);
	close(fd);
	return entries;
}

/* Written by power_disk, read by power_load. */
static inline _Atomic uint64_t *power_position(const char *dir, int flags)
{
	int fd = power_open(dir, "position", flags);
	int prot = PROT_READ | (flags & O_RDWR ? PROT_WRITE : 0);
	void *p;

	if (flags & O_CREAT && ftruncate(fd, sizeof(uint64_t)))
		power_die("position");
	p = mmap(NULL, sizeof(uint64_t), prot, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		power_die("position");
	close(fd);
	return p;
}

static inline uint64_t power_mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

static inline uint32_t power_random(uint64_t *state)
{
	return power_mix((*state)++) >> 32;
}

/* What a step writes: depends on its seed and the place in the file. */
static inline void power_fill(uint8_t *to, uint32_t seed, uint32_t off,
			      uint32_t len)
{
	for (uint32_t i = 0; i < len; i++) {
		uint32_t at = off + i;
		uint64_t word = power_mix((uint64_t)seed << 32 | at / 8);

		to[i] = word >> (at % 8 * 8);
	}
}

/* The file as it is when the step is complete. */
static inline void power_apply(struct power_file *f,
			       const struct power_step *step)
{
	switch (step->op) {
	case POWER_CREATE:
	case POWER_REPLACE:
		f->there = true;
		f->name = step->name;
		f->len = step->len;
		break;
	case POWER_APPEND:
		f->len = step->off + step->len;
		break;
	case POWER_RENAME:
		f->name = step->name;
		return;
	case POWER_REMOVE:
		f->there = false;
		return;
	case POWER_READY:
		return;
	}
	power_fill(f->data + step->off, step->seed, step->off, step->len);
}

/* Of a file that will replace the one with that name, which is even. */
static inline uint32_t power_temporary(uint32_t name)
{
	return name + 1;
}

static inline bool power_is_temporary(uint32_t name)
{
	return name % 2;
}

static inline void power_file_name(char *to, size_t size, uint32_t thread,
				   uint32_t name)
{
	snprintf(to, size, "t%u/%u", thread, name);
}

#endif /* __POWER_H */
