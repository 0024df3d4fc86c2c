// SPDX-License-Identifier: GPL-2.0
/*
 * BPF_PROG_TYPE_BLK_INTERPOSER: what its programs may access and call.
 *
 * struct bpf_bio is the first member of struct bpf_bio_kern, so that what a
 * program reads needs no rewriting. Behind each write we put another one that
 * says so: a bio that all programs let pass as it is costs one look at that.
 */
#include <linux/bio.h>
#include <linux/blk-cgroup.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/cgroup.h>
#include <linux/filter.h>
#include <linux/highmem.h>
#include <linux/blk_interposer.h>
#include "../../block/blk-cgroup.h"
#include "../../block/interposer/interposer.h"

static bool blk_interposer_is_valid_access(int off, int size,
					   enum bpf_access_type type,
					   const struct bpf_prog *prog,
					   struct bpf_insn_access_aux *info)
{
	int first = off, last = off + size - 1;

	if (off < 0 || off + size > offsetof(struct bpf_bio, reserved) ||
	    off % size)
		return false;
	if (type == BPF_READ) {
		/* Loaded from elsewhere, so the verifier cuts out a part. */
		if (first >= (int)offsetof(struct bpf_bio, dev) &&
		    first < (int)offsetofend(struct bpf_bio, dev))
			info->ctx_field_size = sizeof_field(struct bpf_bio, dev);
		return true;
	}

	/* Whole fields only: half a sector number means nothing. */
	switch (first) {
	case offsetof(struct bpf_bio, sector):
		return last == offsetofend(struct bpf_bio, sector) - 1;
	case offsetof(struct bpf_bio, error):
		return last == offsetofend(struct bpf_bio, error) - 1;
	case offsetof(struct bpf_bio, ioprio):
		return last == offsetofend(struct bpf_bio, ioprio) - 1;
	case offsetof(struct bpf_bio, write_hint):
		return last == offsetofend(struct bpf_bio, write_hint) - 1;
	default:
		return false;
	}
}

BPF_CALL_3(bpf_blk_redirect_map, struct bpf_map *, map, u64, key, u64, flags)
{
	return map->ops->map_redirect(map, key, flags);
}

static const struct bpf_func_proto bpf_blk_redirect_map_proto = {
	.func		= bpf_blk_redirect_map,
	.gpl_only	= false,
	.ret_type	= RET_INTEGER,
	.arg1_type	= ARG_CONST_MAP_PTR,
	.arg2_type	= ARG_ANYTHING,
	.arg3_type	= ARG_ANYTHING,
};

BPF_CALL_1(bpf_blk_get_attach_cookie, struct bpf_bio_kern *, ctx)
{
	return ctx->slot->cookie;
}

static const struct bpf_func_proto bpf_blk_get_attach_cookie_proto = {
	.func		= bpf_blk_get_attach_cookie,
	.gpl_only	= false,
	.ret_type	= RET_INTEGER,
	.arg1_type	= ARG_PTR_TO_CTX,
};

static const struct bpf_func_proto *
blk_interposer_func_proto(enum bpf_func_id func_id,
			  const struct bpf_prog *prog)
{
	switch (func_id) {
	case BPF_FUNC_redirect_map:
		return &bpf_blk_redirect_map_proto;
	case BPF_FUNC_tail_call:
		/*
		 * The device maps of a program called like that would be out
		 * of sight of the check that no target stacks on the source.
		 * A device takes 63 programs instead.
		 */
		return NULL;
	case BPF_FUNC_get_attach_cookie:
		return &bpf_blk_get_attach_cookie_proto;
	case BPF_FUNC_get_current_pid_tgid:
		return &bpf_get_current_pid_tgid_proto;
	case BPF_FUNC_get_current_uid_gid:
		return &bpf_get_current_uid_gid_proto;
	case BPF_FUNC_get_current_comm:
		return &bpf_get_current_comm_proto;
#ifdef CONFIG_CGROUPS
	case BPF_FUNC_get_current_cgroup_id:
		return &bpf_get_current_cgroup_id_proto;
	case BPF_FUNC_get_current_ancestor_cgroup_id:
		return &bpf_get_current_ancestor_cgroup_id_proto;
#endif
	default:
		return bpf_base_func_proto(func_id, prog);
	}
}

