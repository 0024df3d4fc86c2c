/* SPDX-License-Identifier: GPL-2.0 */
/*
 * blk_interposer, private to block/interposer/ and to the attach point in
 * kernel/bpf/blk_link.c.
 *
 * How it hangs together
 * ---------------------
 * A block device that had a program attached owns a struct blk_interposer
 * (control side: the bpf_mprog list) and publishes a struct
 * blk_interposer_list (hot side: an array of slots) under RCU. Each change
 * fills the peer of the published list, publishes it whole, and waits for a
 * grace period: a bio sees the old list or the new one. (bpf_mprog's own
 * arrays are not used by the hot path: they are replaced in place.) The disk
 * owns a struct blk_interposer_disk with what its partitions share.
 *
 * Exactly once: BIO_INTERPOSED. A bio meets the programs of the partition it
 * names (mark without BIO_REMAPPED) and, after blk_partition_remap() has
 * cleared the mark, those of the disk (mark with BIO_REMAPPED). bio_set_dev()
 * clears it; clones of the same device inherit it (blk_interposer_copy());
 * the final bio_endio() clears it. See dispatch.c. What nearly all bios are takes
 * the short way of quick.h; what was decided is carried out in act.c.
 *
 * Lifetime of programs and lists: core.c. Links do not pin the device;
 * blk_interposer_uninstall() runs when the disk is dead or the partition is
 * dropped.
 *
 * Lifetime of redirect targets: target.c. A target is opened by user space,
 * pinned by its slots in device maps and by its struct blk_interposer_inflight
 * counters, whose index travels in bi_interposer of every redirected bio and
 * is dropped in bio_endio() after the bio's owner has been told. The target
 * is flushed and closed when its counters are at rest, and bios that went on to
 * other targets have ended. A barrier (barrier.c) switches to the other counter
 * and waits for the one before.
 *
 * Recursion: redirect.c bounds hops (bi_interposer again, inherited by
 * clones); kernel/bpf/blk_topology.c refuses circles through stacking drivers.
 *
 * Lower devices, what is stacked below a device's programs: lower.c; they follow
 * their original: follow.c.
 *
 * Splits: split.c, iterative, from a bioset of the disk with a rescuer; what goes
 * the same way stays together.
 *
 * Flush: flush.c. A target is dirty from the completion of a redirected write
 * until a flush that started later has succeeded.
 *
 * Locking
 * -------
 *	blk_interposer_topology_lock	what can make a circle of redirects and
 *					stacks: changes of device maps, attach
 *					of programs that use one, new stacks
 *	  blk_interposer_disks_lock	list of disks
 *	    idisk->lock			lists, links and gate bits of one disk
 *	blk_interposer_targets_lock	targets of slots, and their counters
 *	blk_interposer_lowers_lock	list of lower devices
 *
 * The first is taken by bd_link_disk_holder(), by a driver that may have brought
 * its disk to a standstill: reconfig_mutex of md and table_devices_lock of dm
 * are outside of it, and what is waited for under it must not wait for I/O
 * either, except in blk_holder_mutex, as always.
 *
 * idisk->lock nests inside disk->open_mutex and inside a frozen queue
 * (del_gendisk()). So nothing under it may wait for I/O: memory is allocated
 * with memalloc_noio (blk_interposer_lock()); no queue is frozen; user memory
 * is not touched; neither cpus_read_lock() nor blk_holder_mutex is taken, whose
 * holders allocate.
 */
#ifndef BLK_INTERPOSER_PRIVATE_H
#define BLK_INTERPOSER_PRIVATE_H

#include <linux/bpf_mprog.h>
#include <linux/blk_interposer.h>
#include <linux/mempool.h>
#include <linux/percpu-refcount.h>
#include <linux/sched/mm.h>
#include <linux/u64_stats_sync.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#define BLK_INTERPOSER_NR_VERDICTS	__BPF_BIO_VERDICT_MAX
#define BLK_INTERPOSER_NR_REFUSALS	__BPF_BIO_REFUSED_MAX
/* Two counters each, and 0 for none, in the index of a bio */
#define BLK_INTERPOSER_MAX_TARGETS	(BIO_INTERPOSER_INDEX_MASK / 2)

/**
 * struct blk_interposer_stats - counters of a program or link, per CPU
 * @bios: by verdict
 * @sectors: by verdict
 * @refused: by enum bpf_bio_refusal
 * @syncp: for 32-bit readers
 *
 * No u64_stats_t: where a word is enough, this_cpu_add() is one instruction.
 */
