/* SPDX-License-Identifier: GPL-2.0 */
/* What path_load.bpf.c and progs/path_load.c share. */
#ifndef __PATH_LOAD_H
#define __PATH_LOAD_H

#include <linux/types.h>

#define LOAD_MAX 65536

/**
 * struct load_state - the program's .bss
 * @offset: for bpf_bio_load_bytes()
 * @len: for bpf_bio_load_bytes()
 * @accept: sectors to accept before, 0 for all
 * @runs: how often the program ran
 * @result: of bpf_bio_load_bytes()
 * @data: what it gave
 */
struct load_state {
	__u32 offset;
	__u32 len;
	__u32 accept;
	__u32 runs;
	__s32 result;
	__u32 reserved;
	__u8 data[LOAD_MAX];
};

#endif /* __PATH_LOAD_H */
