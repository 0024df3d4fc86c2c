// SPDX-License-Identifier: GPL-2.0
/*
 * Where I/O to a block device may get to: through what the programs attached
 * to it redirect, and through what its disk is stacked on.
 *
 * A bio carries hops, its clones inherit them, and so redirects in a circle
 * come to an end (block/interposer/redirect.c). What a stacking driver submits
 * on its own account carries none: the bios of dm-crypt, raid5 and kcopyd, the
 * superblock that a write to md waits for, every flush. A circle through a
 * stack would have no end, or would wait for itself. So none comes into being:
 * whatever adds a way for I/O is checked first. That is an attached program, a
 * target in a map that attached programs use, and a disk that is stacked on
 * another one.
 *
 * What counts as a way is more than the bios of the moment: each target in each
 * device map of a program, whatever the program does, and each target that bios
 * were redirected to until it is closed, because flushes go there. I/O to a
 * whole disk gets to what its partitions redirect, because its flush does.
 *
 * A lower device is a way to its original behind that one's programs: I/O to it
 * meets none on a whole disk, and the disk's on a partition.
 *
 * Stacks are known from bd_link_disk_holder(). Drivers that do not record what
 * they stack on (loop, nbd to the same machine, zram's backing device) are not
 * seen.
 */
#include <linux/blk_interposer.h>
#include <linux/bpf.h>
#include <linux/slab.h>
#include "../../block/blk.h"
#include "blk_attach.h"

/* How I/O got to a device */
#define BLK_STACKED	BIT(0)	/* through a stack */
#define BLK_REDIRECTED	BIT(1)	/* through a redirect */
/* Which programs it still meets there, see blk_interposer_original() */
#define BLK_OWN		BIT(2)	/* those of the device itself */
#define BLK_PARTS	BIT(3)	/* those of its disk, or of its partitions */
#define BLK_HOW_BITS	4

#define BLK_WAYS	(BLK_STACKED | BLK_REDIRECTED)
#define BLK_ALL		(BLK_OWN | BLK_PARTS)

/**
 * struct blk_node - a block device that I/O may get to
 * @list: in &struct blk_walk.nodes
 * @bdev: the device, with a reference
 * @how: bits of BLK_WAYS and BLK_ALL
 */
struct blk_node {
	struct list_head list;
	struct block_device *bdev;
	unsigned int how;
};

/**
 * struct blk_walk - what has been found
 * @nodes: in the order they are looked at
 * @seen: by device number, the ways in which it was found
 * @how: of what is found now
 * @error: -ENOMEM
 */
struct blk_walk {
	struct list_head nodes;
	struct xarray seen;
	unsigned int how;
	int error;
};

/**
 * blk_device_maps - the device maps of a program
 * @prog: the program, which holds a reference to each as long as it lives
 *
 * Taken once, before any lock: who holds used_maps_mutex may wait for user
 * memory. BPF_PROG_BIND_MAP adds maps later, but none that instructions use.
 *
 * Context: may sleep.
 * Return: the maps, to be freed with kfree(); NULL if there are none; -ENOMEM.
 */
struct blk_device_maps *blk_device_maps(struct bpf_prog *prog)
{
	struct blk_device_maps *maps = NULL;
	struct bpf_map *map;
	u32 i, nr = 0;

	mutex_lock(&prog->aux->used_maps_mutex);
	for (i = 0; i < prog->aux->used_map_cnt; i++)
		nr += prog->aux->used_maps[i]->map_type == BPF_MAP_TYPE_BLKDEV;
	if (!nr)
		goto out;
	maps = kzalloc(struct_size(maps, maps, nr), GFP_KERNEL);
	if (!maps) {
		maps = ERR_PTR(-ENOMEM);
		goto out;
	}
	for (i = 0; i < prog->aux->used_map_cnt; i++) {
		map = prog->aux->used_maps[i];
		if (map->map_type == BPF_MAP_TYPE_BLKDEV)
			maps->maps[maps->nr++] = map;
	}
out:
	mutex_unlock(&prog->aux->used_maps_mutex);
	return maps;
}

