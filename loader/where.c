// SPDX-License-Identifier: GPL-2.0
/* On which devices something lies. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libmount/libmount.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "bioctl.h"

#define MAX_DEPTH 8 /* of files on loop devices on files */

/* How it may lie there */
enum { OVER_DEVICES = 1, OVER_FILES = 2, OVER_REDIRECTS = 4 };

static bool rests_on(dev_t dev, dev_t base, int ways);

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

/* The disk that @dev is, or is a partition of */
dev_t device_disk(dev_t dev)
{
	char *sysfs = strf("/sys/dev/block/%u:%u", major(dev), minor(dev));
	dev_t disk = dev;

	if (!access(strf("%s/partition", sysfs), F_OK))
		disk = read_number(strf("%s/../dev", sysfs));
	free(sysfs);
	return disk;
}

/* Does one of the devices that @dir has links to rest on @base? */
static bool one_rests_on(const char *dir, dev_t base, int ways)
{
	DIR *entries = opendir(dir);
	struct dirent *entry;
	bool found = false;

	while (entries && !found && (entry = readdir(entries))) {
		dev_t dev = 0;

		if (entry->d_name[0] != '.')
			dev = read_number(
				strf("%s/%s/dev", dir, entry->d_name));
		if (dev)
			found = rests_on(dev, base, ways);
	}
	if (entries)
		closedir(entries);
	return found;
}

/* The file that a loop device is on, or NULL */
static char *backing_file(const char *sysfs)
{
	FILE *file = fopen(strf("%s/loop/backing_file", sysfs), "re");
	char path[4096], *found = NULL;

	if (file && fscanf(file, "%4095[^\n]", path) == 1)
		found = strf("%s", path);
	if (file)
		fclose(file);
	return found;
}

/*
 * Does it redirect there? A stack does, to what is on its lower device, which leads
 * back: nobody is asked twice on one way.
 */
static bool redirects_to(dev_t dev, dev_t base, int ways)
{
	static dev_t asked[MAX_DEPTH];
	static unsigned int nr_asked;
	dev_t *targets;
	bool found = false;

	for (unsigned int i = 0; i < nr_asked; i++)
		if (asked[i] == dev)
			return false;
	if (nr_asked == MAX_DEPTH)
		return false;
	asked[nr_asked++] = dev;
	targets = device_redirects(dev);
	for (dev_t *at = targets; at && *at && !found; at++)
		found = rests_on(*at, base, ways);
	free(targets);
	nr_asked--;
	return found;
}

static bool rests_on(dev_t dev, dev_t base, int ways)
{
	static unsigned int depth;
	char *sysfs = strf("/sys/dev/block/%u:%u", major(dev), minor(dev));
	bool found = dev == base;
	char *file;

	if (!found && device_disk(dev) != dev)
		found = rests_on(device_disk(dev), base, ways);
	if (!found)
		found = one_rests_on(strf("%s/slaves", sysfs), base, ways);
	if (!found && ways & OVER_REDIRECTS)
		found = redirects_to(dev, base, ways);
	file = found || !(ways & OVER_FILES) ? NULL : backing_file(sysfs);
	/* The path may lead back, where the loop itself is mounted over it. */
	if (file && ++depth > MAX_DEPTH)
		found = true;
	else if (file)
		found = file_place(file, base) != PLACE_ELSEWHERE;
	if (file)
		depth--;
	free(sysfs);
	return found;
}

/* Is @dev @base, a partition of it, or stacked on it, or on a file there? */
bool device_is_stacked_on(dev_t dev, dev_t base)
{
	return rests_on(dev, base, OVER_DEVICES | OVER_FILES);
}

/* May bios go from @dev to @base? Not through the files of a loop device. */
bool device_is_above(dev_t dev, dev_t base)
{
	return rests_on(dev, base, OVER_DEVICES | OVER_REDIRECTS);
}

/* May what is written to @dev be written to @base? */
bool device_rests_on(dev_t dev, dev_t base)
{
	return rests_on(dev, base, OVER_DEVICES | OVER_FILES | OVER_REDIRECTS);
}

/*
 * The device of a mounted filesystem: its own number, or for one that makes
 * one up (btrfs) that of the node that was mounted. 0 if there is none.
 */
static dev_t device_of_mount(struct libmnt_fs *fs)
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

/* All devices of a btrfs that has @dev */
static bool btrfs_rests_on(dev_t dev, dev_t base, int ways)
{
	DIR *all = opendir("/sys/fs/btrfs");
	struct dirent *entry;
	bool found = rests_on(dev, base, ways);

	while (all && !found && (entry = readdir(all))) {
		char *dir = strf("/sys/fs/btrfs/%s/devices", entry->d_name);

		if (one_rests_on(dir, dev, OVER_DEVICES))
			found = one_rests_on(dir, base, ways);
	}
	if (all)
		closedir(all);
	return found;
}

static bool mount_rests_on(struct libmnt_fs *fs, dev_t base, int ways)
{
	dev_t dev = device_of_mount(fs);

	if (!dev)
		return false;
	return !strcmp(mnt_fs_get_fstype(fs), "btrfs") ?
		       btrfs_rests_on(dev, base, ways) :
		       rests_on(dev, base, ways);
}

/* May bios go from one of its devices to @base? */
bool mount_is_above(struct libmnt_fs *fs, dev_t base)
{
	return mount_rests_on(fs, base, OVER_DEVICES | OVER_REDIRECTS);
}

/* Is @dev itself what a filesystem is on? */
bool device_is_mounted(dev_t dev)
{
	struct libmnt_table *mounts =
		mnt_new_table_from_file("/proc/self/mountinfo");
	struct libmnt_iter *iter = mnt_new_iter(MNT_ITER_FORWARD);
	struct libmnt_fs *fs;
	bool found = false;

	while (mounts && iter && !found &&
	       !mnt_table_next_fs(mounts, iter, &fs))
		found = device_of_mount(fs) == dev;
	mnt_free_iter(iter);
	mnt_unref_table(mounts);
	return found;
}

static bool has_no_device(const char *type)
{
	static const char *const types[] = { "tmpfs", "ramfs", "devtmpfs",
					     "nfs",   "nfs4",  "cifs",
					     "9p",    "ceph" };

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (!strcmp(types[i], type))
			return true;
	return false;
}

static enum whereabouts place_of(struct libmnt_fs *fs, dev_t base)
{
	if (!device_of_mount(fs))
		return has_no_device(mnt_fs_get_fstype(fs)) ? PLACE_ELSEWHERE :
							      PLACE_UNKNOWN;
	return mount_rests_on(fs, base,
			      OVER_DEVICES | OVER_FILES | OVER_REDIRECTS) ?
		       PLACE_ON_IT :
		       PLACE_ELSEWHERE;
}

/* Is the file at @path, whose st_dev may be made up, on @base? */
enum whereabouts file_place(const char *path, dev_t base)
{
	struct libmnt_table *mounts =
		mnt_new_table_from_file("/proc/self/mountinfo");
	struct libmnt_iter *iter = mnt_new_iter(MNT_ITER_FORWARD);
	enum whereabouts place = PLACE_UNKNOWN;
	struct libmnt_fs *fs;
	struct statx stx;

	if (mounts && iter && !statx(AT_FDCWD, path, 0, STATX_MNT_ID, &stx)) {
		while (!mnt_table_next_fs(mounts, iter, &fs))
			if ((__u64)mnt_fs_get_id(fs) == stx.stx_mnt_id)
				place = place_of(fs, base);
	}
	mnt_free_iter(iter);
	mnt_unref_table(mounts);
	return place;
}
