/* SPDX-License-Identifier: GPL-2.0 */
/* What the rule program and those who fill its rules share. */
#ifndef __RULE_H
#define __RULE_H

#include <linux/types.h>

#define RULE_MAX 64
#define RULE_TARGETS 16
#define RULE_LOG_BYTES (2 << 20)

/**
 * enum rule_flags - bits of &struct rule.flags
 * @RULE_F_WHOLE: the verdict is for the whole of a bio that begins in the
 *	range; bios are not divided at the borders of this rule
 * @RULE_F_ACCEPT: call bpf_bio_accept_partial() with @accept, whatever it is
 * @RULE_F_BARE: do not call bpf_redirect_map() for REDIRECT
 * @RULE_F_CHOOSE: call bpf_redirect_map(), then return @verdict anyway
 * @RULE_F_SCRIBBLE: write rubbish to sector and error, whatever the verdict
 * @RULE_F_IOPRIO: set @ioprio
 * @RULE_F_HINT: set @write_hint
 */
enum rule_flags {
	RULE_F_WHOLE = 1 << 0,
	RULE_F_ACCEPT = 1 << 1,
	RULE_F_BARE = 1 << 2,
	RULE_F_CHOOSE = 1 << 3,
	RULE_F_SCRIBBLE = 1 << 4,
	RULE_F_IOPRIO = 1 << 5,
	RULE_F_HINT = 1 << 6,
};

/**
 * struct rule - what becomes of bios in a range; the first that fits counts
 * @first: first sector
 * @last: last sector
 * @offset: added to the sector with REMAP and REDIRECT
 * @ops: one bit for each enum bpf_bio_op; 0 stands for all but flushes
 * @verdict: enum bpf_bio_verdict
 * @key: slot of the device map for REDIRECT
 * @fallback: flags of bpf_redirect_map()
 * @error: negative errno for FAIL
 * @accept: at most that many sectors at once; 0: up to the border of the range
 * @flags: enum rule_flags
 * @ioprio: with RULE_F_IOPRIO
 * @write_hint: with RULE_F_HINT
 * @reserved: 0
 */
struct rule {
	__u64 first;
	__u64 last;
	__s64 offset;
	__u32 ops;
	__u32 verdict;
	__u32 key;
	__u32 fallback;
	__s32 error;
	__u32 accept;
	__u32 flags;
	__u16 ioprio;
	__u8 write_hint;
	__u8 reserved;
};

/**
 * struct rule_seen - one run of the program, in the ring buffer
 * @sector: as the program found it, and so on
 * @cgroup: bpf_bio_cgroup_id()
 * @verdict: what it returned
 * @accepted: result of bpf_bio_accept_partial(), 1 if it was not called
 * @nr_after: length of the bio at the end
 */
struct rule_seen {
	__u64 sector;
	__u64 cgroup;
	__u32 nr_sectors;
	__u32 op;
	__u32 flags;
	__u32 dev;
	__u32 partno;
	__s32 error;
	__u32 verdict;
	__s32 accepted;
	__u32 nr_after;
	__u32 pid;
	__u16 ioprio;
	__u8 write_hint;
	__u8 reserved[5];
};

/**
 * struct rule_state - the program's .bss
 * @rules: the first @nr_rules of them count
 * @nr_rules: may change while the program runs
 * @quiet: write no log
 * @lost: runs for which the log had no room
 * @bypass: pass everything, whatever the rules say
 */
struct rule_state {
	struct rule rules[RULE_MAX];
	__u32 nr_rules;
	__u32 quiet;
	__u64 lost;
	__u32 bypass;
	__u32 reserved;
};

#endif /* __RULE_H */
