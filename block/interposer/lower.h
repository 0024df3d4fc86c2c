/* SPDX-License-Identifier: GPL-2.0 */
/* What lower.c, the device, and follow.c, how it follows its original, share. */
#ifndef BLK_INTERPOSER_LOWER_H
#define BLK_INTERPOSER_LOWER_H

#include <linux/blkdev.h>

/**
 * struct blk_interposer_lower - a lower device
 * @bdev: the original
 * @disk: the lower disk
 * @file: keeps the original open
 * @holders: directory of the original in sysfs, where @disk is shown
 * @dev: number of @disk
 * @refs: one of @disk until it is released, one of the link
 * @node: in the list of all, under blk_interposer_lowers_lock
 * @added: @disk is there and in the list; same lock
 */
struct blk_interposer_lower {
	struct block_device *bdev;
	struct gendisk *disk;
	struct file *file;
	struct kobject *holders;
	dev_t dev;
	refcount_t refs;
	struct list_head node;
	bool added;
};

extern struct list_head blk_interposer_lowers;
extern struct mutex blk_interposer_lowers_lock;

void blk_interposer_lower_del(struct blk_interposer_lower *lower);

/* follow.c */
void blk_interposer_lower_limits(struct block_device *bdev,
				 struct queue_limits *lim);
int blk_interposer_lower_update(struct blk_interposer_lower *lower,
				struct queue_limits *lim, bool same_zones);

#endif /* BLK_INTERPOSER_LOWER_H */
