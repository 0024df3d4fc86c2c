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
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "migrate.h"
#include "snapshot.h"

struct migrate_args {
	const char *source;
	const char *target;
	unsigned long long rate;
	bool verify;
	bool cancel;
	bool force;
};

/* Somebody else, who watched as well, has ended it well. */
#define MIGRATED (-2)

/* Is it the one that a command names? */
static bool is_target(dev_t dev, const struct migrate_args *args)
{
	struct stat st;

	return !stat(args->target, &st) && st.st_rdev == dev;
}

/*
 * One of the two has errors. The source is complete: what was acknowledged is there.
 * The lock is held.
 */
static int give_up(struct stack *stack, const struct migrate_args *args,
		   const struct progress *now)
{
	const struct stack_args remove = { .device = args->source,
					   .name = MIGRATE_STACK };
	const char *cause = "one of the two has errors, see dmesg";
	const char *next = "all I/O goes to the source again: choose "
			   "another target";
	int err;

	if (now->health[0] && now->health[0] != 'A') {
		cause = "the source has errors";
		next = "all I/O goes to it alone again: what it cannot read "
		       "cannot be moved, see dmesg";
	} else if (now->health[0] && now->health[1] != 'A') {
		cause = "the target has errors";
	}
	err = stack_remove_quietly(&remove);
	return failed(.op = OP_MIGRATE, .what = args->target,
		      .device = stack->device, .err = EIO, .cause = cause,
		      .next = err ? "the source is complete: bioctl migrate "
				    "--cancel" :
				    next);
}

/* Is it still what this process has begun, or found? */
static bool look_again(struct stack *stack, struct progress *now)
{
	__u32 link = stack->link_info.id;

	stack_look(stack, stack->key, MIGRATE_STACK);
	return stack->link_info.id == link && mirror_read(stack, now);
}

static int ended_by_others(const struct stack *stack,
			   const struct migrate_args *args)
{
	dev_t to = stack_moved_to(stack);

	if (to && is_target(to, args))
		return MIGRATED;
	return failed(.op = OP_MIGRATE, .what = args->target,
		      .device = stack->device,
		      .cause = "somebody has ended it meanwhile",
		      .next = "see 'bioctl stack list'; --cancel ends the rest");
}

/*
 * It is not there any more, or not alive. Then what comes now hangs in it, and with
 * that whoever freezes what is above, holding the lock. So it is rescued before.
 */
static int mirror_ended(struct stack *stack, const struct migrate_args *args)
{
	__u32 link = stack->link_info.id;
	struct progress now = {};
	int lock, err;

	/* The target's node may have gone with the disk. */
	if (look_again(stack, &now) && !mirror_is_alive(&now) &&
	    stack_rescue(stack))
		return BIOCTL_FAILED;
	lock = pin_lock();
	if (lock < 0)
		return BIOCTL_FAILED;
	/* Whoever else watches, or freezes, may have done all that meanwhile. */
	stack_look(stack, stack->key, MIGRATE_STACK);
	if (stack->link_info.id == link && stack_passes_on(stack))
		err = give_up(stack, args, &now);
	else
		err = ended_by_others(stack, args);
	close(lock);
	return err;
}

static int copy_regions(struct stack *stack, const struct migrate_args *args)
{
	unsigned long long before = 0;
	struct progress now;

	for (;;) {
		if (!mirror_read(stack, &now) || !mirror_is_alive(&now))
			return mirror_ended(stack, args);
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

/* Opened before all stands still: there may be no memory then. */
static int target_fd = -1;

/*
 * Nothing is written meanwhile. What the kernel has copied may be in the target's
 * cache, and nobody but us knows that it is not durable.
 */
static int check_copied(const struct stack *stack)
{
	struct stack copy = *stack;
	struct progress now;
	bool copied = mirror_read(&copy, &now) && mirror_is_alive(&now) &&
		      now.done == now.total;

	if (copied && !fsync(target_fd))
		return BIOCTL_OK;
	if (copied)
		return failed(.op = OP_MIGRATE, .what = device_name(now.target),
			      .device = stack->device, .err = errno,
			      .cause = "what was copied cannot be made durable "
				       "there",
			      .next = "bioctl migrate --cancel, then choose "
				      "another target");
	return failed(.op = OP_MIGRATE, .what = stack->dm_name,
		      .device = stack->device,
		      .cause = strf("the mirror is not complete any more: %s",
				    copy.dm.status),
		      .next = "see dmesg; bioctl migrate --cancel, then choose "
			      "another target");
}

/* What hangs in a mirror that failed would hang whoever freezes. */
static int finish_locked(struct stack *stack, const struct migrate_args *args)
{
	struct progress now;
	json_t *covered;
	struct stat st;
	int err;

	if (!look_again(stack, &now))
		return ended_by_others(stack, args);
	if (!mirror_is_alive(&now))
		return MIRROR_FAILED;
	if (!is_target(now.target, args) || stat(args->target, &st))
		return ended_by_others(stack, args);
	target_fd = open(args->target, O_RDONLY | O_CLOEXEC);
	if (target_fd < 0)
		return failed(.op = OP_MIGRATE, .what = args->target,
			      .device = stack->device, .err = errno);
	/* Device mapper goes on claiming it: nobody mounts it beside us. */
	err = stack_exchange(stack,
			     strf("0 %llu linear %u:%u 0",
				  device_sectors(stack->device),
				  major(st.st_rdev), minor(st.st_rdev)),
			     check_copied, &covered);
	close(target_fd);
	return err;
}

/* Whoever has the lock may be freezing what hangs in a mirror that fails now. */
static int lock_unless_failed(struct stack *stack)
{
	int lock;

	while ((lock = pin_try_lock()) == PIN_LOCKED) {
		struct progress now;

		if (mirror_read(stack, &now) && !mirror_is_alive(&now))
			return PIN_LOCKED;
		sleep(1);
	}
	return lock;
}

static int finish(struct stack *stack, const struct migrate_args *args)
{
	int lock = lock_unless_failed(stack), err;

	if (lock == PIN_LOCKED)
		return mirror_ended(stack, args);
	if (lock < 0)
		return BIOCTL_FAILED;
	err = finish_locked(stack, args);
	at_step("migrated");
	close(lock);
	return err == MIRROR_FAILED ? mirror_ended(stack, args) : err;
}

/* One that was killed at the very end, or has done all */
static int moved_before(const struct stack *stack,
			const struct migrate_args *args)
{
	dev_t to = stack_moved_to(stack);

	if (is_target(to, args))
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
	if (!err && mirror_read(stack, &now) && !is_target(now.target, args))
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
			err = mirror_ended(stack, args);
	}
	at_step("copied");
	if (!err)
		err = finish(stack, args);
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
