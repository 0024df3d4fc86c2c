// SPDX-License-Identifier: GPL-2.0
/*
 * What keeps a policy alive when bioctl has ended: files in bpffs.
 *
 *	<bpffs>/bioctl/<device>/<attachment>/link
 *	<bpffs>/bioctl/<device>/<attachment>/maps/<map>
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/magic.h>
#include <mntent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "bioctl.h"

#define USUAL_BPFFS "/sys/fs/bpf"

static bool is_bpffs(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && fs.f_type == BPF_FS_MAGIC;
}

static char *mounted_bpffs(void)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	struct mntent *mount;
	char *path = NULL;

	if (!mounts)
		return NULL;
	while (!path && (mount = getmntent(mounts))) {
		if (!strcmp(mount->mnt_type, "bpf"))
			path = strf("%s", mount->mnt_dir);
	}
	endmntent(mounts);
	return path;
}

/* Where a bpffs is, NULL if there is none. */
const char *bpffs_root(void)
{
	static char *root;

	if (root)
		return root;
	if (is_bpffs(USUAL_BPFFS))
		return root = USUAL_BPFFS;
	return root = mounted_bpffs();
}

static int mount_bpffs(void)
{
	return mount("bpf", USUAL_BPFFS, "bpf",
		     MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700");
}

char *pin_default_dir(const char *device_key, const char *name)
{
	const char *root = bpffs_root();

	return root ? strf("%s/bioctl/%s/%s", root, device_key, name) : NULL;
}

static char *parent_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return strf("%.*s", slash ? (int)(slash - path) : 0, path);
}

/* A link that another tool pinned has no directory of its own. */
char *pin_dir_of_link(const char *link_path)
{
	const char *root = bpffs_root();
	char *dir;

	if (strcmp(base_name(link_path), BIOCTL_PIN_LINK))
		return NULL;
	dir = parent_of(link_path);
	/* Nobody's, whatever the link in it is called. */
	if (root && !strcmp(dir, root)) {
		free(dir);
		return NULL;
	}
	return dir;
}

char *pin_attachment_name(const char *link_path)
{
	char *dir = pin_dir_of_link(link_path);
	char *name = strf("%s", base_name(dir ? dir : link_path));

	free(dir);
	return name;
}

/*
 * Elsewhere directories could be made, but nothing could be pinned; in another
 * bpffs pin_scan() would not find it again.
 */
static bool is_in_bpffs(const char *dir)
{
	const char *root = bpffs_root();
	char *path = strf("%s", dir);
	bool inside;

	while (*path && access(path, F_OK))
		path = parent_of(path);
	path = realpath(*path ? path : "/", NULL);
	inside = path && root && is_bpffs(path) &&
		 !strncmp(path, root, strlen(root)) &&
		 (!path[strlen(root)] || path[strlen(root)] == '/');
	free(path);
	return inside;
}

/* *@made: the first that was not there, or NULL */
static int make_parents(const char *dir, mode_t mode, char **made)
{
	char *path = strf("%s", dir);
	int err = 0;

	*made = NULL;
	for (char *c = path + 1; !err && *c; c++) {
		if (*c != '/')
			continue;
		*c = '\0';
		if (!mkdir(path, mode))
			*made = *made ? *made : strf("%s", path);
		else if (errno != EEXIST && access(path, F_OK))
			err = -errno;
		*c = '/';
	}
	free(path);
	return err;
}

static void remove_parents(const char *dir, const char *made)
{
	char *path = parent_of(dir);

	while (made && strlen(path) >= strlen(made) && !rmdir(path))
		path = parent_of(path);
}

/* On the root of bpffs: the directory below it goes with the last attachment. */
static int lock_root(int how)
{
	const char *root = bpffs_root();
	int fd;

	if (!root && !mount_bpffs())
		root = bpffs_root();
	if (!root) {
		failed(.op = OP_PIN, .what = USUAL_BPFFS, .err = errno,
		       .cause = "there is no bpffs and none could be mounted",
		       .next = "mount -t bpf bpf " USUAL_BPFFS);
		return -1;
	}
	fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && flock(fd, how) && errno == EWOULDBLOCK) {
		close(fd);
		return PIN_LOCKED;
	}
	if (fd < 0 || flock(fd, how)) {
		failed(.op = OP_PIN, .what = root, .err = errno);
		return -1;
	}
	return fd;
}

