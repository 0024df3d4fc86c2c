// SPDX-License-Identifier: GPL-2.0
/*
 * The moment of a snapshot: all that is to be one cut stands still, and only then
 * the snapshots are made.
 *
 * A filesystem is frozen, and below every device, also where there is none, the
 * origin is suspended: what is written to one device after the other was written to
 * another one is not in the cut without it. What goes through one device to another
 * stands still before that, and goes on after it: to freeze is to write.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/sysmacros.h>

#include "memory.h"
#include "snapshot.h"
#include "snapshot_cut.h"

/* Does what is written to @cut go on to @other? */
static bool writes_to(const struct cut *cut, const struct cut *other)
{
	return device_rests_on(cut->stack.dev, other->stack.dev) ||
	       snapshots_rest_on(&cut->stack, other->stack.dev);
}

/* The next that nothing writes to which does not stand still yet */
static struct cut *next_to_stop(struct cut *cuts, unsigned int nr)
{
	struct cut *any = NULL;

	for (unsigned int i = 0; i < nr; i++) {
		bool free = true;

		if (cuts[i].order)
			continue;
		for (unsigned int k = 0; k < nr; k++)
			if (k != i && !cuts[k].order &&
			    writes_to(&cuts[k], &cuts[i]))
				free = false;
		any = &cuts[i];
		if (free)
			break;
	}
	return any;
}

static int stop(struct cut *cut)
{
	struct stack *stack = &cut->stack;
	int err;

	err = freeze_device(stack->dev, stack->device, &cut->frozen);
	at_step("cut");
	if (!err)
		err = frozen_flush(cut->frozen, stack->device);
	/* dm-snapshot's origin learns of a snapshot when it is resumed. */
	if (!err)
		err = frozen_suspend(cut->frozen, stack->dm_name);
	at_step("origin-suspended");
	return err;
}

static unsigned long long table_length(const char *targets)
{
	unsigned long long length = 0;

	sscanf(targets, "%*u %llu", &length);
	return length;
}

/*
 * It sees nothing before it is resumed. What takes memory is done by then: there may
 * be none when what the machine swaps to stands still.
 */
static int load(struct cut *cut, const struct snapshot_args *args)
{
	const struct stack *stack = &cut->stack;
	dev_t lower = stack->link_info.blk.lower;
	int err;

	err = dm_create(cut->dm, snapshot_uuid(stack, args->name));
	if (err)
		return err;
	cut->made = true;
	err = dm_load_read_only(
		cut->dm, strf("0 %llu snapshot %u:%u %s PO %llu",
			      table_length(stack->dm.targets), major(lower),
			      minor(lower), cut->store, args->chunk));
	at_step("snapshot-loaded");
	return err;
}

/**
 * cut_all - make snapshots, all of the same moment
 * @cuts: of these devices, whose origins are in place
 * @args: how
 *
 * Return: BIOCTL_OK, or BIOCTL_FAILED after a report: those that are there then
 * have ->made set.
 */
int cut_all(struct cut *cuts, const struct snapshot_args *args)
{
	unsigned int nr = args->nr_devices, stopped = 0;
	struct cut *cut, **order = xalloc(nr, sizeof(*order));
	int err = BIOCTL_OK;

	for (unsigned int i = 0; !err && i < nr; i++)
		err = load(&cuts[i], args);
	while (!err && stopped < nr) {
		cut = next_to_stop(cuts, nr);
		order[stopped++] = cut;
		cut->order = stopped;
		err = stop(cut);
	}
	drop_ballast();
	for (unsigned int i = 0; !err && i < nr; i++)
		err = dm_resume(cuts[i].dm);
	at_step("snapshot-made");
	while (stopped--)
		err |= thaw_filesystems(order[stopped]->frozen,
					order[stopped]->stack.device);
	return err;
}
