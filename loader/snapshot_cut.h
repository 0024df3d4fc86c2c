/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BIOCTL_SNAPSHOT_CUT_H
#define BIOCTL_SNAPSHOT_CUT_H

#include "snapshot.h"
#include "stack.h"

/**
 * struct cut - one device of which a snapshot is made
 * @stack: its stack
 * @fresh: that was made for this snapshot
 * @dm: its name in device mapper
 * @store: device for its blocks
 * @store_fd: of that, until dm has it open
 * @store_is_new: the file for it was not there before
 * @frozen: while it stands still
 * @order: in which it is made to stand still, from 1
 * @made: the device of the snapshot is there
 */
struct cut {
	struct stack stack;
	bool fresh;
	char *dm;
	char *store;
	int store_fd;
	bool store_is_new;
	struct frozen *frozen;
	unsigned int order;
	bool made;
};

int cut_all(struct cut *cuts, const struct snapshot_args *args);

/* The snapshot of that name: its UUID in device mapper */
char *snapshot_uuid(const struct stack *stack, const char *name);

#endif /* BIOCTL_SNAPSHOT_CUT_H */
