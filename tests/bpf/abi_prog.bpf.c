// SPDX-License-Identifier: GPL-2.0
/*
 * Programs of tests/progs/abi_prog.c, each loaded by itself. They are here and
 * not in raw instructions because they need BTF: timers, kernel structures,
 * functions that are verified by themselves or replaced.
 */
#include <linux/bpf.h>
#include <linux/blk_interposer.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

/* The signatures are given, whether or not a program needs them. */
#pragma clang diagnostic ignored "-Wunused-parameter"

char LICENSE[] SEC("license") = "GPL";

struct bvec_iter {
	__u64 bi_sector;
	unsigned int bi_size;
} __attribute__((preserve_access_index));

struct bio {
	struct bvec_iter bi_iter;
	unsigned short bi_ioprio;
} __attribute__((preserve_access_index));

struct bpf_bio_kern {
	struct bpf_bio uctx;
	struct bio *bio;
} __attribute__((preserve_access_index));

void *bpf_cast_to_kern_ctx(void *obj) __ksym;
__u64 bpf_bio_cgroup_id(struct bpf_bio *ctx) __ksym;
int bpf_bio_load_bytes(struct bpf_bio *ctx, __u32 offset, void *to,
		       __u32 to__sz) __ksym;
int bpf_bio_accept_partial(struct bpf_bio *ctx, __u32 nr_sectors) __ksym;

struct {
	__uint(type, BPF_MAP_TYPE_BLKDEV);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, struct bpf_blkdev_val);
} targets SEC(".maps");

struct timer_val {
	struct bpf_timer timer;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct timer_val);
} timers SEC(".maps");

struct locked_val {
	struct bpf_spin_lock lock;
	__u32 runs;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct locked_val);
} locks SEC(".maps");

/* What the programs have seen, and what they shall do. */
__u64 seen_sector, seen_size, seen_bio, seen_cgroup, seen_cookie;
__s64 seen_ret = -1;
__u32 seen_runs;
__u8 seen_bytes[64];
__u32 in_key, in_offset, in_accept;
__u64 in_flags;
__u32 in_calls = 1, in_second_key;

/* The bio behind the context, which a test run does not have. */
SEC("?blk/submit")
int kern_ctx(struct bpf_bio *ctx)
{
	struct bpf_bio_kern *kern = bpf_cast_to_kern_ctx(ctx);

	seen_bio = (__u64)kern->bio;
	seen_sector = kern->bio->bi_iter.bi_sector;
	seen_size = kern->bio->bi_iter.bi_size;
	seen_runs++;
	return BPF_BIO_PASS;
}

SEC("?blk/submit")
int cookie(struct bpf_bio *ctx)
{
	seen_cookie = bpf_get_attach_cookie(ctx);
	seen_cgroup = bpf_bio_cgroup_id(ctx);
	seen_runs++;
	return BPF_BIO_PASS;
}

SEC("?blk/submit")
int payload(struct bpf_bio *ctx)
{
	seen_ret = bpf_bio_load_bytes(ctx, in_offset, seen_bytes,
				      sizeof(seen_bytes));
	return BPF_BIO_PASS;
}

SEC("?blk/submit")
int partial(struct bpf_bio *ctx)
{
	seen_ret = bpf_bio_accept_partial(ctx, in_accept);
	return BPF_BIO_PASS;
}

/* Writes all it may, and gives a verdict that the test chooses. */
__u32 in_verdict;
__u64 in_sector;
__s32 in_error;
__u16 in_ioprio;
__u8 in_write_hint;

SEC("?blk/submit")
int write_all(struct bpf_bio *ctx)
{
	seen_runs++;
	seen_ret = ctx->error;
	ctx->sector = in_sector;
	ctx->error = in_error;
	ctx->ioprio = in_ioprio;
	ctx->write_hint = in_write_hint;
	return in_verdict & 3;
}

/* The last call counts. */
SEC("?blk/submit")
int redirect(struct bpf_bio *ctx)
{
	int ret = bpf_redirect_map(&targets, in_key, in_flags);

	if (in_calls > 1)
		ret = bpf_redirect_map(&targets, in_second_key, BPF_BIO_PASS);
	seen_ret = ret;
	return in_calls == 3 ? BPF_BIO_REDIRECT : ret;
}

/* The chosen target has a say in where the bio may be divided. */
SEC("?blk/submit")
int redirect_partial(struct bpf_bio *ctx)
{
	int ret = bpf_redirect_map(&targets, in_key, BPF_BIO_PASS);

	seen_ret = bpf_bio_accept_partial(ctx, in_accept);
	return ret;
}

SEC("?blk/submit")
int locked(struct bpf_bio *ctx)
{
	struct locked_val *val;
	__u32 zero = 0;

	val = bpf_map_lookup_elem(&locks, &zero);
	if (!val)
		return BPF_BIO_FAIL;
	bpf_spin_lock(&val->lock);
	seen_runs = ++val->runs;
	bpf_spin_unlock(&val->lock);
	return BPF_BIO_PASS;
}

/* Choosing a target and then something else has no effect. */
SEC("?blk/submit")
int redirect_then_pass(struct bpf_bio *ctx)
{
	seen_ret = bpf_redirect_map(&targets, in_key, BPF_BIO_PASS);
	return BPF_BIO_PASS;
}

SEC("?blk/submit")
int redirect_nowhere(struct bpf_bio *ctx)
{
	return BPF_BIO_REDIRECT;
}

static int redirect_cb(void *map, __u32 *key, struct timer_val *val)
{
	seen_ret = bpf_redirect_map(&targets, 0, 0);
	seen_runs++;
	return 0;
}

static __always_inline int start_timer(void *callback)
{
	struct timer_val *val;
	__u32 zero = 0;

	val = bpf_map_lookup_elem(&timers, &zero);
	if (!val)
		return -1;
	bpf_timer_init(&val->timer, &timers, 1 /* CLOCK_MONOTONIC */);
	bpf_timer_set_callback(&val->timer, callback);
	return bpf_timer_start(&val->timer, 1000000, 0);
}

SEC("?blk/submit")
int timer_redirect(struct bpf_bio *ctx)
{
	start_timer(redirect_cb);
	return BPF_BIO_PASS;
}

/* Verified by itself, without knowing who calls it. */
__noinline int global_redirect(__u32 key)
{
	return bpf_redirect_map(&targets, key, BPF_BIO_DONE);
}

static int global_cb(void *map, __u32 *key, struct timer_val *val)
{
	seen_ret = global_redirect(0);
	seen_runs++;
	return 0;
}

SEC("?blk/submit")
int timer_global(struct bpf_bio *ctx)
{
	start_timer(global_cb);
	return BPF_BIO_PASS;
}

SEC("?blk/submit")
int call_global(struct bpf_bio *ctx)
{
	int ret = global_redirect(in_key);

	seen_ret = ret;
	return ret == BPF_BIO_REDIRECT ? BPF_BIO_REDIRECT : BPF_BIO_PASS;
}

/* Attempts to have the context, read-only fields included, as memory. */
SEC("?blk/submit")
int memory_kfunc(struct bpf_bio *ctx)
{
	bpf_bio_load_bytes(ctx, 0, (void *)ctx, 35);
	return BPF_BIO_PASS;
}

struct memory {
	char bytes[35];
};

__noinline int fill(struct memory *mem)
{
	if (!mem)
		return 0;
	mem->bytes[8] = 1;
	return 0;
}

SEC("?blk/submit")
int memory_global(struct bpf_bio *ctx)
{
	fill((struct memory *)ctx);
	return BPF_BIO_PASS;
}
