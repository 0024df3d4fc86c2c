// SPDX-License-Identifier: GPL-2.0
/*
 * blk_interposer: what a disk owns, the published lists, the gate, and the
 * end of it all when a device goes away.
 */
#include <linux/blkdev.h>
#include <linux/init.h>
#include <linux/jump_label_ratelimit.h>
#include <linux/slab.h>
#include "../blk.h"
#include "interposer.h"

/*
 * Switching a static key patches code on every CPU. A storm of attach and
 * detach shall not do that each time, and a disk that is being removed must
 * not wait for cpus_read_lock() under its frozen queue.
 */
DEFINE_STATIC_KEY_DEFERRED_FALSE(blk_interposer_key, HZ);

LIST_HEAD(blk_interposer_disks);
/* The list above and gendisk->interposer */
DEFINE_MUTEX(blk_interposer_disks_lock);
/* What can make a circle, see interposer.h */
DEFINE_MUTEX(blk_interposer_topology_lock);
struct workqueue_struct *blk_interposer_wq;
struct workqueue_struct *blk_interposer_close_wq;

static bool blk_interposer_off __ro_after_init;

static int __init blk_interposer_setup(char *str)
{
	if (!strcmp(str, "off"))
		blk_interposer_off = true;
	else if (strcmp(str, "on"))
		pr_warn("blk_interposer: unknown parameter '%s', use 'on' or 'off'\n",
			str);
	return 1;
}
__setup("blk_interposer=", blk_interposer_setup);

/**
 * blk_interposer_enabled - may programs be attached?
 *
 * Return: false if the kernel was booted with blk_interposer=off.
 */
bool blk_interposer_enabled(void)
{
	return !blk_interposer_off;
}

static struct blk_interposer_disk *
blk_interposer_disk_alloc(struct gendisk *disk)
{
	struct blk_interposer_disk *idisk;

	idisk = kzalloc_node(sizeof(*idisk), GFP_KERNEL, disk->node_id);
	if (!idisk)
		return NULL;
	mutex_init(&idisk->lock);
	refcount_set(&idisk->refs, 1);
	idisk->disk = disk;
	INIT_LIST_HEAD(&idisk->node);
	xa_init(&idisk->used_by);
	/*
	 * Splits happen below current->bio_list, where a bio allocated earlier
	 * may still wait for us to return: the rescuer submits those.
	 */
	if (bioset_init(&idisk->split, BIO_POOL_SIZE, 0, BIOSET_NEED_RESCUER))
		goto out_free;
	if (bioset_integrity_create(&idisk->split, BIO_POOL_SIZE))
		goto out_split;
	if (blk_interposer_flush_init(idisk))
		goto out_split;
	return idisk;

out_split:
	bioset_exit(&idisk->split);
out_free:
	kfree(idisk);
	return NULL;
}

static void blk_interposer_disk_exit(struct blk_interposer_disk *idisk)
{
	struct blk_interposer_used *used;
	unsigned long idx;

	xa_for_each(&idisk->used_by, idx, used)
		kfree(used);
	xa_destroy(&idisk->used_by);
	bioset_exit(&idisk->split);
}

/**
 * blk_interposer_lock - take idisk->lock
 * @idisk: of the disk
 *
 * Context: may sleep. No allocation waits for I/O from here on.
 * Return: for blk_interposer_unlock().
 */
unsigned int blk_interposer_lock(struct blk_interposer_disk *idisk)
{
	mutex_lock(&idisk->lock);
	return memalloc_noio_save();
}

/**
 * blk_interposer_unlock - undo blk_interposer_lock()
 * @idisk: of the disk
 * @noio: what that returned
 *
 * Context: may sleep.
 */
void blk_interposer_unlock(struct blk_interposer_disk *idisk, unsigned int noio)
{
	memalloc_noio_restore(noio);
	mutex_unlock(&idisk->lock);
}

/**
 * blk_interposer_disk_put - drop a reference to what a disk shares
 * @idisk: from blk_interposer_disk_get()
 *
 * Context: may sleep.
 */
void blk_interposer_disk_put(struct blk_interposer_disk *idisk)
{
	if (!refcount_dec_and_test(&idisk->refs))
		return;
	blk_interposer_disk_exit(idisk);
	kfree(idisk);
}

/**
 * blk_interposer_disk_get - what a disk shares, made if it is not there
 * @disk: disk that the caller has open
 *
 * Context: may sleep.
 * Return: it with a reference, or NULL without memory.
 */
struct blk_interposer_disk *blk_interposer_disk_get(struct gendisk *disk)
{
	struct blk_interposer_disk *fresh = NULL, *idisk;

