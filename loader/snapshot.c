// SPDX-License-Identifier: GPL-2.0
/*
 * 'bioctl snapshot': a device as it was, on dm-snapshot beneath the live device.
 *
 * Below the device is a snapshot-origin, put there as any stack. Each snapshot is
 * a read-only device of its own. dm-snapshot's origin learns the chunk size of its
 * snapshots when it is resumed: so it is suspended while one is added or removed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "memory.h"
#include "snapshot.h"
#include "snapshot_cut.h"
#include "stack.h"

/* Sectors that are copied at a time */
#define DEFAULT_CHUNK 16

static char *snapshot_dm(const struct stack *stack, const char *name)
{
	return strf("%s-%s", stack->key, name);
}

char *snapshot_uuid(const struct stack *stack, const char *name)
{
	return strf(SNAPSHOT_UUID "%s.%s", stack->key, name);
}

/* The origin below the device */
static int prepare_origin(struct cut *cut, const char *device)
{
	const struct stack_args args = { .device = device };
	struct stack *stack = &cut->stack;
	dev_t lower, dev;
	int err;

	err = stack_wake(stack);
	if (err)
		return err;
	/* With what somebody who was stopped has loaded it would keep nothing. */
	if (stack->top && stack->dm.live &&
	    strstr(stack->dm.targets, " snapshot-origin "))
		return stack->dm.loaded ? dm_unload(stack->dm_name) : BIOCTL_OK;
	/* It is being taken out, or somebody was stopped who did that. */
	if (stack->top && stack->dm.live)
		return failed(.op = OP_SNAPSHOT, .device = device,
			      .cause = "an earlier bioctl was stopped halfway "
				       "when it removed the last one",
			      .next = strf(
				      "bioctl stack remove %s --name " SNAPSHOT_STACK,
				      device));
	stack_forget_defunct(stack);
	if (stack_is_there(stack))
		return failed(.op = OP_SNAPSHOT, .device = device,
			      .cause = strf("its stack is %s",
					    stack_state(stack)),
			      .next = strf(
				      "bioctl stack repair %s --name " SNAPSHOT_STACK,
				      device));
	err = stack_attach(stack, &args);
	if (err)
		return err;
	cut->fresh = true;
	lower = stack->link_info.blk.lower;
	err = dm_make(stack->dm_name, stack_uuid(stack),
		      strf("0 %llu snapshot-origin %u:%u",
			   device_sectors(stack->device), major(lower),
			   minor(lower)),
		      &dev);
	if (!err)
		err = dm_find(stack->dm_name, &stack->dm);
	/* Without a snapshot it passes everything on. */
	if (!err)
		err = stack_set_top(stack, device_name(stack->dm.dev));
	if (!err)
		err = stack_barrier(stack);
	at_step("snapshot-in");
	return err;
}

static int prepare(struct cut *cut, const struct snapshot_args *args,
		   unsigned int nr)
{
	struct dm_state dm;
	char *gap;
	int err;

	err = stack_find(&cut->stack, args->devices[nr], SNAPSHOT_STACK);
	if (err)
		return err;
	cut->dm = snapshot_dm(&cut->stack, args->name);
	if (strlen(cut->dm) > DM_NAME_MAX ||
	    strlen(snapshot_uuid(&cut->stack, args->name)) > DM_NAME_MAX)
		return failed(.op = OP_SNAPSHOT, .what = args->name,
			      .device = cut->stack.device,
			      .cause = "its name is too long for device mapper",
			      .next = "choose a shorter --name");
	err = dm_find(cut->dm, &dm);
	if (err)
		return err;
	if (dm.exists)
		return failed(.op = OP_SNAPSHOT, .what = args->name,
			      .device = cut->stack.device, .err = EEXIST,
			      .next = "see 'bioctl snapshot list'; remove it, or "
				      "choose another --name");
	gap = args->force ? NULL : stack_gap(&cut->stack);
	if (gap)
		return failed(.op = OP_SNAPSHOT, .what = args->name,
			      .device = cut->stack.device,
			      .cause = strf(
				      "no filesystem has it alone, and %s: "
				      "what is held back there would go "
				      "past the snapshot",
				      gap),
			      .next = "take that away for the moment, or add "
				      "--force if nobody writes to it now");
	err = prepare_origin(cut, args->devices[nr]);
	if (err)
		return err;
	cut->store_is_new = access(args->stores[nr], F_OK);
	cut->store = store_open(args->stores[nr], args->size, args->force,
				&cut->store_fd);
	return cut->store ? BIOCTL_OK : BIOCTL_FAILED;
}

