// SPDX-License-Identifier: GPL-2.0
/*
 * Putting a stack between a live device and its users, and taking it out.
 *
 * What we build begins as a device that passes everything on to the lower device.
 * Bios are sent there, the barrier waits for those that were on the other way, and
 * only then its table is exchanged, by device mapper, with nothing in flight: so
 * a target that copies by itself (mirror, raid, clone) never misses a write. It is
 * taken out the same way. A stack that is there already is put in with one change
 * of the policy's map. In both cases filesystems are frozen, and a device of
 * device mapper is suspended. Before and after, whatever happens to bioctl, the
 * device works, with the stack or without.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "attach.h"
#include "snapshot.h"
#include "stack.h"
#include "target.h"

#define LOWER "@lower"

/* With the number of the lower device, and a start and a length if need be. */
static char *table_for(const char *table, dev_t lower, const char *device)
{
	char *number = strf("%u:%u", major(lower), minor(lower));
	char *out = strf("%s", ""), *at;

	if (*table < '0' || *table > '9')
		out = strf("0 %llu ", device_sectors(device));
	while ((at = strstr(table, LOWER))) {
		out = strf("%s%.*s%s", out, (int)(at - table), table, number);
		table = at + strlen(LOWER);
	}
	return strf("%s%s", out, table);
}

/* Where the last line of a table ends, in sectors */
static unsigned long long table_sectors(const char *table)
{
	unsigned long long start, length, end = 0;

	for (; *table; table += strcspn(table, "\n"), table += *table == '\n')
		if (sscanf(table, "%llu %llu", &start, &length) == 2)
			end = start + length;
	return end;
}

/*
 * Passing everything on, with the table loaded. It was loaded before, into a
 * device that nobody uses: the first table gives a device of device mapper its
 * limits when it is loaded, later ones when they are resumed, too late to refuse
 * them. None of the targets runs meanwhile.
 */
static int make_top(struct stack *stack, const char *table)
{
	dev_t lower = stack->link_info.blk.lower;
	int err;

	table = table_for(table, lower, stack->device);
	err = dm_create(stack->dm_name, stack_uuid(stack));
	if (!err)
		err = dm_find(stack->dm_name, &stack->dm);
	if (!err)
		err = dm_load(stack->dm_name, table);
	if (!err)
		err = stack_check_limits(stack, stack->dm_name, stack->dm.dev,
					 table_sectors(table));
	if (!err)
		err = dm_load(stack->dm_name, stack_pass_table(stack));
	if (!err)
		err = dm_resume(stack->dm_name);
	if (!err)
		err = dm_load(stack->dm_name, table);
	if (!err)
		at_step("built");
	return err;
}

static void inserted_print(const json_t *result)
{
	const json_t *stack = json_object_get(result, "stack");
	const json_t *covered = json_object_get(result, "covered");
	const char *top = json_text(stack, "top", NULL);
	json_t *mount;
	size_t i, n;

	if (top)
		printf("%s: %s is below it, on %s\n",
		       json_text(stack, "device", "?"), top,
		       json_text(stack, "lower", "?"));
	else
		printf("%s: nothing is below it any more\n",
		       json_text(result, "device", "?"));
	for (i = 0; (mount = json_element(covered, "mounts", i)); i++)
		printf("  %s was frozen meanwhile\n", json_string_value(mount));
	for (n = 0; (mount = json_element(covered, "frozen_before", n)); n++)
		printf("  %s was frozen before, and still is: fsfreeze "
		       "--unfreeze %s\n",
		       json_string_value(mount), json_string_value(mount));
	if (json_is_true(json_object_get(covered, "suspended")))
		puts("  the device was suspended meanwhile");
	else if (!i && !n && json_is_true(json_object_get(result, "gap")))
		puts("  nothing is mounted there: what was not in the device's "
		     "queue yet may have gone the other way");
	if (json_text(result, "kept", NULL))
		printf("  %s is still on its lower device: take it apart, then "
		       "'bioctl stack remove' again\n",
		       json_text(result, "kept", NULL));
	if (json_text(result, "held_back", NULL))
		printf("  no filesystem has it alone, and %s: what was held back "
		       "there may have gone past it\n",
		       json_text(result, "held_back", NULL));
}

