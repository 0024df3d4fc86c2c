/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BIOCTL_FREEZE_H
#define BIOCTL_FREEZE_H

#include <stdbool.h>
#include <sys/types.h>

#include "dm.h"

struct mount {
	struct mount *next;
	char *path;
	dev_t dev; /* as in mountinfo */
	int fd;
	bool *frozen; /* shared with the guard */
	bool was_frozen; /* before */
};

#define MAX_SUSPENDED 32

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
	/* Called by the guard, now and then, while the first freezes, or thaws */
	void (*hangs)(void *arg);
	void *arg;
};

/* guard.c */
int start_guard(struct frozen *frozen, const char *device);
void end_guard(struct frozen *frozen);
int resume_all(const struct frozen *frozen);

#endif /* BIOCTL_FREEZE_H */
