/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * blk_interposer: BPF programs at bio submission.
 *
 * A BPF_PROG_TYPE_BLK_INTERPOSER program attached to a block device with
 * BPF_BLK_SUBMIT runs once for every bio submitted to that device. It gets
 * a struct bpf_bio and returns an enum bpf_bio_verdict.
 *
 * Sectors are 512 bytes everywhere, whatever the logical block size is.
 */
#ifndef _UAPI_LINUX_BLK_INTERPOSER_H
#define _UAPI_LINUX_BLK_INTERPOSER_H

#include <linux/types.h>

/**
 * enum bpf_bio_op - what a bio does
 * @BPF_BIO_OP_UNSPEC: never seen by a program, rejected by test_run
 * @BPF_BIO_OP_READ: read sectors
 * @BPF_BIO_OP_WRITE: write sectors
 * @BPF_BIO_OP_FLUSH: flush the volatile write cache; has no sectors. A write
 *	that asks for a flush first is a WRITE with BPF_BIO_F_PREFLUSH.
 * @BPF_BIO_OP_DISCARD: discard sectors
 * @BPF_BIO_OP_SECURE_ERASE: erase sectors securely
 * @BPF_BIO_OP_WRITE_ZEROES: zero sectors without transferring data
 * @BPF_BIO_OP_ZONE_APPEND: append to the zone that starts at the sector
 * @BPF_BIO_OP_ZONE_OPEN: open a zone
 * @BPF_BIO_OP_ZONE_CLOSE: close a zone
 * @BPF_BIO_OP_ZONE_FINISH: move a zone to the full state
 * @BPF_BIO_OP_ZONE_RESET: reset the write pointer of a zone
 * @BPF_BIO_OP_ZONE_RESET_ALL: reset all zones; reports the whole device, or
 *	its first 2^32 - 1 sectors, if it has more: all zones are meant
 *
 * These numbers are ABI and have nothing to do with the kernel's REQ_OP_*.
 * Zone management operations report the length of their zone, so that a
 * policy on ranges needs no special case for them.
 */
enum bpf_bio_op {
	BPF_BIO_OP_UNSPEC = 0,
	BPF_BIO_OP_READ = 1,
	BPF_BIO_OP_WRITE = 2,
	BPF_BIO_OP_FLUSH = 3,
	BPF_BIO_OP_DISCARD = 4,
	BPF_BIO_OP_SECURE_ERASE = 5,
	BPF_BIO_OP_WRITE_ZEROES = 6,
	BPF_BIO_OP_ZONE_APPEND = 7,
	BPF_BIO_OP_ZONE_OPEN = 8,
	BPF_BIO_OP_ZONE_CLOSE = 9,
	BPF_BIO_OP_ZONE_FINISH = 10,
	BPF_BIO_OP_ZONE_RESET = 11,
	BPF_BIO_OP_ZONE_RESET_ALL = 12,
	/* private: */
	__BPF_BIO_OP_MAX
};

#define BPF_BIO_OP_MAX (__BPF_BIO_OP_MAX - 1)

/**
 * enum bpf_bio_flags - bits of &struct bpf_bio.flags
 * @BPF_BIO_F_SYNC: somebody waits for this bio
 * @BPF_BIO_F_META: metadata of a filesystem
 * @BPF_BIO_F_PRIO: boosted priority
 * @BPF_BIO_F_ATOMIC: a write that must not be torn
 * @BPF_BIO_F_NOUNMAP: a WRITE_ZEROES that must not free blocks
 * @BPF_BIO_F_INTEGRITY: carries protection information
 * @BPF_BIO_F_FUA: to be on stable storage when it completes
 * @BPF_BIO_F_PREFLUSH: the write cache is flushed before this bio
 * @BPF_BIO_F_RAHEAD: readahead; may fail at any time
 * @BPF_BIO_F_BACKGROUND: background writeback
 * @BPF_BIO_F_NOWAIT: fails with EAGAIN rather than wait
 * @BPF_BIO_F_POLLED: the submitter polls for the completion
 * @BPF_BIO_F_CRYPT: carries an inline encryption context
 * @BPF_BIO_F_SWAP: swap I/O
 */
