/* SPDX-License-Identifier: GPL-2.0 */
/*
 * blk_interposer: BPF programs at bio submission.
 *
 * What the rest of the kernel sees: the gate that submit_bio_noacct() calls,
 * the marks that travel with a bio, and what partitions, disks and bio
 * completion have to say. How it works and where each rule lives stands in
 * block/interposer/interposer.h.
 */
#ifndef _LINUX_BLK_INTERPOSER_H
#define _LINUX_BLK_INTERPOSER_H

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/bpf.h>
#include <linux/jump_label_ratelimit.h>
#include <uapi/linux/blk_interposer.h>

struct blk_interposer_target;

/**
 * enum blk_interposer_action - what submit_bio_noacct() does next
 * @BLK_INTERPOSER_CONTINUE: go on with the bio; its sector may have changed,
 *	its device has not
 * @BLK_INTERPOSER_REDIRECTED: the bio has another device: start over with it
 * @BLK_INTERPOSER_CONSUMED: the bio was completed or taken over; the caller
 *	must not touch it any more
 * @BLK_INTERPOSER_LOWERED: it named a lower device and names the original now,
 *	whose programs are behind it: go on with that
 */
enum blk_interposer_action {
	BLK_INTERPOSER_CONTINUE,
	BLK_INTERPOSER_REDIRECTED,
	BLK_INTERPOSER_CONSUMED,
	BLK_INTERPOSER_LOWERED,
};

struct blk_interposer_slot;

/**
 * union bpf_bio_touched - what a program has changed
 * @verdict: always 0, so that @any and a verdict can be looked at together
 * @sector: it wrote the sector
 * @other: it wrote another field of the context
 * @called: BPF_BIO_ACCEPTED and BPF_BIO_ASKED_TARGET
 * @any: all of these: 0 and BPF_BIO_PASS leave nothing to be done
 */
union bpf_bio_touched {
	struct {
#ifdef __LITTLE_ENDIAN
		u8 verdict;
		u8 sector;
		u8 other;
		u8 called;
#else
		u8 called;
		u8 other;
		u8 sector;
		u8 verdict;
#endif
	};
	u32 any;
};

/* bpf_bio_accept_partial() has made the bio shorter. */
#define BPF_BIO_ACCEPTED	BIT(0)
/* bpf_redirect_map() was called; what it chose counts. */
#define BPF_BIO_ASKED_TARGET	BIT(1)

/**
 * struct bpf_bio_kern - kernel side of the context of a program
 * @uctx: what the program sees; first, so that what it reads needs no rewriting,
 *	but for @uctx.dev, which a program is given from its slot
 * @bio: the bio, NULL in a test run
 * @slot: of the program, for bpf_get_attach_cookie(), and more
 * @run_ctx: how bpf_redirect_map() finds this struct through current
 * @target: chosen by the last bpf_redirect_map() of this run, if @touched says
 *	that there was one
 * @before: the part of @uctx before @touched
 * @touched: what this run of a program has changed; in bytes of @uctx that are
 *	reserved, out of reach of a program, and to be zero anyway
 * @data: payload of a test run
 * @data_len: its length in bytes
 * @block_sectors: granularity of a split in sectors in a test run
 */
struct bpf_bio_kern {
	struct bpf_run_ctx run_ctx;
	union {
		struct bpf_bio uctx;
		struct {
			u8 before[offsetof(struct bpf_bio, reserved) + 1];
			union bpf_bio_touched touched;
		};
	};
	struct bio *bio;
	const struct blk_interposer_slot *slot;
	struct blk_interposer_target *target;
	const void *data;
	u32 data_len;
	u32 block_sectors;
};

static_assert(offsetofend(struct bpf_bio_kern, touched) ==
	      sizeof(struct bpf_bio));
/* A program is given the address of the whole. */
static_assert(!offsetof(struct bpf_bio_kern, uctx));

