// SPDX-License-Identifier: GPL-2.0
/*
 * --freeze: no bio is on its way above the device's queue while the programs
 * change, if what sends them is a filesystem that stands still.
 *
 * A frozen filesystem stays frozen when the process that froze it dies, and then
 * whoever writes there hangs. So there is a second process that thaws what was
 * frozen if the first is gone, killed or not.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libmount/libmount.h>
#include <linux/fs.h>
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

struct mount {
	struct mount *next;
	char *path;
	int fd;
	bool *frozen; /* shared with the guard */
};

#define MAX_SUSPENDED 32
#define DM_NAME 128

struct frozen {
	struct mount *mounts;
	char (*suspended)[DM_NAME]; /* dm devices; shared with the guard */
	bool own; /* the first of them is the device itself */
	pid_t guard;
	int tie; /* the guard thaws when it is closed */
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
bool device_is_above(dev_t dev, dev_t base)
{
	char *sysfs = strf("/sys/dev/block/%u:%u", major(dev), minor(dev));
	bool above = dev == base;
	struct dirent *slave;
	DIR *slaves;

	if (!above && !access(strf("%s/partition", sysfs), F_OK))
		above = device_is_above(read_number(strf("%s/../dev", sysfs)),
					base);
	slaves = above ? NULL : opendir(strf("%s/slaves", sysfs));
	while (slaves && !above && (slave = readdir(slaves))) {
		dev_t below = 0;

		if (slave->d_name[0] != '.')
			below = read_number(
				strf("%s/slaves/%s/dev", sysfs, slave->d_name));
		if (below)
			above = device_is_above(below, base);
	}
	if (slaves)
		closedir(slaves);
	free(sysfs);
	return above;
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

static int open_mount(const char *path, const char *device, struct mount **list)
{
	struct mount *mount;
	int fd;

	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return failed(.op = OP_FREEZE, .what = path, .device = device,
			      .err = errno);
	mount = xalloc(1, sizeof(*mount));
	mount->path = strf("%s", path);
	mount->fd = fd;
	mount->next = *list;
	*list = mount;
	return BIOCTL_OK;
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
	while (!err && !mnt_table_next_fs(mounts, iter, &fs)) {
		if (device_is_above(device_of(fs), dev))
			err = open_mount(mnt_fs_get_target(fs), device, list);
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
		if (*frozen->suspended[i])
			err |= dm_resume(frozen->suspended[i]);
		*frozen->suspended[i] = '\0';
	}
	return err;
}

static void thaw_if_frozen(const struct mount *mount)
{
	if (*mount->frozen)
		ioctl(mount->fd, FITHAW, 0);
}

/* A session of its own: who kills the first process and its group spares it. */
static void guard(const struct frozen *frozen, int tie)
{
	char byte;

	setsid();
	while (read(tie, &byte, 1) < 0 && errno == EINTR)
		;
	/* As it was suspended last; to thaw is to write. */
	resume_all(frozen);
	for (struct mount *m = frozen->mounts; m; m = m->next)
		thaw_if_frozen(m);
	_exit(0);
}

static int start_guard(struct frozen *frozen, const char *device)
{
	size_t len = MAX_SUSPENDED * DM_NAME;
	int ends[2];
	bool *flags;
	char *shared;

	for (struct mount *m = frozen->mounts; m; m = m->next)
		len++;
	shared = mmap(NULL, len, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || pipe2(ends, O_CLOEXEC))
		return failed(.op = OP_FREEZE, .device = device, .err = errno);
	frozen->suspended = (char(*)[DM_NAME])shared;
	flags = (bool *)(shared + MAX_SUSPENDED * DM_NAME);
	for (struct mount *m = frozen->mounts; m; m = m->next)
		m->frozen = flags++;
	frozen->guard = fork();
	if (!frozen->guard) {
		close(ends[1]);
		guard(frozen, ends[0]);
	}
	close(ends[0]);
	frozen->tie = ends[1];
	if (frozen->guard < 0)
		return failed(.op = OP_FREEZE, .device = device, .err = errno);
	return BIOCTL_OK;
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
	char name[129];
	char *found = NULL;

	if (file && fscanf(file, "%128[^\n]", name) == 1)
		found = strf("%s", name);
	if (file)
		fclose(file);
	free(path);
	return found;
}

/* Until thaw_filesystems(), or until it is resumed, whatever becomes of us. */
int frozen_suspend(struct frozen *frozen, const char *name)
{
	int i, err;

	for (i = 0; *frozen->suspended[i]; i++) {
		if (i == MAX_SUSPENDED - 1)
			return failed(.op = OP_DM, .what = name,
				      .cause = "too many are suspended",
				      .next = "do it in several steps");
	}
	snprintf(frozen->suspended[i], DM_NAME, "%s", name);
	err = dm_suspend(name);
	if (err)
		*frozen->suspended[i] = '\0';
	return err;
}

int frozen_resume(struct frozen *frozen, const char *name)
{
	int err = dm_resume(name);

	for (int i = 0; !err && i < MAX_SUSPENDED; i++) {
		if (!strcmp(frozen->suspended[i], name))
			*frozen->suspended[i] = '\0';
	}
	return err;
}

static int freeze(dev_t dev, const char *device, bool with_dm,
		  struct frozen **frozen)
{
	struct frozen *f = xalloc(1, sizeof(*f));
	char *dm = with_dm ? dm_name(dev) : NULL;
	int err;

	*frozen = NULL;
	f->tie = -1;
	f->own = dm;
	err = open_mounts(dev, device, &f->mounts);
	if (err || (!f->mounts && !with_dm))
		return err;
	err = start_guard(f, device);
	if (err)
		return err;
	*frozen = f;
	fail_hold();
	for (struct mount *m = f->mounts; !err && m; m = m->next)
		err = freeze_one(m, device);
	if (!err && dm)
		err = frozen_suspend(f, dm);
	if (err) {
		thaw_filesystems(f, device);
		*frozen = NULL;
	}
	return err;
}

/* Freezes all or, after a report, none; NULL if there was nothing to freeze. */
int freeze_filesystems(dev_t dev, const char *device, struct frozen **frozen)
{
	return freeze(dev, device, false, frozen);
}

/* The same, and suspends the device if it can be. There is always one. */
int freeze_device(dev_t dev, const char *device, struct frozen **frozen)
{
	return freeze(dev, device, true, frozen);
}

/* Nothing is frozen yet: for frozen_suspend(). */
int guard_only(const char *device, struct frozen **frozen)
{
	int err;

	*frozen = xalloc(1, sizeof(**frozen));
	err = start_guard(*frozen, device);
	if (err)
		*frozen = NULL;
	else
		fail_hold();
	return err;
}

json_t *frozen_json(const struct frozen *frozen)
{
	json_t *mounts = json_array();

	for (struct mount *m = frozen ? frozen->mounts : NULL; m; m = m->next)
		json_array_append_new(mounts, json_string_or_null(m->path));
	return json_pack("{s:o, s:b}", "mounts", mounts, "suspended",
			 frozen && frozen->own);
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
	fail_release();
	return err;
}
