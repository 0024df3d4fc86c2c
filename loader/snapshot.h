/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BIOCTL_SNAPSHOT_H
#define BIOCTL_SNAPSHOT_H

#include "bioctl.h"

/* Name of the attachment whose stack keeps the old blocks of a device */
#define SNAPSHOT_STACK "snapshot"
#define SNAPSHOT_UUID "BIOCTL-SNAP-"

/* store.c */
/*
 * The device to keep old blocks in: @store itself, or a loop device that goes
 * with its last user, on a file, which is made with @megabytes if it is not there.
 * @origin must not be what the file is on. NULL after a report.
 */
char *store_open(const char *store, dev_t origin, unsigned long long megabytes,
		 bool force, int *fd);
/* Is nobody using it, and nothing on it? Reports if not. */
int store_check(const char *store, bool force);

#endif /* BIOCTL_SNAPSHOT_H */