static int take_out(struct cut *cut, const char *name);

static void undo(struct cut *cut, const struct snapshot_args *args,
		 unsigned int nr)
{
	const struct stack_args stack_args = {
		.device = cut->stack.device,
		.name = SNAPSHOT_STACK,
	};

	if (cut->made)
		take_out(cut, args->name);
	if (cut->fresh)
		stack_remove_quietly(&stack_args);
	if (cut->store_is_new)
		unlink(args->stores[nr]);
}

static void create_print(const json_t *result)
{
	json_t *snapshot;
	size_t i;

	for (i = 0; (snapshot = json_element(result, "snapshots", i)); i++)
		printf("%s: %s is as it was, until removed\n",
		       json_text(snapshot, "device", "?"),
		       json_text(snapshot, "path", "?"));
}

/* Devices of which blocks are kept, or will be */
static int find_origins(const struct snapshot_args *args, dev_t **origins,
			unsigned int *nr)
{
	char **names = dm_names(STACK_UUID);
	unsigned int size = args->nr_devices;
	struct stack stack;
	struct dm_state dm;

	if (!names)
		return BIOCTL_FAILED;
	for (char **name = names; *name; name++)
		size++;
	*origins = xalloc(size, sizeof(**origins));
	*nr = 0;
	for (unsigned int i = 0; i < args->nr_devices; i++) {
		if (stack_find(&stack, args->devices[i], SNAPSHOT_STACK))
			return BIOCTL_FAILED;
		(*origins)[(*nr)++] = stack.dev;
	}
	for (; *names; names++) {
		char *key, *dot;

		if (dm_find(*names, &dm))
			return BIOCTL_FAILED;
		if (!dm.exists)
			continue;
		key = strf("%s", dm.uuid + strlen(STACK_UUID));
		dot = strchr(key, '.');
		if (!dot || strcmp(dot, "." SNAPSHOT_STACK))
			continue;
		*dot = '\0';
		stack = (struct stack){};
		stack_look(&stack, key, SNAPSHOT_STACK);
		if (stack.dev)
			(*origins)[(*nr)++] = stack.dev;
	}
	return BIOCTL_OK;
}

/* Before anything is done */
static int check_stores(const struct snapshot_args *args)
{
	unsigned int nr;
	dev_t *origins;
	int err;

	err = find_origins(args, &origins, &nr);
	for (unsigned int i = 0; !err && i < args->nr_stores; i++) {
		for (unsigned int k = 0; k < i; k++)
			if (same_file(args->stores[i], args->stores[k]))
				return failed(.op = OP_STORE,
					      .what = args->stores[i],
					      .cause = "it is named twice",
					      .next = "name one for each "
						      "device");
		if (store_check_place(args->stores[i], origins, nr))
			err = BIOCTL_FAILED;
	}
	return err;
}

