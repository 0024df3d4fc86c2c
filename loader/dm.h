/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BIOCTL_DM_H
#define BIOCTL_DM_H

#include <stdbool.h>
#include <sys/types.h>

/* What fits in the kernel's struct dm_ioctl */
#define DM_NAME_MAX 127

/**
 * struct dm_state - a device of device mapper
 * @exists: there is one of that name
 * @uuid: its UUID
 * @dev: its number
 * @open: how many have it open
 * @live: it has a table
 * @loaded: another table waits for the next resume
 * @suspended: no I/O gets through
 * @events: how often a target has said that something happened; tables come and
 *	go, the number stays
 * @targets: lines of its table, "" if there is none
 * @status: lines of its status
 */
struct dm_state {
	bool exists;
	char *uuid;
	dev_t dev;
	int open;
	bool live;
	bool loaded;
	bool suspended;
	unsigned int events;
	char *targets;
	char *status;
};

/* These report what fails, and return 0 or BIOCTL_FAILED. */
int dm_find(const char *name, struct dm_state *state);
/* Without a table */
int dm_create(const char *name, const char *uuid);
int dm_make(const char *name, const char *uuid, const char *table, dev_t *dev);
/* In place of its table when it is resumed the next time */
int dm_load(const char *name, const char *table);
int dm_load_read_only(const char *name, const char *table);
/* Its table stays what it is. */
int dm_unload(const char *name);
int dm_remove(const char *name, unsigned int seconds);
int dm_message(const char *name, unsigned long long sector,
	       const char *message);
int dm_suspend(const char *name);
/* Without waiting for what hangs there: it goes on by the next table. */
int dm_suspend_hanging(const char *name);
int dm_resume(const char *name);
/* What somebody else made: udev treats it as ever. */
int dm_resume_foreign(const char *name);

/*
 * Between these this process does not wait for udev, which may need what is
 * suspended; then it waits for all at once.
 */
void dm_udev_hold(void);
void dm_udev_release(void);

/* Names of the devices whose UUID has that beginning; ends with NULL. */
char **dm_names(const char *uuid_prefix);

#endif /* BIOCTL_DM_H */