/* In how many ways has it been seen, a bit for each value of blk_walk.how */
static unsigned long blk_walk_ways(struct blk_walk *walk,
				   struct block_device *bdev)
{
	return xa_to_value(xa_load(&walk->seen, bdev->bd_dev));
}

static bool blk_walk_seen(struct blk_walk *walk, struct block_device *bdev)
{
	unsigned long ways = blk_walk_ways(walk, bdev);
	unsigned long how;

	/* Whoever gets there in more ways has gone on from there in them. */
	for_each_set_bit(how, &ways, 1 << BLK_HOW_BITS)
		if ((how & walk->how) == walk->how)
			return true;
	return false;
}

static int blk_walk_mark(struct blk_walk *walk, struct block_device *bdev)
{
	unsigned long ways = blk_walk_ways(walk, bdev) | BIT(walk->how);

	return xa_err(xa_store(&walk->seen, bdev->bd_dev, xa_mk_value(ways),
			       GFP_NOIO));
}

/*
 * GFP_NOIO: a driver that waits for our lock in bd_link_disk_holder() may have
 * brought its disk to a standstill.
 */
static void blk_walk_add(struct block_device *bdev, void *data)
{
	struct blk_walk *walk = data;
	struct blk_node *node;

	if (walk->error || blk_walk_seen(walk, bdev))
		return;
	node = kmalloc(sizeof(*node), GFP_NOIO);
	if (!node || blk_walk_mark(walk, bdev)) {
		kfree(node);
		walk->error = -ENOMEM;
		return;
	}
	get_device(&bdev->bd_device);
	node->bdev = bdev;
	node->how = walk->how;
	list_add_tail(&node->list, &walk->nodes);
}

static void blk_walk_add_target(struct blk_interposer_target *target,
				void *data)
{
	blk_walk_add(target->bdev, data);
}

static void blk_walk_maps(struct blk_walk *walk,
			  const struct blk_device_maps *maps)
{
	u32 i;

	for (i = 0; maps && i < maps->nr; i++)
		blkdev_map_walk(maps->maps[i], blk_walk_add_target, walk);
}

static void blk_walk_list(struct blk_walk *walk,
			  const struct blk_interposer_list *list)
{
	u32 i;

	for (i = 0; list && i < list->count; i++)
		blk_walk_maps(walk, list->slots[i].maps);
}

/* Targets that bios have gone to and that are not closed yet. */
static void blk_walk_used(struct blk_walk *walk,
			  struct blk_interposer_disk *idisk, u8 partno,
			  bool own)
{
	DECLARE_BITMAP(used, BLK_INTERPOSER_MAX_TARGETS);
	struct blk_interposer_target *target;
	unsigned int id;

	bitmap_zero(used, BLK_INTERPOSER_MAX_TARGETS);
	if (own)
		blk_interposer_add_own(idisk, partno, used);
	else
		blk_interposer_add_used(idisk, partno, used);
	for_each_set_bit(id, used, BLK_INTERPOSER_MAX_TARGETS) {
		target = blk_interposer_target_tryget(id);
		if (!target)
			continue;
		blk_walk_add(target->bdev, walk);
		blk_interposer_target_put(target);
	}
}

/*
 * Does I/O to @node meet the programs of @bdev? To a partition, those of its
 * disk, too; to a whole disk, because of its flushes, those of all partitions.
 */
static bool blk_node_meets(const struct blk_node *node,
			   struct block_device *bdev)
{
	if (node->bdev == bdev)
		return node->how & BLK_OWN;
	return node->how & BLK_PARTS &&
	       node->bdev->bd_disk == bdev->bd_disk &&
	       (!bdev_is_partition(node->bdev) || !bdev_is_partition(bdev));
}

