/* SPDX-License-Identifier: GPL-2.0 */
/* Configuration of the redirect policy. */
#ifndef __REDIRECT_H
#define __REDIRECT_H

#include <linux/types.h>

#define REDIRECT_MAX_RANGES 64
#define REDIRECT_MAX_TARGETS 64

/*
 * Sectors [first, first + nr) go to the device in slot @key of the map
 * `targets`, beginning at its sector @target_first. An entry with nr == 0 is
 * not used.
 */
struct redirect_range {
	__u64 first;
	__u64 nr;
	__u64 target_first;
	__u32 key;
	__u32 reserved;
};

#endif /* __REDIRECT_H */