/*
 * bi_interposer of a bio: the index of the in-flight counter of the target it
 * was redirected to (0: not redirected) and how often it was redirected. The
 * index belongs to this very bio; the hops are inherited by its clones.
 */
#define BIO_INTERPOSER_INDEX_BITS	12
#define BIO_INTERPOSER_INDEX_MASK	((1U << BIO_INTERPOSER_INDEX_BITS) - 1)
#define BIO_INTERPOSER_HOPS_MASK	(0xffffU & ~BIO_INTERPOSER_INDEX_MASK)

/*
 * In bi_cookie of a bio that waits for flushes, beside what is to be done with it.
 * A bit of BLK_QC_T_NONE, and of no hardware queue's number.
 */
#define BLK_INTERPOSER_HELD		BIT(31)

#ifdef CONFIG_BLK_INTERPOSER

extern struct static_key_false_deferred blk_interposer_key;
extern struct static_key_false_deferred blk_interposer_endio_key;

enum blk_interposer_action __blk_interposer_submit(struct bio *bio,
						   struct block_device *bdev);
bool __blk_interposer_endio(struct bio *bio);
void __blk_interposer_end_part(struct bio *bio);
int __blk_interposer_check_stack(struct block_device *bdev,
				 struct gendisk *disk);

/**
 * blk_interposer_submit - ask the programs of the bio's device
 * @bio: bio being submitted
 * @bdev: its bi_bdev
 *
 * Called by submit_bio_noacct() for the device that the bio names, and again
 * for the whole disk once blk_partition_remap() has made the sector absolute.
 *
 * Context: process context, may sleep.
 * Return: what to do next, see &enum blk_interposer_action. The caller keeps
 * the bio unless it is BLK_INTERPOSER_CONSUMED.
 */
static __always_inline enum blk_interposer_action
blk_interposer_submit(struct bio *bio, struct block_device *bdev)
{
	if (!static_branch_unlikely(&blk_interposer_key.key))
		return BLK_INTERPOSER_CONTINUE;
	if (likely(!(atomic_read(&bdev->__bd_flags) &
		     (BD_INTERPOSED | BD_LOWER))))
		return BLK_INTERPOSER_CONTINUE;
	return __blk_interposer_submit(bio, bdev);
}

/**
 * blk_interposer_endio - end a bio that was redirected
 * @bio: bio whose last reference to I/O is gone
 *
 * The target stays open until the owner of the bio has seen the completion,
 * because bi_bdev names the target. So bi_end_io is called from here.
 *
 * Context: any.
 * Return: true if bi_end_io was called and the bio must not be touched any
 * more, false if bio_endio() goes on.
 */
static __always_inline bool blk_interposer_endio(struct bio *bio)
{
	if (!static_branch_unlikely(&blk_interposer_endio_key.key))
		return false;
	if (likely(!bio->bi_interposer))
		return false;
	return __blk_interposer_endio(bio);
}

/* The same for a part of a chain, whose owner is the next part. */
static __always_inline void blk_interposer_end_part(struct bio *bio)
{
	if (static_branch_unlikely(&blk_interposer_endio_key.key) &&
	    unlikely(bio->bi_interposer))
		__blk_interposer_end_part(bio);
}

/* A copy made by hand has met the programs that its source has met. */
static inline void blk_interposer_copy(struct bio *bio, struct bio *src)
{
	if (bio->bi_bdev == src->bi_bdev && bio_flagged(src, BIO_INTERPOSED))
		bio_set_flag(bio, BIO_INTERPOSED);
	bio->bi_interposer = src->bi_interposer & BIO_INTERPOSER_HOPS_MASK;
}

/**
 * blk_interposer_is_held - is a bio held back, and not to be polled for?
 * @cookie: its bi_cookie, read once
 *
 * Its owner polls as soon as submit_bio() has returned; REQ_POLLED is nothing that
 * bio_poll() looks at.
 *
 * Context: any.
 * Return: true if it is.
 */
static __always_inline bool blk_interposer_is_held(blk_qc_t cookie)
{
	return cookie & BLK_INTERPOSER_HELD;
}

