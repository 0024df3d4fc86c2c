// SPDX-License-Identifier: GPL-2.0
/* The command line: global options, the table of verbs, help. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bioctl.h"

#ifndef BIOCTL_VERSION
#define BIOCTL_VERSION "0.1"
#endif

struct settings settings;

static const struct command *const commands[] = {
	&cmd_attach, &cmd_detach, &cmd_replace,	 &cmd_list,    &cmd_stats,
	&cmd_target, &cmd_stack,  &cmd_snapshot, &cmd_migrate, &cmd_verify,
	&cmd_test,   &cmd_events, &cmd_features, &cmd_help,    NULL,
};

const struct command *const *bioctl_commands(void)
{
	return commands;
}

/* An unambiguous beginning of a verb's name will do. */
const struct command *command_find(const char *name, bool *ambiguous)
{
	const struct command *found = NULL;

	*ambiguous = false;
	for (unsigned int i = 0; commands[i]; i++) {
		if (!strcmp(commands[i]->name, name)) {
			*ambiguous = false;
			return commands[i];
		}
		if (!*name || strncmp(commands[i]->name, name, strlen(name)))
			continue;
		*ambiguous = found;
		found = commands[i];
	}
	return *ambiguous ? NULL : found;
}

static char *argp_text(const struct argp *argp, const char *name)
{
	FILE *stream;
	size_t len;
	char *text;

	stream = open_memstream(&text, &len);
	argp_help(argp, stream,
		  ARGP_HELP_USAGE | ARGP_HELP_PRE_DOC | ARGP_HELP_LONG |
			  ARGP_HELP_POST_DOC,
		  (char *)name);
	fclose(stream);
	return text;
}

enum common_key {
	KEY_HELP = 'h',
	KEY_JSON = 'j',
	KEY_VERBOSE = 'v',
	KEY_VERSION = 'V',
};