struct blk_interposer_stats {
	u64 bios[BLK_INTERPOSER_NR_VERDICTS];
	u64 sectors[BLK_INTERPOSER_NR_VERDICTS];
	u64 refused[BLK_INTERPOSER_NR_REFUSALS];
	struct u64_stats_sync syncp;
};

/**
 * struct blk_interposer_counters - counters and who still uses them
 * @refs: one of the link or program, short ones of bios being split
 * @stats: the counters
 */
struct blk_interposer_counters {
	refcount_t refs;
	struct blk_interposer_stats __percpu *stats;
};

/**
 * struct blk_device_maps - what a program may redirect to
 * @nr: how many
 * @maps: maps of type BPF_MAP_TYPE_BLKDEV; the program holds the references
 */
struct blk_device_maps {
	u32 nr;
	struct bpf_map *maps[];
};

/**
 * struct blk_interposer_slot - one program of a list
 * @run: bpf_func of @prog, NULL behind the last program
 * @insns: its second argument
 * @prog: the program; its owner (link or mprog list) holds the reference
 * @maps: its device maps, or NULL; the list owns the memory
 * @stats: @counters->stats
 * @counters: of the link, or of the program if there is no link
 * @cookie: of the link
 * @list: that it is in
 * @bdev: its device
 * @dev: its device, as programs see it
 * @of_link: @counters are a link's
 */
struct blk_interposer_slot {
	bpf_func_t run;
	const struct bpf_insn *insns;
	struct blk_interposer_stats __percpu *stats;
	struct bpf_prog *prog;
	struct blk_device_maps *maps;
	struct blk_interposer_counters *counters;
	u64 cookie;
	struct blk_interposer_list *list;
	struct block_device *bdev;
	u32 dev;
	bool of_link;
};

/**
 * struct blk_interposer_list - what the hot path runs
 * @slots: in the order they run, and one that says that it is over
 * @bdev: the device the programs are attached to
 * @used: of @bdev in &struct blk_interposer_disk.used_by
 * @count: programs in @slots
 */
struct blk_interposer_list {
	struct blk_interposer_slot slots[BPF_MPROG_MAX];
	struct block_device *bdev;
	unsigned long *used;
	u32 count;
};

/**
 * struct blk_interposer - attach point of one block device
 * @bundle: control side; the entry in use is @entry
 * @entry: active of the two entries of @bundle
 * @lists: published and spare list; the spare one has no readers
 * @idle: index of the spare one
 */
struct blk_interposer {
	struct bpf_mprog_bundle bundle;
	struct bpf_mprog_entry *entry;
	struct blk_interposer_list lists[2];
	unsigned int idle;
};

/**
 * struct blk_interposer_used - where the programs of one device sent bios
 * @targets: a bit for each; first, lists have a pointer to it
 * @flush_error: blk_status_t of the last flush of one that was closed, kept for
 *	the next flush that meets these programs
 */
struct blk_interposer_used {
	DECLARE_BITMAP(targets, BLK_INTERPOSER_MAX_TARGETS);
	int flush_error;
};

/**
 * struct blk_interposer_reserve - with what flushes make progress
 * @works: struct blk_interposer_flush
 * @bios: flush bios to targets
 * @wq: sends them, and lets go on what was held back
 */
struct blk_interposer_reserve {
	mempool_t works;
	struct bio_set bios;
	struct workqueue_struct *wq;
};

/**
 * struct blk_interposer_disk - what the block devices of one disk share
 * @lock: see above
 * @refs: one of the gendisk, of each link
 * @disk: NULL once the gendisk is released
 * @node: in the list of all
 * @used: targets that bios of this disk were redirected to; bit is target id
 * @used_by: &struct blk_interposer_used by partition number; 0: the disk's.
 *	A flush of a partition must not wait for targets of another one: they
 *	may be on this one, and flush it themselves.
 * @active: BD_INTERPOSED is set on its block devices
 * @split: bios split off; belongs to the disk because the last bio_put() of
 *	one may come after a detach
 * @reserves: for flushes in the disk's stage of what has been in a partition's are
 *	the second: all others may wait for such, through a stack on the partition's
 *	lower device, and such for no other of this disk
 * @flush_lock: protects the list
 * @flush_new: bios whose flush is to be started
 * @flush_work: starts them
 * @checked: number of the last walk of blk_topology_check_target()
 */
