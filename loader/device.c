// SPDX-License-Identifier: GPL-2.0
/* Block devices: their nodes, names and numbers. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "bioctl.h"

/* "vda" is what lsblk prints; anything with a slash is taken as it is. */
char *device_path(const char *name)
{
	return strchr(name, '/') ? strf("%s", name) : strf("/dev/%s", name);
}

/* The kernel's name of @dev, NULL when there is no such device. */
static char *kernel_name(dev_t dev)
{
	char target[4096];
	char *link;
	ssize_t len;

	link = strf("/sys/dev/block/%u:%u", major(dev), minor(dev));
	len = readlink(link, target, sizeof(target) - 1);
	free(link);
	if (len < 0)
		return NULL;
	target[len] = '\0';
	return strf("%s", base_name(target));
}

/* The name of a device as a directory in bpffs, which allows no dots. */
char *device_key(dev_t dev, const char *path)
{
	char *name = dev ? kernel_name(dev) : NULL;

	if (!name)
		name = strf("%s", base_name(path));
	for (char *c = name; *c; c++) {
		if (*c == '.')
			*c = '_';
	}
	return name;
}

/* The path of the node of @dev; its number when there is none. */
char *device_name(dev_t dev)
{
	char *name = kernel_name(dev);
	char *path;

	if (!name)
		return strf("%u:%u", major(dev), minor(dev));
	/* sysfs writes cciss/c0d0 as cciss!c0d0. */
	for (char *c = name; *c; c++) {
		if (*c == '!')
			*c = '/';
	}
	path = strf("/dev/%s", name);
	free(name);
	return path;
}

unsigned long long device_sectors(const char *path)
{
	unsigned long long bytes = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		if (ioctl(fd, BLKGETSIZE64, &bytes))
			bytes = 0;
		close(fd);
	}
	return bytes / 512;
}

/* The device that a descriptor of a block device stands for. */
dev_t device_number(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : st.st_rdev;
}

/*
 * Returns an open file descriptor, or -1 after having reported @op's failure.
 * O_RDONLY is right for attaching: a mounted device may refuse writers, and
 * udev rescans a device that a writer closes.
 */
int device_open(const char *name, enum op op, int flags, char **path,
		dev_t *dev)
{
	char *node = device_path(name);
	struct stat st;
	int fd;

	*path = node;
	/* Not opened before it is known not to be a FIFO. */
	if (stat(node, &st)) {
		failed(.op = op, .device = node, .err = errno);
		return -1;
	}
	if (!S_ISBLK(st.st_mode)) {
		failed(.op = op, .device = node, .err = ENOTBLK);
		return -1;
	}
	fd = open(node, flags | O_CLOEXEC);
	if (fd < 0)
		failed(.op = op, .device = node, .err = errno);
	else if (dev)
		*dev = st.st_rdev;
	return fd;
}
