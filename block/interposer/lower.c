// SPDX-License-Identifier: GPL-2.0
/*
 * blk_interposer: the lower device, a name for what is below a device's programs.
 *
 * What is stacked on a device that redirects to that stack must not meet the
 * device's programs again. So it is stacked on a disk of its own, <name>-lower,
 * of the same size and with the same limits, whose bios become bios of the
 * original that have met its programs: submit_bio_noacct() exchanges bi_bdev and
 * goes on. No clone, no allocation, no second way through the bio-based path, and
 * whatever a stacking driver submits on its own account is covered, because it
 * submits it to the lower device. A partition's lower device is below the
 * partition's programs; those of the disk are still met.
 *
 * Lifetime: a link with BPF_F_BLK_LOWER makes it and takes it away (bd_original
 * of its block_device is NULL then). Whoever has it open by then finds a device
 * that fails all I/O: to go on below a stack that is not asked any more would mix
 * what the stack has not written yet with what is newer (what it has sent down by
 * then still arrives). BPF_LINK_DETACH refuses that. The original stays open,
 * unclaimed, until the lower disk is released: until the last one has closed it,
 * whose bios have ended then.
 *
 * Size, read-only state, limits and removal follow those of the original: follow.c.
 */
#include <linux/blk-crypto-profile.h>
#include <linux/blkdev.h>
#include <linux/part_stat.h>
#include <linux/slab.h>
#include "../blk.h"
#include "interposer.h"
#include "lower.h"
#include "quick.h"

/* All that can be looked for, of whatever disk */
LIST_HEAD(blk_interposer_lowers);
/* The list and what is in it; see interposer.h */
DEFINE_MUTEX(blk_interposer_lowers_lock);

/* Of a cgroup, or something special: what bio_set_dev() is for. */
static noinline __cold enum blk_interposer_action
blk_interposer_lower_slow(struct bio *bio, struct block_device *bdev)
{
	struct block_device *original = READ_ONCE(bdev->bd_original);
	int group = op_stat_group(bio_op(bio));

	if (unlikely(!original))
		return blk_interposer_complete(bio, BLK_STS_IOERR);
	part_stat_lock();
	part_stat_inc(bdev, ios[group]);
	part_stat_add(bdev, sectors[group], bio_sectors(bio));
	part_stat_unlock();
	bio_set_dev(bio, original);
	bio_set_interposed(bio);
	trace_block_bio_remap(bio, bdev->bd_dev, bio->bi_iter.bi_sector);
	return BLK_INTERPOSER_LOWERED;
}

/**
 * blk_interposer_to_original - a bio of a lower device becomes the original's
 * @bio: the bio, its sectors are the same there
 * @bdev: the lower device
 *
 * Context: process context.
 * Return: BLK_INTERPOSER_LOWERED; or BLK_INTERPOSER_CONSUMED: the bio was
 * completed with BLK_STS_IOERR, as the link of the lower device is gone.
 */
enum blk_interposer_action
blk_interposer_to_original(struct bio *bio, struct block_device *bdev)
{
	struct block_device *original = READ_ONCE(bdev->bd_original);
	struct disk_stats __percpu *stats = bdev->bd_stats;
	struct blkcg_gq *blkg = blk_interposer_blkg(bio);
	u32 op = (__force u32)bio_op(bio);

	if (unlikely(!original || op > (__force u32)REQ_OP_WRITE ||
		     !blk_interposer_is_root(blkg, bdev)) ||
	    trace_block_bio_remap_enabled())
		return blk_interposer_lower_slow(bio, bdev);
	this_cpu_inc(stats->ios[op]);
	this_cpu_add(stats->sectors[op], bio_sectors(bio));
	bio_set_interposed(bio);
	blk_interposer_set_dev_of_root(bio, blkg, original);
	return BLK_INTERPOSER_LOWERED;
}

/* As if nothing were there: nobody can open what is about to go. */
static int blk_interposer_lower_open(struct gendisk *disk, blk_mode_t mode)
{
	return READ_ONCE(disk->part0->bd_original) ? 0 : -ENXIO;
}

