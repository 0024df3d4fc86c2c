// SPDX-License-Identifier: GPL-2.0
/*
 * What is on a lower device is exchanged for something else, with nothing in
 * flight, while the device is in use. Each step leaves it working, with the one or
 * the other, whatever happens to bioctl.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "memory.h"
#include "stack.h"
#include "target.h"

/* A step at which a test stops us, for good or until it lets us go on. */
void at_step(const char *step)
{
	const char *stop = getenv("BIOCTL_STOP_AT");
	const char *wait = getenv("BIOCTL_PAUSE_AT");

	if (stop && !strcmp(stop, step)) {
		kill(getpid(), SIGKILL);
		pause();
	}
	if (wait && !strcmp(wait, step))
		kill(getpid(), SIGSTOP);
}

/* Every bio that met the old state of the map has ended when it returns. */
static int wait_for_old(const struct stack *stack)
{
	LIBBPF_OPTS(bpf_link_update_opts, opts, .flags = BPF_F_BLK_BARRIER);
	int prog, err;

	prog = bpf_prog_get_fd_by_id(stack->link_info.prog_id);
	if (prog < 0)
		return prog;
	err = bpf_link_update(stack->link, prog, &opts);
	close(prog);
	return err == -ENOLINK ? 0 : err;
}

int stack_barrier(const struct stack *stack)
{
	int err = wait_for_old(stack);

	if (err)
		return failed(.op = OP_STACK, .what = stack->name,
			      .device = stack->device, .err = -err);
	return BIOCTL_OK;
}

/* @top: path of what bios go to from now on; NULL: to the device itself */
int stack_set_top(const struct stack *stack, const char *top)
{
	struct target target = { .device = (char *)top };
	__u32 key = 0;

	if (top)
		return target_set(stack->map, &target, BPF_ANY, top,
				  stack->device);
	if (bpf_map_delete_elem(stack->map, &key) && errno != ENOENT)
		return failed(.op = OP_STACK, .what = stack->name,
			      .device = stack->device, .err = errno,
			      .cause = strf("it is still used: %s",
					    strerror(errno)));
	return BIOCTL_OK;
}

/*
 * One change of the map, with nothing on its way. The device is flushed after it:
 * what had met the policy before is in the device by now. @check: as for
 * stack_exchange()
 */
int stack_switch_top(const struct stack *stack, const char *top,
		     int (*check)(const struct stack *stack), json_t **covered)
{
	struct frozen *frozen;
	int err;

	err = freeze_device(stack->dev, stack->device, &frozen);
	if (err)
		return err;
	at_step(top ? "frozen" : "frozen-out");
	err = check ? check(stack) : BIOCTL_OK;
	if (!err)
		err = stack_set_top(stack, top);
	at_step(top ? "switched" : "switched-out");
	if (!err)
		err = stack_barrier(stack);
	if (!err)
		err = frozen_flush(frozen, stack->device);
	*covered = frozen_json(frozen);
	return thaw_filesystems(frozen, stack->device) | err;
}

/* The table that passes everything on */
char *stack_pass_table(const struct stack *stack)
{
	dev_t lower = stack->link_info.blk.lower;

	return strf("0 %llu linear %u:%u 0", device_sectors(stack->device),
		    major(lower), minor(lower));
}

/* Whatever state its device is in: it passes everything on. */
static void fall_back(const struct stack *stack, struct frozen *frozen)
{
	struct dm_state now;

	if (dm_load(stack->dm_name, stack_pass_table(stack)) ||
	    dm_find(stack->dm_name, &now))
		return;
	if (now.suspended || !frozen_suspend(frozen, stack->dm_name))
		frozen_resume(frozen, stack->dm_name);
}

/* The table that was loaded takes the place of the other. */
static int swap_table(const struct stack *stack, struct frozen *frozen)
{
	int err = frozen_suspend(frozen, stack->dm_name);

	at_step("suspended");
	return err ? err : frozen_resume(frozen, stack->dm_name);
}

/*
 * dm-mirror keeps writes that its second disk failed until it is suspended: to
 * freeze, or thaw, would never end then. It may fail while we do.
 */
static void pass_on_what_hangs(void *arg)
{
	struct stack *stack = arg;

	if (dm_find(stack->dm_name, &stack->dm) || !stack_mirror_failed(stack))
		return;
	if (!dm_load(stack->dm_name, stack_pass_table(stack)) &&
	    !dm_suspend_hanging(stack->dm_name))
		dm_resume(stack->dm_name);
}

static bool is_mirror(const struct stack *stack)
{
	struct dm_state now;

	return !dm_find(stack->dm_name, &now) &&
	       strstr(now.targets, " mirror ");
}

