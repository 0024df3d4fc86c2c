/* SPDX-License-Identifier: GPL-2.0 */
/* Configuration, events and counters of the protect policy. */
#ifndef __PROTECT_H
#define __PROTECT_H

#include <linux/types.h>

#define PROTECT_MAX_RANGES 1024
#define PROTECT_COMM_LEN 16

/* Sectors from first to last, both included. */
struct protect_range {
	__u64 first;
	__u64 last;
};

/* One refusal, as it is found in the ring buffer `events`. */
struct protect_event {
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u64 cgroup_id; /* of the bio */
	__u64 sector; /* of the part that was refused */
	__u32 nr_sectors;
	__u32 op; /* enum bpf_bio_op */
	__u32 flags; /* enum bpf_bio_flags */
	__u32 dev; /* that the policy is attached to, as st_rdev */
	__u32 partno; /* that the bio was submitted to */
	__u32 pid; /* of the submitter, which for writeback is a kworker */
	__u32 tid;
	__s32 error; /* that the bio failed with */
	char comm[PROTECT_COMM_LEN];
};

/* Keys of the per-CPU array `counters`, whose values are __u64. */
enum protect_counter {
	PROTECT_REFUSED = 0, /* bios, or parts of bios, that were refused */
	PROTECT_LOST = 1, /* events that found the ring buffer full */
	PROTECT_NR_COUNTERS
};

#endif /* __PROTECT_H */