/* For a bio that had a mark already, of what was submitted here before. */
static void blk_interposer_lower_submit_bio(struct bio *bio)
{
	if (blk_interposer_to_original(bio, bio->bi_bdev) ==
	    BLK_INTERPOSER_LOWERED)
		submit_bio_noacct(bio);
}

#ifdef CONFIG_BLK_DEV_ZONED
static int blk_interposer_lower_report_zones(struct gendisk *disk,
					     sector_t sector,
					     unsigned int nr_zones,
					     report_zones_cb cb, void *data)
{
	struct blk_interposer_lower *lower = disk->private_data;

	if (!lower->bdev->bd_disk->fops->report_zones)
		return -EOPNOTSUPP;
	/* It looks at the original's capacity, and brings its write pointers up. */
	return blkdev_report_zones(lower->bdev, sector, nr_zones, cb, data);
}
#else
#define blk_interposer_lower_report_zones NULL
#endif

/**
 * blk_interposer_lower_put - drop a reference
 * @lower: lower device
 *
 * Context: any.
 */
void blk_interposer_lower_put(struct blk_interposer_lower *lower)
{
	if (refcount_dec_and_test(&lower->refs))
		kfree(lower);
}

/* The disk is gone, or has never been there. */
static void blk_interposer_lower_release(struct blk_interposer_lower *lower)
{
	bdev_fput(lower->file);
	blk_interposer_key_put();
	blk_interposer_lower_put(lower);
}

static void blk_interposer_lower_free_disk(struct gendisk *disk)
{
	blk_interposer_lower_release(disk->private_data);
}

static const struct block_device_operations blk_interposer_lower_fops = {
	.owner		= THIS_MODULE,
	.open		= blk_interposer_lower_open,
	.submit_bio	= blk_interposer_lower_submit_bio,
	.report_zones	= blk_interposer_lower_report_zones,
	.free_disk	= blk_interposer_lower_free_disk,
};

static ssize_t lower_of_show(struct device *dev, struct device_attribute *attr,
			     char *page)
{
	struct blk_interposer_lower *lower = dev_to_disk(dev)->private_data;
	dev_t original = lower->bdev->bd_dev;

	return sysfs_emit(page, "%u:%u\n", MAJOR(original), MINOR(original));
}
static DEVICE_ATTR_RO(lower_of);

static struct attribute *blk_interposer_lower_attrs[] = {
	&dev_attr_lower_of.attr,
	NULL,
};
ATTRIBUTE_GROUPS(blk_interposer_lower);

/* The lower disk is shown as a holder of the original, which it does not claim. */
static int blk_interposer_lower_link(struct blk_interposer_lower *lower)
{
	struct block_device *bdev = lower->bdev;
	struct gendisk *disk = lower->disk;
	int ret;

	/* As bd_link_disk_holder() does: del_gendisk() drops the first one. */
	mutex_lock(&bdev->bd_disk->open_mutex);
	if (disk_live(bdev->bd_disk))
		lower->holders = kobject_get(bdev->bd_holder_dir);
	mutex_unlock(&bdev->bd_disk->open_mutex);
	if (!lower->holders)
		return -ENODEV;
	ret = sysfs_create_link(disk->slave_dir, bdev_kobj(bdev),
				kobject_name(bdev_kobj(bdev)));
	if (ret)
		goto out;
	ret = sysfs_create_link(lower->holders, &disk_to_dev(disk)->kobj,
				disk->disk_name);
	if (!ret)
		return 0;
	sysfs_remove_link(disk->slave_dir, kobject_name(bdev_kobj(bdev)));
out:
	kobject_put(lower->holders);
	lower->holders = NULL;
	return ret;
}

static void blk_interposer_lower_unlink(struct blk_interposer_lower *lower)
{
	if (!lower->holders)
		return;
	sysfs_remove_link(lower->holders, lower->disk->disk_name);
	sysfs_remove_link(lower->disk->slave_dir,
			  kobject_name(bdev_kobj(lower->bdev)));
	kobject_put(lower->holders);
	lower->holders = NULL;
}

static void blk_interposer_lower_die(struct blk_interposer_lower *lower)
{
	WRITE_ONCE(lower->disk->part0->bd_original, NULL);
	blk_mark_disk_dead(lower->disk);
}

