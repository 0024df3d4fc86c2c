// SPDX-License-Identifier: GPL-2.0
/* Where a snapshot keeps the blocks that were overwritten since. */
#include <blkid/blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "snapshot.h"

/* What dm-snapshot would take for a store of earlier is overwritten. */
#define HEAD (1 << 20)

static int refuse(const char *store, const char *cause, const char *next)
{
	failed(.op = OP_STORE, .what = store, .cause = cause, .next = next);
	return -1;
}

/* What is on it already, in a word; NULL if nothing is. */
static const char *contents(int fd)
{
	blkid_probe probe = blkid_new_probe();
	const char *found = NULL;

	if (!probe || blkid_probe_set_device(probe, fd, 0, 0))
		return NULL;
	blkid_probe_enable_partitions(probe, 1);
	if (!blkid_do_safeprobe(probe) &&
	    blkid_probe_lookup_value(probe, "TYPE", &found, NULL))
		blkid_probe_lookup_value(probe, "PTTYPE", &found, NULL);
	if (found)
		found = strf("%s", found);
	blkid_free_probe(probe);
	return found;
}

static int clear_head(int fd, const char *store)
{
	static const char zeroes[HEAD];

	if (pwrite(fd, zeroes, sizeof(zeroes), 0) == sizeof(zeroes) &&
	    !fsync(fd))
		return fd;
	failed(.op = OP_STORE, .what = store, .err = errno ? errno : ENOSPC);
	close(fd);
	return -1;
}

static int open_empty(const char *store, bool force)
{
	/* Exclusively: it is nobody else's. */
	int fd = open(store, O_RDWR | O_EXCL | O_CLOEXEC);
	const char *found;

	if (fd < 0) {
		failed(.op = OP_STORE, .what = store, .err = errno);
		return -1;
	}
	found = force ? NULL : contents(fd);
	if (found) {
		close(fd);
		return refuse(store, strf("it holds %s", found),
			      "choose another one, or add --force to overwrite "
			      "that");
	}
	return fd;
}

int store_check(const char *store, bool force)
{
	int fd = open_empty(store, force);

	if (fd < 0)
		return BIOCTL_FAILED;
	close(fd);
	return BIOCTL_OK;
}

/* Device mapper claims it: it must not be open exclusively by then. */
static bool prepare_device(const char *store, bool force)
{
	int fd = open_empty(store, force);

	if (fd >= 0)
		fd = clear_head(fd, store);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int open_file(const char *store, dev_t origin,
		     unsigned long long megabytes)
{
	bool made = access(store, F_OK);
	struct stat st;
	int fd;

	if (made && !megabytes)
		return refuse(store, "there is no such file or device",
			      "add --size to make a file");
	fd = open(store, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || fstat(fd, &st) ||
	    (made && ftruncate(fd, megabytes << 20))) {
		failed(.op = OP_STORE, .what = store, .err = errno);
		return -1;
	}
	/* A write there would wait for what it makes necessary. */
	if (device_is_above(st.st_dev, origin)) {
		close(fd);
		if (made)
			unlink(store);
		return refuse(
			store,
			"the file is on the device of which it would keep "
			"blocks",
			"choose a place on another disk");
	}
	return clear_head(fd, store);
}

static char *attach_loop(int file, const char *store, int *fd)
{
	struct loop_config config = {
		.fd = file,
		.info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO,
	};
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	char *path = NULL;
	int nr, err = ENODEV;

	snprintf((char *)config.info.lo_file_name,
		 sizeof(config.info.lo_file_name), "%s", store);
	while (control >= 0) {
		nr = ioctl(control, LOOP_CTL_GET_FREE);
		if (nr < 0)
			break;
		path = strf("/dev/loop%d", nr);
		*fd = open(path, O_RDWR | O_CLOEXEC);
		if (*fd >= 0 && !ioctl(*fd, LOOP_CONFIGURE, &config))
			break;
		err = errno;
		if (*fd >= 0)
			close(*fd);
		path = NULL;
		/* Somebody else took it. */
		if (err != EBUSY)
			break;
	}
	if (control >= 0)
		close(control);
	close(file);
	if (!path)
		failed(.op = OP_STORE, .what = store, .err = err,
		       .cause = "there is no loop device for the file",
		       .next = "load the module loop");
	return path;
}

char *store_open(const char *store, dev_t origin, unsigned long long megabytes,
		 bool force, int *fd)
{
	struct stat st;

	if (!stat(store, &st) && S_ISBLK(st.st_mode)) {
		*fd = -1;
		return prepare_device(store, force) ? strf("%s", store) : NULL;
	}
	*fd = open_file(store, origin, megabytes);
	return *fd < 0 ? NULL : attach_loop(*fd, store, fd);
}
