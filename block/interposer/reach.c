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
 * blk_interposer_add_own - targets that bios were redirected to by one device
 * @idisk: of the disk of these bios
 * @partno: partition whose programs chose them; 0: the disk's
 * @reach: where they are added, a bit for each
 *
 * Context: any.
 */
void blk_interposer_add_own(struct blk_interposer_disk *idisk, u8 partno,
			    unsigned long *reach)
{
	struct blk_interposer_used *used = xa_load(&idisk->used_by, partno);

	if (used)
		bitmap_or(reach, reach, used->targets,
			  BLK_INTERPOSER_MAX_TARGETS);
}

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
	if (!partno) {
		bitmap_or(reach, reach, idisk->used,
			  BLK_INTERPOSER_MAX_TARGETS);
		return;
	}
	blk_interposer_add_own(idisk, 0, reach);
	blk_interposer_add_own(idisk, partno, reach);
}

/**
 * blk_interposer_reach - all targets that bios may have got to
 * @idisk: of the disk of these bios
 * @partno: see blk_interposer_add_used()
 * @own: see blk_interposer_add_own() instead
 * @reach: result, a bit for each target
 * @seen: for use in here, as large
 *
 * Follows targets that redirect themselves.
 *
 * Context: process context.
 */
void blk_interposer_reach(struct blk_interposer_disk *idisk, u8 partno,
			  bool own, unsigned long *reach, unsigned long *seen)
{
	struct blk_interposer_target *target;
	struct blk_interposer_disk *below;
	unsigned int id;
	bool more;

	bitmap_zero(reach, BLK_INTERPOSER_MAX_TARGETS);
	bitmap_zero(seen, BLK_INTERPOSER_MAX_TARGETS);
	if (own)
		blk_interposer_add_own(idisk, partno, reach);
	else
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

static bool blk_interposer_has_own(struct blk_interposer_disk *idisk, u8 partno)
{
	struct blk_interposer_used *used = xa_load(&idisk->used_by, partno);

	return used &&
	       !bitmap_empty(used->targets, BLK_INTERPOSER_MAX_TARGETS);
}

/* Whose targets are the business of a flush, see blk_interposer_flush() */
static bool blk_interposer_concerns(u8 partno, bool own, unsigned long idx)
{
	if (own)
		return idx == partno;
	return !partno || idx == partno || !idx;
}

/**
 * blk_interposer_has_error - is there an error of a closed target for a flush?
 * @idisk: of the disk
 * @partno: see blk_interposer_flush()
 * @own: see there
 *
 * Context: any.
 * Return: true if there is.
 */
bool blk_interposer_has_error(struct blk_interposer_disk *idisk, u8 partno,
			      bool own)
{
	struct blk_interposer_used *used;
	unsigned long idx;

	xa_for_each(&idisk->used_by, idx, used)
		if (blk_interposer_concerns(partno, own, idx) &&
		    READ_ONCE(used->flush_error))
			return true;
	return false;
}

/**
 * blk_interposer_take_error - take it, for the flush to fail with
 * @idisk: of the disk
 * @partno: see blk_interposer_flush()
 * @own: see there
 *
 * Context: any.
 * Return: blk_status_t, 0 if there is none.
 */
int blk_interposer_take_error(struct blk_interposer_disk *idisk, u8 partno,
			      bool own)
{
	struct blk_interposer_used *used;
	int status = 0, found;
	unsigned long idx;

	xa_for_each(&idisk->used_by, idx, used) {
		if (!blk_interposer_concerns(partno, own, idx) ||
		    !READ_ONCE(used->flush_error))
			continue;
		found = xchg(&used->flush_error, 0);
		status = status ?: found;
	}
	return status;
}

/**
 * blk_interposer_flush_needed - does a flush of the disk concern others?
 * @idisk: of the disk
 * @partno: see blk_interposer_flush()
 * @own: see there
 *
 * Context: any.
 * Return: true if targets may be dirty, or an error is kept.
 */
bool blk_interposer_flush_needed(struct blk_interposer_disk *idisk, u8 partno,
				 bool own)
{
	bool used;

	if (own || partno)
		used = blk_interposer_has_own(idisk, partno) ||
		       (!own && blk_interposer_has_own(idisk, 0));
	else
		used = !bitmap_empty(idisk->used, BLK_INTERPOSER_MAX_TARGETS);
	if (used)
		return true;
	/*
	 * A target that is closed leaves its error before its bit goes: pairs
	 * with the barrier in blk_interposer_target_end().
	 */
	smp_rmb();
	return blk_interposer_has_error(idisk, partno, own);
}
