// SPDX-License-Identifier: GPL-2.0
/*
 * Links to block devices, BPF_LINK_TYPE_BLK.
 *
 * They do not pin the device. When it goes away blk_interposer_uninstall()
 * makes ->bdev NULL: an update then answers -ENOLINK.
 */
#include <linux/bpf.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kdev_t.h>
#include <linux/seq_file.h>
#include "../../block/blk.h"
#include "blk_attach.h"

#define BLK_LINK_FLAGS	(BPF_F_BEFORE | BPF_F_AFTER | BPF_F_ID | BPF_F_LINK | \
			 BLK_FLAGS)

static void blk_link_release(struct bpf_link *link)
{
	struct blk_link *blk = blk_link(link);
	struct blk_change c = {
		.idisk = blk->idisk,
		.link = link,
	};
	unsigned int noio;

	/* Before bios find a way around what is stacked on it. */
	if (blk->lower)
		blk_interposer_lower_kill(blk->lower);
	noio = blk_interposer_lock(blk->idisk);
	c.bdev = blk->bdev;
	/* Under the lock: an update changes it. */
	c.prog = link->prog;
	if (c.bdev && !WARN_ON_ONCE(blk_detach_locked(&c)))
		blk->bdev = NULL;
	blk_interposer_unlock(blk->idisk, noio);
	if (blk->lower)
		blk_interposer_lower_remove(blk->lower);
}

/* Return: 0; -EBUSY: its lower device is open. */
static int blk_link_detach(struct bpf_link *link)
{
	struct blk_interposer_lower *lower = blk_link(link)->lower;
	int ret;

	ret = lower ? blk_interposer_lower_close(lower) : 0;
	if (!ret)
		blk_link_release(link);
	return ret;
}

/* Return: the device with a reference, NULL if it is gone. */
static struct block_device *blk_link_get_bdev(struct blk_link *blk)
{
	struct block_device *bdev;

	mutex_lock(&blk->idisk->lock);
	bdev = blk->bdev;
	if (bdev && !kobject_get_unless_zero(&bdev->bd_device.kobj))
		bdev = NULL;
	mutex_unlock(&blk->idisk->lock);
	return bdev;
}

/* c->replace is the program that the caller expects, or NULL for any. */
static int blk_link_update_locked(struct blk_change *c)
{
	struct bpf_prog *old = c->link->prog;
	int ret;

	/* It may have been uninstalled or detached while we had no lock. */
	if (!blk_link(c->link)->bdev)
		return -ENOLINK;
	if (c->replace && old != c->replace)
		return -EPERM;
	if (c->prog == old) {
		bpf_prog_put(c->prog);
		return 0;
	}
	c->replace = old;
	c->id_or_fd = old->aux->id;
	ret = blk_attach_locked(c);
	if (ret)
		return ret == -ENODEV ? -ENOLINK : ret;
	c->link->prog = c->prog;
	bpf_prog_put(old);
	return 0;
}

/*
 * Return: 0; -ENOLINK: the device is gone or the link was detached; -EPERM:
 * its program is not @oprog; -ELOOP, -ENOMEM.
 */
static int blk_link_update(struct bpf_link *link, struct bpf_prog *nprog,
			   struct bpf_prog *oprog)
{
	struct blk_link *blk = blk_link(link);
	struct blk_change c = {
		.idisk = blk->idisk,
		.prog = nprog,
		.link = link,
		.replace = oprog,
		.flags = BPF_F_REPLACE | BPF_F_ID,
	};
	int ret;

	c.bdev = blk_link_get_bdev(blk);
	if (!c.bdev)
		return -ENOLINK;
	ret = blk_change_run(&c, blk_link_update_locked);
	put_device(&c.bdev->bd_device);
	return ret;
}

/**
 * blk_link_barrier - wait for what a link's earlier state decided
 * @link: a link of type BPF_LINK_TYPE_BLK, attached or not
 *
 * Context: may sleep, see blk_interposer_barrier().
 * Return: as blk_interposer_barrier(); 0 if the disk is gone.
 */