/*
 * Most reads need no conversion. But without this function the verifier would
 * take the context for plain memory where a kfunc or a global function wants
 * some, and look at the last byte only to see whether it may be written.
 */
static u32 blk_interposer_convert_ctx_access(enum bpf_access_type type,
					     const struct bpf_insn *si,
					     struct bpf_insn *insn_buf,
					     struct bpf_prog *prog,
					     u32 *target_size)
{
	int touched;

	if (type == BPF_READ && si->off == offsetof(struct bpf_bio, dev)) {
		insn_buf[0] = BPF_LDX_MEM(BPF_FIELD_SIZEOF(struct bpf_bio_kern,
							   slot),
					  si->dst_reg, si->src_reg,
					  offsetof(struct bpf_bio_kern, slot));
		insn_buf[1] = BPF_LDX_MEM(BPF_W, si->dst_reg, si->dst_reg,
					  offsetof(struct blk_interposer_slot,
						   dev));
		*target_size = sizeof_field(struct bpf_bio, dev);
		return 2;
	}
	/* Both fields at once: put the one where it belongs before. */
	if (type == BPF_READ && si->off == offsetof(struct bpf_bio, flags) &&
	    BPF_SIZE(si->code) == BPF_DW) {
		insn_buf[0] = BPF_LDX_MEM(BPF_FIELD_SIZEOF(struct bpf_bio_kern,
							   slot),
					  BPF_REG_AX, si->src_reg,
					  offsetof(struct bpf_bio_kern, slot));
		insn_buf[1] = BPF_LDX_MEM(BPF_W, BPF_REG_AX, BPF_REG_AX,
					  offsetof(struct blk_interposer_slot,
						   dev));
		insn_buf[2] = BPF_STX_MEM(BPF_W, si->src_reg, BPF_REG_AX,
					  offsetof(struct bpf_bio_kern,
						   uctx.dev));
		insn_buf[3] = *si;
		return 4;
	}
	insn_buf[0] = *si;
	if (type == BPF_READ)
		return 1;
	touched = si->off == offsetof(struct bpf_bio, sector) ?
		  offsetof(struct bpf_bio_kern, touched.sector) :
		  offsetof(struct bpf_bio_kern, touched.other);
	insn_buf[1] = BPF_ST_MEM(BPF_B, si->dst_reg, touched, 1);
	return 2;
}

const struct bpf_verifier_ops blk_interposer_verifier_ops = {
	.get_func_proto		= blk_interposer_func_proto,
	.is_valid_access	= blk_interposer_is_valid_access,
	.convert_ctx_access	= blk_interposer_convert_ctx_access,
};

const struct bpf_prog_ops blk_interposer_prog_ops = {
	.test_run		= bpf_prog_test_run_blk_interposer,
};

static struct bpf_bio_kern *bpf_bio_kern(struct bpf_bio *ctx)
{
	return container_of(ctx, struct bpf_bio_kern, uctx);
}

__bpf_kfunc_start_defs();

/**
 * bpf_bio_accept_partial - limit the verdict to the first sectors of the bio
 * @ctx: context of the program
 * @nr_sectors: how many; less than ctx->nr_sectors, which is set to it
 *
 * Later programs of the chain see a bio of that length. The rest of it, from
 * its original sector plus @nr_sectors, meets the same chain from its start.
 *
 * Return: 0. -EINVAL, and nothing has changed: 0 or not less than the bio; not
 * a multiple of the logical block size, also of a target that was chosen
 * before, of the integrity interval or the crypt data unit; a flush, zone
 * management, zone append or atomic write.
 */
__bpf_kfunc int bpf_bio_accept_partial(struct bpf_bio *ctx, u32 nr_sectors)
{
	struct bpf_bio_kern *kern = bpf_bio_kern(ctx);
	u32 unit = kern->bio ? blk_interposer_split_unit(kern->bio) :
			       kern->block_sectors;

	if (!nr_sectors || nr_sectors >= ctx->nr_sectors || !unit ||
	    nr_sectors & (unit - 1))
		return -EINVAL;
	if (kern->touched.called & BPF_BIO_ASKED_TARGET && kern->target &&
	    !blk_interposer_fits(kern->target, nr_sectors))
		return -EINVAL;
	ctx->nr_sectors = nr_sectors;
	kern->touched.called |= BPF_BIO_ACCEPTED;
	return 0;
}

