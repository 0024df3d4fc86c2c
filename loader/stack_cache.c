// SPDX-License-Identifier: GPL-2.0
/* What a stack has taken in and not yet written to the lower device. */
#include <stdio.h>
#include <string.h>

#include "stack.h"

/* Of the dm-cache targets: the 12th word behind the target's name. */
static unsigned long long dirty_blocks(const struct dm_state *dm)
{
	unsigned long long all = 0, dirty;
	const char *line = dm->status;

	while (*line) {
		if (sscanf(line,
			   "%*u %*u cache %*s %*s %*s %*s %*s %*s %*s %*s "
			   "%*s %*s %llu",
			   &dirty) == 1)
			all += dirty;
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	return all;
}

int stack_check_clean(const struct stack *stack)
{
	struct dm_state now;
	unsigned long long dirty;
	int err;

	/* Others need not be asked, and dm-era does not answer when suspended. */
	if (!strstr(stack->dm.status, " cache "))
		return BIOCTL_OK;
	err = dm_find(stack->dm_name, &now);
	if (err)
		return err;
	dirty = dirty_blocks(&now);
	if (!dirty)
		return BIOCTL_OK;
	return failed(.op = OP_STACK, .what = stack->name,
		      .device = stack->device,
		      .cause = strf("%llu blocks of the cache are not written "
				    "back",
				    dirty),
		      .next = "load its table with mode writethrough and policy "
			      "cleaner, wait until 'dmsetup status' has 0 dirty "
			      "blocks, then try again");
}

/*
 * What dm-writecache keeps goes back now, with @message, or when it is suspended.
 * Nobody does that for a dm-cache with dirty blocks: it is refused.
 */
int stack_write_back(const struct stack *stack, const char *message)
{
	int err = stack_check_clean(stack);

	if (!err && strstr(stack->dm.status, " writecache "))
		err = dm_message(stack->dm_name, message);
	return err;
}
