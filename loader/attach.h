/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BIOCTL_ATTACH_H
#define BIOCTL_ATTACH_H

#include "bioctl.h"

struct attach_args {
	struct policy_args policy;
	struct place_args place;
	const char *device;
	const char *pin;
	bool transient;
	bool lower;
	__u64 cookie;
};

struct attachment {
	struct chain chain;
	struct policy policy;
	struct bpf_link *link;
	char *pin; /* directory in bpffs, NULL when transient */
	bool made; /* @pin is ours to remove on failure */
	dev_t lower; /* its lower device, 0 without one */
};

/* Attaches and pins, or reports and leaves nothing. Blocks signals. */
int attach_make(struct attachment *at, const struct attach_args *args);
void attach_end(struct attachment *at);

#endif /* BIOCTL_ATTACH_H */