static int build(struct stack *stack, const struct stack_args *args,
		 json_t **covered)
{
	json_t *again;
	int err;

	err = make_top(stack, args->table);
	if (!err)
		err = stack_set_top(stack, device_name(stack->dm.dev));
	if (!err)
		err = stack_barrier(stack);
	at_step("switched");
	if (!err)
		err = stack_put_in_use(stack, covered);
	if (!err)
		at_step("inserted");
	stack_look(stack, stack->key, stack->name);
	if (!err)
		return err;
	/* It was put in use, and may have taken in what is nowhere else. */
	if (stack->top && stack->dm.live && !stack_passes_on(stack) &&
	    stack_exchange(stack, stack_pass_table(stack), stack_check_clean,
			   &again))
		return err;
	if (stack->map >= 0 && !stack_set_top(stack, NULL))
		stack_barrier(stack);
	if (stack->dm.exists)
		dm_remove(stack->dm_name, PATIENCE);
	stack_look(stack, stack->key, stack->name);
	return err;
}

/* It is there, and complete. */
static int use_existing(struct stack *stack, const char *device, bool force,
			json_t **covered)
{
	char *top = device_path(device);
	json_t *again;
	int err;

	err = stack_check_top(stack, top, force);
	if (err)
		return err;
	err = stack_switch_top(stack, top, NULL, covered);
	stack_look(stack, stack->key, stack->name);
	/* It was in use, and may have taken in what is nowhere else. */
	if (err && stack->top) {
		stack_switch_top(stack, NULL, stack_check_others, &again);
		stack_look(stack, stack->key, stack->name);
	}
	at_step("inserted");
	return err;
}

int stack_take_off(struct stack *stack)
{
	int err = 0;

	if (stack->link >= 0 &&
	    !(stack->link_info.blk.flags & BPF_BLK_LINK_DEFUNCT))
		err = link_detach(stack->link, 0);
	if (err && err != -ENOLINK)
		return failed(.op = OP_STACK, .what = stack->name,
			      .device = stack->device, .err = -err);
	at_step("detached");
	if (stack->link >= 0)
		close(stack->link);
	if (stack->map >= 0)
		close(stack->map);
	if (stack->dir)
		pin_remove_dir(stack->dir);
	return BIOCTL_OK;
}

/* The policy, with a lower device and an empty map: nothing changes yet. */
int stack_attach(struct stack *stack, const struct stack_args *args)
{
	struct attach_args attach = {
		.device = args->device,
		.lower = true,
		.policy = {
			.policy = args->policy ? args->policy : STACK_POLICY,
			.name = stack->name,
			.sets = args->sets,
			.nr_sets = args->nr_sets,
		},
	};
	struct attachment at = {};
	int err;

	err = attach_make(&at, &attach);
	at_step("attached");
	if (err)
		return err;
	/* The pins keep it. */
	attach_end(&at);
	stack_look(stack, stack->key, stack->name);
	return BIOCTL_OK;
}

static int put_in(const struct stack_args *args, struct stack *stack,
		  json_t **covered)
{
	const char *name = args->name ? args->name : STACK_POLICY;
	int err;

	err = stack_find(stack, args->device, name);
	if (err)
		return err;
	/* Somebody attached it by hand, to build on its lower device. */
	if (args->existing && stack->link >= 0 && !stack->top &&
	    stack->link_info.blk.lower) {
		hold_signals();
		return use_existing(stack, args->existing, args->force,
				    covered);
	}
	stack_forget_defunct(stack);
	if (stack_is_there(stack))
		return failed(.op = OP_STACK, .what = name,
			      .device = stack->device, .err = EEXIST);
	err = stack_attach(stack, args);
	if (err)
		return err;
	err = args->existing ? use_existing(stack, args->existing, args->force,
					    covered) :
			       build(stack, args, covered);
	/* Or what it has taken in would be lost: it was said. */
	if (err && !stack->top)
		stack_take_off(stack);
	return err;
}

