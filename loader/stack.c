// SPDX-License-Identifier: GPL-2.0
/* 'bioctl stack': what is slipped in below a live device. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "snapshot.h"
#include "stack.h"

static const char *const meanings[][2] = {
	{ "inserted", "bios go through it" },
	{ "built", "it is there, but not in use" },
	{ "moved", "its data are on another disk" },
	{ "empty", "there is a lower device, and nothing on it" },
	{ "incomplete", "a bioctl was stopped halfway" },
	{ "defunct", "its device is gone" },
};

static const char *meaning(const char *state)
{
	for (size_t i = 0; i < ARRAY_SIZE(meanings); i++) {
		if (!strcmp(meanings[i][0], state))
			return meanings[i][1];
	}
	return "?";
}

static void list_print(const json_t *result)
{
	json_t *stack;
	size_t i;

	for (i = 0; (stack = json_element(result, "stacks", i)); i++) {
		const char *state = json_text(stack, "state", "?");

		printf("%s %s: %s, %s\n", json_text(stack, "device", "?"),
		       json_text(stack, "name", "?"), state, meaning(state));
	}
}

static void indent(const char *title, const char *lines)
{
	while (*lines) {
		size_t len = strcspn(lines, "\n");

		printf("  %-7s %.*s\n", title, (int)len, lines);
		title = "";
		lines += len + (lines[len] == '\n');
	}
}

static void status_print(const json_t *result)
{
	json_t *stack;
	size_t i;

	list_print(result);
	for (i = 0; (stack = json_element(result, "stacks", i)); i++) {
		json_t *counters = json_object_get(stack, "counters");

		printf("  lower   %s\n", json_text(stack, "lower", "-"));
		printf("  top     %s\n", json_text(stack, "top", "-"));
		indent("table", json_text(stack, "table", ""));
		indent("status", json_text(stack, "status", ""));
		if (json_is_object(counters))
			stats_print(counters, "  ");
	}
}

/* Of the device that is named, or all */
static int list(const struct stack_args *args)
{
	json_t *all = stack_list_json(), *stack;
	size_t i = 0;

	while (args->device && (stack = json_array_get(all, i))) {
		if (same_file(json_text(stack, "device", ""),
			      device_path(args->device)))
			i++;
		else
			json_array_remove(all, i);
	}
	emit(json_pack("{s:o}", "stacks", all),
	     args->device ? status_print : list_print);
	return BIOCTL_OK;
}

static int status(const struct stack_args *args)
{
	const char *name = args->name ? args->name : STACK_POLICY;
	struct stack stack;
	int err;

	err = stack_find_there(&stack, args->device, name);
	if (err)
		return err;
	emit(json_pack("{s:[o]}", "stacks", stack_json(&stack)), status_print);
	return BIOCTL_OK;
}

/* Something hung in a mirror, which passes it on now, and nothing else. */
static bool let_go;

/* Back to the device alone, unless all is well. */
static int repair(const struct stack_args *args)
{
	const char *name = args->name ? args->name : STACK_POLICY;
	struct stack stack;
	int err;

	err = stack_find_there(&stack, args->device, name);
	if (err)
		return err;
	err = stack_wake(&stack);
	if (err)
		return err;
	/* What is left of a migration that was given up */
	if (let_go || (!strcmp(name, MIGRATE_STACK) && stack_passes_on(&stack)))
		return stack_remove(args);
	if (stack_moved_to(&stack) ||
	    !strcmp(stack_state(&stack), "inserted")) {
		/* Whoever resumes it would put in what somebody has loaded. */
		err = stack.dm.loaded ? dm_unload(stack.dm_name) : BIOCTL_OK;
		return err ? err : status(args);
	}
	return stack_remove(args);
}

static const struct {
	const char *name;
	int (*run)(const struct stack_args *args);
	bool changes;
	bool ends;
	bool needs_device;
} verbs[] = {
	{ "insert", stack_insert, true, false, true },
	{ "remove", stack_remove, true, true, true },
	{ "repair", repair, true, true, true },
	{ "status", status, false, false, true },
	{ "list", list, false, false, false },
};

static int verb_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (!strcmp(verbs[i].name, name))
			return i;
	}
	return -1;
}

