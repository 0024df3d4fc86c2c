// SPDX-License-Identifier: GPL-2.0
/* What one could use instead to see each bio; each does nothing. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

SEC("fentry/submit_bio_noacct")
int fentry(void *ctx)
{
	(void)ctx;
	return 0;
}

SEC("tp_btf/block_bio_queue")
int tp_btf(void *ctx)
{
	(void)ctx;
	return 0;
}

SEC("kprobe/submit_bio_noacct")
int kprobe(void *ctx)
{
	(void)ctx;
	return 0;
}

SEC("fmod_ret/should_fail_bio")
int fmod_ret(void *ctx)
{
	(void)ctx;
	return 0;
}
