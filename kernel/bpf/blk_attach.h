/* SPDX-License-Identifier: GPL-2.0 */
/* Private to the files blk_*.c. */
#ifndef BPF_BLK_ATTACH_H
#define BPF_BLK_ATTACH_H

#include <linux/bpf.h>
#include "../../block/interposer/interposer.h"

struct blk_link {
	struct bpf_link link;
	struct blk_interposer_disk *idisk;
	struct block_device *bdev;		/* under idisk->lock */
	struct blk_interposer_counters *counters;
	struct blk_interposer_lower *lower;	/* BPF_F_BLK_LOWER, or NULL */
	u64 cookie;
	u32 dev;
};

static inline struct blk_link *blk_link(const struct bpf_link *link)
{
	return container_of(link, struct blk_link, link);
}

/* Flags that are ours and not bpf_mprog's */
#define BLK_FLAGS	(BPF_F_BLK_BARRIER | BPF_F_BLK_LOWER)

/* What a change of a list needs, and what it is made of. */
struct blk_change {
	struct block_device *bdev;
	struct blk_interposer_disk *idisk;
	struct bpf_prog *prog;
	struct bpf_link *link;
	struct bpf_prog *replace;
	struct blk_interposer_counters *counters;
	struct blk_device_maps *maps;
	u32 flags;
	u32 id_or_fd;
	u64 revision;
	bool activated;		/* the disk keeps our key */
};

/* Like I_BDEV(), of an open block device. */
static inline struct block_device *blk_file_bdev(struct file *file)
{
	return I_BDEV(file->f_mapping->host);
}

/* A lower device has an original there instead. */
static inline struct blk_interposer_list *
blk_list_locked(struct blk_interposer_disk *idisk, struct block_device *bdev)
{
	if (bdev_test_flag(bdev, BD_LOWER))
		return NULL;
	return rcu_dereference_protected(bdev->bd_interposer_list,
					 lockdep_is_held(&idisk->lock));
}

struct file *blk_fget(u32 fd);
struct file *blk_fget_attach(u32 fd);
int blk_attach(struct blk_change *c);
int blk_attach_locked(struct blk_change *c);
int blk_change_run(struct blk_change *c, int (*change)(struct blk_change *c));
int blk_detach_locked(struct blk_change *c);
struct blk_device_maps *blk_device_maps(struct bpf_prog *prog);
int blk_topology_check_maps(const struct blk_device_maps *maps,
			    struct block_device *bdev);
int blk_stats_to_user(void __user *to, u32 size,
		      struct blk_interposer_counters *counters);

#endif /* BPF_BLK_ATTACH_H */
