// SPDX-License-Identifier: GPL-2.0
/*
 * BPF_PROG_TEST_RUN for BPF_PROG_TYPE_BLK_INTERPOSER: a policy is asked about
 * a bio that is only described.
 */
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/sched/signal.h>
#include <linux/timekeeping.h>
#include "../../block/interposer/interposer.h"

#define BLK_TEST_RUN_DATA_MAX	SZ_1M

static int blk_test_run_check(const struct bpf_bio *ctx)
{
	if (!ctx->op || ctx->op > BPF_BIO_OP_MAX)
		return -EINVAL;
	/* Only a flush has no sectors, and it has none. */
	if (ctx->op == BPF_BIO_OP_FLUSH ? ctx->nr_sectors : !ctx->nr_sectors)
		return -EINVAL;
	if (ctx->nr_sectors > BIO_MAX_SECTORS ||
	    ctx->flags & ~BPF_BIO_F_ALL ||
	    memchr_inv(ctx->reserved, 0, sizeof(ctx->reserved)))
		return -EINVAL;
	return 0;
}

/* As blk_interposer_split_unit() for a device with blocks of one sector. */
static u32 blk_test_run_split_unit(const struct bpf_bio *ctx)
{
	switch (ctx->op) {
	case BPF_BIO_OP_READ:
	case BPF_BIO_OP_WRITE:
	case BPF_BIO_OP_DISCARD:
	case BPF_BIO_OP_SECURE_ERASE:
	case BPF_BIO_OP_WRITE_ZEROES:
		return ctx->flags & BPF_BIO_F_ATOMIC ? 0 : 1;
	default:
		return 0;
	}
}

static int blk_test_run_ctx_in(const union bpf_attr *kattr,
			       struct bpf_bio_kern *kern)
{
	void __user *in = u64_to_user_ptr(kattr->test.ctx_in);
	u32 size = kattr->test.ctx_size_in;
	int ret;

	if (!in)
		return -EINVAL;
	ret = bpf_check_uarg_tail_zero(USER_BPFPTR(in), sizeof(kern->uctx),
				       size);
	if (ret)
		return ret;
	size = min_t(u32, size, sizeof(kern->uctx));
	if (copy_from_user(&kern->uctx, in, size))
		return -EFAULT;
	return blk_test_run_check(&kern->uctx);
}

static int blk_test_run_ctx_out(const union bpf_attr *kattr,
				union bpf_attr __user *uattr,
				const struct bpf_bio *ctx)
{
	void __user *out = u64_to_user_ptr(kattr->test.ctx_out);
	u32 len = min_t(u32, kattr->test.ctx_size_out, sizeof(*ctx));
	u32 size = sizeof(*ctx);

	if (!out)
		return 0;
	if (copy_to_user(out, ctx, len) ||
	    copy_to_user(&uattr->test.ctx_size_out, &size, sizeof(size)))
		return -EFAULT;
	return len < size ? -ENOSPC : 0;
}

static void *blk_test_run_data(const union bpf_attr *kattr,
			       const struct bpf_bio *ctx)
{
	u32 size = kattr->test.data_size_in;

	if (!size)
		return NULL;
	if (ctx->op != BPF_BIO_OP_WRITE && ctx->op != BPF_BIO_OP_ZONE_APPEND)
		return ERR_PTR(-EINVAL);
	if (size > BLK_TEST_RUN_DATA_MAX)
		return ERR_PTR(-E2BIG);
	if (size > (u64)ctx->nr_sectors << SECTOR_SHIFT)
		return ERR_PTR(-EINVAL);
	return vmemdup_user(u64_to_user_ptr(kattr->test.data_in), size);
}

/* One run, with everything a run on a device has but the bio. */
static u32 blk_test_run_once(struct bpf_prog *prog, struct bpf_bio_kern *kern)
{
	struct bpf_run_ctx *old_run_ctx;
	u32 verdict;

	rcu_read_lock();
	migrate_disable();
	old_run_ctx = bpf_set_run_ctx(&kern->run_ctx);
	kern->target = NULL;
	verdict = bpf_prog_run(prog, kern);
	if (verdict == BPF_BIO_REDIRECT && kern->target)
		kern->uctx.dev = kern->target->val.fd_or_dev;
	bpf_reset_run_ctx(old_run_ctx);
	migrate_enable();
	rcu_read_unlock();
	return verdict;
}

static int blk_test_run_repeat(struct bpf_prog *prog,
			       const union bpf_attr *kattr,
			       struct bpf_bio_kern *kern, u32 *verdict,
			       u32 *duration)
{
	u32 i, repeat = max(kattr->test.repeat, 1U);
	struct bpf_bio uctx = kern->uctx;
	u64 start = ktime_get_ns();

	for (i = 0; i < repeat; i++) {
		kern->uctx = uctx;
		kern->touched.any = 0;
		*verdict = blk_test_run_once(prog, kern);
		if (signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	*duration = min_t(u64, div_u64(ktime_get_ns() - start, repeat),
			  U32_MAX);
	return 0;
}

/**
 * bpf_prog_test_run_blk_interposer - run a program on a described bio
 * @prog: the program
 * @kattr: ctx_in is a struct bpf_bio; data_in the payload of a write; ctx_out
 *	takes the bio as the verdict leaves it: nr_sectors is what was accepted,
 *	dev the target after BPF_BIO_REDIRECT
 * @uattr: where the answer goes
 *
 * Context: may sleep.
 * Return: 0; -EINVAL: no context, no such operation, a length that does not
 * go with the operation, unknown flags, reserved bytes that are not zero,
 * payload for something else than a write or longer than it, or options that
 * mean nothing here; -E2BIG: a longer context with more than zeroes, or more
 * than 1 MiB of payload; -ENOSPC: ctx_out is too short and holds the first
 * part; -EINTR, -ENOMEM, -EFAULT.
 */
int bpf_prog_test_run_blk_interposer(struct bpf_prog *prog,
				     const union bpf_attr *kattr,
				     union bpf_attr __user *uattr)
{
	struct blk_interposer_slot slot = {};
	struct bpf_bio_kern kern = { .slot = &slot };
	u32 verdict = 0, duration = 0;
	void *data;
	int ret;

	if (kattr->test.flags || kattr->test.cpu || kattr->test.batch_size ||
	    kattr->test.data_out || kattr->test.data_size_out)
		return -EINVAL;
	ret = blk_test_run_ctx_in(kattr, &kern);
	if (ret)
		return ret;
	data = blk_test_run_data(kattr, &kern.uctx);
	if (IS_ERR(data))
		return PTR_ERR(data);
	slot.dev = kern.uctx.dev;
	kern.data = data;
	kern.data_len = data ? kattr->test.data_size_in : 0;
	kern.block_sectors = blk_test_run_split_unit(&kern.uctx);

	ret = blk_test_run_repeat(prog, kattr, &kern, &verdict, &duration);
	kern.touched.any = 0;
	kvfree(data);
	if (ret)
		return ret;
	if (copy_to_user(&uattr->test.retval, &verdict, sizeof(verdict)) ||
	    copy_to_user(&uattr->test.duration, &duration, sizeof(duration)))
		return -EFAULT;
	return blk_test_run_ctx_out(kattr, uattr, &kern.uctx);
}