/**
 * blk_interposer_check_stack - may a disk stack on a block device?
 * @bdev: the device below
 * @disk: the disk above, already recorded as its holder: an attach that does
 *	not see that will be seen here
 *
 * Context: may sleep; neither an open_mutex nor the lock of holders is held.
 * Return: 0; -ELOOP: I/O to @bdev gets to @disk through redirects; -ENOMEM.
 */
static inline int blk_interposer_check_stack(struct block_device *bdev,
					     struct gendisk *disk)
{
	if (!static_branch_unlikely(&blk_interposer_key.key))
		return 0;
	return __blk_interposer_check_stack(bdev, disk);
}

bool blk_interposer_fits(struct blk_interposer_target *target, u32 nr_sectors);
u32 blk_interposer_split_unit(struct bio *bio);
void blk_interposer_add_partition(struct block_device *part);
void blk_interposer_uninstall(struct block_device *bdev);
void blk_interposer_release_disk(struct gendisk *disk);
void __blk_interposer_follow(struct gendisk *disk);

/**
 * blk_interposer_follow - something of a disk or a partition has changed
 * @disk: the disk
 *
 * Its size, whether it is read-only, or its limits: lower devices will be as it is.
 *
 * Context: any.
 */
static inline void blk_interposer_follow(struct gendisk *disk)
{
	if (static_branch_unlikely(&blk_interposer_key.key))
		__blk_interposer_follow(disk);
}

#else /* !CONFIG_BLK_INTERPOSER */

static __always_inline enum blk_interposer_action
blk_interposer_submit(struct bio *bio, struct block_device *bdev)
{
	return BLK_INTERPOSER_CONTINUE;
}

static __always_inline bool blk_interposer_endio(struct bio *bio)
{
	return false;
}

static __always_inline void blk_interposer_end_part(struct bio *bio)
{
}

static __always_inline bool blk_interposer_is_held(blk_qc_t cookie)
{
	return false;
}

static inline void blk_interposer_copy(struct bio *bio, struct bio *src)
{
}

static inline int blk_interposer_check_stack(struct block_device *bdev,
					     struct gendisk *disk)
{
	return 0;
}

static inline void blk_interposer_add_partition(struct block_device *part)
{
}

static inline void blk_interposer_uninstall(struct block_device *bdev)
{
}

static inline void blk_interposer_release_disk(struct gendisk *disk)
{
}

static inline void blk_interposer_follow(struct gendisk *disk)
{
}

#endif /* CONFIG_BLK_INTERPOSER */

#if defined(CONFIG_BLK_INTERPOSER) && defined(CONFIG_BPF_SYSCALL)

int blk_prog_attach(const union bpf_attr *attr, struct bpf_prog *prog);
int blk_prog_detach(const union bpf_attr *attr, struct bpf_prog *prog);
int blk_prog_query(const union bpf_attr *attr, union bpf_attr __user *uattr);
int blk_link_attach(const union bpf_attr *attr, struct bpf_prog *prog);
int blk_link_barrier(struct bpf_link *link);
int bpf_prog_test_run_blk_interposer(struct bpf_prog *prog,
				     const union bpf_attr *kattr,
				     union bpf_attr __user *uattr);

#else

static inline int blk_prog_attach(const union bpf_attr *attr,
				  struct bpf_prog *prog)
{
	return -EINVAL;
}

static inline int blk_prog_detach(const union bpf_attr *attr,
				  struct bpf_prog *prog)
{
	return -EINVAL;
}

static inline int blk_prog_query(const union bpf_attr *attr,
				 union bpf_attr __user *uattr)
{
	return -EINVAL;
}

static inline int blk_link_attach(const union bpf_attr *attr,
				  struct bpf_prog *prog)
{
	return -EINVAL;
}

static inline int blk_link_barrier(struct bpf_link *link)
{
	return -EINVAL;
}

#endif

#endif /* _LINUX_BLK_INTERPOSER_H */