/*
 * Two bioctls must not decide about one chain at once. The lock is held until
 * the process ends; -1 is returned after a report.
 */
int pin_lock(void)
{
	return lock_root(LOCK_EX);
}

/* The same, without waiting: PIN_LOCKED if another has it. */
int pin_try_lock(void)
{
	return lock_root(LOCK_EX | LOCK_NB);
}

int pin_make_dir(const char *dir)
{
	char *maps, *made;
	int err;

	if (!is_in_bpffs(dir))
		return -EINVAL;
	err = make_parents(dir, 0700, &made);
	if (!err && mkdir(dir, 0700))
		err = -errno;
	if (err) {
		remove_parents(dir, made);
		return err;
	}
	maps = strf("%s/" BIOCTL_PIN_MAPS, dir);
	if (mkdir(maps, 0700)) {
		err = -errno;
		rmdir(dir);
	}
	free(maps);
	return err;
}

static void empty_dir(const char *dir)
{
	struct dirent *file;
	DIR *stream;

	stream = opendir(dir);
	if (!stream)
		return;
	while ((file = readdir(stream))) {
		if (file->d_name[0] != '.')
			unlinkat(dirfd(stream), file->d_name, 0);
	}
	closedir(stream);
}

/* Maps that a program had which was replaced. */
void pin_forget_maps(const char *dir)
{
	char *maps = strf("%s/" BIOCTL_PIN_MAPS, dir);

	empty_dir(maps);
	free(maps);
}

/*
 * Removes what bioctl put there; a directory that still holds something else
 * stays, as do those above it that hold other attachments.
 */
void pin_remove_dir(const char *dir)
{
	const char *root = bpffs_root();
	char *maps = strf("%s/" BIOCTL_PIN_MAPS, dir);
	char *link = strf("%s/" BIOCTL_PIN_LINK, dir);
	char *ours = strf("%s/bioctl/", root ? root : "");
	char *parent = parent_of(dir);

	unlink(link);
	empty_dir(maps);
	rmdir(maps);
	rmdir(dir);
	/* Nothing above a --pin of the user's. */
	if (!strncmp(dir, ours, strlen(ours))) {
		rmdir(parent);
		rmdir(ours);
	}
	free(parent);
	free(ours);
	free(link);
	free(maps);
}

/* The file behind a bpf(2) descriptor says what it is. */
bool fd_is(int fd, const char *kind)
{
	char *path = strf("/proc/self/fd/%d", fd);
	char target[64];
	ssize_t len;

	len = readlink(path, target, sizeof(target) - 1);
	free(path);
	if (len < 0)
		return false;
	target[len] = '\0';
	return strstr(target, kind) != NULL;
}

static struct pinned_link *found;

static int visit(const char *path, const struct stat *st, int type,
		 struct FTW *ftw)
{
	struct pinned_link *pin;
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);
	int fd;

	(void)st;
	(void)ftw;
	if (type != FTW_F)
		return 0;
	fd = bpf_obj_get(path);
	if (fd < 0)
		return 0;
	if (fd_is(fd, "bpf-link") &&
	    !bpf_link_get_info_by_fd(fd, &info, &len)) {
		pin = xalloc(1, sizeof(*pin));
		pin->id = info.id;
		pin->path = strf("%s", path);
		pin->next = found;
		found = pin;
	}
	close(fd);
	return 0;
}

struct pinned_link *pin_scan(void)
{
	const char *root = bpffs_root();

	found = NULL;
	if (root)
		nftw(root, visit, 8, FTW_PHYS);
	return found;
}

void pin_free(struct pinned_link *pins)
{
	while (pins) {
		struct pinned_link *next = pins->next;

		free(pins->path);
		free(pins);
		pins = next;
	}
}

const char *pin_path_of(const struct pinned_link *pins, __u32 link_id)
{
	for (; pins; pins = pins->next) {
		if (pins->id == link_id)
			return pins->path;
	}
	return NULL;
}