int blk_link_barrier(struct bpf_link *link)
{
	struct blk_interposer_disk *idisk = blk_link(link)->idisk;
	struct gendisk *disk;
	int ret = 0;

	mutex_lock(&idisk->lock);
	disk = idisk->disk;
	if (disk && !kobject_get_unless_zero(&disk_to_dev(disk)->kobj))
		disk = NULL;
	mutex_unlock(&idisk->lock);
	if (disk) {
		ret = blk_interposer_barrier(disk);
		put_disk(disk);
	}
	return ret;
}

static void blk_link_dealloc(struct bpf_link *link)
{
	struct blk_link *blk = blk_link(link);

	if (blk->lower)
		blk_interposer_lower_put(blk->lower);
	blk_interposer_counters_put(blk->counters);
	blk_interposer_disk_put(blk->idisk);
	kfree(blk);
}

static u32 blk_link_lower(const struct blk_link *blk)
{
	if (!blk->lower)
		return 0;
	return new_encode_dev(blk_interposer_lower_dev(blk->lower));
}

static bool blk_link_defunct(const struct blk_link *blk)
{
	bool defunct;

	mutex_lock(&blk->idisk->lock);
	defunct = !blk->bdev;
	mutex_unlock(&blk->idisk->lock);
	return defunct;
}

static void blk_link_fdinfo(const struct bpf_link *link, struct seq_file *seq)
{
	static const char * const verdicts[] = {
		[BPF_BIO_PASS]		= "pass",
		[BPF_BIO_FAIL]		= "fail",
		[BPF_BIO_REMAP]		= "remap",
		[BPF_BIO_DONE]		= "done",
		[BPF_BIO_REDIRECT]	= "redirect",
	};
	const struct blk_link *blk = blk_link(link);
	dev_t lower = new_decode_dev(blk_link_lower(blk));
	dev_t dev = new_decode_dev(blk->dev);
	struct bpf_blk_stats stats;
	int i;

	seq_printf(seq, "dev:\t%u:%u%s\n", MAJOR(dev), MINOR(dev),
		   blk_link_defunct(blk) ? " (defunct)" : "");
	if (lower)
		seq_printf(seq, "lower:\t%u:%u\n", MAJOR(lower), MINOR(lower));
	seq_printf(seq, "attach_type:\t%u (submit)\n", BPF_BLK_SUBMIT);
	seq_printf(seq, "cookie:\t%llu\n", blk->cookie);
	blk_interposer_stats_sum(blk->counters, &stats);
	for (i = 0; i < ARRAY_SIZE(verdicts); i++)
		seq_printf(seq, "%s:\t%llu bios %llu sectors\n", verdicts[i],
			   stats.bios[i], stats.sectors[i]);
	for (i = 0; i < BLK_INTERPOSER_NR_REFUSALS; i++)
		if (stats.refused[i])
			seq_printf(seq, "refused_%d:\t%llu\n", i,
				   stats.refused[i]);
}

static int blk_link_fill_info(const struct bpf_link *link,
			      struct bpf_link_info *info)
{
	void __user *to = u64_to_user_ptr(info->blk.stats);
	const struct blk_link *blk = blk_link(link);
	u32 size = info->blk.stats_size;

	if (!to != !size || size > PAGE_SIZE)
		return -EINVAL;
	info->blk.dev = blk->dev;
	info->blk.attach_type = BPF_BLK_SUBMIT;
	info->blk.flags = blk_link_defunct(blk) ? BPF_BLK_LINK_DEFUNCT : 0;
	info->blk.cookie = blk->cookie;
	info->blk.lower = blk_link_lower(blk);
	info->blk.reserved = 0;
	info->blk.stats_size = min_t(u32, size, sizeof(struct bpf_blk_stats));
	return to ? blk_stats_to_user(to, size, blk->counters) : 0;
}

