/* SPDX-License-Identifier: GPL-2.0 */
/* Maps of the count policy, for user space that reads them. */
#ifndef __COUNT_H
#define __COUNT_H

#include <linux/types.h>

#define COUNT_OPS 16 /* indexed by enum bpf_bio_op */
#define COUNT_FLAGS 32 /* indexed by bit number of enum bpf_bio_flags */
#define COUNT_CGROUPS 4096 /* pairs of cgroup and operation remembered */

struct count_value {
	__u64 bios;
	__u64 sectors;
};

struct count_cgroup_key {
	__u64 cgroup_id;
	__u32 op;
	__u32 reserved;
};

#endif /* __COUNT_H */
