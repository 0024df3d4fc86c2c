// SPDX-License-Identifier: GPL-2.0
/*
 * blk_interposer: a lower device (lower.c) follows its original.
 *
 * Its size, whether it is read-only, its limits and zones, and that it is removed.
 * They change in any context, and with any lock held, so it is done by a work
 * item, which looks at all lower devices: there are few, and changes are rare. It
 * does not wait for an original whose driver is at work: it comes again.
 */
#include "../blk.h"
#include "interposer.h"
#include "lower.h"

#define BLK_INTERPOSER_FOLLOW_RETRY	(HZ / 20)
#define BLK_INTERPOSER_FOLLOW_SLOWEST	HZ

/* Limits where they speak of places: those of a partition begin with it. */
static void blk_interposer_lower_convert(struct block_device *bdev,
					 struct queue_limits *lim)
{
	sector_t start = bdev->bd_start_sect;
	int offset;

	lim->features &= ~BLK_FEAT_DAX;
	/* As blk_queue_disable_discard() leaves it; it would be computed anew. */
	if (!lim->max_discard_sectors)
		lim->max_hw_discard_sectors = 0;
	if (!bdev_is_partition(bdev))
		return;
	offset = bdev_alignment_offset(bdev);
	lim->alignment_offset = max(offset, 0);
	lim->discard_alignment = bdev_discard_alignment(bdev);
	if (lim->chunk_sectors && sector_div(start, lim->chunk_sectors))
		lim->chunk_sectors = 0;
	if (!bdev_can_atomic_write(bdev) ||
	    (lim->atomic_write_hw_boundary &&
	     (bdev->bd_start_sect << SECTOR_SHIFT) & (lim->atomic_write_hw_boundary - 1)))
		lim->atomic_write_hw_max = 0;
}

/**
 * blk_interposer_lower_limits - limits of a lower device
 * @bdev: the original
 * @lim: where to put them
 *
 * Context: may sleep; no lock is held: it takes that of the limits of @bdev.
 */
void blk_interposer_lower_limits(struct block_device *bdev,
				 struct queue_limits *lim)
{
	*lim = queue_limits_start_update(bdev_get_queue(bdev));
	queue_limits_cancel_update(bdev_get_queue(bdev));
	blk_interposer_lower_convert(bdev, lim);
}

#ifdef CONFIG_BLK_DEV_ZONED
/*
 * disk_update_zone_resources() exchanges the bitmap and how long it is under
 * limits_lock, which is held here for @original; @disk is only changed by us.
 */
static bool blk_interposer_same_zones(struct gendisk *disk,
				      struct gendisk *original)
{
	unsigned int nr = original->nr_zones;
	unsigned long *mine, *its;
	bool same;

	if (disk->nr_zones != nr ||
	    disk->zone_capacity != original->zone_capacity ||
	    disk->last_zone_capacity != original->last_zone_capacity)
		return false;
	rcu_read_lock();
	mine = rcu_dereference(disk->conv_zones_bitmap);
	its = rcu_dereference(original->conv_zones_bitmap);
	same = !mine == !its &&
	       (!mine || !memcmp(mine, its, BITS_TO_LONGS(nr) * sizeof(*mine)));
	rcu_read_unlock();
	return same;
}

/* Not by comparing what has changed: a report that failed is to be repeated. */
static int blk_interposer_lower_zones(struct gendisk *disk, bool same)
{
	int ret;

	if (!blk_queue_is_zoned(disk->queue)) {
		/* As dm_set_zones_restrictions() leaves it. */
		disk->nr_zones = 0;
		return 0;
	}
	if (same)
		return 0;
	ret = blk_revalidate_disk_zones(disk);
	/* Device mapper does not tell while it is suspended. */
	return ret == -ENOMEM ? -EAGAIN : ret;
}
#else
static bool blk_interposer_same_zones(struct gendisk *disk,
				      struct gendisk *original)
{
	return true;
}

static int blk_interposer_lower_zones(struct gendisk *disk, bool same)
{
	return 0;
}
#endif