enum bpf_bio_flags {
	BPF_BIO_F_SYNC = (1U << 0),
	BPF_BIO_F_META = (1U << 1),
	BPF_BIO_F_PRIO = (1U << 2),
	BPF_BIO_F_ATOMIC = (1U << 3),
	BPF_BIO_F_NOUNMAP = (1U << 4),
	BPF_BIO_F_INTEGRITY = (1U << 5),
	BPF_BIO_F_FUA = (1U << 6),
	BPF_BIO_F_PREFLUSH = (1U << 7),
	BPF_BIO_F_RAHEAD = (1U << 8),
	BPF_BIO_F_BACKGROUND = (1U << 9),
	BPF_BIO_F_NOWAIT = (1U << 10),
	BPF_BIO_F_POLLED = (1U << 11),
	BPF_BIO_F_CRYPT = (1U << 12),
	BPF_BIO_F_SWAP = (1U << 13),
};

#define BPF_BIO_F_ALL ((1U << 14) - 1)

/**
 * struct bpf_bio - the context of a BPF_PROG_TYPE_BLK_INTERPOSER program
 * @sector: first sector, relative to the device the program is attached to.
 *	May be written; counts with REMAP and REDIRECT only.
 * @nr_sectors: length; 0 only for BPF_BIO_OP_FLUSH
 * @op: enum bpf_bio_op
 * @flags: enum bpf_bio_flags
 * @dev: device the program is attached to, encoded as st_rdev of stat(2)
 * @partno: partition that the bio was submitted to, 0 for the whole disk
 * @error: negative errno that BPF_BIO_FAIL completes the bio with. May be
 *	written; 0 means -EIO. Only an errno that a block layer status stands
 *	for survives to the submitter: -EIO, -EOPNOTSUPP, -ETIMEDOUT, -ENOSPC,
 *	-ENOLINK, -EREMOTEIO, -EBADE, -ENODATA, -EILSEQ, -ENOMEM, -EBUSY,
 *	-ENODEV, -ETIME and -EINVAL are taken as they are; anything else
 *	becomes -EIO and is counted as BPF_BIO_REFUSED_ERRNO. There is no
 *	status for EPERM, EROFS and EACCES; EAGAIN and EREMCHG are instructions
 *	to stacking drivers and no verdict of a policy.
 * @ioprio: I/O priority as of ioprio_set(2). May be written; takes effect
 *	with PASS, REMAP and REDIRECT.
 * @write_hint: enum rw_hint as of fcntl(2) F_SET_RW_HINT. May be written;
 *	takes effect as @ioprio does.
 * @reserved: zero
 *
 * The struct grows at its end only.
 */
struct bpf_bio {
	__u64 sector;
	__u32 nr_sectors;
	__u32 op;
	__u32 flags;
	__u32 dev;
	__u32 partno;
	__s32 error;
	__u16 ioprio;
	__u8 write_hint;
	__u8 reserved[5];
};

/**
 * enum bpf_bio_verdict - what a program decides; any other value is
 *	rejected by the verifier
 * @BPF_BIO_PASS: ask the next program; after the last the bio goes to the
 *	device
 * @BPF_BIO_FAIL: complete the bio now with &struct bpf_bio.error
 * @BPF_BIO_REMAP: move the bio to &struct bpf_bio.sector of the same device
 *	and ask the next program, which sees the new sector
 * @BPF_BIO_DONE: complete the bio successfully without I/O. The pages of a
 *	read are zeroed. A flush that was asked for is still done.
 * @BPF_BIO_REDIRECT: send the bio to another device, chosen with
 *	bpf_redirect_map(), at &struct bpf_bio.sector; it meets that device's
 *	own programs there. Returned without a successful bpf_redirect_map()
 *	in the same run it fails the bio.
 */
enum bpf_bio_verdict {
	BPF_BIO_PASS = 0,
	BPF_BIO_FAIL = 1,
	BPF_BIO_REMAP = 2,
	BPF_BIO_DONE = 3,
	BPF_BIO_REDIRECT = 4,
	/* private: */
	__BPF_BIO_VERDICT_MAX
};

/*
 * flags of bpf_redirect_map(): the verdict to return when the key has no
 * device. BPF_BIO_REDIRECT is not allowed there and becomes BPF_BIO_FAIL.
 */
#define BPF_BIO_FALLBACK_MASK 7ULL