static int create(const struct snapshot_args *args)
{
	unsigned int nr = args->nr_devices;
	struct cut *cuts = xalloc(nr, sizeof(*cuts));
	json_t *list = json_array();
	int err = BIOCTL_OK;

	hold_signals();
	for (unsigned int i = 0; i < nr; i++)
		cuts[i].store_fd = -1;
	err = check_stores(args);
	for (unsigned int i = 0; !err && i < nr; i++)
		err = prepare(&cuts[i], args, i);
	at_step("prepared");
	if (!err)
		err = cut_all(cuts, args);
	for (unsigned int i = 0; i < nr; i++) {
		if (cuts[i].store_fd >= 0)
			close(cuts[i].store_fd);
		if (err && cuts[i].stack.key)
			undo(&cuts[i], args, i);
		else if (!err)
			json_array_append_new(
				list,
				json_pack("{s:s, s:s, s:s}", "device",
					  cuts[i].stack.device, "name",
					  args->name, "path",
					  strf("/dev/mapper/%s", cuts[i].dm)));
	}
	if (!err)
		emit(json_pack("{s:o}", "snapshots", list), create_print);
	return err;
}

/* Without the origin in the way: it would go on copying for it. */
static int take_out(struct cut *cut, const char *name)
{
	struct stack *stack = &cut->stack;
	char *dm = snapshot_dm(stack, name);
	int err = BIOCTL_OK;

	if (!stack->dm.live)
		return dm_remove(dm, 5);
	/* Nothing is frozen here; it is for the guard that comes with it. */
	err = guard_only(stack->device, &cut->frozen);
	if (!err)
		err = frozen_suspend(cut->frozen, stack->dm_name);
	at_step("origin-suspended-out");
	drop_ballast();
	if (!err)
		err = dm_remove(dm, 5);
	return thaw_filesystems(cut->frozen, stack->device) | err;
}

static void remove_print(const json_t *result)
{
	printf("%s: snapshot %s is removed\n", json_text(result, "device", "?"),
	       json_text(result, "name", "?"));
}

/* With the last one the origin goes, too. */
static int remove_one(const struct snapshot_args *args, const char *device)
{
	const struct stack_args stack_args = {
		.device = device,
		.name = SNAPSHOT_STACK,
	};
	struct cut cut = {};
	struct dm_state dm;
	int err;

	err = stack_find(&cut.stack, device, SNAPSHOT_STACK);
	if (!err)
		err = dm_find(snapshot_dm(&cut.stack, args->name), &dm);
	if (err)
		return err;
	if (dm.exists && strcmp(dm.uuid, snapshot_uuid(&cut.stack, args->name)))
		dm.exists = false;
	if (!dm.exists &&
	    (!stack_is_there(&cut.stack) || snapshots_of(&cut.stack)))
		return failed(.op = OP_SNAPSHOT, .what = args->name,
			      .device = device, .err = ENOENT,
			      .cause = "there is no such snapshot",
			      .next = "see 'bioctl snapshot list'");
	hold_signals();
	if (dm.open)
		return failed(.op = OP_SNAPSHOT, .what = args->name,
			      .device = device, .err = EBUSY,
			      .cause = "the snapshot is mounted, or open",
			      .next = "unmount it");
	if (dm.exists)
		err = take_out(&cut, args->name);
	if (!err && !snapshots_of(&cut.stack))
		err = stack_remove_quietly(&stack_args);
	if (!err)
		emit(json_pack("{s:s, s:s}", "device", cut.stack.device, "name",
			       args->name),
		     remove_print);
	return err;
}

static int remove_all(const struct snapshot_args *args)
{
	int err = BIOCTL_OK;

	for (unsigned int i = 0; i < args->nr_devices; i++)
		err |= remove_one(args, args->devices[i]);
	return err;
}

static int run(void *input)
{
	const struct snapshot_args *args = input;
	int err;

	err = kernel_check();
	if (err)
		return err;
	if (!strcmp(args->verb, "list") || !strcmp(args->verb, "status"))
		return snapshot_list(args);
	if (pin_lock() < 0)
		return BIOCTL_FAILED;
	return strcmp(args->verb, "create") ? remove_all(args) : create(args);
}

enum snapshot_key {
	KEY_STORE = 0x800,
	KEY_NAME,
	KEY_SIZE,
	KEY_CHUNK,
	KEY_FORCE,
};