static int run(void *input)
{
	const struct stack_args *args = input;
	int verb = verb_find(args->verb), err;

	err = kernel_check();
	if (!err && verbs[verb].ends)
		err = stack_let_go(args->device,
				   args->name ? args->name : STACK_POLICY,
				   &let_go);
	if (err)
		return err;
	if (verbs[verb].changes && pin_lock() < 0)
		return BIOCTL_FAILED;
	return verbs[verb].run(args);
}

enum stack_key {
	KEY_TABLE = 0x700,
	KEY_DEVICE,
	KEY_NAME,
	KEY_POLICY,
	KEY_SET,
	KEY_FORCE,
};

static void parse_word(struct stack_args *args, char *arg,
		       struct argp_state *state)
{
	if (!args->verb) {
		args->verb = arg;
		if (verb_find(arg) < 0)
			argp_error(state,
				   "'%s' is none of insert, remove, repair, "
				   "status, list",
				   arg);
	} else if (!args->device) {
		args->device = arg;
	} else {
		argp_error(state, "'%s' is too much", arg);
	}
}

static void parse_end(const struct stack_args *args, struct argp_state *state)
{
	bool insert = args->verb && !strcmp(args->verb, "insert");
	int verb = args->verb ? verb_find(args->verb) : -1;

	if (!args->verb)
		argp_error(state, "one of insert, remove, repair, status, list "
				  "is missing");
	else if (verb >= 0 && verbs[verb].needs_device && !args->device)
		argp_error(state, "DEVICE is missing");
	else if (insert && !args->table == !args->existing)
		argp_error(state, "one of --table and --device is needed");
	else if (!insert && (args->table || args->existing || args->policy ||
			     args->nr_sets))
		argp_error(state, "only insert takes --table, --device, "
				  "--policy and --set");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct stack_args *args = state->input;

	switch (key) {
	case KEY_TABLE:
		args->table = arg;
		return 0;
	case KEY_DEVICE:
		args->existing = arg;
		return 0;
	case KEY_NAME:
		args->name = arg;
		return 0;
	case KEY_POLICY:
		args->policy = arg;
		return 0;
	case KEY_SET:
		list_add(&args->sets, &args->nr_sets, arg);
		return 0;
	case KEY_FORCE:
		args->force = true;
		return 0;
	case ARGP_KEY_ARG:
		parse_word(args, arg, state);
		return 0;
	case ARGP_KEY_END:
		parse_end(args, state);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option options[] = {
	{ "table", KEY_TABLE, "TABLE", 0,
	  "Table of the device mapper device to be made, as for dmsetup; @lower "
	  "stands for the lower device. Without a start and a length it is one "
	  "target over the whole device: 'linear @lower 0'",
	  0 },
	{ "device", KEY_DEVICE, "TOP", 0,
	  "A device that is there already, stacked on the lower device by "
	  "whatever means; see 'bioctl attach --lower'",
	  0 },
	{ "name", KEY_NAME, "NAME", 0,
	  "Of the attachment, and of the device: DEVICE-NAME (the default is "
	  "stack)",
	  0 },
	{ "policy", KEY_POLICY, "POLICY", 0,
	  "What decides which bios go there: a policy that redirects to slot 0 "
	  "of its map 'targets', in place of the shipped 'stack'",
	  0 },
	{ "force", KEY_FORCE, NULL, 0,
	  "With remove: also what was migrated, though the data are elsewhere, "
	  "and a cache, though some may be only there. With insert: a TOP that "
	  "is not on the lower device",
	  0 },
	{ "set", KEY_SET, "NAME=VALUE", 0, "Set a variable of the policy", 0 },
	{}
};

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "insert DEVICE --table TABLE\n"
		    "insert DEVICE --device TOP\n"
		    "remove DEVICE\n"
		    "repair DEVICE\n"
		    "status DEVICE\n"
		    "list [DEVICE]",
	.doc = "Slip any stacking driver in below a device that is in use, and "
	       "take it out again. What is mounted on the device is frozen for "
	       "the moment of the change.",
	.children = common_children,
};

const struct command cmd_stack = {
	.name = "stack",
	.doc = "slip device mapper in below a live device",
	.argp = &argp,
	.args_size = sizeof(struct stack_args),
	.run = run,
};
