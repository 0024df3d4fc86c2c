// SPDX-License-Identifier: GPL-2.0
/*
 * 'bioctl migrate': the data of a device in use to another disk, on dm-mirror
 * beneath the live device.
 *
 * As long as blocks are copied both disks get what is written, and the source is
 * complete: it can be stopped at any moment. When all is copied one change sends
 * everything to the target, and the mirror goes. The kernel copies; bioctl only
 * watches, and may be killed and started again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "migrate.h"
#include "snapshot.h"

static int copy_regions(struct stack *stack, const struct migrate_args *args)
{
	unsigned long long before = 0;
	struct progress now;

	for (;;) {
		if (!mirror_read(stack, &now) || !mirror_is_alive(&now))
			return migrate_failed(stack, args);
		mirror_show(&now, "");
		if (now.done == now.total)
			break;
		mirror_keep_rate(args->rate, now.done - before);
		before = now.done;
		if (!wait_unless_stopped(1))
			return failed(.op = OP_MIGRATE, .what = args->target,
				      .device = stack->device, .err = EINTR,
				      .cause = "bioctl was stopped; the kernel "
					       "goes on copying",
				      .next = "the same command goes on "
					      "watching; --cancel ends it");
	}
	mirror_show(&now, "\n");
	return BIOCTL_OK;
}

static int copy_all(struct stack *stack, const struct migrate_args *args)
{
	unsigned int before = mirror_share();
	int err = copy_regions(stack, args);

	if (args->rate)
		mirror_set_share(before);
	return err;
}

static int check_target(const struct stack *stack,
			const struct migrate_args *args)
{
	unsigned long long own = device_sectors(stack->device);
	unsigned long long targets = device_sectors(args->target);
	char *gap = args->force ? NULL : stack_gap(stack);
	struct stat st;

	if (gap)
		return failed(.op = OP_MIGRATE, .what = args->target,
			      .device = stack->device,
			      .cause = strf(
				      "no filesystem has the device "
				      "alone, and %s: what is held back there "
				      "would not reach the target",
				      gap),
			      .next = "take that away for the moment, or add "
				      "--force if nobody writes to it now");
	if (!stat(args->target, &st) &&
	    (device_rests_on(st.st_rdev, stack->dev) ||
	     device_is_above(stack->dev, st.st_rdev)))
		return failed(.op = OP_MIGRATE, .what = args->target,
			      .device = stack->device,
			      .cause = "one of the two is on the other",
			      .next = "choose another disk");
	if (targets < own)
		return failed(.op = OP_MIGRATE, .what = args->target,
			      .device = stack->device,
			      .cause = strf("it has %llu sectors, the device "
					    "%llu",
					    targets, own),
			      .next = "choose a disk that is large enough");
	return store_check(args->target, args->force);
}

static int start(struct stack *stack, const struct migrate_args *args)
{
	const struct stack_args stack_args = {
		.device = args->source,
		.name = MIGRATE_STACK,
		.table =
			strf("mirror core 1 %d 2 @lower 0 %s 0 1 handle_errors",
			     REGION, args->target),
	};
	int err;

	err = check_target(stack, args);
	hold_signals();
	if (!err)
		err = stack_insert_quietly(&stack_args);
	if (!err)
		stack_look(stack, stack->key, MIGRATE_STACK);
	return err;
}

static void finish_print(const json_t *result)
{
	const char *device = json_text(result, "device", "?");

	printf("%s: all I/O goes to %s now, until the machine boots again\n"
	       "  Both hold the same filesystem. Before that, so that it is not "
	       "found on the old one:\n"
	       "  wipefs --all %s\n",
	       device, json_text(result, "target", "?"),
	       json_text(result, "lower", "?"));
}

static int say_moved(const struct stack *stack)
{
	emit(json_pack("{s:s, s:s, s:s}", "device", stack->device, "target",
		       device_name(stack_moved_to(stack)), "lower",
		       device_name(stack->link_info.blk.lower)),
	     finish_print);
	return BIOCTL_OK;
}

/* One that was killed at the very end, or has done all */
static int moved_before(const struct stack *stack,
			const struct migrate_args *args)
{
	dev_t to = stack_moved_to(stack);

	if (migrate_is_target(to, args))
		return say_moved(stack);
	return failed(.op = OP_MIGRATE, .what = args->target,
		      .device = stack->device,
		      .cause = strf("its data are on %s", device_name(to)),
		      .next = "unmount it and migrate that one");
}

/* What is left of one whose disk failed, or that was killed when it was cancelled */
static int given_up_before(const struct stack *stack,
			   const struct migrate_args *args)
{
	const struct stack_args remove = { .device = args->source,
					   .name = MIGRATE_STACK };
	int err = stack_remove_quietly(&remove);

	if (err)
		return err;
	return failed(.op = OP_MIGRATE, .what = args->target,
		      .device = stack->device,
		      .cause = "an earlier one was given up, see dmesg, and is "
			       "taken away now",
		      .next = "the same command begins anew");
}

