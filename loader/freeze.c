// SPDX-License-Identifier: GPL-2.0
/*
 * --freeze: no bio is on its way above the device's queue while the programs
 * change, if what sends them is a filesystem that stands still.
 *
 * A frozen filesystem stays frozen when the process that froze it dies, and then
 * whoever writes there hangs. So there is a second process that thaws what was
 * frozen if the first is gone, killed or not.
 */
#include <errno.h>
#include <fcntl.h>
#include <libmount/libmount.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bioctl.h"
#include "dm.h"
#include "memory.h"

struct mount {
	struct mount *next;
	char *path;
	dev_t dev; /* as in mountinfo */
	int fd;
	bool *frozen; /* shared with the guard */
};

#define MAX_SUSPENDED 32
#define WATCH_MS 200

struct suspended {
	char name[DM_NAME_MAX + 1]; /* "" if there is none */
	bool ours;
};

struct frozen {
	struct mount *mounts;
	struct suspended *suspended; /* dm devices; shared with the guard */
	char *dm; /* name of the device itself, if device mapper made it */
	bool flushed; /* and it was suspended for a moment */
	pid_t guard;
	int tie; /* the guard thaws when it is closed */
	struct frozen *earlier; /* frozen before, and still */
	bool *freezing; /* shared with the guard */
	/* Called by the guard, now and then, while the first process freezes */
	void (*hangs)(void *arg);
	void *arg;
};

/* In one cut there are several. */
static struct frozen *last_frozen;

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

/* The last first: it may be what the others are stacked on. */
static int resume_all(const struct frozen *frozen)
{
	int err = BIOCTL_OK;

	for (int i = MAX_SUSPENDED - 1; i >= 0; i--) {
		struct suspended *dm = &frozen->suspended[i];
		int ret;

		if (!*dm->name)
			continue;
		ret = dm->ours ? dm_resume(dm->name) :
				 dm_resume_foreign(dm->name);
		/* Or the guard tries it again. */
		if (!ret)
			*dm->name = '\0';
		err |= ret;
	}
	return err;
}

static void thaw_if_frozen(const struct mount *mount)
{
	if (*mount->frozen)
		ioctl(mount->fd, FITHAW, 0);
}

/* Until the first process has done all, or is gone */
static void watch(const struct frozen *frozen, int tie)
{
	struct pollfd poll_tie = { .fd = tie, .events = POLLIN };
	int ret;

	for (;;) {
		ret = poll(&poll_tie, 1, frozen->hangs ? WATCH_MS : -1);
		if (ret > 0 || (ret < 0 && errno != EINTR))
			return;
		if (!ret && *frozen->freezing)
			frozen->hangs(frozen->arg);
	}
}

/* Whoever ends a service kills all that is in its control group. */
static void leave_cgroup(void)
{
	static const char *const roots[] = {
		"/sys/fs/cgroup/cgroup.procs",
		"/sys/fs/cgroup/unified/cgroup.procs",
		"/sys/fs/cgroup/systemd/cgroup.procs",
	};

	for (size_t i = 0; i < ARRAY_SIZE(roots); i++) {
		int fd = open(roots[i], O_WRONLY | O_CLOEXEC);

		if (fd < 0)
			continue;
		/* It may not be allowed: then it stays where it is. */
		dprintf(fd, "0");
		close(fd);
	}
}

/* A session of its own: who kills the first process and its group spares it. */
static void guard(const struct frozen *frozen, int tie, int ready)
{
	char byte = 0;

	setsid();
	leave_cgroup();
	drop_ballast();
	dm_udev_hold();
	if (stay_in_memory())
		_exit(1);
	write_nothing_out(true);
	if (write(ready, &byte, 1) != 1)
		_exit(1);
	watch(frozen, tie);
	/* As it was suspended last; to thaw is to write. */
	resume_all(frozen);
	for (struct mount *m = frozen->mounts; m; m = m->next)
		thaw_if_frozen(m);
	/* The guards of what was frozen earlier go on; udev may need that. */
	for (struct frozen *f = frozen->earlier; f; f = f->earlier)
		close(f->tie);
	dm_udev_release();
	_exit(0);
}

/* Where messages go, and what udev needs, may be what stands still. */
static void begin(struct frozen *frozen)
{
	frozen->earlier = last_frozen;
	last_frozen = frozen;
	if (frozen->earlier)
		return;
	dm_udev_hold();
	fail_hold();
}

static void end(struct frozen *frozen)
{
	struct frozen **at = &last_frozen;

	while (*at != frozen)
		at = &(*at)->earlier;
	*at = frozen->earlier;
	if (last_frozen)
		return;
	write_nothing_out(false);
	drop_ballast();
	munlockall();
	dm_udev_release();
	fail_release();
}

/* Return: errno, or 0 if it is ready to do its work. */
static int fork_guard(struct frozen *frozen)
{
	int ends[2], ready[2];
	char byte;
	int err;

	if (pipe2(ends, O_CLOEXEC))
		return errno;
	if (pipe2(ready, O_CLOEXEC) || stay_in_memory())
		return errno;
	frozen->guard = fork();
	if (frozen->guard < 0)
		return errno;
	if (!frozen->guard) {
		close(ends[1]);
		guard(frozen, ends[0], ready[1]);
	}
	close(ends[0]);
	close(ready[1]);
	frozen->tie = ends[1];
	err = read(ready[0], &byte, 1) == 1 ? 0 : ENOMEM;
	close(ready[0]);
	take_ballast();
	write_nothing_out(true);
	return err;
}

static int start_guard(struct frozen *frozen, const char *device)
{
	size_t len = MAX_SUSPENDED * sizeof(*frozen->suspended) + 1;
	bool *flags;
	char *shared;
	int err;

	for (struct mount *m = frozen->mounts; m; m = m->next)
		len++;
	shared = mmap(NULL, len, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return failed(.op = OP_FREEZE, .device = device, .err = errno);
	frozen->suspended = (struct suspended *)shared;
	flags = (bool *)(frozen->suspended + MAX_SUSPENDED);
	frozen->freezing = flags++;
	for (struct mount *m = frozen->mounts; m; m = m->next)
		m->frozen = flags++;
	begin(frozen);
	err = fork_guard(frozen);
	if (!err)
		return BIOCTL_OK;
	end(frozen);
	return failed(.op = OP_FREEZE, .device = device, .err = err);
}

static int freeze_one(struct mount *mount, const char *device)
{
	/* Before: the guard may have to know of what we do not return from. */
	*mount->frozen = true;
	if (!ioctl(mount->fd, FIFREEZE, 0))
		return BIOCTL_OK;
	*mount->frozen = false;
	/* Frozen already, by its owner or at another mount point. */
	if (errno == EBUSY)
		return BIOCTL_OK;
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
	f->tie = -1;
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

json_t *frozen_json(const struct frozen *frozen)
{
	json_t *mounts = json_array();

	for (struct mount *m = frozen ? frozen->mounts : NULL; m; m = m->next)
		json_array_append_new(mounts, json_string_or_null(m->path));
	return json_pack("{s:o, s:b}", "mounts", mounts, "suspended",
			 frozen && frozen->flushed);
}

/* Also tells what has failed since the freeze. */
int thaw_filesystems(struct frozen *frozen, const char *device)
{
	int err = BIOCTL_OK;

	if (!frozen)
		return err;
	err = resume_all(frozen);
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
	close(frozen->tie);
	waitpid(frozen->guard, NULL, 0);
	end(frozen);
	return err;
}