/**
 * blk_interposer_lower_del - remove it, unless that was done already
 * @lower: lower device
 *
 * Nobody can look for it any more; who has it open sees errors. It is released
 * when the last one has closed it, which may be at once.
 *
 * Context: may sleep; blk_interposer_lowers_lock is held.
 */
void blk_interposer_lower_del(struct blk_interposer_lower *lower)
{
	lockdep_assert_held(&blk_interposer_lowers_lock);
	if (!lower->added)
		return;
	WRITE_ONCE(lower->added, false);
	list_del(&lower->node);
	blk_interposer_lower_die(lower);
	blk_interposer_lower_unlink(lower);
	del_gendisk(lower->disk);
	put_disk(lower->disk);
}

static int blk_interposer_lower_add(struct blk_interposer_lower *lower,
				    struct queue_limits *lim)
{
	struct blk_interposer_lower *other;
	struct gendisk *disk = lower->disk;
	int ret;

	lockdep_assert_held(&blk_interposer_lowers_lock);
	list_for_each_entry(other, &blk_interposer_lowers, node)
		if (other->bdev == lower->bdev)
			return -EEXIST;
	/* Some limits are set to their default by who allocates a queue. */
	ret = blk_interposer_lower_update(lower, lim, true);
	if (ret)
		return ret;
	ret = device_add_disk(NULL, disk, blk_interposer_lower_groups);
	if (ret)
		return ret;
	/* For free_disk(); the first one will be the link's. */
	refcount_inc(&lower->refs);
	if (blk_queue_is_zoned(disk->queue))
		ret = blk_revalidate_disk_zones(disk);
	ret = ret ?: blk_interposer_lower_link(lower);
	if (ret) {
		/* Somebody may have opened it. */
		blk_interposer_lower_die(lower);
		del_gendisk(disk);
		return ret;
	}
	lower->dev = disk_devt(disk);
	WRITE_ONCE(lower->added, true);
	list_add(&lower->node, &blk_interposer_lowers);
	return 0;
}

static struct gendisk *
blk_interposer_lower_disk(struct blk_interposer_lower *lower,
			  struct queue_limits *lim)
{
	struct block_device *bdev = lower->bdev;
	struct queue_limits copy;
	struct gendisk *disk;
	bool dm;

	blk_interposer_lower_limits(bdev, lim);
	/* Which sets some to their default. */
	copy = *lim;
	disk = blk_alloc_disk(&copy, bdev->bd_disk->node_id);
	if (IS_ERR(disk))
		return disk;
	/* Rules of udev, and lsblk, take dm-* for disks of device mapper. */
	dm = str_has_prefix(bdev->bd_disk->disk_name, "dm-");
	if (snprintf(disk->disk_name, DISK_NAME_LEN, "%s%pg%s",
		     dm ? "lower-" : "", bdev, dm ? "" : "-lower") >=
	    DISK_NAME_LEN) {
		put_disk(disk);
		return ERR_PTR(-ENAMETOOLONG);
	}
	disk->fops = &blk_interposer_lower_fops;
	disk->private_data = lower;
	/* The partition table is the original's. */
	disk->flags |= GENHD_FL_NO_PART;
#ifdef CONFIG_BLK_INLINE_ENCRYPTION
	disk->queue->crypto_profile = bdev_get_queue(bdev)->crypto_profile;
#endif
	disk->part0->bd_original = bdev;
	bdev_set_flag(disk->part0, BD_LOWER);
	return disk;
}

/**
 * blk_interposer_lower_create - make the lower device of a block device
 * @bdev: the original, which the caller has open
 *
 * Context: may sleep; no lock is held.
 * Return: it, with a reference, or -EOPNOTSUPP: @bdev is a lower device itself;
 * -EEXIST: it has one already; -ENAMETOOLONG; -ENODEV: it was removed; -ENOMEM;
 * -EAGAIN: its zones cannot be asked for, as device mapper has suspended it; and
 * what opening it again may return.
 */