struct blk_interposer_disk {
	struct mutex lock;	/* lists, links and gate bits of the disk */
	refcount_t refs;
	struct gendisk *disk;
	struct list_head node;
	DECLARE_BITMAP(used, BLK_INTERPOSER_MAX_TARGETS);
	struct xarray used_by;
	bool active;
	struct bio_set split;
	struct blk_interposer_reserve reserves[2];
	spinlock_t flush_lock;	/* the list below */
	struct bio_list flush_new;
	struct delayed_work flush_work;
	u64 checked;
};

/**
 * struct blk_interposer_inflight - counts redirected bios of one target
 * @ref: one per bio, one of the target while this is its current counter
 * @target: the target
 * @index: in bi_interposer of the bios counted here
 * @turns: goes up when it is started and when its last bio has ended
 */
struct blk_interposer_inflight {
	struct percpu_ref ref;
	struct blk_interposer_target *target;
	u16 index;
	unsigned int turns;
};

static inline bool blk_interposer_at_rest(unsigned int turns)
{
	return !(turns & 1);
}

#define BLK_INTERPOSER_DIRTY		BIT(30)

/**
 * struct blk_interposer_target - a device that bios are redirected to
 * @bdev: the device
 * @file: keeps it open, with the mode user space gave it
 * @writable: @file is open for writing
 * @id: its bit in &struct blk_interposer_disk.used
 * @users: slots of device maps, under blk_interposer_targets_lock
 * @refs: one until it is closed, and short ones
 * @current_inflight: where new bios are counted, NULL once no slot is left
 * @inflight: the current counter, and one that a barrier waits for or that is
 *	at rest
 * @now: which of them is or was the last current one, same lock
 * @counting: those of them that are not at rest
 * @drained: woken when the last bio of one has ended
 * @end_work: runs when both are
 * @state: BLK_INTERPOSER_DIRTY and the number of flushes under way
 * @passes_on: a write went on from here to another target, which may not be
 *	found from the source: flush this one always
 * @strays: a bio went on from a device below that a driver had mapped it to in
 *	place: it may be at any target
 * @node: in the list of targets that have slots
 * @val: what a lookup in the map returns
 */
struct blk_interposer_target {
	struct block_device *bdev;
	struct file *file;
	bool writable;
	u16 id;
	unsigned int users;
	refcount_t refs;
	struct blk_interposer_inflight __rcu *current_inflight;
	struct blk_interposer_inflight inflight[2];
	unsigned int now;
	atomic_t counting;
	wait_queue_head_t drained;
	struct work_struct end_work;
	atomic_t state;
	bool passes_on;
	bool strays;
	struct list_head node;
	struct bpf_blkdev_val val;
};

/**
 * blk_interposer_mark_dirty - a redirected write has ended
 * @target: where it went
 *
 * Context: any; before the owner of the write is told.
 */
static inline void
blk_interposer_mark_dirty(struct blk_interposer_target *target)
{
	/* Mostly set already: do not bounce the cache line for nothing. */
	if (!(atomic_read(&target->state) & BLK_INTERPOSER_DIRTY))
		atomic_or(BLK_INTERPOSER_DIRTY, &target->state);
}

/*
 * Do flushes of the device know of the target? Then those of its disk do, too.
 * Pairs with blk_interposer_choose().
 */
static inline bool
blk_interposer_is_used(const struct blk_interposer_list *list,
		       const struct blk_interposer_target *target)
{
	return test_bit_acquire(target->id, list->used);
}

/* kernel/bpf/blk_link.c */
void blk_interposer_release_progs(struct blk_interposer *ip);

/* kernel/bpf/blk_topology.c */
int blk_topology_check_target(struct bpf_map *map,
			      struct blk_interposer_target *target);

/* kernel/bpf/blkdev_map.c */
typedef void (*blk_target_fn)(struct blk_interposer_target *target, void *data);

void blkdev_map_walk(struct bpf_map *map, blk_target_fn fn, void *data);

/* core.c */
extern struct list_head blk_interposer_disks;
extern struct mutex blk_interposer_disks_lock;
extern struct mutex blk_interposer_topology_lock;
extern struct workqueue_struct *blk_interposer_wq;
extern struct workqueue_struct *blk_interposer_close_wq;

/* What a disk shares; NULL if no program was ever attached to it. */
static inline struct blk_interposer_disk *blk_interposer_of(struct gendisk *disk)
{
	/* Pairs with the release in blk_interposer_disk_get(). */
	return smp_load_acquire(&disk->interposer);
}