/* A driver may keep the lock while it talks to the disk. */
static bool blk_interposer_lower_try_limits(struct blk_interposer_lower *lower,
					    struct queue_limits *lim,
					    bool *same_zones)
{
	struct block_device *bdev = lower->bdev;
	struct request_queue *q = bdev_get_queue(bdev);

	if (!mutex_trylock(&q->limits_lock))
		return false;
	*lim = q->limits;
	*same_zones = blk_interposer_same_zones(lower->disk, bdev->bd_disk);
	mutex_unlock(&q->limits_lock);
	blk_interposer_lower_convert(bdev, lim);
	return true;
}

/**
 * blk_interposer_lower_update - make it what its original is
 * @lower: lower device
 * @lim: blk_interposer_lower_limits() of its original
 * @same_zones: its zones are those of the original
 *
 * What may change as long as it is there: the limits, the size, whether it is
 * read-only, the zones.
 *
 * Context: may sleep, freezes the queue of the lower disk;
 * blk_interposer_lowers_lock is held.
 * Return: 0; -EAGAIN: the zones cannot be asked for yet; what
 * queue_limits_commit_update() returns for limits, and
 * blk_revalidate_disk_zones() for zones that nobody can have.
 */
int blk_interposer_lower_update(struct blk_interposer_lower *lower,
				struct queue_limits *lim, bool same_zones)
{
	struct request_queue *q = lower->disk->queue;
	struct block_device *bdev = lower->bdev;
	struct queue_limits now;
	int ret = 0;

	now = queue_limits_start_update(q);
	if (memcmp(&now, lim, sizeof(now)))
		ret = queue_limits_commit_update_frozen(q, lim);
	else
		queue_limits_cancel_update(q);
	set_capacity_and_notify(lower->disk, bdev_nr_sectors(bdev));
	set_disk_ro(lower->disk, bdev_read_only(bdev));
	if (!ret)
		ret = blk_interposer_lower_zones(lower->disk, same_zones);
	if (ret && ret != -EAGAIN)
		pr_warn_ratelimited("%s: blk_interposer: limits of %pg cannot be followed: %d\n",
				    lower->disk->disk_name, bdev, ret);
	return ret;
}

/*
 * Was the original removed? Not yet while it is: until the filesystem has written
 * back what it has, its disk is unhashed but not dead.
 */
static bool blk_interposer_lower_orphaned(struct block_device *bdev)
{
	struct gendisk *disk = bdev->bd_disk;

	return test_bit(GD_DEAD, &disk->state) ||
	       xa_load(&disk->part_tbl, bdev_partno(bdev)) != bdev;
}

static void blk_interposer_follow_work(struct work_struct *work);

static DECLARE_DELAYED_WORK(blk_interposer_following,
			    blk_interposer_follow_work);

static void blk_interposer_follow_work(struct work_struct *work)
{
	static unsigned long retry = BLK_INTERPOSER_FOLLOW_RETRY;
	struct blk_interposer_lower *lower, *next;
	bool again = false, same_zones;
	struct queue_limits lim;

	mutex_lock(&blk_interposer_lowers_lock);
	list_for_each_entry_safe(lower, next, &blk_interposer_lowers, node) {
		if (blk_interposer_lower_orphaned(lower->bdev))
			blk_interposer_lower_del(lower);
		else if (!lower->disk->part0->bd_original)
			continue;
		else if (!blk_interposer_lower_try_limits(lower, &lim, &same_zones) ||
			 blk_interposer_lower_update(lower, &lim, same_zones) == -EAGAIN)
			again = true;
	}
	mutex_unlock(&blk_interposer_lowers_lock);
	if (!again) {
		retry = BLK_INTERPOSER_FOLLOW_RETRY;
		return;
	}
	queue_delayed_work(system_long_wq, &blk_interposer_following, retry);
	/* blk_revalidate_disk_zones() complains each time. */
	retry = min(retry * 2, (unsigned long)BLK_INTERPOSER_FOLLOW_SLOWEST);
}

/**
 * __blk_interposer_follow - blk_interposer_follow() behind the gate
 * @disk: see there
 *
 * Context: see there.
 */
void __blk_interposer_follow(struct gendisk *disk)
{
	/* What follows is a change, too. */
	if (!list_empty_careful(&blk_interposer_lowers) &&
	    !bdev_test_flag(disk->part0, BD_LOWER))
		mod_delayed_work(system_long_wq, &blk_interposer_following, 0);
}
