// SPDX-License-Identifier: GPL-2.0
/*
 * --freeze: no bio is on its way above the device's queue while the programs
 * change, if what sends them is a filesystem that stands still.
 *
 * A frozen filesystem stays frozen when the process that froze it dies: see guard.c.
 */
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
#include "dm.h"
#include "freeze.h"

static void add_mount(struct libmnt_fs *fs, int fd, struct mount **list)
{
	struct mount *mount = xalloc(1, sizeof(*mount));

	mount->path = strf("%s", mnt_fs_get_target(fs));
	mount->dev = mnt_fs_get_devno(fs);
	mount->fd = fd;
	mount->next = *list;
	*list = mount;
}

/* Or another mount hides it. */
static bool is_at(int fd, struct libmnt_fs *fs)
{
	struct statx stx;

	return !statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) &&
	       stx.stx_mnt_id == (__u64)mnt_fs_get_id(fs);
}

static bool has_mount(const struct mount *list, dev_t dev)
{
	while (list && list->dev != dev)
		list = list->next;
	return list;
}

/* First those that can be reached; where one cannot, another of the same will do. */
static int open_mount(struct libmnt_fs *fs, const char *device, bool again,
		      struct mount **list)
{
	const char *path = mnt_fs_get_target(fs);
	int fd;

	if (again && has_mount(*list, mnt_fs_get_devno(fs)))
		return BIOCTL_OK;
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0 && is_at(fd, fs)) {
		add_mount(fs, fd, list);
		return BIOCTL_OK;
	}
	if (fd >= 0) {
		close(fd);
		errno = EBUSY;
	}
	if (!again)
		return BIOCTL_OK;
	return failed(.op = OP_FREEZE, .what = path, .device = device,
		      .err = errno,
		      .cause = fd < 0 ? NULL :
					"something else is mounted over it",
		      .next = "unmount what hides it");
}

static int open_mounts(dev_t dev, const char *device, struct mount **list)
{
	struct libmnt_table *mounts =
		mnt_new_table_from_file("/proc/self/mountinfo");
	struct libmnt_iter *iter = mnt_new_iter(MNT_ITER_FORWARD);
	struct libmnt_fs *fs;
	int err = BIOCTL_OK;

	if (!mounts || !iter)
		return failed(.op = OP_FREEZE, .what = "/proc/self/mountinfo",
			      .device = device, .err = errno);
	for (int again = 0; again < 2; again++) {
		while (!err && !mnt_table_next_fs(mounts, iter, &fs)) {
			if (mount_is_above(fs, dev))
				err = open_mount(fs, device, again, list);
		}
		mnt_reset_iter(iter, MNT_ITER_FORWARD);
	}
	mnt_free_iter(iter);
	mnt_unref_table(mounts);
	return err;
}

static int freeze_one(struct mount *mount, const char *device)
{
	/* Before: the guard may have to know of what we do not return from. */
	*mount->frozen = true;
	if (!ioctl(mount->fd, FIFREEZE, 0))
		return BIOCTL_OK;
	*mount->frozen = false;
	/* Frozen already, by its owner or at another mount point. */
	if (errno == EBUSY) {
		mount->was_frozen = true;
		return BIOCTL_OK;
	}
	return failed(.op = OP_FREEZE, .what = mount->path, .device = device,
		      .err = errno);
}

/* The name of @dev if device mapper made it, or NULL. */
static char *dm_name(dev_t dev)
{
	char *path =
		strf("/sys/dev/block/%u:%u/dm/name", major(dev), minor(dev));
	FILE *file = fopen(path, "re");
	char name[DM_NAME_MAX + 2];
	char *found = NULL;

	if (file && fscanf(file, "%128[^\n]", name) == 1)
		found = strf("%s", name);
	if (file)
		fclose(file);
	free(path);
	return found;
}

static int suspend(struct frozen *frozen, const char *name, bool ours,
		   int (*how)(const char *name))
{
	struct suspended *dm = frozen->suspended;
	int err;

	while (*dm->name)
		if (++dm == frozen->suspended + MAX_SUSPENDED)
			return failed(.op = OP_DM, .what = name,
				      .cause = "too many are suspended",
				      .next = "do it in several steps");
	dm->ours = ours;
	snprintf(dm->name, sizeof(dm->name), "%s", name);
	err = how(name);
	if (err)
		*dm->name = '\0';
	return err;
}

/* One of ours, until thaw_filesystems() or frozen_resume(), whatever becomes of us. */
int frozen_suspend(struct frozen *frozen, const char *name)
{
	return suspend(frozen, name, true, dm_suspend);
}

/* The same, without waiting for what hangs there */
int frozen_suspend_hanging(struct frozen *frozen, const char *name)
{
	return suspend(frozen, name, true, dm_suspend_hanging);
}