unsigned int blk_interposer_lock(struct blk_interposer_disk *idisk);
void blk_interposer_unlock(struct blk_interposer_disk *idisk, unsigned int noio);
struct blk_interposer_disk *blk_interposer_disk_get(struct gendisk *disk);
void blk_interposer_disk_put(struct blk_interposer_disk *idisk);
bool blk_interposer_bdev_live(struct block_device *bdev);
struct blk_interposer *blk_interposer_fetch(struct blk_interposer_disk *idisk,
					    struct block_device *bdev);
void blk_interposer_forget(struct blk_interposer_disk *idisk, unsigned int id);
void blk_interposer_key_get(void);
void blk_interposer_key_put(void);
bool blk_interposer_publish(struct blk_interposer_disk *idisk,
			    struct block_device *bdev,
			    struct blk_interposer_list *list);
bool blk_interposer_update_gate(struct blk_interposer_disk *idisk);
bool blk_interposer_enabled(void);

/* context.c */

/*
 * Flags that a bio with data may have, without a question to anybody else. The
 * compiler makes one shift of what has the same distance, which in 6.12 is all:
 * enum bpf_bio_flags is in that order.
 */
static __always_inline u32 blk_interposer_plain_flags(blk_opf_t opf)
{
	return (opf & REQ_SYNC ? BPF_BIO_F_SYNC : 0) |
	       (opf & REQ_META ? BPF_BIO_F_META : 0) |
	       (opf & REQ_PRIO ? BPF_BIO_F_PRIO : 0) |
	       (opf & REQ_INTEGRITY ? BPF_BIO_F_INTEGRITY : 0) |
	       (opf & REQ_FUA ? BPF_BIO_F_FUA : 0) |
	       (opf & REQ_RAHEAD ? BPF_BIO_F_RAHEAD : 0) |
	       (opf & REQ_BACKGROUND ? BPF_BIO_F_BACKGROUND : 0) |
	       (opf & REQ_NOWAIT ? BPF_BIO_F_NOWAIT : 0) |
	       (opf & REQ_POLLED ? BPF_BIO_F_POLLED : 0) |
	       (opf & REQ_SWAP ? BPF_BIO_F_SWAP : 0);
}

void blk_interposer_fill_ctx(struct bpf_bio *ctx, struct bio *bio,
			     const struct blk_interposer_list *list);

/* stats.c */
struct blk_interposer_counters *blk_interposer_counters_alloc(void);
void blk_interposer_counters_put(struct blk_interposer_counters *counters);
void blk_interposer_stats_sum(struct blk_interposer_counters *counters,
			      struct bpf_blk_stats *sum);

/**
 * struct blk_interposer_decision - outcome of a list for one bio
 * @bdev: device of the list
 * @verdict: the last one that was not PASS, or PASS
 * @partial: the verdict applies to the first @nr_sectors only
 * @prog_id: program that gave it
 * @counters: of that program; NULL if all passed the whole bio. Valid in the
 *	RCU section of the run, or with a reference.
 * @sector: where the bio goes
 * @nr_sectors: what the verdict applies to
 * @error: of BPF_BIO_FAIL
 * @ioprio: of the part that @nr_sectors is
 * @write_hint: likewise
 * @inflight: counter of the target of BPF_BIO_REDIRECT, with a reference
 */
struct blk_interposer_decision {
	struct block_device *bdev;
	enum bpf_bio_verdict verdict;
	bool partial;
	u32 prog_id;
	struct blk_interposer_counters *counters;
	u64 sector;
	u32 nr_sectors;
	int error;
	u16 ioprio;
	u8 write_hint;
	struct blk_interposer_inflight *inflight;
};

void blk_interposer_refuse(const struct blk_interposer_decision *d,
			   struct bio *bio, enum bpf_bio_refusal reason);

/**
 * struct blk_interposer_stage - where submit_bio_noacct() asks from
 * @idisk: of the disk
 * @bdev: whose programs are asked
 * @disk: that is the whole disk
 * @partno: what the bio named
 */
struct blk_interposer_stage {
	struct blk_interposer_disk *idisk;
	struct block_device *bdev;
	bool disk;
	u8 partno;
};

/* An action of ours: the bio is to be completed. */
#define BLK_INTERPOSER_COMPLETE	(BLK_INTERPOSER_LOWERED + 1)

/* act.c */
enum blk_interposer_action blk_interposer_complete(struct bio *bio,
						   blk_status_t status);