/* Bios go through it already; with nothing in flight it becomes what it is for. */
int stack_put_in_use(const struct stack *stack, json_t **covered)
{
	struct frozen *frozen;
	bool mirror;
	int err;

	err = freeze_device_watched(stack->dev, stack->device,
				    pass_on_what_hangs, (void *)stack, &frozen);
	if (err)
		return err;
	at_step("frozen");
	err = frozen_flush(frozen, stack->device);
	if (!err) {
		err = swap_table(stack, frozen);
		if (err)
			fall_back(stack, frozen);
	}
	at_step("swapped");
	mirror = is_mirror(stack);
	*covered = frozen_json(frozen);
	err |= thaw_filesystems(frozen, stack->device);
	if (!err && mirror && !is_mirror(stack))
		return failed(.op = OP_STACK, .what = stack->name,
			      .device = stack->device, .err = EIO,
			      .cause = "a disk of the mirror has errors",
			      .next = "see dmesg; choose another disk");
	return err;
}

static int load_out(const struct stack *stack, const char *table)
{
	int err = dm_load(stack->dm_name, table);

	at_step("loaded-out");
	return err;
}

/*
 * Suspended, it takes nothing in any more, and @check knows what is not written.
 * Only then the table is loaded: before, whoever resumes would put it in, as he would
 * one that somebody who was killed has loaded. But to load it takes memory, which
 * there may be none of when what the machine swaps to is suspended: where nothing is
 * to be checked it is loaded before.
 */
static int exchange_suspended(const struct stack *stack, struct frozen *frozen,
			      const char *table,
			      int (*check)(const struct stack *stack))
{
	int err;

	err = check ? dm_unload(stack->dm_name) : load_out(stack, table);
	if (err)
		return err;
	err = frozen_suspend(frozen, stack->dm_name);
	if (err) {
		if (!check)
			dm_unload(stack->dm_name);
		return err;
	}
	at_step("suspended-out");
	if (check)
		err = check(stack);
	if (check && !err) {
		drop_ballast();
		err = load_out(stack, table);
	}
	return frozen_resume(frozen, stack->dm_name) | err;
}

/**
 * stack_exchange - another table for a stack in use
 * @stack: the stack
 * @table: in place of its table
 * @check: says, when nothing is on its way any more, whether that is all right;
 *	NULL: it is, and what a cache has not written is given up
 * @covered: what stood still meanwhile
 */
int stack_exchange(const struct stack *stack, const char *table,
		   int (*check)(const struct stack *stack), json_t **covered)
{
	struct frozen *frozen;
	int err;

	if (check == stack_check_clean && !stack_has_cache(stack))
		check = NULL;
	/* Most of it now: little is left for when all stands still. */
	err = check ? stack_write_back(stack, "flush") : BIOCTL_OK;
	at_step("freezing-out");
	if (!err)
		err = freeze_device_watched(stack->dev, stack->device,
					    pass_on_what_hangs, (void *)stack,
					    &frozen);
	if (err)
		return err;
	at_step("frozen-out");
	err = check ? stack_write_back(stack, "flush_on_suspend") : BIOCTL_OK;
	if (!err)
		err = exchange_suspended(stack, frozen, table, check);
	at_step("swapped-out");
	*covered = frozen_json(frozen);
	return thaw_filesystems(frozen, stack->device) | err;
}

/**
 * stack_rescue - let everything pass that hangs in a mirror one of whose disks
 * failed
 * @stack: the stack
 *
 * dm-mirror keeps such writes until it is suspended. Nobody can be frozen before.
 */
int stack_rescue(struct stack *stack)
{
	struct frozen *frozen;
	int err;

	err = guard_only(stack->device, &frozen);
	if (err)
		return err;
	err = dm_load(stack->dm_name, stack_pass_table(stack));
	if (!err)
		err = frozen_suspend_hanging(frozen, stack->dm_name);
	err |= thaw_filesystems(frozen, stack->device);
	if (!err)
		stack_look(stack, stack->key, stack->name);
	return err;
}

/**
 * stack_let_go - let everything pass that hangs in a stack that is to be ended
 * @device: its device
 * @name: of the stack, if there is one
 * @did: that was necessary; or NULL
 *
 * Context: without the lock: whoever has it may be freezing what hangs there.
 */
int stack_let_go(const char *device, const char *name, bool *did)
{
	struct stack stack;
	int err;

	err = stack_find(&stack, device, name);
	if (err || !stack.dm.live || !stack_mirror_failed(&stack))
		return err;
	if (did)
		*did = true;
	return stack_rescue(&stack);
}

/* Whoever suspended it was killed, and his guard. To freeze above it would hang. */
int stack_wake(struct stack *stack)
{
	int err;

	if (!stack->dm.live || !stack->dm.suspended)
		return BIOCTL_OK;
	err = dm_resume(stack->dm_name);
	if (!err)
		stack_look(stack, stack->key, stack->name);
	return err;
}
