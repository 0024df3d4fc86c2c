/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BIOCTL_TARGET_H
#define BIOCTL_TARGET_H

#include <stdbool.h>

#include <linux/types.h>

/* "[MAP:]KEY=DEVICE[:ro]"; a device's name may have colons of its own. */
struct target {
	char *map;
	unsigned long long key;
	char *device;
	bool read_only;
};

/* Without @device, "[MAP:]KEY" is what is expected. */
bool target_parse(struct target *target, const char *text, bool device);
bool target_is_map(int fd, const char *name);
int target_bad(const char *text, bool device);
int target_set(int map_fd, const struct target *target, __u64 flags,
	       const char *text, const char *device);

#endif /* BIOCTL_TARGET_H */