	/* Not under the lock: it takes memory, and I/O may wait for the lock. */
	if (!blk_interposer_of(disk)) {
		fresh = blk_interposer_disk_alloc(disk);
		if (!fresh)
			return NULL;
	}
	mutex_lock(&blk_interposer_disks_lock);
	idisk = disk->interposer;
	if (!idisk) {
		idisk = no_free_ptr(fresh);
		list_add(&idisk->node, &blk_interposer_disks);
		/* Pairs with the lockless readers of disk->interposer. */
		smp_store_release(&disk->interposer, idisk);
		/*
		 * Before blk_interposer_bdev_live(): either that sees the
		 * device go, or blk_interposer_uninstall(), which has the
		 * other barrier, sees us.
		 */
		smp_mb();
	}
	refcount_inc(&idisk->refs);
	mutex_unlock(&blk_interposer_disks_lock);
	if (fresh) {
		blk_interposer_flush_exit(fresh);
		blk_interposer_disk_put(fresh);
	}
	return idisk;
}

/**
 * blk_interposer_release_disk - the gendisk is about to be freed
 * @disk: disk that has no openers and no bios any more
 *
 * Context: may sleep; called by disk_release().
 */
void blk_interposer_release_disk(struct gendisk *disk)
{
	struct blk_interposer_disk *idisk = disk->interposer;
	unsigned int noio;

	if (!idisk)
		return;
	blk_interposer_flush_exit(idisk);
	mutex_lock(&blk_interposer_disks_lock);
	list_del(&idisk->node);
	disk->interposer = NULL;
	mutex_unlock(&blk_interposer_disks_lock);

	noio = blk_interposer_lock(idisk);
	bitmap_zero(idisk->used, BLK_INTERPOSER_MAX_TARGETS);
	blk_interposer_take_error(idisk, 0, false);
	blk_interposer_update_gate(idisk);
	idisk->disk = NULL;
	blk_interposer_unlock(idisk, noio);
	blk_interposer_disk_put(idisk);
}

/**
 * blk_interposer_bdev_live - can a program still be attached?
 * @bdev: block device that the caller holds a reference to
 *
 * blk_interposer_uninstall() comes after the checks made here have begun to
 * fail, and takes the same lock: what is attached while this is true will be
 * uninstalled.
 *
 * Context: idisk->lock held.
 * Return: false once the disk is being removed or the partition was dropped.
 */
bool blk_interposer_bdev_live(struct block_device *bdev)
{
	struct gendisk *disk = bdev->bd_disk;

	return disk_live(disk) &&
	       xa_load(&disk->part_tbl, bdev_partno(bdev)) == bdev;
}

/* Kept until the disk is released: targets stay dirty after a detach. */
static struct blk_interposer_used *
blk_interposer_used(struct blk_interposer_disk *idisk, u8 partno)
{
	struct blk_interposer_used *used = xa_load(&idisk->used_by, partno);

	if (used)
		return used;
	used = kzalloc(sizeof(*used), GFP_KERNEL);
	if (used && xa_err(xa_store(&idisk->used_by, partno, used,
				    GFP_KERNEL))) {
		kfree(used);
		used = NULL;
	}
	return used;
}

/**
 * blk_interposer_forget - a target is closed
 * @idisk: of a disk that may have used it
 * @id: of the target
 *
 * Context: idisk->lock held.
 */
void blk_interposer_forget(struct blk_interposer_disk *idisk, unsigned int id)
{
	struct blk_interposer_used *used;
	unsigned long idx;

	lockdep_assert_held(&idisk->lock);
	xa_for_each(&idisk->used_by, idx, used)
		clear_bit(id, used->targets);
	clear_bit(id, idisk->used);
}

/**
 * blk_interposer_fetch - attach point of a block device
 * @idisk: of its disk
 * @bdev: block device
 *
 * It stays until the device goes away.
 *
 * Context: may sleep, idisk->lock held.
 * Return: the attach point, made if it is not there, or NULL without memory.
 */
struct blk_interposer *blk_interposer_fetch(struct blk_interposer_disk *idisk,
					    struct block_device *bdev)
{
	struct blk_interposer *ip = bdev->bd_interposer;
	struct blk_interposer_used *used;
	int i;

	lockdep_assert_held(&idisk->lock);
	if (ip)
		return ip;
	used = blk_interposer_used(idisk, bdev_partno(bdev));
	if (!used)
		return NULL;
	ip = kvzalloc(sizeof(*ip), GFP_KERNEL);
	if (!ip)
		return NULL;
	for (i = 0; i < ARRAY_SIZE(ip->lists); i++) {
		ip->lists[i].bdev = bdev;
		ip->lists[i].used = used->targets;
	}
	bpf_mprog_bundle_init(&ip->bundle);
	ip->entry = &ip->bundle.a;
	bdev->bd_interposer = ip;
	return ip;
}

/*
 * BD_INTERPOSED is set on all block devices of the disk as long as one of
 * them has programs, and after that as long as a flush of the disk has more
 * to flush than the disk itself.
 */
static bool blk_interposer_wants_gate(struct blk_interposer_disk *idisk)
{
	struct block_device *part;
	unsigned long idx;

	if (blk_interposer_has_error(idisk, 0, false) ||
	    !bitmap_empty(idisk->used, BLK_INTERPOSER_MAX_TARGETS))
		return true;
	xa_for_each(&idisk->disk->part_tbl, idx, part)
		if (rcu_access_pointer(part->bd_interposer_list))
			return true;
	return false;
}