static void blk_walk_redirects(struct blk_walk *walk,
			       struct blk_interposer_disk *idisk,
			       const struct blk_node *node)
{
	struct block_device *part;
	unsigned long idx;
	unsigned int noio;

	noio = blk_interposer_lock(idisk);
	if (idisk->disk)
		xa_for_each(&idisk->disk->part_tbl, idx, part)
			if (blk_node_meets(node, part))
				blk_walk_list(walk,
					      blk_list_locked(idisk, part));
	blk_interposer_unlock(idisk, noio);
	if (node->how & BLK_ALL)
		blk_walk_used(walk, idisk, bdev_partno(node->bdev),
			      !(node->how & BLK_PARTS));
}

/* As submit_bio_noacct() goes on behind the programs of the original. */
static void blk_walk_original(struct blk_walk *walk,
			      const struct blk_node *node)
{
	struct block_device *to = blk_interposer_original(node->bdev);

	walk->how = node->how & BLK_WAYS;
	if (bdev_is_partition(to))
		walk->how |= BLK_OWN;
	blk_walk_add(bdev_whole(to), walk);
}

static void blk_walk_node(struct blk_walk *walk, struct blk_node *node)
{
	struct gendisk *disk = node->bdev->bd_disk;
	struct blk_interposer_disk *idisk = blk_interposer_of(disk);

	if (bdev_test_flag(node->bdev, BD_LOWER)) {
		blk_walk_original(walk, node);
		return;
	}
	walk->how = (node->how & BLK_WAYS) | BLK_ALL | BLK_REDIRECTED;
	if (idisk)
		blk_walk_redirects(walk, idisk, node);
	walk->how = (node->how & BLK_WAYS) | BLK_ALL | BLK_STACKED;
	bd_walk_slaves(disk, blk_walk_add, walk);
}

static void blk_walk_init(struct blk_walk *walk, unsigned int how)
{
	lockdep_assert_held(&blk_interposer_topology_lock);
	INIT_LIST_HEAD(&walk->nodes);
	xa_init(&walk->seen);
	walk->how = how;
	walk->error = 0;
}

/* The list grows as long as it is gone through. */
static int blk_walk_all(struct blk_walk *walk)
{
	struct blk_node *node;

	list_for_each_entry(node, &walk->nodes, list) {
		if (walk->error)
			break;
		blk_walk_node(walk, node);
		cond_resched();
	}
	return walk->error;
}

static void blk_walk_end(struct blk_walk *walk)
{
	struct blk_node *node, *next;

	list_for_each_entry_safe(node, next, &walk->nodes, list) {
		put_device(&node->bdev->bd_device);
		kfree(node);
	}
	xa_destroy(&walk->seen);
}

/* Return: -ELOOP if I/O gets to @bdev through a redirect and a stack. */
static int blk_walk_meets(struct blk_walk *walk, struct block_device *bdev)
{
	struct blk_node *node;

	list_for_each_entry(node, &walk->nodes, list) {
		if ((node->how & BLK_WAYS) == BLK_WAYS &&
		    blk_node_meets(node, bdev))
			return -ELOOP;
	}
	return 0;
}

/*
 * A new stack is below the disk: whoever gets there through its lower device meets
 * none of its programs, but its driver.
 *
 * Return: -ELOOP if I/O gets to @disk through a redirect and a stack.
 */
static int blk_walk_reaches(struct blk_walk *walk, struct gendisk *disk)
{
	struct blk_node *node;

	list_for_each_entry(node, &walk->nodes, list) {
		if ((node->how & BLK_WAYS) == BLK_WAYS &&
		    node->bdev->bd_disk == disk)
			return -ELOOP;
	}
	return 0;
}

/**
 * blk_topology_check_maps - may a program be attached?
 * @maps: its device maps
 * @bdev: block device
 *
 * Context: may sleep, blk_interposer_topology_lock held until it is attached.
 * Return: 0; -ELOOP: I/O to a target in one of the maps comes back to @bdev
 * through a stacking driver; -ENOMEM.
 */
int blk_topology_check_maps(const struct blk_device_maps *maps,
			    struct block_device *bdev)
{
	struct blk_walk walk;
	int ret;