static void bpf_bio_copy_data(struct bio *bio, u32 offset, void *to, u32 len)
{
	struct bvec_iter iter;
	struct bio_vec bv;

	bio_for_each_segment(bv, bio, iter) {
		u32 part;

		if (offset >= bv.bv_len) {
			offset -= bv.bv_len;
			continue;
		}
		part = min(bv.bv_len - offset, len);
		memcpy_from_page(to, bv.bv_page, bv.bv_offset + offset, part);
		to += part;
		len -= part;
		offset = 0;
		if (!len)
			break;
	}
}

/**
 * bpf_bio_load_bytes - read the payload of a write
 * @ctx: context of the program
 * @offset: bytes from the start of the bio
 * @to: where the bytes go
 * @to__sz: how many
 *
 * What another CPU changes in the pages meanwhile is not seen or seen in part,
 * as the device itself would see it.
 *
 * Return: 0; -EINVAL: the bio is not a write with data; -ERANGE: beyond its
 * end. @to is zeroed then.
 */
__bpf_kfunc int bpf_bio_load_bytes(struct bpf_bio *ctx, u32 offset, void *to,
				   u32 to__sz)
{
	struct bpf_bio_kern *kern = bpf_bio_kern(ctx);
	u64 len = (u64)ctx->nr_sectors << SECTOR_SHIFT;

	if (!kern->bio)
		len = min_t(u64, len, kern->data_len);
	if ((ctx->op != BPF_BIO_OP_WRITE && ctx->op != BPF_BIO_OP_ZONE_APPEND) ||
	    !len) {
		memset(to, 0, to__sz);
		return -EINVAL;
	}
	if ((u64)offset + to__sz > len) {
		memset(to, 0, to__sz);
		return -ERANGE;
	}
	if (kern->bio)
		bpf_bio_copy_data(kern->bio, offset, to, to__sz);
	else
		memcpy(to, kern->data + offset, to__sz);
	return 0;
}

/**
 * bpf_bio_cgroup_id - cgroup that the bio is charged to
 * @ctx: context of the program
 *
 * That is the nearest ancestor with the io controller of the cgroup that
 * dirtied the page or issued the I/O. Threads of filesystems and workqueues
 * may submit for everybody and answer with the root: a guard must not take
 * that for permission.
 *
 * Return: its id, as of bpf_get_current_cgroup_id(); in a test run that of the
 * caller; 0 if the kernel has no cgroups for block devices.
 */
__bpf_kfunc u64 bpf_bio_cgroup_id(struct bpf_bio *ctx)
{
	struct bpf_bio_kern *kern = bpf_bio_kern(ctx);
	u64 id = 0;

#ifdef CONFIG_BLK_CGROUP
	rcu_read_lock();
	if (!kern->bio)
		id = cgroup_id(task_dfl_cgroup(current));
	else if (kern->bio->bi_blkg)
		id = cgroup_id(kern->bio->bi_blkg->blkcg->css.cgroup);
	rcu_read_unlock();
#endif
	return id;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(blk_interposer_kfunc_ids)
BTF_ID_FLAGS(func, bpf_bio_accept_partial)
BTF_ID_FLAGS(func, bpf_bio_load_bytes)
BTF_ID_FLAGS(func, bpf_bio_cgroup_id)
BTF_KFUNCS_END(blk_interposer_kfunc_ids)

static const struct btf_kfunc_id_set blk_interposer_kfunc_set = {
	.owner	= THIS_MODULE,
	.set	= &blk_interposer_kfunc_ids,
};

static int __init blk_interposer_kfunc_init(void)
{
	return register_btf_kfunc_id_set(BPF_PROG_TYPE_BLK_INTERPOSER,
					 &blk_interposer_kfunc_set);
}
late_initcall(blk_interposer_kfunc_init);
