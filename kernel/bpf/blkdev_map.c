// SPDX-License-Identifier: GPL-2.0
/*
 * BPF_MAP_TYPE_BLKDEV: an array of block devices that bios can be redirected
 * to with bpf_redirect_map().
 *
 * User space gives open file descriptors; the map keeps the files open, with
 * the mode they were opened with. How long a device stays open after its slot
 * was overwritten or deleted is a matter of block/interposer/target.c: until
 * the last bio that was redirected to it has ended.
 *
 * Races: programs read a slot under RCU and take a reference to the counter of
 * bios in flight there. An update exchanges the slot, so each bio sees the old
 * or the new device, and lets go of the old one after a grace period. Slots
 * are not touched when a device is removed: its bios fail until user space
 * takes it out.
 */
#include <linux/bpf.h>
#include <linux/btf_ids.h>
#include <linux/capability.h>
#include <linux/file.h>
#include "../../block/interposer/interposer.h"

#define BLKDEV_MAP_MAX_ENTRIES	65536

struct blkdev_map {
	struct bpf_map map;
	struct blk_interposer_target __rcu *slots[];
};

static struct blkdev_map *to_blkdev_map(struct bpf_map *map)
{
	return container_of(map, struct blkdev_map, map);
}

/* For those who change slots, or keep them from changing. */
static struct blk_interposer_target *blkdev_map_slot(struct blkdev_map *bmap,
						     u32 index)
{
	return rcu_dereference_protected(bmap->slots[index],
					 lockdep_is_held(&blk_interposer_topology_lock));
}

static int blkdev_map_alloc_check(union bpf_attr *attr)
{
	if (!attr->max_entries || attr->key_size != sizeof(u32) ||
	    attr->value_size != sizeof(struct bpf_blkdev_val) ||
	    attr->map_flags & ~BPF_F_NUMA_NODE)
		return -EINVAL;
	if (attr->max_entries > BLKDEV_MAP_MAX_ENTRIES)
		return -E2BIG;
	return 0;
}

static struct bpf_map *blkdev_map_alloc(union bpf_attr *attr)
{
	struct blkdev_map *bmap;

	bmap = bpf_map_area_alloc(struct_size(bmap, slots, attr->max_entries),
				  bpf_map_attr_numa_node(attr));
	if (!bmap)
		return ERR_PTR(-ENOMEM);
	bpf_map_init_from_attr(&bmap->map, attr);
	return &bmap->map;
}

static void blkdev_map_free(struct bpf_map *map)
{
	struct blkdev_map *bmap = to_blkdev_map(map);
	u32 i;

	/* Programs that used the map are gone, but not those who ran last. */
	synchronize_rcu();
	for (i = 0; i < map->max_entries; i++) {
		struct blk_interposer_target *target =
			rcu_dereference_raw(bmap->slots[i]);

		if (target)
			blk_interposer_target_close(target);
	}
	bpf_map_area_free(bmap);
}

static int blkdev_map_get_next_key(struct bpf_map *map, void *key,
				   void *next_key)
{
	u32 index = key ? *(u32 *)key : U32_MAX;
	u32 *next = next_key;

	if (index >= map->max_entries) {
		*next = 0;
		return 0;
	}
	if (index == map->max_entries - 1)
		return -ENOENT;
	*next = index + 1;
	return 0;
}

/* For bpf(2) only: a program gets no pointer into a target. */
static void *blkdev_map_lookup_sys(struct bpf_map *map, void *key)
{
	struct blkdev_map *bmap = to_blkdev_map(map);
	struct blk_interposer_target *target;
	u32 index = *(u32 *)key;

	if (index >= map->max_entries)
		return NULL;
	target = rcu_dereference(bmap->slots[index]);
	if (!target)
		return NULL;
	/* Brings val.flags up to date. */
	blk_interposer_target_gone(target);
	return &target->val;
}

static void *blkdev_map_lookup(struct bpf_map *map, void *key)
{
	return ERR_PTR(-EOPNOTSUPP);
}

/*
 * On return no program can choose *old any more, and what it has been chosen
 * for can be seen (struct blk_interposer_disk, used).
 */
static long blkdev_map_exchange(struct blkdev_map *bmap, u32 index,
				struct blk_interposer_target *target,
				struct blk_interposer_target **old, u64 flags)
{
	*old = blkdev_map_slot(bmap, index);
	if (flags == BPF_NOEXIST && *old)
		return -EEXIST;
	if (flags == BPF_EXIST && !*old)
		return -ENOENT;
	rcu_assign_pointer(bmap->slots[index], target);
	if (*old)
		synchronize_rcu();
	return 0;
}

/*
 * Return: 0; -EPERM: no CAP_SYS_ADMIN; -EINVAL: unknown flags; -E2BIG: no such
 * slot; -EBADF: no open file; -EEXIST, -ENOENT: against BPF_NOEXIST, BPF_EXIST;
 * -ELOOP, -ENOMEM: see blk_topology_check_target(); and what
 * blk_interposer_target_open() returns.
 */
