// SPDX-License-Identifier: GPL-2.0
/*
 * Attach point BPF_BLK_SUBMIT: programs of type BPF_PROG_TYPE_BLK_INTERPOSER
 * on block devices, in the order and with the rules of bpf_mprog, attached
 * directly or through links (blk_link.c). The shape is that of tcx.c;
 * idisk->lock stands where RTNL stands there.
 */
#include <linux/bpf.h>
#include <linux/bpf_mprog.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kdev_t.h>
#include "../../block/blk.h"
#include "blk_attach.h"

/*
 * Opened for reading is enough, together with the permission to write: a
 * mounted device may refuse to be opened for writing
 * (CONFIG_BLK_DEV_WRITE_MOUNTED), and closing it after that makes udev rescan.
 */
struct file *blk_fget(u32 fd)
{
	struct file *file = fget(fd);

	if (!file)
		return ERR_PTR(-EBADF);
	if (!S_ISBLK(file_inode(file)->i_mode)) {
		fput(file);
		return ERR_PTR(-ENOTBLK);
	}
	if (!(file->f_mode & FMODE_READ)) {
		fput(file);
		return ERR_PTR(-EBADF);
	}
	return file;
}

struct file *blk_fget_attach(u32 fd)
{
	struct file *file;
	int ret;

	if (!capable(CAP_SYS_ADMIN))
		return ERR_PTR(-EPERM);
	file = blk_fget(fd);
	if (IS_ERR(file))
		return file;
	ret = file_permission(file, MAY_WRITE);
	if (ret) {
		fput(file);
		return ERR_PTR(ret);
	}
	return file;
}

static struct blk_interposer_slot *
blk_list_find(struct blk_interposer_list *list, struct bpf_prog *prog)
{
	u32 i;

	for (i = 0; list && i < list->count; i++)
		if (list->slots[i].prog == prog)
			return &list->slots[i];
	return NULL;
}

/*
 * Counters stay with their program, or their link, from list to list; maps with
 * their program. Of what @c brings the list takes what it needs.
 */
static void blk_list_fill(struct blk_interposer_list *list,
			  struct blk_interposer_list *old,
			  struct bpf_mprog_entry *entry,
			  struct blk_change *c)
{
	struct blk_interposer_slot *slot, *before;
	struct bpf_tuple tuple = {};
	struct bpf_mprog_fp *fp;
	struct bpf_mprog_cp *cp;

	list->count = 0;
	bpf_mprog_foreach_tuple(entry, fp, cp, tuple) {
		slot = &list->slots[list->count++];
		before = blk_list_find(old, tuple.prog);
		slot->prog = tuple.prog;
		slot->run = tuple.prog->bpf_func;
		slot->insns = tuple.prog->insnsi;
		slot->list = list;
		slot->bdev = c->bdev;
		slot->dev = new_encode_dev(c->bdev->bd_dev);
		slot->of_link = tuple.link;
		if (tuple.link) {
			slot->counters = blk_link(tuple.link)->counters;
			slot->cookie = blk_link(tuple.link)->cookie;
		} else {
			slot->counters = before ? before->counters : c->counters;
			slot->cookie = 0;
		}
		slot->maps = before ? before->maps : no_free_ptr(c->maps);
		slot->stats = slot->counters->stats;
	}
	list->slots[list->count].run = NULL;
}

/* What @old had and @list has not, except what belongs to a link. */
static void blk_list_drop(struct blk_interposer_list *list,
			  struct blk_interposer_list *old)
{
	u32 i;

	for (i = 0; old && i < old->count; i++) {
		if (blk_list_find(list, old->slots[i].prog))
			continue;
		kfree(old->slots[i].maps);
		if (!old->slots[i].of_link)
			blk_interposer_counters_put(old->slots[i].counters);
	}
}

/* Publish what bpf_mprog made of the list. Nothing in here can fail. */
static void blk_publish(struct blk_change *c, struct blk_interposer *ip,
			struct bpf_mprog_entry *entry)
{
	struct blk_interposer_list *list = &ip->lists[ip->idle];
	struct blk_interposer_list *old;

