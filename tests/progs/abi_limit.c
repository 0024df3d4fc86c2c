// SPDX-License-Identifier: GPL-2.0
/*
 * usage: abi_limit DISK...
 *
 * There are 2047 redirect targets for the whole system, so that the number of
 * one of its two counters fits into every bio. They are had cheaply: partitions, each given once
 * for reading and once for writing.
 */
#include <linux/blkpg.h>
#include <sys/ioctl.h>

#include "abi.h"

#define TARGETS 2047
#define PARTITIONS 255 /* of a disk */
#define PART_SIZE 4096

static void add_partitions(int disk)
{
	struct blkpg_partition part = { .length = PART_SIZE };
	struct blkpg_ioctl_arg arg = {
		.op = BLKPG_ADD_PARTITION,
		.datalen = sizeof(part),
		.data = &part,
	};

	for (part.pno = 1; part.pno <= PARTITIONS; part.pno++) {
		part.start = (long long)part.pno * PART_SIZE;
		if (ioctl(disk, BLKPG, &arg))
			die("add partition %d: %s", part.pno, strerror(errno));
	}
}

static void delete_partitions(int disk)
{
	struct blkpg_partition part = {};
	struct blkpg_ioctl_arg arg = {
		.op = BLKPG_DEL_PARTITION,
		.datalen = sizeof(part),
		.data = &part,
	};
	int tries;

	/* A target is closed some time after the map let go of it. */
	for (part.pno = 1; part.pno <= PARTITIONS; part.pno++) {
		for (tries = 0; ioctl(disk, BLKPG, &arg) && tries < 1000;
		     tries++)
			usleep(10000);
		if (tries == 1000)
			die("partition %d is still busy", part.pno);
	}
}

/* How many targets the map got of one more disk. */
static int add_targets(int map, int have, const char *disk, int *err)
{
	static const int flags[] = { O_RDONLY, O_RDWR };
	int i, f, fd, got = 0;
	char path[128];

	*err = 0;
	for (i = 1; i <= PARTITIONS && !*err; i++) {
		snprintf(path, sizeof(path), "%sp%d", disk, i);
		for (f = 0; f < 2 && !*err; f++) {
			fd = must_open(path, flags[f]);
			*err = map_set(map, have + got, fd);
			close(fd);
			if (!*err)
				got++;
		}
	}
	return got;
}

int main(int argc, char **argv)
{
	int map = new_blkdev_map(TARGETS + 2), i, fd, err = 0, have = 0;
	__u32 first = 0;

	if (argc < 2)
		die("usage: %s DISK...", argv[0]);
	for (i = 1; i < argc; i++) {
		fd = must_open(argv[i], O_RDWR);
		add_partitions(fd);
		close(fd);
	}
	for (i = 1; i < argc && !err; i++)
		have += add_targets(map, have, argv[i], &err);
	tap_eq(have, TARGETS, "as many targets as there can be");
	tap_errno(err, -ENFILE, "one more");

	/* The same device again is the same target. */
	snprintf(verifier_log, sizeof(verifier_log), "%sp1", argv[1]);
	fd = must_open(verifier_log, O_RDONLY);
	tap_errno(map_set(map, TARGETS + 1, fd), 0, "one of them once more");
	first = TARGETS + 1;
	must(bpf_map_delete_elem(map, &first) ? -errno : 0, "delete");
	close(fd);

	/* A free slot is a free target, when the old one has been closed. */
	first = 5;
	must(bpf_map_delete_elem(map, &first) ? -errno : 0, "delete");
	fd = must_open(argv[1], O_RDONLY);
	for (i = 0; i < 1000; i++) {
		err = map_set(map, TARGETS + 1, fd);
		if (err != -ENFILE)
			break;
		usleep(10000);
	}
	tap_errno(err, 0, "one instead of one that was deleted");
	close(fd);
	close(map);
	for (i = 1; i < argc; i++) {
		fd = must_open(argv[i], O_RDWR);
		delete_partitions(fd);
		close(fd);
	}
	tap(true, "all can be removed once the map is gone");
	return tap_exit();
}
