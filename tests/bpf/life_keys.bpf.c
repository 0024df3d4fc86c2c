// SPDX-License-Identifier: GPL-2.0
/* Reads the counts of the static keys, which nothing shows to user space. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

extern const void blk_interposer_key __ksym;
extern const void blk_interposer_endio_key __ksym;

struct {
	int submit;
	int endio;
} keys;

/* struct static_key begins with its count. */
SEC("syscall")
int life_keys(void *ctx)
{
	(void)ctx;
	return bpf_probe_read_kernel(&keys.submit, sizeof(keys.submit),
				     &blk_interposer_key) ||
	       bpf_probe_read_kernel(&keys.endio, sizeof(keys.endio),
				     &blk_interposer_endio_key);
}
