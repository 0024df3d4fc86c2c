// SPDX-License-Identifier: GPL-2.0
/* Where a snapshot keeps the blocks that were overwritten since. */
#include <blkid/blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
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

bool same_file(const char *a, const char *b)
{
	struct stat x, y;

	if (!strcmp(a, b))
		return true;
	if (stat(a, &x) || stat(b, &y))
		return false;
	return S_ISBLK(x.st_mode) ?
		       x.st_rdev == y.st_rdev :
		       x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* What is on it already, in words; NULL if nothing is. */
static const char *contents(int fd)
{
	blkid_probe probe = blkid_new_probe();
	const char *found = NULL;
	int ret;

	if (!probe || blkid_probe_set_device(probe, fd, 0, 0))
		return "what cannot be read";
	blkid_probe_enable_partitions(probe, 1);
	ret = blkid_do_safeprobe(probe);
	if (!ret && blkid_probe_lookup_value(probe, "TYPE", &found, NULL))
		blkid_probe_lookup_value(probe, "PTTYPE", &found, NULL);
	if (found)
		found = strf("%s", found);
	else if (ret != 1)
		found = ret == -2 ? "several things" : "what nobody knows";
	blkid_free_probe(probe);
	return found;
}

/* Is anything but zeroes in what will be overwritten? */
static bool has_head(int fd)
{
	static char head[HEAD];
	ssize_t len = pread(fd, head, sizeof(head), 0);

	for (ssize_t i = 0; i < len; i++)
		if (head[i])
			return true;
	return len < 0;
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

static int refuse_full(int fd, const char *store, const char *found)
{
	close(fd);
	return refuse(store, strf("it holds %s", found),
		      "choose another one, or add --force to overwrite that");
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
	return found ? refuse_full(fd, store, found) : fd;
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

/* Its loop device, if it has one */
static char *loop_on(const struct stat *file)
{
	struct stat st;
	glob_t found;
	char *loop = NULL;

	if (glob("/sys/block/loop*/loop/backing_file", 0, NULL, &found))
		return NULL;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		FILE *f = fopen(found.gl_pathv[i], "re");
		char path[4096];

		if (f && fscanf(f, "%4095[^\n]", path) == 1 &&
		    !stat(path, &st) && st.st_dev == file->st_dev &&
		    st.st_ino == file->st_ino)
			loop = strf("/dev/%s",
				    strtok(found.gl_pathv[i] + 11, "/"));
		if (f)
			fclose(f);
	}
	globfree(&found);
	return loop;
}

/* Return: @fd, of a file that may be overwritten; or -1, and it is closed. */
static int check_file(int fd, const char *store, bool force)
{
	const char *found = NULL;
	struct stat st;
	char *loop;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return refuse(store, "it is neither a file nor a block device",
			      "name one of these");
	}
	loop = loop_on(&st);
	if (loop) {
		close(fd);
		return refuse(store, strf("%s is on it", loop),
			      "choose another file");
	}
	if (!force && st.st_size)
		found = contents(fd);
	if (!force && !found && has_head(fd))
		found = "something";
	return found ? refuse_full(fd, store, found) : fd;
}

static int open_file(const char *store, unsigned long long megabytes,
		     bool force)
{
	off_t wanted = megabytes << 20;
	struct stat st;
	int fd;

	fd = open(store, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0)
		fd = check_file(fd, store, force);
	else
		failed(.op = OP_STORE, .what = store, .err = errno);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) || (st.st_size < wanted && ftruncate(fd, wanted))) {
		failed(.op = OP_STORE, .what = store, .err = errno);
		close(fd);
		return -1;
	}
	/* One that is larger stays so. */
	if (st.st_size < HEAD && !wanted) {
		close(fd);
		return refuse(store, "there is no room in it",
			      "add --size to make it larger");
	}
	return clear_head(fd, store);
}

/* Where it is, or will be made */
static const char *place_to_ask(const char *store)
{
	char *slash, *dir;

	if (!access(store, F_OK))
		return store;
	dir = strf("%s", store);
	slash = strrchr(dir, '/');
	if (!slash)
		return ".";
	slash[slash == dir] = '\0';
	return dir;
}

static enum whereabouts place_on(const char *store, dev_t base)
{
	struct stat st;

	if (stat(store, &st) || !S_ISBLK(st.st_mode))
		return file_place(place_to_ask(store), base);
	/* The other way round: a part of it, or what is stacked on it */
	return device_rests_on(st.st_rdev, base) ||
			       device_is_above(base, st.st_rdev) ?
		       PLACE_ON_IT :
		       PLACE_ELSEWHERE;
}

/*
 * A write to the store would wait for what makes it necessary, and the store is
 * written to while the devices stand still.
 */
int store_check_place(const char *store, const dev_t *origins, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		enum whereabouts place = place_on(store, origins[i]);

		if (place == PLACE_ON_IT)
			return refuse(store,
				      strf("it is on the device %s, of which "
					   "blocks are kept",
					   device_name(origins[i])),
				      "choose a place on another disk");
		if (place == PLACE_UNKNOWN)
			return refuse(store,
				      "nobody knows on which device its "
				      "filesystem is",
				      "choose a device, or a file on an "
				      "ordinary filesystem");
	}
	return 0;
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
		*fd = -1;
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

char *store_open(const char *store, unsigned long long megabytes, bool force,
		 int *fd)
{
	struct stat st;
	int file;

	*fd = -1;
	if (!stat(store, &st) && S_ISBLK(st.st_mode))
		return prepare_device(store, force) ? strf("%s", store) : NULL;
	if (access(store, F_OK) && !megabytes) {
		refuse(store, "there is no such file or device",
		       "add --size to make a file");
		return NULL;
	}
	file = open_file(store, megabytes, force);
	return file < 0 ? NULL : attach_loop(file, store, fd);
}
