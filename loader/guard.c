// SPDX-License-Identifier: GPL-2.0
/*
 * The process that thaws, and resumes, what another one has frozen or suspended
 * when that is gone, killed or not: what is left frozen hangs whoever writes there.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bioctl.h"
#include "freeze.h"
#include "memory.h"

#define WATCH_MS 200

/* In one cut there are several. */
static struct frozen *last_frozen;

/* The last first: it may be what the others are stacked on. */
int resume_all(const struct frozen *frozen)
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

/* It thaws and resumes what is left, and is gone on return. */
void end_guard(struct frozen *frozen)
{
	struct frozen **at = &last_frozen;

	if (frozen->tie >= 0)
		close(frozen->tie);
	if (frozen->guard > 0)
		waitpid(frozen->guard, NULL, 0);
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

int start_guard(struct frozen *frozen, const char *device)
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
	frozen->tie = -1;
	begin(frozen);
	err = fork_guard(frozen);
	if (!err)
		return BIOCTL_OK;
	end_guard(frozen);
	return failed(.op = OP_FREEZE, .device = device, .err = err);
}
