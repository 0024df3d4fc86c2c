// SPDX-License-Identifier: GPL-2.0
/* A read-only global of every kind, for 'bioctl --set'. It is not attached. */
#include <linux/bpf.h>
#include <linux/blk_interposer.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

enum color {
	RED = 1,
	GREEN = 2,
	BLUE = 0x80000000,
};

struct range {
	__u64 first;
	__u64 last;
	__s32 weight;
};

struct bits {
	__u32 low : 4;
	__u32 high : 4;
};

const volatile __u8 byte = 1;
const volatile __s8 small = 1;
const volatile __u16 word = 1;
const volatile __s32 error = -5;
const volatile __u64 wide = 1;
const volatile __s64 deep = 1;
const volatile bool enabled = false;
const volatile char label[8] = "old";
const volatile enum color color = RED;
const volatile __u32 numbers[4] = { 1, 2, 3, 4 };
const volatile __u32 nr_numbers = 1;
const volatile struct range range = { 1, 2, 3 };
const volatile struct range ranges[4];
const volatile __u32 nr_ranges = 0;
const volatile struct bits bits = { 1, 2 };
const volatile void *const volatile pointer = 0;
static const volatile __u32 hidden = 7;
__u32 writable = 3;

SEC("blk/submit")
int globals(struct bpf_bio *ctx)
{
	__u64 sum = byte + small + word + error + wide + deep + enabled +
		    label[0] + color + numbers[0] + nr_numbers + range.first +
		    ranges[0].first + nr_ranges + bits.low + hidden + writable +
		    (__u64)pointer;

	return sum == ctx->sector ? BPF_BIO_FAIL : BPF_BIO_PASS;
}

SEC("blk/submit")
int globals_other(struct bpf_bio *ctx)
{
	(void)ctx;
	return BPF_BIO_PASS;
}
