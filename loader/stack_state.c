// SPDX-License-Identifier: GPL-2.0
/*
 * What is stacked below a device. Nothing is written down: the state of a stack is
 * that of its link and maps in bpffs and of its device in device mapper, so it is
 * known whoever was killed at whatever point.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "stack.h"

static void look_at_link(struct stack *stack)
{
	__u32 len = sizeof(stack->link_info);

	stack->link = bpf_obj_get(strf("%s/" BIOCTL_PIN_LINK, stack->dir));
	if (stack->link >= 0 &&
	    (!fd_is(stack->link, "bpf-link") ||
	     bpf_link_get_info_by_fd(stack->link, &stack->link_info, &len) ||
	     stack->link_info.type != BPF_LINK_TYPE_BLK)) {
		close(stack->link);
		stack->link = -1;
	}
	if (stack->link >= 0 && !stack->dev)
		stack->dev = stack->link_info.blk.dev;
}

static void look_at_map(struct stack *stack)
{
	struct bpf_blkdev_val value;
	__u32 key = 0;

	stack->map =
		bpf_obj_get(strf("%s/" BIOCTL_PIN_MAPS "/targets", stack->dir));
	if (stack->map < 0)
		return;
	if (!bpf_map_lookup_elem(stack->map, &key, &value))
		stack->top = value.fd_or_dev;
}

/* Neither a key nor a name has dots. */
char *stack_uuid(const struct stack *stack)
{
	return strf(STACK_UUID "%s.%s", stack->key, stack->name);
}

static void look_at_dm(struct stack *stack)
{
	char *uuid = stack_uuid(stack);

	if (dm_find(stack->dm_name, &stack->dm))
		return;
	/* Somebody else's, which has our name */
	if (stack->dm.exists && strcmp(stack->dm.uuid, uuid))
		stack->dm = (struct dm_state){ .targets = "", .status = "" };
	free(uuid);
}

static bool is_defunct(const struct stack *stack)
{
	return stack->link >= 0 &&
	       stack->link_info.blk.flags & BPF_BLK_LINK_DEFUNCT;
}

/* A directory that was made, or emptied, by somebody who was killed at it */
static bool is_remainder(const struct stack *stack)
{
	return stack->link < 0 && !stack->top && stack->dir &&
	       !access(stack->dir, F_OK) &&
	       access(strf("%s/" BIOCTL_PIN_LINK, stack->dir), F_OK) &&
	       errno == ENOENT;
}

/**
 * stack_forget_defunct - what is left of a stack whose device, or link, is gone
 * @stack: the stack
 *
 * Only pins, which nobody misses: a device that came back under its name can be
 * given a new one.
 */
void stack_forget_defunct(struct stack *stack)
{
	if (!(is_defunct(stack) || is_remainder(stack)) || stack->dm.exists)
		return;
	if (stack->link >= 0)
		close(stack->link);
	if (stack->map >= 0)
		close(stack->map);
	pin_remove_dir(stack->dir);
	stack_look(stack, stack->key, stack->name);
}

/* What there is of the stack of that name; ->device may be set later. */
void stack_look(struct stack *stack, const char *key, const char *name)
{
	stack->key = strf("%s", key);
	stack->name = strf("%s", name);
	stack->dir = pin_default_dir(key, name);
	stack->dm_name = strf("%s-%s", key, name);
	stack->link = stack->map = -1;
	stack->top = 0;
	memset(&stack->link_info, 0, sizeof(stack->link_info));
	if (stack->dir) {
		look_at_link(stack);
		look_at_map(stack);
	}
	look_at_dm(stack);
	if (!stack->device)
		stack->device = stack->dev ? device_name(stack->dev) :
					     device_path(key);
}

/* A device that is gone has a name, too. */
int stack_find(struct stack *stack, const char *device, const char *name)
{
	int fd;

	memset(stack, 0, sizeof(*stack));
	if (chain_device_is_gone(device)) {
		stack->device = device_path(device);
		stack_look(stack, device_key(0, stack->device), name);
		return BIOCTL_OK;
	}
	fd = device_open(device, OP_DEVICE, O_RDONLY, &stack->device,
			 &stack->dev);
	if (fd < 0)
		return BIOCTL_FAILED;
	close(fd);
	stack_look(stack, device_key(stack->dev, stack->device), name);
	return BIOCTL_OK;
}

bool stack_is_there(const struct stack *stack)
{
	return stack->link >= 0 || stack->map >= 0 || stack->dm.exists ||
	       (stack->dir && !access(stack->dir, F_OK));
}

/* Or a program that is attached there for something else */
static bool is_stack(const struct stack *stack)
{
	return stack->dm.exists || stack->link < 0 || is_defunct(stack) ||
	       stack->link_info.blk.lower;
}

int stack_find_there(struct stack *stack, const char *device, const char *name)
{
	int err = stack_find(stack, device, name);

	if (err || (stack_is_there(stack) && is_stack(stack)))
		return err;
	return failed(.op = OP_STACK, .what = name, .device = stack->device,
		      .err = ENOENT);
}

/* The disk that all of it is on, if it is one line of that kind; otherwise 0 */
static dev_t linear_to(const struct stack *stack)
{
	unsigned int major_nr, minor_nr;
	const char *table = stack->dm.targets;
	int end = 0;

	if (!stack->dm.live ||
	    sscanf(table, "0 %*u linear %u:%u 0 %n", &major_nr, &minor_nr,
		   &end) != 2 ||
	    !end || table[end])
		return 0;
	return makedev(major_nr, minor_nr);
}

/* By 'migrate': its data are on that disk and, since, on no other. Or 0. */
dev_t stack_moved_to(const struct stack *stack)
{
	dev_t to = linear_to(stack);

	return stack->link >= 0 && stack->top &&
			       !strcmp(stack->name, MIGRATE_STACK) &&
			       to != stack->link_info.blk.lower ?
		       to :
		       0;
}

