/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM blk_interposer

#if !defined(_TRACE_BLK_INTERPOSER_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_BLK_INTERPOSER_H

#include <linux/blkdev.h>
#include <linux/blktrace_api.h>
#include <linux/tracepoint.h>

#define RWBS_LEN	8

DECLARE_EVENT_CLASS(blk_interposer,

	TP_PROTO(struct bio *bio, dev_t dev, u32 prog_id, int detail),

	TP_ARGS(bio, dev, prog_id, detail),

	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(sector_t, sector)
		__field(unsigned int, nr_sector)
		__field(u32, prog_id)
		__field(int, detail)
		__array(char, rwbs, RWBS_LEN)
	),

	TP_fast_assign(
		__entry->dev = dev;
		__entry->sector = bio->bi_iter.bi_sector;
		__entry->nr_sector = bio_sectors(bio);
		__entry->prog_id = prog_id;
		__entry->detail = detail;
		blk_fill_rwbs(__entry->rwbs, bio->bi_opf);
	),

	TP_printk("%d,%d %s %llu + %u prog %u (%d)",
		  MAJOR(__entry->dev), MINOR(__entry->dev), __entry->rwbs,
		  (unsigned long long)__entry->sector, __entry->nr_sector,
		  __entry->prog_id, __entry->detail)
);

/**
 * blk_interposer_fail - a program failed a bio
 * @bio: the bio, still at its old place
 * @dev: device the program is attached to
 * @prog_id: the program
 * @error: errno the bio is completed with
 */
DEFINE_EVENT(blk_interposer, blk_interposer_fail,
	TP_PROTO(struct bio *bio, dev_t dev, u32 prog_id, int error),
	TP_ARGS(bio, dev, prog_id, error)
);

/**
 * blk_interposer_done - a program completed a bio without I/O
 * @bio: the bio
 * @dev: device the program is attached to
 * @prog_id: the program
 * @unused: 0
 */
DEFINE_EVENT(blk_interposer, blk_interposer_done,
	TP_PROTO(struct bio *bio, dev_t dev, u32 prog_id, int unused),
	TP_ARGS(bio, dev, prog_id, unused)
);

/**
 * blk_interposer_refused - a verdict was not carried out
 * @bio: the bio
 * @dev: device the program is attached to
 * @prog_id: the program, 0 if none is to blame
 * @reason: enum bpf_bio_refusal
 */
DEFINE_EVENT(blk_interposer, blk_interposer_refused,
	TP_PROTO(struct bio *bio, dev_t dev, u32 prog_id, int reason),
	TP_ARGS(bio, dev, prog_id, reason)
);

DECLARE_EVENT_CLASS(blk_interposer_move,

	TP_PROTO(struct bio *bio, dev_t dev, u32 prog_id, dev_t to,
		 sector_t to_sector),

	TP_ARGS(bio, dev, prog_id, to, to_sector),

	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(sector_t, sector)
		__field(unsigned int, nr_sector)
		__field(u32, prog_id)
		__field(dev_t, to)
		__field(sector_t, to_sector)
		__array(char, rwbs, RWBS_LEN)
	),

	TP_fast_assign(
		__entry->dev = dev;
		__entry->sector = bio->bi_iter.bi_sector;
		__entry->nr_sector = bio_sectors(bio);
		__entry->prog_id = prog_id;
		__entry->to = to;
		__entry->to_sector = to_sector;
		blk_fill_rwbs(__entry->rwbs, bio->bi_opf);
	),

	TP_printk("%d,%d %s %llu + %u prog %u -> (%d,%d) %llu",
		  MAJOR(__entry->dev), MINOR(__entry->dev), __entry->rwbs,
		  (unsigned long long)__entry->sector, __entry->nr_sector,
		  __entry->prog_id, MAJOR(__entry->to), MINOR(__entry->to),
		  (unsigned long long)__entry->to_sector)
);

/**
 * blk_interposer_remap - a program moved a bio on its device
 * @bio: the bio, still at its old place
 * @dev: device the program is attached to
 * @prog_id: the program
 * @to: @dev
 * @to_sector: where the bio goes
 */
DEFINE_EVENT(blk_interposer_move, blk_interposer_remap,
	TP_PROTO(struct bio *bio, dev_t dev, u32 prog_id, dev_t to,
		 sector_t to_sector),
	TP_ARGS(bio, dev, prog_id, to, to_sector)
);

/**
 * blk_interposer_redirect - a program sent a bio to another device
 * @bio: the bio, still at its old place
 * @dev: device the program is attached to
 * @prog_id: the program
 * @to: the target
 * @to_sector: where the bio goes
 */
DEFINE_EVENT(blk_interposer_move, blk_interposer_redirect,
	TP_PROTO(struct bio *bio, dev_t dev, u32 prog_id, dev_t to,
		 sector_t to_sector),
	TP_ARGS(bio, dev, prog_id, to, to_sector)
);

#undef RWBS_LEN

#endif /* _TRACE_BLK_INTERPOSER_H */

/* This part must be outside protection */
#include <trace/define_trace.h>
