// SPDX-License-Identifier: GPL-2.0
/*
 * first: the first sectors of a device are read-only; README.md's example.
 *
 * What it does: fails every operation below sector `keep` but reads and
 * flushes.
 *
 * What it shows: how little a policy needs, a read-only global as its
 * setting, and that what it does not know is a change.
 *
 * What it does not do: it looks at the first sector of a bio only. A range
 * that begins elsewhere would be open to a bio that reaches into it, and a
 * bio that reaches out of this one fails whole. It tells nobody whom it
 * refused. protect does all that.
 *
 *	keep		how many sectors, from the first
 */
#include <linux/bpf.h>
#include <linux/blk_interposer.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";
const volatile __u64 keep = 64;

SEC("blk/submit")
int first(struct bpf_bio *bio)
{
	if (bio->op == BPF_BIO_OP_READ || bio->op == BPF_BIO_OP_FLUSH)
		return BPF_BIO_PASS;
	return bio->sector < keep ? BPF_BIO_FAIL : BPF_BIO_PASS;
}
