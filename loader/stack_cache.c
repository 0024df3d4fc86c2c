// SPDX-License-Identifier: GPL-2.0
/* What a stack has taken in and not yet written to the lower device. */
#include <stdio.h>
#include <string.h>

#include "stack.h"

/*
 * Of a line of status, what a target has not written back, or why nobody knows.
 * dm-writecache writes back when it is suspended.
 */
static char *unwritten(const char *line, bool suspended)
{
	unsigned long long dirty, all, free;
	int error = -1;

	/* The 11th word behind the target's name */
	if (!strncmp(line, "cache ", 6)) {
		if (sscanf(line,
			   "cache %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu",
			   &dirty) != 1)
			return strf("the cache says '%.40s'", line);
		return dirty ? strf("%llu blocks of the cache are not written "
				    "back",
				    dirty) :
			       NULL;
	}
	if (strncmp(line, "writecache ", 11))
		return NULL;
	if (sscanf(line, "writecache %d %llu %llu", &error, &all, &free) != 3 ||
	    error)
		return strf("the cache has an error: '%.40s'", line);
	if (suspended && free < all)
		return strf("%llu blocks of the cache are not written back",
			    all - free);
	return NULL;
}

static char *all_unwritten(const char *status, bool suspended)
{
	char *found = NULL;
	int at;

	while (!found && *status) {
		at = 0;
		sscanf(status, "%*u %*u %n", &at);
		found = at ? unwritten(status + at, suspended) :
			     strf("no status");
		status += strcspn(status, "\n");
		status += *status == '\n';
	}
	return found;
}

/* The same of a device, whose status may be missing */
static char *left_unwritten(const struct dm_state *dm, bool suspended)
{
	return *dm->status ? all_unwritten(dm->status, suspended) :
			     strf("its status cannot be read");
}

/* Does it take in what is not on the lower device yet? */
bool stack_has_cache(const struct stack *stack)
{
	return strstr(stack->dm.targets, " cache ") ||
	       strstr(stack->dm.targets, " writecache ");
}

static int refuse_unwritten(const struct stack *stack, char *cause)
{
	return failed(.op = OP_STACK, .what = stack->name,
		      .device = stack->device, .cause = cause,
		      .next = "load its table with mode writethrough and policy "
			      "cleaner, wait until 'dmsetup status' has 0 dirty "
			      "blocks, then try again; --force gives up what "
			      "is only there");
}

int stack_check_clean(const struct stack *stack)
{
	struct dm_state now;
	char *cause;
	int err;

	/* Others need not be asked, and dm-era does not answer when suspended. */
	if (!stack_has_cache(stack))
		return BIOCTL_OK;
	err = dm_find(stack->dm_name, &now);
	if (err)
		return err;
	cause = left_unwritten(&now, now.suspended);
	return cause ? refuse_unwritten(stack, cause) : BIOCTL_OK;
}

/*
 * What dm-writecache keeps goes back now, with @message, or when it is suspended.
 * Nobody does that for a dm-cache with dirty blocks: it is refused.
 */
int stack_write_back(const struct stack *stack, const char *message)
{
	int err = stack_check_clean(stack), at;
	const char *line = stack->dm.targets;
	unsigned long long start;

	for (; !err && *line;
	     line += strcspn(line, "\n"), line += *line == '\n') {
		at = 0;
		sscanf(line, "%llu %*u writecache %n", &start, &at);
		if (at)
			err = dm_message(stack->dm_name, start, message);
	}
	return err;
}

/**
 * stack_check_others - what did others stack on the lower device that is not clean?
 * @stack: whose device does not get anything new at the moment
 *
 * A dm-writecache writes back what it has.
 */
int stack_check_others(const struct stack *stack)
{
	dev_t lower = stack->link_info.blk.lower;
	char **names = dm_names("");
	int err = names ? BIOCTL_OK : BIOCTL_FAILED;

	for (; !err && *names; names++) {
		struct stack other = *stack;
		char *cause;

		other.dm_name = *names;
		err = dm_find(*names, &other.dm);
		if (err || !stack_has_cache(&other) ||
		    !device_is_stacked_on(other.dm.dev, lower))
			continue;
		err = stack_write_back(&other, "flush");
		if (!err)
			err = dm_find(*names, &other.dm);
		if (err)
			break;
		cause = left_unwritten(&other.dm, true);
		if (cause)
			err = refuse_unwritten(stack,
					       strf("%s: %s", *names, cause));
	}
	return err;
}