/* Copying, whoever has begun it */
static int go_on(struct stack *stack, const struct migrate_args *args, int lock)
{
	struct progress now;
	int err = BIOCTL_OK;

	if (!stack_is_there(stack))
		err = start(stack, args);
	close(lock);
	at_step("copying");
	if (!err && mirror_read(stack, &now) &&
	    !migrate_is_target(now.target, args))
		return failed(.op = OP_MIGRATE, .what = args->target,
			      .device = stack->device,
			      .cause = strf("it is being copied to %s",
					    device_name(now.target)),
			      .next = "name that one, or give up with --cancel");
	if (!err)
		err = copy_all(stack, args);
	if (!err && args->verify) {
		at_step("verifying");
		err = migrate_verify(stack, args->target);
		if (err == MIRROR_FAILED)
			err = migrate_failed(stack, args);
	}
	at_step("copied");
	if (!err)
		err = migrate_finish(stack, args);
	if (err && err != MIGRATED)
		return err;
	stack_look(stack, stack->key, MIGRATE_STACK);
	return say_moved(stack);
}

/* It may take hours: others may use bioctl meanwhile. @lock is let go. */
static int migrate(const struct migrate_args *args, int lock)
{
	struct stack stack;
	int err;

	err = stack_find(&stack, args->source, MIGRATE_STACK);
	if (err)
		return err;
	hold_signals();
	if (stack_moved_to(&stack))
		return moved_before(&stack, args);
	if (stack_is_there(&stack) && strcmp(stack_state(&stack), "inserted"))
		return failed(.op = OP_MIGRATE, .what = args->target,
			      .device = stack.device,
			      .cause = "an earlier one was stopped halfway",
			      .next = strf(
				      "bioctl stack repair %s --name " MIGRATE_STACK,
				      args->source));
	if (stack_passes_on(&stack))
		return given_up_before(&stack, args);
	return go_on(&stack, args, lock);
}

static int run(void *input)
{
	const struct migrate_args *args = input;
	const struct stack_args stack_args = {
		.device = args->source,
		.name = MIGRATE_STACK,
	};
	int err, lock;

	err = kernel_check();
	if (!err)
		err = stack_let_go(args->source, MIGRATE_STACK, NULL);
	if (err)
		return err;
	lock = pin_lock();
	if (lock < 0)
		return BIOCTL_FAILED;
	return args->cancel ? stack_remove(&stack_args) : migrate(args, lock);
}

enum migrate_key {
	KEY_RATE = 0x900,
	KEY_VERIFY,
	KEY_CANCEL,
	KEY_FORCE,
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct migrate_args *args = state->input;

	switch (key) {
	case KEY_RATE:
		if (!parse_u64(arg, &args->rate) || !args->rate)
			argp_error(state, "--rate: '%s' is no number of MiB",
				   arg);
		return 0;
	case KEY_VERIFY:
		args->verify = true;
		return 0;
	case KEY_CANCEL:
		args->cancel = true;
		return 0;
	case KEY_FORCE:
		args->force = true;
		return 0;
	case ARGP_KEY_ARG:
		if (!args->source)
			args->source = arg;
		else if (!args->target)
			args->target = device_path(arg);
		else
			argp_error(state, "'%s' is too much", arg);
		return 0;
	case ARGP_KEY_END:
		if (!args->source)
			argp_error(state, "SOURCE is missing");
		else if (!args->target == !args->cancel)
			argp_error(state,
				   "one of TARGET and --cancel is needed");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option options[] = {
	{ "rate", KEY_RATE, "MIB", 0, "Copy about so many MiB in a second", 0 },
	{ "verify", KEY_VERIFY, NULL, 0,
	  "Compare both disks before everything goes to the target", 0 },
	{ "cancel", KEY_CANCEL, NULL, 0, "Give up: all I/O goes to SOURCE", 0 },
	{ "force", KEY_FORCE, NULL, 0,
	  "Overwrite what TARGET holds; begin though something may go past the "
	  "mirror",
	  0 },
	{}
};

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "SOURCE TARGET\nSOURCE --cancel",
	.doc = "Move the data of a device in use to another disk, and all I/O "
	       "with it. Until all is copied the source is complete, and the "
	       "move can be cancelled.",
	.children = common_children,
};

const struct command cmd_migrate = {
	.name = "migrate",
	.doc = "move a device in use to another disk",
	.argp = &argp,
	.args_size = sizeof(struct migrate_args),
	.run = run,
};
