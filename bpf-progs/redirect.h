/* SPDX-License-Identifier: GPL-2.0 */
/* Configuration of the redirect policy. */
#ifndef __REDIRECT_H
#define __REDIRECT_H

#include <linux/types.h>

#define REDIRECT_MAX_RANGES 64
#define REDIRECT_MAX_TARGETS 64

/*
 * Sectors from @first to @last, both included, go to the device in slot @key
 * of the map `targets`, beginning at its sector @target_first. bioctl takes
 * the members in this order: 2048-4095:0:1.
 */
struct redirect_range {
	__u64 first;
	__u64 last;
	__u64 target_first;
	__u32 key;
	__u32 reserved;
};

#endif /* __REDIRECT_H */