static const struct bpf_link_ops blk_link_lops = {
	.release	= blk_link_release,
	.detach		= blk_link_detach,
	/* Not deferred: blk_interposer_publish() has waited for readers. */
	.dealloc	= blk_link_dealloc,
	.update_prog	= blk_link_update,
	.show_fdinfo	= blk_link_fdinfo,
	.fill_link_info	= blk_link_fill_info,
};

static struct blk_link *blk_link_alloc(struct block_device *bdev,
				       struct bpf_prog *prog, u64 cookie)
{
	struct blk_link *blk;

	blk = kzalloc(sizeof(*blk), GFP_USER);
	if (!blk)
		return NULL;
	blk->idisk = blk_interposer_disk_get(bdev->bd_disk);
	blk->counters = blk_interposer_counters_alloc();
	if (!blk->idisk || !blk->counters) {
		if (blk->idisk)
			blk_interposer_disk_put(blk->idisk);
		blk_interposer_counters_put(blk->counters);
		kfree(blk);
		return NULL;
	}
	bpf_link_init(&blk->link, BPF_LINK_TYPE_BLK, &blk_link_lops, prog);
	blk->cookie = cookie;
	blk->dev = new_encode_dev(bdev->bd_dev);
	return blk;
}

/* Not under idisk->lock: it opens the device. */
static int blk_link_make_lower(struct blk_link *blk, struct block_device *bdev)
{
	struct blk_interposer_lower *lower = blk_interposer_lower_create(bdev);

	if (IS_ERR(lower))
		return PTR_ERR(lower);
	blk->lower = lower;
	return 0;
}

/**
 * blk_link_attach - BPF_LINK_CREATE with BPF_BLK_SUBMIT
 * @attr: target_fd is a block device open for reading
 * @prog: the program; the link takes the reference over on success
 *
 * Context: may sleep.
 * Return: file descriptor of the link, or an error as blk_prog_attach();
 * -EINVAL: unknown flags; -EMFILE: no descriptor is free; with BPF_F_BLK_LOWER as
 * blk_interposer_lower_create(). If the barrier fails
 * the link is gone again: nobody would hold it.
 */
int blk_link_attach(const union bpf_attr *attr, struct bpf_prog *prog)
{
	struct bpf_link_primer primer;
	struct blk_change c = {
		.prog = prog,
		.flags = attr->link_create.flags,
		.id_or_fd = attr->link_create.blk.relative_fd,
		.revision = attr->link_create.blk.expected_revision,
	};
	struct blk_link *blk;
	struct file *file;
	int ret;

	if (c.flags & ~BLK_LINK_FLAGS)
		return -EINVAL;
	if (!blk_interposer_enabled())
		return -EOPNOTSUPP;
	file = blk_fget_attach(attr->link_create.target_fd);
	if (IS_ERR(file))
		return PTR_ERR(file);
	c.bdev = blk_file_bdev(file);
	blk = blk_link_alloc(c.bdev, prog, attr->link_create.blk.cookie);
	if (!blk) {
		ret = -ENOMEM;
		goto out;
	}
	c.idisk = blk->idisk;
	c.link = &blk->link;
	if (c.flags & BPF_F_BLK_LOWER) {
		ret = blk_link_make_lower(blk, c.bdev);
		if (ret) {
			blk_link_dealloc(&blk->link);
			goto out;
		}
	}
	ret = bpf_link_prime(&blk->link, &primer);
	if (ret) {
		blk_link_release(&blk->link);
		blk_link_dealloc(&blk->link);
		goto out;
	}
	ret = blk_attach(&c);
	if (!ret && c.flags & BPF_F_BLK_BARRIER)
		ret = blk_interposer_barrier(c.bdev->bd_disk);
	if (ret) {
		blk_link_release(&blk->link);
		bpf_link_cleanup(&primer);
		goto out;
	}
	ret = bpf_link_settle(&primer);
out:
	fput(file);
	return ret;
}