static error_t parse_common(int key, char *arg, struct argp_state *state)
{
	(void)arg;
	switch (key) {
	case KEY_HELP:
		emit_text(argp_text(state->root_argp, state->name));
		exit(BIOCTL_OK);
	case KEY_JSON:
		settings.json = true;
		return 0;
	case KEY_VERBOSE:
		settings.verbose = true;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option common_options[] = {
	{ "json", KEY_JSON, NULL, 0, "Write JSON, errors included", 0 },
	{ "verbose", KEY_VERBOSE, NULL, 0, "Show what libbpf does", 0 },
	{ "help", KEY_HELP, NULL, 0, "Show this help", 0 },
	{}
};

const struct argp common_argp = {
	.options = common_options,
	.parser = parse_common,
};

const struct argp_child common_children[] = {
	{ &common_argp, 0, NULL, -1 },
	{},
};

/* The first line of what argp and getopt complained of, without our name. */
static int usage_error(const char *name, char *text)
{
	size_t len = strlen(name);

	text[strcspn(text, "\n")] = '\0';
	if (!strncmp(text, name, len) && !strncmp(text + len, ": ", 2))
		text += len + 2;
	failed(.op = OP_USAGE, .cause = *text ? text : "it is not valid",
	       .next = strf("see '%s --help'", name));
	return BIOCTL_USAGE;
}

/*
 * argp writes its complaints to stderr; they are caught there, so that they
 * come out as every other error does.
 */
static int parse(const struct argp *argp, int argc, char **argv,
		 unsigned int flags, void *input, char *name)
{
	FILE *real = stderr;
	char *text = NULL;
	size_t len;
	int err;

	argv[0] = name;
	stderr = open_memstream(&text, &len);
	err = argp_parse(argp, argc, argv, flags | ARGP_NO_EXIT | ARGP_NO_HELP,
			 NULL, input);
	fclose(stderr);
	stderr = real;
	/* argp_error() does not stop the parser. */
	if (err || len)
		return usage_error(name, text);
	free(text);
	return BIOCTL_OK;
}

int command_parse(const struct command *cmd, int argc, char **argv, void *args)
{
	return parse(cmd->argp, argc, argv, 0, args,
		     strf("bioctl %s", cmd->name));
}

static void help_print(const json_t *result)
{
	json_t *command;
	size_t i;

	puts("Usage: bioctl [-j] VERB [ARGUMENT...]\n"
	     "Put BPF policies in charge of the bios of block devices.\n");
	for (i = 0; (command = json_element(result, "commands", i)); i++)
		printf("  %-10s %s\n", json_text(command, "name", "?"),
		       json_text(command, "doc", "?"));
	puts("\n'bioctl help VERB' tells more. Every verb knows -j, --json.\n"
	     "Exit status: 0 done, 1 failed, 2 wrong usage.");
}

static json_t *help_json(void)
{
	json_t *list = json_array();

	for (unsigned int i = 0; commands[i]; i++)
		json_array_append_new(list, json_pack("{s:s, s:s}", "name",
						      commands[i]->name, "doc",
						      commands[i]->doc));
	return json_pack("{s:o}", "commands", list);
}

static int unknown_verb(const char *name, bool ambiguous)
{
	failed(.op = OP_USAGE, .what = name,
	       .cause = strf(ambiguous ?
				     "'%s' is the beginning of several verbs" :
				     "there is no verb '%s'",
			     name),
	       .next = "see 'bioctl help'");
	return BIOCTL_USAGE;
}

struct help_args {
	const char *verb;
};

static int help(void *input)
{
	const struct help_args *args = input;
	const struct command *cmd;
	bool ambiguous;

	if (!args->verb) {
		emit(help_json(), help_print);
		return BIOCTL_OK;
	}
	cmd = command_find(args->verb, &ambiguous);
	if (!cmd)
		return unknown_verb(args->verb, ambiguous);
	emit_text(argp_text(cmd->argp, strf("bioctl %s", cmd->name)));
	return BIOCTL_OK;
}

static error_t parse_help(int key, char *arg, struct argp_state *state)
{
	struct help_args *args = state->input;

	if (key != ARGP_KEY_ARG || args->verb)
		return ARGP_ERR_UNKNOWN;
	args->verb = arg;
	return 0;
}

static const struct argp help_argp = {
	.parser = parse_help,
	.args_doc = "[VERB]",
	.doc = "Show the verbs, or what one of them takes.",
	.children = common_children,
};

const struct command cmd_help = {
	.name = "help",
	.doc = "show the verbs, or what one of them takes",
	.argp = &help_argp,
	.args_size = sizeof(struct help_args),
	.run = help,
};

static void version_print(const json_t *result)
{
	printf("bioctl %s, libbpf %s\n", json_text(result, "bioctl", "?"),
	       json_text(result, "libbpf", "?"));
}

struct main_args {
	int verb; /* index in argv, 0 if there is none */
	bool version;
	bool help;
};

static error_t parse_main(int key, char *arg, struct argp_state *state)
{
	struct main_args *args = state->input;

	(void)arg;
	switch (key) {
	case KEY_HELP:
		args->help = true;
		return 0;
	case KEY_VERSION:
		args->version = true;
		return 0;
	case KEY_JSON:
	case KEY_VERBOSE:
		return parse_common(key, arg, state);
	case ARGP_KEY_ARG:
		/* What follows is the verb's own. */
		args->verb = state->next - 1;
		state->next = state->argc;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option main_options[] = {
	{ "json", KEY_JSON, NULL, 0, "Write JSON, errors included", 0 },
	{ "verbose", KEY_VERBOSE, NULL, 0, "Show what libbpf does", 0 },
	{ "version", KEY_VERSION, NULL, 0, "Show the version", 0 },
	{ "help", KEY_HELP, NULL, 0, "Show the verbs", 0 },
	{}
};

static const struct argp main_argp = {
	.options = main_options,
	.parser = parse_main,
};

/* Errors of the command line itself are to be JSON too. */
static bool wants_json(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--"); i++) {
		if (!strcmp(argv[i], "-j") || !strcmp(argv[i], "--json"))
			return true;
	}
	return false;
}

static int run_verb(int argc, char **argv)
{
	const struct command *cmd;
	bool ambiguous;
	void *args;
	int err;

	cmd = command_find(argv[0], &ambiguous);
	if (!cmd)
		return unknown_verb(argv[0], ambiguous);
	args = xalloc(1, cmd->args_size);
	err = command_parse(cmd, argc, argv, args);
	if (!err)
		err = cmd->run(args);
	free(args);
	return err;
}

int bioctl_main(int argc, char **argv)
{
	struct main_args args = {};
	int err;

	settings.json = wants_json(argc, argv);
	err = parse(&main_argp, argc, argv, ARGP_IN_ORDER, &args, "bioctl");
	if (err)
		return err;
	if (args.version) {
		emit(json_pack("{s:s, s:s}", "bioctl", BIOCTL_VERSION, "libbpf",
			       libbpf_version_string()),
		     version_print);
		return BIOCTL_OK;
	}
	if (args.help) {
		emit(help_json(), help_print);
		return BIOCTL_OK;
	}
	if (!args.verb) {
		failed(.op = OP_USAGE, .cause = "a verb is missing",
		       .next = "see 'bioctl help'");
		return BIOCTL_USAGE;
	}
	return run_verb(argc - args.verb, argv + args.verb);
}
