// SPDX-License-Identifier: GPL-2.0
/*
 * Would the kernel send a device's bios to the top of a stack? What it would
 * refuse bio by bio, below a mounted filesystem, is refused here at once.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "stack.h"

/* A number in sysfs; the queue of a partition is its disk's. */
static unsigned long long queue_number(dev_t dev, const char *name)
{
	static const char *const places[] = { "", "../" };
	unsigned long long number = 0;

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		char *path = strf("/sys/dev/block/%u:%u/%squeue/%s", major(dev),
				  minor(dev), places[i], name);
		FILE *file = fopen(path, "re");
		int got = file ? fscanf(file, "%llu", &number) : 0;

		if (file)
			fclose(file);
		free(path);
		if (got == 1)
			return number;
	}
	return 0;
}

static int refuse(const struct stack *stack, const char *top, char *cause,
		  const char *next)
{
	return failed(.op = OP_STACK, .what = top, .device = stack->device,
		      .cause = cause, .next = next);
}

/**
 * stack_check_limits - as blk_interposer_check_place() and
 *	blk_interposer_check_target()
 * @stack: the stack
 * @top: name of what bios are to go to
 * @dev: its number
 * @its: its size, in sectors
 */
int stack_check_limits(const struct stack *stack, const char *top, dev_t dev,
		       unsigned long long its)
{
	unsigned long long own = device_sectors(stack->device);

	if (its < own)
		return refuse(stack, top,
			      strf("it has %llu sectors, the device %llu", its,
				   own),
			      "make a table that covers the whole device");
	own = queue_number(stack->dev, "logical_block_size");
	its = queue_number(dev, "logical_block_size");
	if (its > own)
		return refuse(stack, top,
			      strf("its logical blocks are %llu bytes, the "
				   "device's %llu: smaller writes would fail",
				   its, own),
			      "give the stack blocks of that size, if it can");
	own = queue_number(stack->dev, "dma_alignment");
	its = queue_number(dev, "dma_alignment");
	if (its > own)
		return refuse(stack, top,
			      strf("its buffers are aligned to %llu bytes, the "
				   "device's to %llu: others would fail",
				   its + 1, own + 1),
			      NULL);
	if (queue_number(dev, "stable_writes") &&
	    !queue_number(stack->dev, "stable_writes"))
		return refuse(stack, top,
			      strf("it needs pages that do not change while "
				   "they are written, and who uses the device "
				   "was not told"),
			      "put it below a device that needs them, too");
	return BIOCTL_OK;
}

/* One that is there already, at path @top */
int stack_check_top(const struct stack *stack, const char *top, bool force)
{
	struct stat st;

	if (stat(top, &st))
		return failed(.op = OP_STACK, .what = top,
			      .device = stack->device, .err = errno);
	/* One on the device itself the kernel refuses, as the circle it is. */
	if (!force &&
	    !device_is_stacked_on(st.st_rdev, stack->link_info.blk.lower) &&
	    !device_is_stacked_on(st.st_rdev, stack->dev))
		return refuse(stack, top,
			      strf("it is not stacked on %s",
				   device_name(stack->link_info.blk.lower)),
			      "stack it there first; with --force it takes all "
			      "the same what is for the device");
	return stack_check_limits(stack, top, st.st_rdev, device_sectors(top));
}
