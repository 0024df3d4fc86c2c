// SPDX-License-Identifier: GPL-2.0
/*
 * --freeze: no bio is on its way above the device's queue while the programs
 * change, if what sends them is a filesystem that stands still.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libmount/libmount.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "bioctl.h"

struct frozen {
	struct frozen *next;
	char *mount;
	int fd;
};

/* The number in a "dev" file of sysfs, 0 if there is none. */
static dev_t read_number(const char *path)
{
	unsigned int major_nr, minor_nr;
	FILE *file = fopen(path, "re");
	dev_t dev = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%u:%u", &major_nr, &minor_nr) == 2)
		dev = makedev(major_nr, minor_nr);
	fclose(file);
	return dev;
}

/* Is @dev @base, a partition of it, or stacked on it at any height? */
static bool is_above(dev_t dev, dev_t base)
{
	char *sysfs = strf("/sys/dev/block/%u:%u", major(dev), minor(dev));
	bool above = dev == base;
	struct dirent *slave;
	DIR *slaves;

	if (!above && !access(strf("%s/partition", sysfs), F_OK))
		above = is_above(read_number(strf("%s/../dev", sysfs)), base);
	slaves = above ? NULL : opendir(strf("%s/slaves", sysfs));
	while (slaves && !above && (slave = readdir(slaves))) {
		dev_t below = 0;

		if (slave->d_name[0] != '.')
			below = read_number(
				strf("%s/slaves/%s/dev", sysfs, slave->d_name));
		if (below)
			above = is_above(below, base);
	}
	if (slaves)
		closedir(slaves);
	free(sysfs);
	return above;
}

static int freeze_one(const char *mount, const char *device,
		      struct frozen **frozen)
{
	struct frozen *entry;
	int fd;

	fd = open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, FIFREEZE, 0)) {
		int err = errno;

		if (fd >= 0)
			close(fd);
		/* Frozen already, by its owner or at another mount point. */
		if (err == EBUSY)
			return BIOCTL_OK;
		return failed(.op = OP_FREEZE, .what = mount, .device = device,
			      .err = err);
	}
	entry = xalloc(1, sizeof(*entry));
	entry->mount = strf("%s", mount);
	entry->fd = fd;
	entry->next = *frozen;
	*frozen = entry;
	return BIOCTL_OK;
}

/*
 * The device of a mounted filesystem: its own number, or for one that makes
 * one up (btrfs) that of the node that was mounted. 0 if there is none.
 */
static dev_t device_of(struct libmnt_fs *fs)
{
	const char *source = mnt_fs_get_srcpath(fs);
	dev_t dev = mnt_fs_get_devno(fs);
	struct stat st;

	if (major(dev))
		return dev;
	return source && !stat(source, &st) && S_ISBLK(st.st_mode) ?
		       st.st_rdev :
		       0;
}

/* Freezes all or, after a report, none. */
int freeze_filesystems(dev_t dev, const char *device, struct frozen **frozen)
{
	struct libmnt_table *mounts =
		mnt_new_table_from_file("/proc/self/mountinfo");
	struct libmnt_iter *iter = mnt_new_iter(MNT_ITER_FORWARD);
	struct libmnt_fs *fs;
	int err = BIOCTL_OK;

	*frozen = NULL;
	if (!mounts || !iter)
		return failed(.op = OP_FREEZE, .what = "/proc/self/mountinfo",
			      .device = device, .err = errno);
	fail_hold();
	while (!err && !mnt_table_next_fs(mounts, iter, &fs)) {
		if (is_above(device_of(fs), dev))
			err = freeze_one(mnt_fs_get_target(fs), device, frozen);
	}
	mnt_free_iter(iter);
	mnt_unref_table(mounts);
	if (err)
		thaw_filesystems(*frozen, device);
	return err;
}

/* Also tells what has failed since the freeze. */
int thaw_filesystems(struct frozen *frozen, const char *device)
{
	int err = BIOCTL_OK;

	while (frozen) {
		struct frozen *next = frozen->next;

		if (ioctl(frozen->fd, FITHAW, 0))
			err = failed(.op = OP_FREEZE, .what = frozen->mount,
				     .device = device, .err = errno,
				     .cause = "it could not be thawed again",
				     .next = strf("fsfreeze --unfreeze %s",
						  frozen->mount));
		close(frozen->fd);
		free(frozen->mount);
		free(frozen);
		frozen = next;
	}
	fail_release();
	return err;
}