static void parse_word(struct snapshot_args *args, char *arg,
		       struct argp_state *state)
{
	if (args->verb) {
		list_add(&args->devices, &args->nr_devices, arg);
		return;
	}
	args->verb = arg;
	if (strcmp(arg, "create") && strcmp(arg, "remove") &&
	    strcmp(arg, "list") && strcmp(arg, "status"))
		argp_error(state,
			   "'%s' is none of create, list, status, remove", arg);
}

static void parse_end(struct snapshot_args *args, struct argp_state *state)
{
	bool is_create = args->verb && !strcmp(args->verb, "create");
	bool lists = args->verb && (!strcmp(args->verb, "list") ||
				    !strcmp(args->verb, "status"));

	if (!args->verb)
		argp_error(state, "one of create, list, status, remove is "
				  "missing");
	else if (!lists && !args->nr_devices)
		argp_error(state, "DEVICE is missing");
	else if (is_create && args->nr_stores != args->nr_devices)
		argp_error(state, "as many --store as devices are needed");
	else if (!is_create &&
		 (args->nr_stores || args->size || args->chunk || args->force))
		argp_error(state, "only create takes --store, --size, --chunk "
				  "and --force");
	if (!args->chunk)
		args->chunk = DEFAULT_CHUNK;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct snapshot_args *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		args->name = "snap";
		return 0;
	case KEY_STORE:
		/* A file keeps its name, a device has a short one, too. */
		list_add(&args->stores, &args->nr_stores,
			 access(arg, F_OK) && !strchr(arg, '/') &&
					 !access(device_path(arg), F_OK) ?
				 device_path(arg) :
				 arg);
		return 0;
	case KEY_NAME:
		if (strpbrk(arg, "./") || !*arg)
			argp_error(state, "--name: '%s' has dots or slashes",
				   arg);
		args->name = arg;
		return 0;
	case KEY_SIZE:
		/* In bytes it is an off_t. */
		if (!parse_u64(arg, &args->size) || !args->size ||
		    args->size >= 1ULL << 43)
			argp_error(state, "--size: '%s' is no number of MiB",
				   arg);
		return 0;
	case KEY_CHUNK:
		if (!parse_u64(arg, &args->chunk) || args->chunk < 8 ||
		    args->chunk & (args->chunk - 1))
			argp_error(state,
				   "--chunk: '%s' is no power of two "
				   "from 8 on",
				   arg);
		return 0;
	case KEY_FORCE:
		args->force = true;
		return 0;
	case ARGP_KEY_ARG:
		parse_word(args, arg, state);
		return 0;
	case ARGP_KEY_END:
		parse_end(args, state);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option options[] = {
	{ "store", KEY_STORE, "DEVICE|FILE", 0,
	  "Where blocks go before they are overwritten; one for each DEVICE, in "
	  "that order",
	  0 },
	{ "size", KEY_SIZE, "MIB", 0, "Make FILE, of that size", 0 },
	{ "name", KEY_NAME, "NAME", 0,
	  "Of the snapshot: it will be /dev/mapper/DEVICE-NAME (the default is "
	  "snap)",
	  0 },
	{ "chunk", KEY_CHUNK, "SECTORS", 0,
	  "What is copied at a time (the default is 16)", 0 },
	{ "force", KEY_FORCE, NULL, 0,
	  "Overwrite what the store holds; do it though something may go past "
	  "the snapshot",
	  0 },
	{}
};

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "create DEVICE... --store STORE...\n"
		    "list [DEVICE...]\n"
		    "status [DEVICE...]\n"
		    "remove DEVICE...",
	.doc = "Snapshots of devices in use, read-only devices to mount or copy. "
	       "What is mounted is frozen for a moment; several devices are one "
	       "consistent cut.",
	.children = common_children,
};

const struct command cmd_snapshot = {
	.name = "snapshot",
	.doc = "keep a device in use as it is now",
	.argp = &argp,
	.args_size = sizeof(struct snapshot_args),
	.run = run,
};