int stack_insert_quietly(const struct stack_args *args)
{
	json_t *covered = NULL;
	struct stack stack;

	return put_in(args, &stack, &covered);
}

int stack_insert(const struct stack_args *args)
{
	json_t *covered = NULL;
	struct stack stack;
	int err;

	err = put_in(args, &stack, &covered);
	if (!err)
		emit(json_pack("{s:o, s:o, s:b, s:o}", "stack",
			       stack_json(&stack), "covered", covered, "gap",
			       !stack.dm.exists, "held_back",
			       json_string_or_null(stack_gap(&stack))),
		     inserted_print);
	return err;
}

/*
 * @gap: bios may have gone either way for a moment; @kept: what others stacked on
 * the lower device, so that it is still there; or NULL
 */
static int take_away(const struct stack_args *args, char **device,
		     json_t **covered, bool *gap, char **kept)
{
	const char *name = args->name ? args->name : STACK_POLICY;
	struct stack stack;
	int err;

	*covered = NULL;
	*kept = NULL;
	*gap = false;
	err = stack_find_there(&stack, args->device, name);
	if (err)
		return err;
	*device = stack.device;
	err = stack_wake(&stack);
	if (err)
		return err;
	/* What was migrated is not on the device any more. */
	if (stack_moved_to(&stack) && !args->force)
		return failed(.op = OP_STACK, .what = name,
			      .device = stack.device,
			      .cause =
				      strf("its data are on %s, and have "
					   "changed there since",
					   device_name(stack_moved_to(&stack))),
			      .next = "unmount it and use that one; with --force "
				      "the device is as it was when it was "
				      "migrated");
	/* They would go on without a trace, as what is there now. */
	if (!strcmp(name, SNAPSHOT_STACK) && snapshots_of(&stack))
		return failed(.op = OP_STACK, .what = name,
			      .device = stack.device, .err = EBUSY,
			      .cause = strf("%u snapshots need it",
					    snapshots_of(&stack)),
			      .next = strf("bioctl snapshot remove %s",
					   args->device));
	hold_signals();
	if (!stack.top || stack.link_info.blk.flags & BPF_BLK_LINK_DEFUNCT) {
		err = stack.map >= 0 ? stack_set_top(&stack, NULL) : BIOCTL_OK;
	} else if (stack.dm.live && stack.top == stack.dm.dev) {
		/* What hangs there would hang whoever freezes. */
		if (stack_mirror_failed(&stack))
			err = stack_rescue(&stack);
		if (!err)
			err = stack_exchange(&stack, stack_pass_table(&stack),
					     args->force ? NULL :
							   stack_check_clean,
					     covered);
		if (!err)
			err = stack_set_top(&stack, NULL);
		if (!err)
			err = stack_barrier(&stack);
		at_step("switched-out");
	} else {
		dev_t top = stack.top;

		err = stack_switch_top(&stack, NULL,
				       args->force ? NULL : stack_check_others,
				       covered);
		*gap = true;
		/* Its maker takes it apart before the lower device can go. */
		if (!err &&
		    device_is_stacked_on(top, stack.link_info.blk.lower)) {
			*kept = device_name(top);
			at_step("removed");
			return BIOCTL_OK;
		}
	}
	if (!err && stack.dm.exists)
		err = dm_remove(stack.dm_name, PATIENCE);
	at_step("removed");
	if (!err)
		err = stack_take_off(&stack);
	return err;
}

int stack_remove_quietly(const struct stack_args *args)
{
	char *device, *kept;
	json_t *covered;
	bool gap;

	return take_away(args, &device, &covered, &gap, &kept);
}

int stack_remove(const struct stack_args *args)
{
	char *device, *kept;
	json_t *covered;
	bool gap;
	int err;

	err = take_away(args, &device, &covered, &gap, &kept);
	if (err)
		return err;
	emit(json_pack("{s:o, s:s, s:o, s:b, s:o}", "device",
		       json_string_or_null(device), "name",
		       args->name ? args->name : STACK_POLICY, "covered",
		       covered ? covered : json_null(), "gap", gap, "kept",
		       json_string_or_null(kept)),
	     inserted_print);
	return BIOCTL_OK;
}