static long blkdev_map_update(struct bpf_map *map, void *key, void *value,
			      u64 flags)
{
	struct blkdev_map *bmap = to_blkdev_map(map);
	struct blk_interposer_target *target, *old;
	struct bpf_blkdev_val *val = value;
	u32 index = *(u32 *)key;
	struct file *file;
	long ret;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (flags > BPF_EXIST || val->flags)
		return -EINVAL;
	if (index >= map->max_entries)
		return -E2BIG;
	file = fget(val->fd_or_dev);
	if (!file)
		return -EBADF;
	target = blk_interposer_target_open(file);
	fput(file);
	if (IS_ERR(target))
		return PTR_ERR(target);

	mutex_lock(&blk_interposer_topology_lock);
	ret = blk_topology_check_target(map, target);
	if (!ret)
		ret = blkdev_map_exchange(bmap, index, target, &old, flags);
	mutex_unlock(&blk_interposer_topology_lock);
	if (ret)
		blk_interposer_target_close(target);
	else if (old)
		blk_interposer_target_close(old);
	return ret;
}

static long blkdev_map_delete(struct bpf_map *map, void *key)
{
	struct blkdev_map *bmap = to_blkdev_map(map);
	struct blk_interposer_target *old;
	u32 index = *(u32 *)key;
	long ret;

	if (index >= map->max_entries)
		return -EINVAL;
	mutex_lock(&blk_interposer_topology_lock);
	ret = blkdev_map_exchange(bmap, index, NULL, &old, BPF_EXIST);
	mutex_unlock(&blk_interposer_topology_lock);
	if (!ret)
		blk_interposer_target_close(old);
	return ret;
}

/**
 * blkdev_map_walk - what bios may be redirected to with a map
 * @map: a BPF_MAP_TYPE_BLKDEV map
 * @fn: called with each target in it
 * @data: for @fn
 *
 * Context: may sleep, blk_interposer_topology_lock held.
 */
void blkdev_map_walk(struct bpf_map *map, blk_target_fn fn, void *data)
{
	struct blkdev_map *bmap = to_blkdev_map(map);
	struct blk_interposer_target *target;
	u32 i;

	for (i = 0; i < map->max_entries; i++) {
		target = blkdev_map_slot(bmap, i);
		if (target)
			fn(target, data);
	}
}

/*
 * bpf_redirect_map(). The context is found through current because the helper
 * has no argument for it. The verifier does not let asynchronous callbacks call
 * it, where current would have another one.
 *
 * As in XDP the last call takes precedence: one that fails takes back what an
 * earlier one had chosen.
 */
static long blkdev_map_redirect(struct bpf_map *map, u64 index, u64 flags)
{
	struct blkdev_map *bmap = to_blkdev_map(map);
	struct blk_interposer_target *target = NULL;
	struct bpf_bio_kern *ctx;

	/*
	 * The verifier does not see a callback that gets here through a global
	 * function or an freplace program. Timers run in softirq, work items
	 * without a run context; bios are submitted by tasks only.
	 */
	if (unlikely(!in_task() || !current->bpf_ctx))
		return BPF_BIO_FAIL;
	ctx = container_of(current->bpf_ctx, struct bpf_bio_kern, run_ctx);
	if (unlikely(flags >= BPF_BIO_REDIRECT))
		flags = BPF_BIO_FAIL;
	else if (likely(index < map->max_entries))
		target = rcu_dereference(bmap->slots[index]);
	ctx->target = target;
	ctx->touched.called |= BPF_BIO_ASKED_TARGET;
	return likely(target) ? BPF_BIO_REDIRECT : flags;
}

static u64 blkdev_map_mem_usage(const struct bpf_map *map)
{
	return struct_size_t(struct blkdev_map, slots, map->max_entries);
}

BTF_ID_LIST_SINGLE(blkdev_map_btf_ids, struct, blkdev_map)

/*
 * No map_meta_equal: as an inner map it would be out of sight of
 * blk_topology.c.
 */
const struct bpf_map_ops blkdev_map_ops = {
	.map_alloc_check = blkdev_map_alloc_check,
	.map_alloc = blkdev_map_alloc,
	.map_free = blkdev_map_free,
	.map_get_next_key = blkdev_map_get_next_key,
	.map_lookup_elem = blkdev_map_lookup,
	.map_lookup_elem_sys_only = blkdev_map_lookup_sys,
	.map_update_elem = blkdev_map_update,
	.map_delete_elem = blkdev_map_delete,
	.map_mem_usage = blkdev_map_mem_usage,
	.map_btf_id = &blkdev_map_btf_ids[0],
	.map_redirect = blkdev_map_redirect,
};