	old = blk_list_locked(c->idisk, c->bdev);
	blk_list_fill(list, old, entry, c);
	c->activated = blk_interposer_publish(c->idisk, c->bdev,
					      list->count ? list : NULL);
	blk_list_drop(list, old);
	ip->idle = !ip->idle;
	ip->entry = entry;
}

int blk_attach_locked(struct blk_change *c)
{
	struct blk_link *blk = c->link ? blk_link(c->link) : NULL;
	struct bpf_mprog_entry *entry;
	struct blk_interposer *ip;
	int ret;

	if (!blk_interposer_bdev_live(c->bdev))
		return -ENODEV;
	/* Its bios are the original's before a program could see them. */
	if (bdev_test_flag(c->bdev, BD_LOWER))
		return -EOPNOTSUPP;
	ip = blk_interposer_fetch(c->idisk, c->bdev);
	if (!ip)
		return -ENOMEM;
	ret = bpf_mprog_attach(ip->entry, &entry, c->prog, c->link, c->replace,
			       c->flags & ~BLK_FLAGS, c->id_or_fd,
			       c->revision);
	if (ret)
		return ret;
	blk_publish(c, ip, entry);
	bpf_mprog_commit(entry);
	/* Under the lock: from here on it may be uninstalled. */
	if (blk)
		blk->bdev = c->bdev;
	return 0;
}

/**
 * blk_change_run - change a list with the locks it needs
 * @c: the change
 * @change: makes it, with idisk->lock held
 *
 * Context: may sleep.
 * Return: that of @change, or -ELOOP if what is redirected to a target of the
 * program comes back to the device through a stacking driver; -ENOMEM.
 */
int blk_change_run(struct blk_change *c, int (*change)(struct blk_change *c))
{
	unsigned int noio;
	bool targets;
	int ret = 0;

	c->maps = blk_device_maps(c->prog);
	if (IS_ERR(c->maps))
		return PTR_ERR(c->maps);
	/* Only programs that can redirect need the system-wide lock. */
	targets = c->maps;
	blk_interposer_key_get();
	if (targets) {
		mutex_lock(&blk_interposer_topology_lock);
		ret = blk_topology_check_maps(c->maps, c->bdev);
	}
	if (!ret) {
		noio = blk_interposer_lock(c->idisk);
		ret = change(c);
		blk_interposer_unlock(c->idisk, noio);
	}
	if (targets)
		mutex_unlock(&blk_interposer_topology_lock);
	if (!c->activated)
		blk_interposer_key_put();
	kfree(c->maps);
	return ret;
}

/**
 * blk_attach - attach a program or link
 * @c: with a device that the caller has open
 *
 * Context: may sleep.
 * Return: as blk_prog_attach().
 */
int blk_attach(struct blk_change *c)
{
	return blk_change_run(c, blk_attach_locked);
}

/* Does not allocate: it must not fail. */
int blk_detach_locked(struct blk_change *c)
{
	struct blk_interposer *ip = c->bdev->bd_interposer;
	struct bpf_mprog_entry *entry;
	int ret;

	if (!ip)
		return -ENOENT;
	ret = bpf_mprog_detach(ip->entry, &entry, c->prog, c->link,
			       c->flags & ~BLK_FLAGS, c->id_or_fd,
			       c->revision);
	if (ret)
		return ret;
	blk_publish(c, ip, entry);
	bpf_mprog_commit(entry);
	return 0;
}

/**
 * blk_prog_attach - BPF_PROG_ATTACH with BPF_BLK_SUBMIT
 * @attr: target_fd is a block device open for reading
 * @prog: the program; the list takes the reference over on success
 *
 * Context: may sleep.
 * Return: 0; -EBADF: target_fd is not open, or not for reading; -ENOTBLK: it
 * is no block device; -EPERM: no CAP_SYS_ADMIN; -EACCES: no permission to
 * write to the device; -EOPNOTSUPP: blk_interposer=off, or a lower device;
 * -ENODEV: the device was removed; -ELOOP: see blk_topology_check_maps(); -EINTR,
 * -ETIMEDOUT from the barrier: the change stands; -ENOMEM; and what
 * bpf_mprog_attach() returns: -ESTALE: not the expected revision, -EEXIST:
 * attached already, -ENOENT: no such relative or replaced program, -ERANGE:
 * contradictory or full, -EBUSY: replaces that of a link, -EINVAL. With
 * BPF_F_REPLACE also -EBADF, -EINVAL: replace_bpf_fd is no program of this type.
 */