int blk_interposer_act(const struct blk_interposer_decision *d,
		       struct bio *bio, blk_status_t *status);
enum blk_interposer_action
blk_interposer_settle(const struct blk_interposer_stage *stage,
		      struct bio *bio, int action, blk_status_t status);

/* place.c */
int blk_interposer_check_place(struct bio *bio,
			       const struct blk_interposer_decision *d,
			       struct block_device *to, blk_status_t *status);
bool blk_interposer_dma_aligned(struct bio *bio, struct block_device *from,
				struct block_device *to);
bool blk_interposer_can_reach(struct bio *bio, struct block_device *from,
			      struct block_device *to);
bool blk_interposer_whole_blocks(struct bio *bio, struct block_device *from,
				 struct block_device *to);

/*
 * The owner of a source without a write cache never sends flushes.
 * submit_bio_noacct() takes the flag away again where the target has none either.
 */
static __always_inline bool
blk_interposer_needs_fua(struct block_device *from, struct block_device *to)
{
	return bdev_write_cache(to) && !bdev_write_cache(from);
}

/*
 * redirect.c: enum bpf_bio_refusal with the status to complete the bio with,
 * or a negative value if it was done.
 */
int blk_interposer_remap(struct bio *bio,
			 const struct blk_interposer_decision *d,
			 blk_status_t *status);
int blk_interposer_redirect(struct bio *bio,
			    const struct blk_interposer_decision *d,
			    blk_status_t *status);

/* barrier.c */
int blk_interposer_barrier(struct gendisk *disk);
void blk_interposer_drain_onward(struct blk_interposer_target *target);

/* target.c */
extern struct mutex blk_interposer_targets_lock;

struct blk_interposer_target *blk_interposer_target_open(struct file *file);
void blk_interposer_target_close(struct blk_interposer_target *target);
bool blk_interposer_target_gone(struct blk_interposer_target *target);
struct blk_interposer_target *blk_interposer_target_tryget(unsigned int id);
void blk_interposer_target_put(struct blk_interposer_target *target);
void blk_interposer_uncount(struct bio *bio, struct block_device *from);
void blk_interposer_count_part(struct bio *part, const struct bio *bio);

/* dispatch.c */
bool blk_interposer_ask(const struct blk_interposer_stage *stage,
			struct bio *bio, struct blk_interposer_decision *d)
	__acquires(RCU);

/* split.c */
enum blk_interposer_action
blk_interposer_submit_parts(const struct blk_interposer_stage *stage,
			    struct blk_interposer_decision *d, struct bio *bio)
	__releases(RCU);

/* lower.c */
struct blk_interposer_lower *
blk_interposer_lower_create(struct block_device *bdev);
int blk_interposer_lower_close(struct blk_interposer_lower *lower);
void blk_interposer_lower_kill(struct blk_interposer_lower *lower);
void blk_interposer_lower_remove(struct blk_interposer_lower *lower);
void blk_interposer_lower_put(struct blk_interposer_lower *lower);
dev_t blk_interposer_lower_dev(const struct blk_interposer_lower *lower);
struct block_device *blk_interposer_original(struct block_device *bdev);
enum blk_interposer_action
blk_interposer_to_original(struct bio *bio, struct block_device *bdev);

/* reach.c */
void blk_interposer_add_own(struct blk_interposer_disk *idisk, u8 partno,
			    unsigned long *reach);
void blk_interposer_add_used(struct blk_interposer_disk *idisk, u8 partno,
			     unsigned long *reach);
void blk_interposer_reach(struct blk_interposer_disk *idisk, u8 partno,
			  bool own, unsigned long *reach, unsigned long *seen);
bool blk_interposer_flush_needed(struct blk_interposer_disk *idisk, u8 partno,
				 bool own);
bool blk_interposer_has_error(struct blk_interposer_disk *idisk, u8 partno,
			      bool own);
int blk_interposer_take_error(struct blk_interposer_disk *idisk, u8 partno,
			      bool own);

/* flush.c */
int blk_interposer_flush_init(struct blk_interposer_disk *idisk);
void blk_interposer_flush_exit(struct blk_interposer_disk *idisk);
void blk_interposer_flush(struct blk_interposer_disk *idisk, u8 partno, bool own,
			  struct bio *bio, bool complete);
bool blk_interposer_is_close_flush(struct bio *bio);
blk_status_t blk_interposer_flush_target(struct blk_interposer_target *target);

#endif /* BLK_INTERPOSER_PRIVATE_H */
