// SPDX-License-Identifier: GPL-2.0
/*
 * usage: path_io [-a] [-h] [-o OFFSET] read|write DEVICE SECTOR BYTES
 *
 * One direct read or write, of the byte 0xa5, as dd cannot do it. -o: from a
 * buffer OFFSET bytes behind the start of a page; -h: from two buffers, each
 * of which begins a page and holds half of it; -a: with RWF_ATOMIC. Exits with
 * 1 and names the error if it fails.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/uio.h>

#ifndef RWF_ATOMIC
#define RWF_ATOMIC 0x00000040
#endif

#define PAGE 4096
#define PATTERN 0xa5

static void fatal(const char *what)
{
	fprintf(stderr, "path_io: %s: %s\n", what, strerror(errno));
	exit(1);
}

static char *buffer(size_t size)
{
	char *buf = aligned_alloc(PAGE, (size + PAGE - 1) / PAGE * PAGE);

	if (!buf)
		fatal("memory");
	memset(buf, PATTERN, size);
	return buf;
}

static size_t number(const char *text)
{
	char *end;
	size_t n = strtoull(text, &end, 0);

	if (end == text || *end) {
		fprintf(stderr, "path_io: '%s' is no number\n", text);
		exit(1);
	}
	return n;
}

int main(int argc, char **argv)
{
	size_t offset = 0, halves = 1, bytes;
	struct iovec iov[2];
	int opt, fd, flags = 0;
	ssize_t done;
	off_t place;
	size_t i;

	while ((opt = getopt(argc, argv, "aho:")) != -1) {
		switch (opt) {
		case 'a':
			flags = RWF_ATOMIC;
			break;
		case 'h':
			halves = 2;
			break;
		case 'o':
			offset = number(optarg);
			break;
		default:
			return 1;
		}
	}
	if (argc - optind != 4) {
		fprintf(stderr, "usage: see the top of path_io.c\n");
		return 1;
	}
	argv += optind;
	place = number(argv[2]) * 512;
	bytes = number(argv[3]);
	for (i = 0; i < halves; i++) {
		iov[i].iov_len = bytes / halves;
		iov[i].iov_base = buffer(iov[i].iov_len + offset) + offset;
	}
	fd = open(argv[1], O_RDWR | O_DIRECT | O_CLOEXEC);
	if (fd < 0)
		fatal(argv[1]);
	if (!strcmp(argv[0], "write"))
		done = pwritev2(fd, iov, halves, place, flags);
	else
		done = preadv2(fd, iov, halves, place, flags);
	if (done < 0)
		fatal(argv[0]);
	if ((size_t)done != bytes) {
		fprintf(stderr, "path_io: %s: only %zd bytes\n", argv[0], done);
		return 1;
	}
	return 0;
}