/* Its table does nothing. */
bool stack_passes_on(const struct stack *stack)
{
	return stack->link >= 0 &&
	       linear_to(stack) == stack->link_info.blk.lower;
}

/**
 * stack_keep - is a program that of a stack, which would go astray without it?
 * @device: path of its device
 * @name: of the attachment
 * @link: id of its link
 * @op: what is to be done with it
 *
 * What was migrated is not on the device any more, a cache has what is not there
 * yet, a mirror and a snapshot must not miss a write.
 *
 * Return: BIOCTL_OK, or BIOCTL_FAILED after a report.
 */
int stack_keep(const char *device, const char *name, __u32 link, enum op op)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);
	struct stack stack;
	int fd;

	fd = link && name ? bpf_link_get_fd_by_id(link) : -1;
	if (fd < 0)
		return BIOCTL_OK;
	bpf_link_get_info_by_fd(fd, &info, &len);
	close(fd);
	if (!info.blk.lower)
		return BIOCTL_OK;
	if (stack_find(&stack, device, name))
		return BIOCTL_FAILED;
	if (stack.link < 0 || stack.link_info.id != link)
		return BIOCTL_OK;
	if (stack_moved_to(&stack))
		return failed(.op = op, .what = name, .device = device,
			      .cause =
				      strf("its data are on %s, and have "
					   "changed there since",
					   device_name(stack_moved_to(&stack))),
			      .next = strf(
				      "unmount it and use that one; 'bioctl "
				      "stack remove %s --name %s --force' "
				      "goes back to what there was before",
				      device, name));
	if (stack.top)
		return failed(.op = op, .what = name, .device = device,
			      .cause = "it belongs to a stack that is in use",
			      .next = strf("bioctl stack remove %s --name %s",
					   device, name));
	return BIOCTL_OK;
}

/*
 * inserted: all bios that the policy chooses go through it
 * built: it is there, but not in use
 * moved: what was written since is on another disk only
 * empty: there is a lower device and nothing on it that we know
 * incomplete: a bioctl was stopped halfway
 * defunct: the device is gone
 */
const char *stack_state(const struct stack *stack)
{
	if (is_defunct(stack))
		return "defunct";
	if (stack->link < 0 || stack->map < 0)
		return "incomplete";
	if (stack_moved_to(stack))
		return "moved";
	/* Its own table is not in use yet. */
	if (stack->top && stack->dm.loaded && stack_passes_on(stack))
		return "built";
	if (stack->top)
		return "inserted";
	if (!stack->dm.exists)
		return "empty";
	return stack->dm.live ? "built" : "incomplete";
}

static json_t *counts(const struct stack *stack)
{
	struct bpf_blk_stats stats = {};
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);

	info.blk.stats = (__u64)(unsigned long)&stats;
	info.blk.stats_size = sizeof(stats);
	if (stack->link < 0 ||
	    bpf_link_get_info_by_fd(stack->link, &info, &len))
		return json_null();
	return stats_json(&stats);
}

json_t *stack_json(const struct stack *stack)
{
	dev_t lower = stack->link >= 0 ? stack->link_info.blk.lower : 0;

	return json_pack(
		"{s:o, s:s, s:s, s:o, s:o, s:o, s:s, s:s, s:b, s:o}", "device",
		json_string_or_null(stack->device), "name", stack->name,
		"state", stack_state(stack), "lower",
		json_string_or_null(lower ? device_name(lower) : NULL), "top",
		json_string_or_null(stack->top ? device_name(stack->top) :
						 NULL),
		"dm",
		json_string_or_null(stack->dm.exists ? stack->dm_name : NULL),
		"table", stack->dm.targets ? stack->dm.targets : "", "status",
		stack->dm.status ? stack->dm.status : "", "suspended",
		stack->dm.suspended, "counters", counts(stack));
}

static void add_stack(json_t *list, const char *key, const char *name)
{
	struct stack stack = {};

	stack_look(&stack, key, name);
	if (stack.dm.exists ||
	    (stack.link < 0 ? stack.top : stack.link_info.blk.lower))
		json_array_append_new(list, stack_json(&stack));
	close(stack.link);
	close(stack.map);
}

static bool is_dot(const struct dirent *entry)
{
	return entry->d_name[0] == '.';
}

static void add_of_device(json_t *list, const char *root, const char *key)
{
	DIR *dir = opendir(strf("%s/bioctl/%s", root, key));
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (!is_dot(entry))
			add_stack(list, key, entry->d_name);
	if (dir)
		closedir(dir);
}

/* What lost its pins, in bpffs, still has its device. */
static void add_lost(json_t *list)
{
	char **names = dm_names(STACK_UUID);

	for (; names && *names; names++) {
		struct dm_state dm;
		char *key, *name, *dir;

		if (dm_find(*names, &dm) || !dm.exists)
			continue;
		key = strf("%s", dm.uuid + strlen(STACK_UUID));
		name = strchr(key, '.');
		if (!name)
			continue;
		*name++ = '\0';
		dir = pin_default_dir(key, name);
		if (!dir || access(dir, F_OK))
			add_stack(list, key, name);
	}
}

json_t *stack_list_json(void)
{
	const char *root = bpffs_root();
	json_t *list = json_array();
	struct dirent *entry;
	DIR *dir = NULL;

	if (root)
		dir = opendir(strf("%s/bioctl", root));
	while (dir && (entry = readdir(dir)))
		if (!is_dot(entry))
			add_of_device(list, root, entry->d_name);
	if (dir)
		closedir(dir);
	add_lost(list);
	return list;
}