/**
 * blk_interposer_key_get - make sure that the gate is compiled in
 *
 * cpus_read_lock() must not nest inside idisk->lock, which nests inside a
 * frozen queue: CPU hotplug allocates memory and may wait for that queue. So
 * who attaches holds the key before taking the lock, and the disk keeps one if
 * it becomes active.
 *
 * Context: may sleep, idisk->lock not held.
 */
void blk_interposer_key_get(void)
{
	static_branch_deferred_inc(&blk_interposer_key);
}

/**
 * blk_interposer_key_put - undo blk_interposer_key_get()
 *
 * Context: any.
 */
void blk_interposer_key_put(void)
{
	static_branch_slow_dec_deferred(&blk_interposer_key);
}

/**
 * blk_interposer_update_gate - set or clear BD_INTERPOSED as it has to be
 * @idisk: what the disk shares
 *
 * Context: may sleep, idisk->lock held. Only a new list makes a disk active.
 * Return: true if the disk became active: it keeps the caller's key.
 */
bool blk_interposer_update_gate(struct blk_interposer_disk *idisk)
{
	struct block_device *part;
	unsigned long idx;
	bool active;

	lockdep_assert_held(&idisk->lock);
	if (!idisk->disk)
		return false;
	active = blk_interposer_wants_gate(idisk);
	if (active == idisk->active)
		return false;
	idisk->active = active;
	xa_for_each(&idisk->disk->part_tbl, idx, part) {
		if (active)
			bdev_set_flag(part, BD_INTERPOSED);
		else
			bdev_clear_flag(part, BD_INTERPOSED);
	}
	if (!active)
		blk_interposer_key_put();
	return active;
}

/**
 * blk_interposer_publish - let bios see another list
 * @idisk: of the disk of @bdev
 * @bdev: block device
 * @list: its spare list, filled, or NULL for none
 *
 * On return no bio runs the old list any more; what it decided may still be
 * on its way (see blk_interposer_barrier()).
 *
 * Context: may sleep, idisk->lock held.
 * Return: as blk_interposer_update_gate().
 */
bool blk_interposer_publish(struct blk_interposer_disk *idisk,
			    struct block_device *bdev,
			    struct blk_interposer_list *list)
{
	bool activated = false;

	lockdep_assert_held(&idisk->lock);
	rcu_assign_pointer(bdev->bd_interposer_list, list);
	if (list)
		activated = blk_interposer_update_gate(idisk);
	synchronize_rcu();
	/* Only now no bio can add to idisk->used, which keeps the gate open. */
	if (!list)
		blk_interposer_update_gate(idisk);
	return activated;
}

/**
 * blk_interposer_add_partition - a partition comes to a disk with programs
 * @part: the partition, not yet visible to openers
 *
 * Context: may sleep, open_mutex of the disk held.
 */
void blk_interposer_add_partition(struct block_device *part)
{
	struct blk_interposer_disk *idisk;
	unsigned int noio;

	/* Of xa_insert() before the load: see blk_interposer_disk_get(). */
	smp_mb();
	idisk = blk_interposer_of(part->bd_disk);
	if (!idisk)
		return;
	noio = blk_interposer_lock(idisk);
	if (idisk->active)
		bdev_set_flag(part, BD_INTERPOSED);
	blk_interposer_unlock(idisk, noio);
}

/**
 * blk_interposer_uninstall - a block device is going away
 * @bdev: whole disk, dead already, or partition, no longer in the table
 *
 * Programs are released; links become defunct and answer -ENOLINK. Not to be
 * called before blk_report_disk_dead() has returned: a filesystem still writes
 * back there, and a redirect must still hold for what it writes.
 *
 * Context: may sleep; open_mutex of the disk may be held and its queue frozen.
 */
void blk_interposer_uninstall(struct block_device *bdev)
{
	struct blk_interposer_disk *idisk;
	struct blk_interposer *ip;
	unsigned int noio;

	/* Of unhashing before the load: see blk_interposer_disk_get(). */
	smp_mb();
	blk_interposer_follow(bdev->bd_disk);
	idisk = blk_interposer_of(bdev->bd_disk);
	if (!idisk)
		return;
	noio = blk_interposer_lock(idisk);
	ip = bdev->bd_interposer;
	if (ip) {
		blk_interposer_publish(idisk, bdev, NULL);
		blk_interposer_release_progs(ip);
		bdev->bd_interposer = NULL;
		kvfree(ip);
	}
	blk_interposer_unlock(idisk, noio);
}

static int __init blk_interposer_init(void)
{
	/*
	 * What is held back for a flush waits for nothing here, only in the
	 * workqueues of its disk. Closing a target waits for a flush, so it
	 * needs a rescuer of its own.
	 */
	blk_interposer_wq = alloc_workqueue("blk_interposer",
					    WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	blk_interposer_close_wq = alloc_workqueue("blk_interposer_close",
						  WQ_MEM_RECLAIM | WQ_UNBOUND,
						  0);
	if (!blk_interposer_wq || !blk_interposer_close_wq)
		panic("blk_interposer: no memory for the workqueues\n");
	return 0;
}
subsys_initcall(blk_interposer_init);