	blk_walk_init(&walk, BLK_REDIRECTED | BLK_ALL);
	blk_walk_maps(&walk, maps);
	ret = blk_walk_all(&walk) ?: blk_walk_meets(&walk, bdev);
	blk_walk_end(&walk);
	return ret;
}

/* The next disk that walk number @number has not come to, with a reference. */
static struct blk_interposer_disk *blk_next_disk(u64 number)
{
	struct blk_interposer_disk *idisk, *found = NULL;

	mutex_lock(&blk_interposer_disks_lock);
	list_for_each_entry(idisk, &blk_interposer_disks, node) {
		if (idisk->checked != number) {
			idisk->checked = number;
			refcount_inc(&idisk->refs);
			found = idisk;
			break;
		}
	}
	mutex_unlock(&blk_interposer_disks_lock);
	return found;
}

static bool blk_list_uses_map(const struct blk_interposer_list *list,
			      struct bpf_map *map)
{
	const struct blk_device_maps *maps;
	u32 i, k;

	for (i = 0; list && i < list->count; i++) {
		maps = list->slots[i].maps;
		for (k = 0; maps && k < maps->nr; k++)
			if (maps->maps[k] == map)
				return true;
	}
	return false;
}

/* Return: -ELOOP if I/O gets to a device of @idisk whose programs use @map. */
static int blk_walk_meets_users(struct blk_walk *walk,
				struct blk_interposer_disk *idisk,
				struct bpf_map *map)
{
	struct block_device *part;
	unsigned long idx;
	int ret = 0;

	mutex_lock(&idisk->lock);
	if (idisk->disk)
		xa_for_each(&idisk->disk->part_tbl, idx, part)
			if (!ret && blk_list_uses_map(blk_list_locked(idisk,
								      part),
						      map))
				ret = blk_walk_meets(walk, part);
	mutex_unlock(&idisk->lock);
	return ret;
}

/**
 * blk_topology_check_target - may a map get this target?
 * @map: a BPF_MAP_TYPE_BLKDEV map
 * @target: redirect target
 *
 * References to disks are dropped with blk_interposer_disks_lock not held: the
 * last one of a disk that was removed meanwhile takes it.
 *
 * Context: may sleep, blk_interposer_topology_lock held until it is there.
 * Return: 0; -ELOOP: I/O to @target comes back, through a stacking driver, to a
 * device whose programs use @map; -ENOMEM.
 */
int blk_topology_check_target(struct bpf_map *map,
			      struct blk_interposer_target *target)
{
	static u64 number;	/* under blk_interposer_topology_lock */
	struct blk_interposer_disk *idisk;
	struct blk_walk walk;
	int ret;

	blk_walk_init(&walk, BLK_REDIRECTED | BLK_ALL);
	blk_walk_add(target->bdev, &walk);
	ret = blk_walk_all(&walk);
	number++;
	while (!ret && (idisk = blk_next_disk(number))) {
		ret = blk_walk_meets_users(&walk, idisk, map);
		blk_interposer_disk_put(idisk);
	}
	blk_walk_end(&walk);
	return ret;
}

/**
 * __blk_interposer_check_stack - blk_interposer_check_stack() behind the gate
 * @bdev: see there
 * @disk: see there
 *
 * Context: see there.
 * Return: see there.
 */
int __blk_interposer_check_stack(struct block_device *bdev,
				 struct gendisk *disk)
{
	struct blk_walk walk;
	int ret;

	mutex_lock(&blk_interposer_topology_lock);
	blk_walk_init(&walk, BLK_STACKED | BLK_ALL);
	blk_walk_add(bdev, &walk);
	ret = blk_walk_all(&walk) ?: blk_walk_reaches(&walk, disk);
	mutex_unlock(&blk_interposer_topology_lock);
	blk_walk_end(&walk);
	if (ret == -ELOOP)
		pr_warn_ratelimited("%s: blk_interposer: refused on top of %pg, which redirects to what is stacked on %s\n",
				    disk->disk_name, bdev, disk->disk_name);
	return ret;
}