/**
 * enum bpf_bio_refusal - why a verdict was not carried out as it stood;
 *	index into &struct bpf_blk_stats.refused
 * @BPF_BIO_REFUSED_SECTOR: beyond the end of the device
 * @BPF_BIO_REFUSED_RDONLY: write to a read-only device, or to a target that
 *	was given as a read-only file descriptor
 * @BPF_BIO_REFUSED_ALIGN: not aligned to the logical block size or DMA
 *	alignment of the device
 * @BPF_BIO_REFUSED_LOOP: redirected more than BPF_BIO_MAX_HOPS times
 * @BPF_BIO_REFUSED_NO_TARGET: BPF_BIO_REDIRECT without bpf_redirect_map()
 * @BPF_BIO_REFUSED_TARGET_GONE: the target device was removed
 * @BPF_BIO_REFUSED_STABLE: the target needs stable pages and the source does
 *	not promise them
 * @BPF_BIO_REFUSED_OP: a zone append, or an operation or a property of the
 *	bio (zone operation, atomic write, protection information, inline
 *	encryption, zeroing without a write cache) that the device it was to go
 *	to has not, or not in the same way
 * @BPF_BIO_REFUSED_NOWAIT: a NOWAIT bio would have had to wait
 * @BPF_BIO_REFUSED_ERRNO: &struct bpf_bio.error was not one of those allowed;
 *	the bio failed with -EIO
 * @BPF_BIO_REFUSED_HINT: invalid ioprio or write_hint; left as it was
 * @BPF_BIO_REFUSED_PARTIAL: the part that was accepted cannot be split off
 *	for the target that was chosen afterwards
 * @BPF_BIO_REFUSED_FLUSH: a flush of a redirect target failed; the bio that
 *	asked for it failed with the same error
 * @BPF_BIO_REFUSED_NOMEM: no memory to split the bio
 */
enum bpf_bio_refusal {
	BPF_BIO_REFUSED_SECTOR = 0,
	BPF_BIO_REFUSED_RDONLY = 1,
	BPF_BIO_REFUSED_ALIGN = 2,
	BPF_BIO_REFUSED_LOOP = 3,
	BPF_BIO_REFUSED_NO_TARGET = 4,
	BPF_BIO_REFUSED_TARGET_GONE = 5,
	BPF_BIO_REFUSED_STABLE = 6,
	BPF_BIO_REFUSED_OP = 7,
	BPF_BIO_REFUSED_NOWAIT = 8,
	BPF_BIO_REFUSED_ERRNO = 9,
	BPF_BIO_REFUSED_HINT = 10,
	BPF_BIO_REFUSED_PARTIAL = 11,
	BPF_BIO_REFUSED_FLUSH = 12,
	BPF_BIO_REFUSED_NOMEM = 13,
	/* private: */
	__BPF_BIO_REFUSED_MAX
};

/* How often a bio may be redirected, its clones included. */
#define BPF_BIO_MAX_HOPS 8

/**
 * struct bpf_blk_stats - counters of one attached program
 * @bios: bios by verdict; an index that no verdict has yet is zero
 * @sectors: sectors by verdict
 * @refused: bios by enum bpf_bio_refusal
 *
 * Of BPF_PROG_QUERY (query.blk_stats, an array) and of BPF_OBJ_GET_INFO_BY_FD
 * on a link (blk.stats). Counters of a link survive the replacement of its
 * program.
 */
struct bpf_blk_stats {
	__u64 bios[8];
	__u64 sectors[8];
	__u64 refused[16];
};

/**
 * struct bpf_blkdev_val - value of a BPF_MAP_TYPE_BLKDEV map
 * @fd_or_dev: update: file descriptor of an open block device. It serves
 *	writes if it was opened for writing, otherwise reads only. Lookup: the
 *	device, encoded as st_rdev of stat(2).
 * @flags: update: must be 0. Lookup: enum bpf_blkdev_val_flags.
 */
struct bpf_blkdev_val {
	__u32 fd_or_dev;
	__u32 flags;
};

/**
 * enum bpf_blkdev_val_flags - bits of &struct bpf_blkdev_val.flags on lookup
 * @BPF_BLKDEV_F_RDONLY: given as a read-only file descriptor
 * @BPF_BLKDEV_F_GONE: the device was removed
 */
enum bpf_blkdev_val_flags {
	BPF_BLKDEV_F_RDONLY = (1U << 0),
	BPF_BLKDEV_F_GONE = (1U << 1),
};

#endif /* _UAPI_LINUX_BLK_INTERPOSER_H */