int blk_prog_attach(const union bpf_attr *attr, struct bpf_prog *prog)
{
	struct blk_change c = {
		.prog = prog,
		.flags = attr->attach_flags,
		.id_or_fd = attr->relative_fd,
		.revision = attr->expected_revision,
	};
	struct file *file;
	int ret = -ENOMEM;

	if (!blk_interposer_enabled())
		return -EOPNOTSUPP;
	file = blk_fget_attach(attr->target_fd);
	if (IS_ERR(file))
		return PTR_ERR(file);
	c.bdev = blk_file_bdev(file);
	c.idisk = blk_interposer_disk_get(c.bdev->bd_disk);
	if (!c.idisk)
		goto out_file;
	c.counters = blk_interposer_counters_alloc();
	if (!c.counters)
		goto out_disk;
	if (c.flags & BPF_F_REPLACE) {
		c.replace = bpf_prog_get_type(attr->replace_bpf_fd, prog->type);
		if (IS_ERR(c.replace)) {
			ret = PTR_ERR(c.replace);
			c.replace = NULL;
			goto out_counters;
		}
	}
	/*
	 * The list takes our caller's reference. After a barrier that failed
	 * the caller drops one although the program is attached, and it may
	 * have been detached meanwhile: so have a second one from the start.
	 */
	bpf_prog_inc(prog);
	ret = blk_attach(&c);
	if (!ret)
		c.counters = NULL;
	if (!ret && c.flags & BPF_F_BLK_BARRIER) {
		ret = blk_interposer_barrier(c.bdev->bd_disk);
		if (ret)
			goto out_replace;
	}
	bpf_prog_put(prog);
out_replace:
	if (c.replace)
		bpf_prog_put(c.replace);
out_counters:
	blk_interposer_counters_put(c.counters);
out_disk:
	blk_interposer_disk_put(c.idisk);
out_file:
	fput(file);
	return ret;
}

/**
 * blk_prog_detach - BPF_PROG_DETACH with BPF_BLK_SUBMIT
 * @attr: target_fd is a block device open for reading
 * @prog: the program, or NULL with a position
 *
 * Context: may sleep.
 * Return: 0; -ENOENT: not attached; -EBUSY: it belongs to a link; otherwise as
 * blk_prog_attach().
 */
int blk_prog_detach(const union bpf_attr *attr, struct bpf_prog *prog)
{
	struct blk_change c = {
		.prog = prog,
		.flags = attr->attach_flags,
		.id_or_fd = attr->relative_fd,
		.revision = attr->expected_revision,
	};
	unsigned int noio;
	struct file *file;
	int ret = -ENOENT;

	file = blk_fget_attach(attr->target_fd);
	if (IS_ERR(file))
		return PTR_ERR(file);
	c.bdev = blk_file_bdev(file);
	c.idisk = blk_interposer_of(c.bdev->bd_disk);
	if (!c.idisk)
		goto out;
	noio = blk_interposer_lock(c.idisk);
	ret = blk_detach_locked(&c);
	blk_interposer_unlock(c.idisk, noio);
	if (!ret && c.flags & BPF_F_BLK_BARRIER)
		ret = blk_interposer_barrier(c.bdev->bd_disk);
out:
	fput(file);
	return ret;
}

/**
 * blk_interposer_release_progs - give back what an attach point holds
 * @ip: attach point of a device that is gone; no bio runs its list
 *
 * Context: may sleep, idisk->lock held.
 */
void blk_interposer_release_progs(struct blk_interposer *ip)
{
	struct blk_interposer_list *list = &ip->lists[!ip->idle];
	struct bpf_tuple tuple = {};
	struct bpf_mprog_fp *fp;
	struct bpf_mprog_cp *cp;

	blk_list_drop(NULL, list);
	bpf_mprog_foreach_tuple(ip->entry, fp, cp, tuple) {
		if (tuple.link)
			blk_link(tuple.link)->bdev = NULL;
		else
			bpf_prog_put(tuple.prog);
	}
}
