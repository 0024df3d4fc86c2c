// SPDX-License-Identifier: GPL-2.0
/* A program of another type, which no block device takes. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

SEC("socket")
int tools_socket(struct __sk_buff *skb)
{
	(void)skb;
	return 0;
}
