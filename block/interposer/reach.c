// SPDX-License-Identifier: GPL-2.0
/*
 * blk_interposer: which targets bios of a disk may have got to.
 *
 * Bits of idisk->used and ->used_by are set before a bio is counted at its
 * target and cleared when the target is closed: a barrier and a flush look
 * here for what they have to wait for or to flush.
 */
#include <linux/blkdev.h>
#include "../blk.h"
#include "interposer.h"

/**
 * blk_interposer_add_used - targets that bios were redirected to
 * @idisk: of the disk of these bios
 * @partno: partition that they named: what its programs and the disk's chose;
 *	0: what any of the disk's and its partitions' did
 * @reach: where they are added, a bit for each
 *
 * Context: any.
 */
void blk_interposer_add_used(struct blk_interposer_disk *idisk, u8 partno,
			     unsigned long *reach)
{
	const u8 of[] = { 0, partno };
	unsigned long *used;
	int i;

	if (!partno) {
		bitmap_or(reach, reach, idisk->used,
			  BLK_INTERPOSER_MAX_TARGETS);
		return;
	}
	for (i = 0; i < ARRAY_SIZE(of); i++) {
		used = xa_load(&idisk->used_by, of[i]);
		if (used)
			bitmap_or(reach, reach, used,
				  BLK_INTERPOSER_MAX_TARGETS);
	}
}

/**
 * blk_interposer_reach - all targets that bios may have got to
 * @idisk: of the disk of these bios
 * @partno: partition that they named, 0 for any of the disk
 * @reach: result, a bit for each target
 * @seen: for use in here, as large
 *
 * Follows targets that redirect themselves.
 *
 * Context: process context.
 */
void blk_interposer_reach(struct blk_interposer_disk *idisk, u8 partno,
			  unsigned long *reach, unsigned long *seen)
{
	struct blk_interposer_target *target;
	struct blk_interposer_disk *below;
	unsigned int id;
	bool more;

	bitmap_zero(reach, BLK_INTERPOSER_MAX_TARGETS);
	bitmap_zero(seen, BLK_INTERPOSER_MAX_TARGETS);
	blk_interposer_add_used(idisk, partno, reach);
	do {
		more = false;
		for_each_andnot_bit(id, reach, seen,
				    BLK_INTERPOSER_MAX_TARGETS) {
			__set_bit(id, seen);
			target = blk_interposer_target_tryget(id);
			if (!target)
				continue;
			below = blk_interposer_of(target->bdev->bd_disk);
			if (below) {
				blk_interposer_add_used(below,
							bdev_partno(target->bdev),
							reach);
				more = true;
			}
			blk_interposer_target_put(target);
		}
	} while (more);
}

/**
 * blk_interposer_flush_needed - does a flush of the disk concern others?
 * @idisk: of the disk
 * @partno: partition that is flushed, 0 for the disk
 *
 * Context: any.
 * Return: true if targets may be dirty, or an error is kept.
 */
bool blk_interposer_flush_needed(struct blk_interposer_disk *idisk, u8 partno)
{
	unsigned long *of_disk, *of_part;
	bool used;

	if (partno) {
		of_disk = xa_load(&idisk->used_by, 0);
		of_part = xa_load(&idisk->used_by, partno);
		used = (of_disk &&
			!bitmap_empty(of_disk, BLK_INTERPOSER_MAX_TARGETS)) ||
		       (of_part &&
			!bitmap_empty(of_part, BLK_INTERPOSER_MAX_TARGETS));
	} else {
		used = !bitmap_empty(idisk->used, BLK_INTERPOSER_MAX_TARGETS);
	}
	if (used)
		return true;
	/*
	 * A target that is closed leaves its error before its bit goes: pairs
	 * with the barrier in blk_interposer_target_end().
	 */
	smp_rmb();
	return READ_ONCE(idisk->flush_error);
}
