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

static bool blk_prog_uses_map(struct bpf_prog *prog, struct bpf_map *map)
{
	bool found = false;
	u32 i;

	mutex_lock(&prog->aux->used_maps_mutex);
	for (i = 0; i < prog->aux->used_map_cnt && !found; i++)
		found = prog->aux->used_maps[i] == map;
	mutex_unlock(&prog->aux->used_maps_mutex);
	return found;
}

/* Return: -ELOOP if a target stacks on @bdev, 0 if none does. */
static int blk_prog_check_targets(struct bpf_prog *prog,
				  struct block_device *bdev)
{
	int ret = 0;
	u32 i;

	mutex_lock(&prog->aux->used_maps_mutex);
	for (i = 0; i < prog->aux->used_map_cnt && !ret; i++) {
		struct bpf_map *map = prog->aux->used_maps[i];

		if (map->map_type == BPF_MAP_TYPE_BLKDEV &&
		    blkdev_map_stacks_on(map, bdev))
			ret = -ELOOP;
	}
	mutex_unlock(&prog->aux->used_maps_mutex);
	return ret;
}

/* Only programs that can redirect need the system-wide lock. */
static bool blk_prog_has_targets(struct bpf_prog *prog)
{
	bool found = false;
	u32 i;

	mutex_lock(&prog->aux->used_maps_mutex);
	for (i = 0; i < prog->aux->used_map_cnt && !found; i++)
		found = prog->aux->used_maps[i]->map_type ==
			BPF_MAP_TYPE_BLKDEV;
	mutex_unlock(&prog->aux->used_maps_mutex);
	return found;
}

/* Programs of a block device, each with a reference. */
struct blk_users {
	struct block_device *bdev;
	unsigned int nr;
	struct bpf_prog *progs[BPF_MPROG_MAX - 1];
};

/*
 * The next device from *idx on that has programs, with a reference. Their maps
 * are looked at later: who holds used_maps_mutex allocates memory, which must
 * not be waited for under idisk->lock.
 */
static bool blk_next_users(struct blk_interposer_disk *idisk,
			   unsigned long *idx, struct blk_users *users)
{
	struct blk_interposer_list *list;
	struct block_device *part;

	users->nr = 0;
	mutex_lock(&idisk->lock);
	if (!idisk->disk)
		goto out;
	xa_for_each_start(&idisk->disk->part_tbl, *idx, part, *idx) {
		list = blk_list_locked(idisk, part);
		if (!list || !kobject_get_unless_zero(&part->bd_device.kobj))
			continue;
		users->bdev = part;
		for (; users->nr < list->count; users->nr++) {
			users->progs[users->nr] = list->slots[users->nr].prog;
			bpf_prog_inc(users->progs[users->nr]);
		}
		break;
	}
out:
	mutex_unlock(&idisk->lock);
	return users->nr;
}

static int blk_check_users(struct blk_users *users, struct bpf_map *map,
			   struct blk_interposer_target *target)
{
	bool uses = false;
	unsigned int i;
	int ret = 0;

	for (i = 0; i < users->nr; i++) {
		uses |= blk_prog_uses_map(users->progs[i], map);
		bpf_prog_put(users->progs[i]);
	}
	if (uses && blk_interposer_stacks_on(target, users->bdev))
		ret = -ELOOP;
	put_device(&users->bdev->bd_device);
	return ret;
}

/* The next disk that walk number @walk has not come to, with a reference. */
static struct blk_interposer_disk *blk_next_disk(u64 walk)
{
	struct blk_interposer_disk *idisk, *found = NULL;

	mutex_lock(&blk_interposer_disks_lock);
	list_for_each_entry(idisk, &blk_interposer_disks, node) {
		if (idisk->checked != walk) {
			idisk->checked = walk;
			refcount_inc(&idisk->refs);
			found = idisk;
			break;
		}
	}
	mutex_unlock(&blk_interposer_disks_lock);
	return found;
}

