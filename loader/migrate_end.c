// SPDX-License-Identifier: GPL-2.0
/*
 * How a migration ends: everything goes to the target, or to the source again, as one
 * of the two failed. Or somebody else has ended it.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "migrate.h"

/* Is it the one that a command names? */
bool migrate_is_target(dev_t dev, const struct migrate_args *args)
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

	if (to && migrate_is_target(to, args))
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
int migrate_failed(struct stack *stack, const struct migrate_args *args)
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
	if (!migrate_is_target(now.target, args) || stat(args->target, &st))
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

int migrate_finish(struct stack *stack, const struct migrate_args *args)
{
	int lock = lock_unless_failed(stack), err;

	if (lock == PIN_LOCKED)
		return migrate_failed(stack, args);
	if (lock < 0)
		return BIOCTL_FAILED;
	err = finish_locked(stack, args);
	at_step("migrated");
	close(lock);
	return err == MIRROR_FAILED ? migrate_failed(stack, args) : err;
}
