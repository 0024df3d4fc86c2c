// SPDX-License-Identifier: GPL-2.0
/*
 * BPF_PROG_QUERY of BPF_BLK_SUBMIT. User memory is not touched under
 * idisk->lock, which nests inside a frozen queue: a page fault may need I/O.
 */
#include <linux/bpf.h>
#include <linux/bpf_mprog.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/slab.h>
#include "../../block/blk.h"
#include "blk_attach.h"

/* User space says how large its struct is, and gets that much. */
int blk_stats_to_user(void __user *to, u32 size,
		      struct blk_interposer_counters *counters)
{
	struct bpf_blk_stats stats;
	u32 len = min_t(u32, size, sizeof(stats));

	blk_interposer_stats_sum(counters, &stats);
	if (copy_to_user(to, &stats, len) ||
	    clear_user(to + len, size - len))
		return -EFAULT;
	return 0;
}

/* What a query tells, taken under the lock and copied to the user after it. */
struct blk_snapshot {
	u64 revision;
	u32 count;
	u32 prog_ids[BPF_MPROG_MAX];
	u32 link_ids[BPF_MPROG_MAX];
	struct blk_interposer_counters *counters[BPF_MPROG_MAX];
};

static void blk_snapshot_take(struct blk_snapshot *snap,
			      struct blk_interposer_disk *idisk,
			      struct block_device *bdev)
{
	struct bpf_mprog_entry *entry;
	struct blk_interposer_list *list;
	struct bpf_tuple tuple = {};
	struct bpf_mprog_fp *fp;
	struct bpf_mprog_cp *cp;
	unsigned int noio;
	u32 i;

	snap->revision = 1;
	if (!idisk)
		return;
	noio = blk_interposer_lock(idisk);
	if (bdev->bd_interposer) {
		entry = bdev->bd_interposer->entry;
		snap->revision = bpf_mprog_revision(entry);
		list = blk_list_locked(idisk, bdev);
		bpf_mprog_foreach_tuple(entry, fp, cp, tuple) {
			i = snap->count++;
			snap->prog_ids[i] = tuple.prog->aux->id;
			snap->link_ids[i] = tuple.link ? tuple.link->id : 0;
			snap->counters[i] = list->slots[i].counters;
			refcount_inc(&snap->counters[i]->refs);
		}
	}
	blk_interposer_unlock(idisk, noio);
}

/* As bpf_mprog_query(), which would copy under the lock. */
static int blk_snapshot_to_user(const struct blk_snapshot *snap,
				const union bpf_attr *attr,
				union bpf_attr __user *uattr)
{
	void __user *flags_out[] = {
		u64_to_user_ptr(attr->query.prog_attach_flags),
		u64_to_user_ptr(attr->query.link_attach_flags),
	};
	void __user *progs = u64_to_user_ptr(attr->query.prog_ids);
	void __user *links = u64_to_user_ptr(attr->query.link_ids);
	void __user *stats = u64_to_user_ptr(attr->query.blk_stats);
	u32 size = attr->query.blk_stats_size;
	u32 n = min(snap->count, attr->query.count);
	const u32 flags = 0;
	u32 i;

	if (attr->query.query_flags || attr->query.attach_flags)
		return -EINVAL;
	if (copy_to_user(&uattr->query.attach_flags, &flags, sizeof(flags)) ||
	    copy_to_user(&uattr->query.revision, &snap->revision,
			 sizeof(snap->revision)) ||
	    copy_to_user(&uattr->query.count, &snap->count,
			 sizeof(snap->count)))
		return -EFAULT;
	if (!n || !progs)
		return 0;
	if (copy_to_user(progs, snap->prog_ids, n * sizeof(u32)) ||
	    (links && copy_to_user(links, snap->link_ids, n * sizeof(u32))))
		return -EFAULT;
	for (i = 0; i < ARRAY_SIZE(flags_out); i++)
		if (flags_out[i] && clear_user(flags_out[i], n * sizeof(u32)))
			return -EFAULT;
	for (i = 0; stats && i < n; i++)
		if (blk_stats_to_user(stats + (size_t)i * size, size,
				      snap->counters[i]))
			return -EFAULT;
	return n < snap->count ? -ENOSPC : 0;
}

/**
 * blk_prog_query - BPF_PROG_QUERY with BPF_BLK_SUBMIT
 * @attr: target_fd is a block device open for reading
 * @uattr: where the answer goes
 *
 * Context: may sleep.
 * Return: 0; -EBADF, -ENOTBLK as blk_prog_attach(); -EINVAL: blk_stats without
 * blk_stats_size, or one that is larger than a page, or flags; -ENOSPC: there
 * are more programs than count; -ENOMEM, -EFAULT.
 */
int blk_prog_query(const union bpf_attr *attr, union bpf_attr __user *uattr)
{
	struct blk_interposer_disk *idisk;
	struct blk_snapshot *snap;
	struct block_device *bdev;
	struct file *file;
	int ret;
	u32 i;

	if (!attr->query.blk_stats != !attr->query.blk_stats_size ||
	    attr->query.blk_stats_size > PAGE_SIZE)
		return -EINVAL;
	file = blk_fget(attr->query.target_fd);
	if (IS_ERR(file))
		return PTR_ERR(file);
	snap = kzalloc(sizeof(*snap), GFP_KERNEL);
	if (!snap) {
		fput(file);
		return -ENOMEM;
	}
	bdev = blk_file_bdev(file);
	idisk = blk_interposer_of(bdev->bd_disk);
	blk_snapshot_take(snap, idisk, bdev);
	ret = blk_snapshot_to_user(snap, attr, uattr);
	for (i = 0; i < snap->count; i++)
		blk_interposer_counters_put(snap->counters[i]);
	kfree(snap);
	fput(file);
	return ret;
}