struct blk_interposer_lower *
blk_interposer_lower_create(struct block_device *bdev)
{
	struct blk_interposer_lower *lower;
	struct queue_limits lim;
	bool added;
	int ret;

	if (bdev_test_flag(bdev, BD_LOWER))
		return ERR_PTR(-EOPNOTSUPP);
	lower = kzalloc(sizeof(*lower), GFP_KERNEL);
	if (!lower)
		return ERR_PTR(-ENOMEM);
	refcount_set(&lower->refs, 1);
	lower->file = bdev_file_open_by_dev(bdev->bd_dev, BLK_OPEN_READ, NULL,
					    NULL);
	if (IS_ERR(lower->file)) {
		ret = PTR_ERR(lower->file);
		kfree(lower);
		return ERR_PTR(ret);
	}
	blk_interposer_key_get();
	lower->bdev = file_bdev(lower->file);
	ret = -ENODEV;
	if (lower->bdev != bdev)
		goto out;
	lower->disk = blk_interposer_lower_disk(lower, &lim);
	ret = PTR_ERR_OR_ZERO(lower->disk);
	if (ret)
		goto out;
	mutex_lock(&blk_interposer_lowers_lock);
	ret = blk_interposer_lower_add(lower, &lim);
	mutex_unlock(&blk_interposer_lowers_lock);
	if (ret)
		goto out_disk;
	/* It may have changed before it was in the list. */
	blk_interposer_follow(bdev->bd_disk);
	return lower;

out_disk:
	/* If it was added the original is closed when it is released. */
	added = test_bit(GD_ADDED, &lower->disk->state);
	put_disk(lower->disk);
	if (added) {
		blk_interposer_lower_put(lower);
		return ERR_PTR(ret);
	}
out:
	blk_interposer_lower_release(lower);
	return ERR_PTR(ret);
}

/**
 * blk_interposer_lower_close - let nobody open it any more
 * @lower: lower device of a link that is to be detached
 *
 * Context: may sleep; no lock is held.
 * Return: 0; -EBUSY: somebody has it open.
 */
int blk_interposer_lower_close(struct blk_interposer_lower *lower)
{
	int ret = 0;

	mutex_lock(&blk_interposer_lowers_lock);
	if (lower->added) {
		mutex_lock(&lower->disk->open_mutex);
		if (disk_openers(lower->disk))
			ret = -EBUSY;
		else
			WRITE_ONCE(lower->disk->part0->bd_original, NULL);
		mutex_unlock(&lower->disk->open_mutex);
	}
	mutex_unlock(&blk_interposer_lowers_lock);
	return ret;
}

/**
 * blk_interposer_lower_kill - fail all I/O
 * @lower: lower device
 *
 * Context: may sleep; no lock is held.
 */
void blk_interposer_lower_kill(struct blk_interposer_lower *lower)
{
	mutex_lock(&blk_interposer_lowers_lock);
	if (lower->added)
		blk_interposer_lower_die(lower);
	mutex_unlock(&blk_interposer_lowers_lock);
}

/**
 * blk_interposer_lower_remove - remove it, unless that was done already
 * @lower: lower device of a link that is going away
 *
 * Context: may sleep; no lock is held.
 */
void blk_interposer_lower_remove(struct blk_interposer_lower *lower)
{
	mutex_lock(&blk_interposer_lowers_lock);
	blk_interposer_lower_del(lower);
	mutex_unlock(&blk_interposer_lowers_lock);
}

/**
 * blk_interposer_lower_dev - its device number
 * @lower: lower device
 *
 * Context: any.
 * Return: the number, 0 if it is gone.
 */
dev_t blk_interposer_lower_dev(const struct blk_interposer_lower *lower)
{
	return READ_ONCE(lower->added) ? lower->dev : 0;
}

/**
 * blk_interposer_original - what a lower device is below the programs of
 * @bdev: any block device, with a reference
 *
 * Context: any.
 * Return: the original, valid as long as @bdev is; NULL if it is no lower device.
 */
struct block_device *blk_interposer_original(struct block_device *bdev)
{
	struct blk_interposer_lower *lower = bdev->bd_disk->private_data;

	return bdev_test_flag(bdev, BD_LOWER) ? lower->bdev : NULL;
}
