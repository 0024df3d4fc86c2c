/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BIOCTL_SNAPSHOT_H
#define BIOCTL_SNAPSHOT_H

#include "bioctl.h"

/* Name of the attachment whose stack keeps the old blocks of a device */
#define SNAPSHOT_STACK "snapshot"
#define SNAPSHOT_UUID "BIOCTL-SNAP-"

struct snapshot_args {
	const char *verb;
	char **devices;
	unsigned int nr_devices;
	char **stores;
	unsigned int nr_stores;
	const char *name;
	unsigned long long size;
	unsigned long long chunk;
	bool force;
};

/* snapshot_list.c */
int snapshot_list(const struct snapshot_args *args);
struct stack;
unsigned int snapshots_of(const struct stack *stack);
bool snapshots_rest_on(const struct stack *stack, dev_t base);

/* store.c */
/* Do two paths lead to the same file or device? */
bool same_file(const char *a, const char *b);
/*
 * The device to keep old blocks in: @store itself, or a loop device that goes
 * with its last user, on a file, which is made with @megabytes if it is not there.
 * NULL after a report.
 */
char *store_open(const char *store, unsigned long long megabytes, bool force,
		 int *fd);
/* None of @origins may be what it is on. Return: 0, or -1 after a report. */
int store_check_place(const char *store, const dev_t *origins, unsigned int nr);
/* Is nobody using it, and nothing on it? Reports if not. */
int store_check(const char *store, bool force);

#endif /* BIOCTL_SNAPSHOT_H */