int frozen_resume(struct frozen *frozen, const char *name)
{
	int err = dm_resume(name);

	for (int i = 0; !err && i < MAX_SUSPENDED; i++) {
		if (!strcmp(frozen->suspended[i].name, name))
			*frozen->suspended[i].name = '\0';
	}
	return err;
}

static int freeze(dev_t dev, const char *device, bool always,
		  void (*hangs)(void *arg), void *arg, struct frozen **frozen)
{
	struct frozen *f = xalloc(1, sizeof(*f));
	int err;

	*frozen = NULL;
	f->hangs = hangs;
	f->arg = arg;
	f->dm = dm_name(dev);
	err = open_mounts(dev, device, &f->mounts);
	if (err || (!f->mounts && !always))
		return err;
	err = start_guard(f, device);
	if (err)
		return err;
	*frozen = f;
	*f->freezing = true;
	for (struct mount *m = f->mounts; !err && m; m = m->next)
		err = freeze_one(m, device);
	*f->freezing = false;
	if (err) {
		thaw_filesystems(f, device);
		*frozen = NULL;
	}
	return err;
}

/* Freezes all or, after a report, none; NULL if there was nothing to freeze. */
int freeze_filesystems(dev_t dev, const char *device, struct frozen **frozen)
{
	return freeze(dev, device, false, NULL, NULL, frozen);
}

/* The same, but there is always one. */
int freeze_device(dev_t dev, const char *device, struct frozen **frozen)
{
	return freeze(dev, device, true, NULL, NULL, frozen);
}

/*
 * To freeze is to write back. What is below may hold that up until somebody comes:
 * @hangs is called with @arg, by another process, as long as it takes.
 */
int freeze_device_watched(dev_t dev, const char *device,
			  void (*hangs)(void *arg), void *arg,
			  struct frozen **frozen)
{
	return freeze(dev, device, true, hangs, arg, frozen);
}

/*
 * What the device, if it is one of device mapper, has taken in, has ended. It does
 * not stay suspended: a stack on its lower device could not be then.
 */
int frozen_flush(struct frozen *frozen, const char *device)
{
	struct dm_state dm;
	int err;

	if (!frozen->dm)
		return BIOCTL_OK;
	err = dm_find(frozen->dm, &dm);
	if (err)
		return err;
	if (dm.suspended)
		return failed(.op = OP_FREEZE, .what = frozen->dm,
			      .device = device, .err = EBUSY,
			      .cause = "somebody has suspended it",
			      .next = "wait until it is resumed");
	/* To resume it would be to put that in. */
	if (dm.loaded)
		return failed(.op = OP_FREEZE, .what = frozen->dm,
			      .device = device, .err = EBUSY,
			      .cause =
				      "somebody has loaded a table for it that "
				      "is not in use yet",
			      .next = "wait until it is, or dmsetup clear it");
	err = suspend(frozen, frozen->dm, false, dm_suspend);
	frozen->flushed = !err;
	return err ? err : resume_all(frozen);
}

/* Nothing is frozen yet: for frozen_suspend(). */
int guard_only(const char *device, struct frozen **frozen)
{
	int err;

	*frozen = xalloc(1, sizeof(**frozen));
	err = start_guard(*frozen, device);
	if (err)
		*frozen = NULL;
	return err;
}

/* Not by us, at another mount point of the same */
static bool by_others(const struct frozen *frozen, const struct mount *mount)
{
	if (!mount->was_frozen)
		return false;
	for (const struct mount *m = frozen->mounts; m; m = m->next)
		if (m->dev == mount->dev && !m->was_frozen)
			return false;
	return true;
}

json_t *frozen_json(const struct frozen *frozen)
{
	json_t *mounts = json_array(), *before = json_array();

	for (struct mount *m = frozen ? frozen->mounts : NULL; m; m = m->next)
		json_array_append_new(by_others(frozen, m) ? before : mounts,
				      json_string_or_null(m->path));
	return json_pack("{s:o, s:o, s:b}", "mounts", mounts, "frozen_before",
			 before, "suspended", frozen && frozen->flushed);
}

/* Also tells what has failed since the freeze. */
int thaw_filesystems(struct frozen *frozen, const char *device)
{
	int err = BIOCTL_OK;

	if (!frozen)
		return err;
	err = resume_all(frozen);
	/* It may write, as ext4 does, and what is below may hold that up. */
	*frozen->freezing = true;
	for (struct mount *m = frozen->mounts; m; m = m->next) {
		if (*m->frozen && ioctl(m->fd, FITHAW, 0))
			err = failed(.op = OP_FREEZE, .what = m->path,
				     .device = device, .err = errno,
				     .cause = "it could not be thawed again",
				     .next = strf("fsfreeze --unfreeze %s",
						  m->path));
		*m->frozen = false;
		close(m->fd);
	}
	end_guard(frozen);
	return err;
}