/**
 * blk_interposer_check_target_users - may a map get this target?
 * @map: a BPF_MAP_TYPE_BLKDEV map
 * @target: redirect target
 *
 * References to disks and devices are dropped with blk_interposer_disks_lock
 * not held: the last one of a disk that was removed meanwhile takes it.
 *
 * Context: may sleep, blk_interposer_topology_lock held: no program that uses
 * a device map is attached meanwhile.
 * Return: 0, or -ELOOP if the target stacks on a device whose programs use the
 * map; -ENOMEM.
 */
int blk_interposer_check_target_users(struct bpf_map *map,
				      struct blk_interposer_target *target)
{
	static u64 walk;	/* under blk_interposer_topology_lock */
	struct blk_interposer_disk *idisk;
	struct blk_users *users;
	unsigned long idx;
	int ret = 0;

	lockdep_assert_held(&blk_interposer_topology_lock);
	users = kmalloc(sizeof(*users), GFP_KERNEL);
	if (!users)
		return -ENOMEM;
	walk++;
	while (!ret && (idisk = blk_next_disk(walk))) {
		for (idx = 0; !ret && blk_next_users(idisk, &idx, users); idx++)
			ret = blk_check_users(users, map, target);
		blk_interposer_disk_put(idisk);
	}
	kfree(users);
	return ret;
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

/* Counters stay with their program, or their link, from list to list. */
static void blk_list_fill(struct blk_interposer_list *list,
			  struct blk_interposer_list *old,
			  struct bpf_mprog_entry *entry,
			  struct blk_interposer_counters *fresh)
{
	struct blk_interposer_slot *slot, *before;
	struct bpf_tuple tuple = {};
	struct bpf_mprog_fp *fp;
	struct bpf_mprog_cp *cp;

	list->count = 0;
	bpf_mprog_foreach_tuple(entry, fp, cp, tuple) {
		slot = &list->slots[list->count++];
		slot->prog = tuple.prog;
		slot->of_link = tuple.link;
		if (tuple.link) {
			slot->counters = blk_link(tuple.link)->counters;
			slot->cookie = blk_link(tuple.link)->cookie;
		} else {
			before = blk_list_find(old, tuple.prog);
			slot->counters = before ? before->counters : fresh;
			slot->cookie = 0;
		}
		slot->stats = slot->counters->stats;
	}
}

/* What @old had and @list has not, except what belongs to a link. */
static void blk_list_drop(struct blk_interposer_list *list,
			  struct blk_interposer_list *old)
{
	u32 i;

	for (i = 0; old && i < old->count; i++)
		if (!old->slots[i].of_link &&
		    !blk_list_find(list, old->slots[i].prog))
			blk_interposer_counters_put(old->slots[i].counters);
}

/* Publish what bpf_mprog made of the list. Nothing in here can fail. */
static void blk_publish(struct blk_change *c, struct blk_interposer *ip,
			struct bpf_mprog_entry *entry)
{
	struct blk_interposer_list *list = &ip->lists[ip->idle];
	struct blk_interposer_list *old;

	old = blk_list_locked(c->idisk, c->bdev);
	blk_list_fill(list, old, entry, c->counters);
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
	ip = blk_interposer_fetch(c->idisk, c->bdev);
	if (!ip)
		return -ENOMEM;
	ret = bpf_mprog_attach(ip->entry, &entry, c->prog, c->link, c->replace,
			       c->flags & ~BPF_F_BLK_BARRIER, c->id_or_fd,
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
 * Return: that of @change, or -ELOOP if a target of the program stacks on the
 * device.
 */
int blk_change_run(struct blk_change *c, int (*change)(struct blk_change *c))
{
	bool targets = blk_prog_has_targets(c->prog);
	unsigned int noio;
	int ret = 0;

	blk_interposer_key_get();
	if (targets) {
		mutex_lock(&blk_interposer_topology_lock);
		ret = blk_prog_check_targets(c->prog, c->bdev);
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
			       c->flags & ~BPF_F_BLK_BARRIER, c->id_or_fd,
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
 * write to the device; -EOPNOTSUPP: blk_interposer=off; -ENODEV: the device
 * was removed; -ELOOP: a target of the program stacks on the device; -EINTR,
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
