// SPDX-License-Identifier: GPL-2.0
/* Where in a chain a program goes, and what the change waits for. */
#include <string.h>

#include "bioctl.h"

enum place_key {
	KEY_BEFORE = 0x300,
	KEY_AFTER,
	KEY_FIRST,
	KEY_LAST,
	KEY_BARRIER,
	KEY_FREEZE,
	KEY_REVISION,
};

int place_resolve(const struct place_args *args, struct chain *chain,
		  __u32 *flags, __u32 *relative_id)
{
	const char *ref = args->before ? args->before : args->after;
	const struct entry *entry;

	if (args->before || args->first)
		*flags |= BPF_F_BEFORE;
	if (args->after || args->last)
		*flags |= BPF_F_AFTER;
	if (args->barrier)
		*flags |= BPF_F_BLK_BARRIER;
	if (!ref)
		return BIOCTL_OK;
	entry = chain_find(chain, ref, OP_ATTACH);
	if (!entry)
		return BIOCTL_FAILED;
	*flags |= BPF_F_ID;
	*relative_id = entry->prog_id;
	return BIOCTL_OK;
}

static error_t parse_place(int key, char *arg, struct argp_state *state)
{
	struct place_args *args = state->input;
	unsigned long long value;

	switch (key) {
	case KEY_BEFORE:
		args->before = arg;
		return 0;
	case KEY_AFTER:
		args->after = arg;
		return 0;
	case KEY_FIRST:
		args->first = true;
		return 0;
	case KEY_LAST:
		args->last = true;
		return 0;
	case KEY_REVISION:
		if (!parse_u64(arg, &value) || !value)
			argp_error(state,
				   "--expect-revision: '%s' is no "
				   "revision",
				   arg);
		args->have_revision = true;
		args->revision = value;
		return 0;
	case ARGP_KEY_END:
		if (!!args->before + !!args->after + args->first + args->last >
		    1)
			argp_error(state, "--before, --after, --first and "
					  "--last exclude each other");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option place_options[] = {
	{ "before", KEY_BEFORE, "PROGRAM", 0,
	  "Put it before that program: an id, a name, or a pin", 0 },
	{ "after", KEY_AFTER, "PROGRAM", 0, "Put it after that program", 0 },
	{ "first", KEY_FIRST, NULL, 0, "Put it before all others", 0 },
	{ "last", KEY_LAST, NULL, 0, "Put it after all others (the default)",
	  0 },
	{ "expect-revision", KEY_REVISION, "N", 0,
	  "Fail if the list of programs has changed since 'bioctl list' showed "
	  "revision N",
	  0 },
	{}
};

const struct argp place_argp = {
	.options = place_options,
	.parser = parse_place,
};

static error_t parse_barrier(int key, char *arg, struct argp_state *state)
{
	struct place_args *args = state->input;

	(void)arg;
	switch (key) {
	case KEY_BARRIER:
		args->barrier = true;
		return 0;
	case KEY_FREEZE:
		args->freeze = true;
		args->barrier = true;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option barrier_options[] = {
	{ "barrier", KEY_BARRIER, NULL, 0,
	  "Return only when the bios that met the old list of programs have "
	  "completed: those in the device's queue and those redirected",
	  0 },
	{ "freeze", KEY_FREEZE, NULL, 0,
	  "Freeze the filesystems on the device while the change is made, so "
	  "that no bio is above the queue either; implies --barrier",
	  0 },
	{}
};

const struct argp barrier_argp = {
	.options = barrier_options,
	.parser = parse_barrier,
};
