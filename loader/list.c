// SPDX-License-Identifier: GPL-2.0
/* 'bioctl list' and 'bioctl stats' */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "bioctl.h"

struct list_args {
	const char *device;
	double interval;
	unsigned long long count;
};

static json_t *entry_json(const struct entry *entry, unsigned int position)
{
	json_t *result;

	result = json_pack(
		"{s:i, s:o, s:i, s:s, s:i, s:o, s:I, s:o, s:b}", "position",
		position, "name", json_string_or_null(entry->name), "id",
		entry->prog_id, "program", entry->prog_name, "link_id",
		entry->link_id, "pin", json_string_or_null(entry->pin),
		"cookie", (json_int_t)entry->cookie, "lower",
		json_string_or_null(entry->lower ? device_name(entry->lower) :
						   NULL),
		"defunct", entry->defunct);
	json_object_update_new(result, stats_json(&entry->stats));
	return result;
}

static json_t *chain_json(const struct chain *chain)
{
	json_t *programs = json_array(), *result;
	char *number;

	for (unsigned int i = 0; i < chain->nr; i++)
		json_array_append_new(programs,
				      entry_json(&chain->entries[i], i + 1));
	number = strf("%u:%u", major(chain->dev), minor(chain->dev));
	result = json_pack("{s:o, s:s, s:I, s:o}", "device",
			   json_string_or_null(chain->device), "dev", number,
			   "revision", (json_int_t)chain->revision, "programs",
			   programs);
	free(number);
	return result;
}

static void entry_print(const json_t *entry)
{
	const char *pin = json_text(entry, "pin", NULL);

	printf("  %lld. %s: program %lld (%s)",
	       (long long)json_int(entry, "position"),
	       json_text(entry, "name", json_text(entry, "program", "?")),
	       (long long)json_int(entry, "id"),
	       json_text(entry, "program", "?"));
	if (json_int(entry, "link_id"))
		printf(", link %lld%s", (long long)json_int(entry, "link_id"),
		       pin ? "" : " (not pinned)");
	else
		printf(", no link");
	if (json_int(entry, "cookie"))
		printf(", cookie %llu",
		       (unsigned long long)json_int(entry, "cookie"));
	if (json_text(entry, "lower", NULL))
		printf(", lower device %s", json_text(entry, "lower", NULL));
	if (json_is_true(json_object_get(entry, "defunct")))
		printf(", defunct");
	putchar('\n');
	stats_print(entry, "     ");
	if (pin)
		printf("     pin %s\n", pin);
}

static void list_print(const json_t *result)
{
	json_t *chain, *entry;
	size_t i, j;

	for (i = 0; (chain = json_element(result, "devices", i)); i++) {
		printf("%s (%s), revision %lld\n",
		       json_text(chain, "device", "?"),
		       json_text(chain, "dev", "?"),
		       (long long)json_int(chain, "revision"));
		for (j = 0; (entry = json_element(chain, "programs", j)); j++)
			entry_print(entry);
		if (!j)
			puts("  no program");
	}
	for (j = 0; (entry = json_element(result, "defunct", j)); j++) {
		if (!j)
			puts("defunct: their device was removed, or their link detached");
		entry_print(entry);
	}
	if (!i && !j)
		puts("no device has a program");
}

/* One of all: a device that cannot be opened now is no failure. */
static int add_device(json_t *devices, const char *name)
{
	struct chain chain = { .device = strf("/dev/%s", name) };
	int err = 0;

	for (char *c = chain.device; *c; c++) {
		if (*c == '!')
			*c = '/';
	}
	/* Does not wait for a medium. */
	chain.fd = open(chain.device, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (chain.fd < 0)
		return 0;
	chain.dev = device_number(chain.fd);
	err = chain_query(&chain);
	/* It may have been removed in between. */
	if (err == -ENODEV)
		err = 0;
	else if (err)
		failed(.op = OP_QUERY, .device = chain.device, .err = -err);
	else if (chain.nr)
		json_array_append_new(devices, chain_json(&chain));
	close(chain.fd);
	return err;
}

static int list_all(json_t *devices)
{
	struct dirent **names;
	int nr, err = 0;

	nr = scandir("/sys/class/block", &names, NULL, versionsort);
	if (nr < 0)
		return failed(.op = OP_QUERY, .what = "/sys/class/block",
			      .err = errno);
	for (int i = 0; i < nr; i++) {
		if (!err && names[i]->d_name[0] != '.')
			err = add_device(devices, names[i]->d_name);
		free(names[i]);
	}
	free(names);
	return err ? BIOCTL_FAILED : BIOCTL_OK;
}

static json_t *defunct_json(const char *device)
{
	json_t *entries = json_array();
	struct chain chain;

	if (!chain_defunct(&chain, device)) {
		for (unsigned int i = 0; i < chain.nr; i++)
			json_array_append_new(
				entries, entry_json(&chain.entries[i], i + 1));
	}
	return entries;
}

static int list(void *input)
{
	json_t *devices = json_array(), *defunct;
	const struct list_args *args = input;
	struct chain chain;
	int err;

	err = kernel_check();
	if (err)
		return err;
	defunct = defunct_json(args->device);
	if (!args->device) {
		err = list_all(devices);
	} else if (!json_array_size(defunct) ||
		   !chain_device_is_gone(args->device)) {
		err = chain_open(&chain, args->device);
		if (!err)
			json_array_append_new(devices, chain_json(&chain));
	}
	if (err)
		return err;
	emit(json_pack("{s:o, s:o}", "devices", devices, "defunct", defunct),
	     list_print);
	return BIOCTL_OK;
}

static error_t parse_list(int key, char *arg, struct argp_state *state)
{
	struct list_args *args = state->input;

	if (key != ARGP_KEY_ARG || args->device)
		return ARGP_ERR_UNKNOWN;
	args->device = arg;
	return 0;
}

static const struct argp list_argp = {
	.parser = parse_list,
	.args_doc = "[DEVICE]",
	.doc = "Show the programs of a device, or of all devices that have "
	       "any, in the order in which bios meet them, with what they "
	       "decided and what was refused.",
	.children = common_children,
};

const struct command cmd_list = {
	.name = "list",
	.doc = "show devices and their programs",
	.argp = &list_argp,
	.args_size = sizeof(struct list_args),
	.run = list,
};

static void subtract(__u64 *now, const __u64 *before, size_t bytes)
{
	for (size_t i = 0; i < bytes / sizeof(*now); i++)
		now[i] -= before[i];
}

/* What happened since @before, for the programs that were there then. */
static void subtract_chain(struct chain *now, const struct chain *before)
{
	for (unsigned int i = 0; i < now->nr; i++) {
		struct entry *entry = &now->entries[i];

		for (unsigned int j = 0; j < before->nr; j++) {
			const struct entry *old = &before->entries[j];

			if (old->link_id != entry->link_id ||
			    (!old->link_id && old->prog_id != entry->prog_id))
				continue;
			subtract((__u64 *)&entry->stats,
				 (const __u64 *)&old->stats,
				 sizeof(entry->stats));
		}
	}
}

static void chain_copy(struct chain *copy, const struct chain *chain)
{
	*copy = *chain;
	copy->entries = xalloc(chain->nr, sizeof(*copy->entries));
	memcpy(copy->entries, chain->entries,
	       chain->nr * sizeof(*copy->entries));
}

static void stats_emit_print(const json_t *result)
{
	json_t *entry;
	size_t i;

	printf("%s%s\n", json_text(result, "device", "?"),
	       json_is_null(json_object_get(result, "interval")) ?
		       "" :
		       ", since the last time");
	for (i = 0; (entry = json_element(result, "programs", i)); i++) {
		printf("  %lld. %s\n", (long long)json_int(entry, "position"),
		       json_text(entry, "name",
				 json_text(entry, "program", "?")));
		stats_print(entry, "     ");
	}
	if (!i)
		puts("  no program");
}

static void emit_stats(const struct chain *chain, double interval)
{
	json_t *result = chain_json(chain);

	json_object_set_new(result, "interval",
			    interval > 0 ? json_real(interval) : json_null());
	emit(result, stats_emit_print);
}

static int stats(void *input)
{
	const struct list_args *args = input;
	struct chain chain, before, shown;
	struct timespec pause;
	int err;

	err = kernel_check();
	if (!err)
		err = chain_open(&chain, args->device);
	if (err)
		return err;
	emit_stats(&chain, 0);
	pause.tv_sec = args->interval;
	pause.tv_nsec = (args->interval - pause.tv_sec) * 1e9;
	for (unsigned long long i = 1;
	     args->interval > 0 && (!args->count || i < args->count); i++) {
		before = chain;
		nanosleep(&pause, NULL);
		err = chain_query(&chain);
		if (err)
			return failed(.op = OP_QUERY, .device = chain.device,
				      .err = -err);
		chain_copy(&shown, &chain);
		subtract_chain(&shown, &before);
		emit_stats(&shown, args->interval);
		free(shown.entries);
		chain_free_entries(&before);
	}
	return BIOCTL_OK;
}

enum stats_key {
	KEY_INTERVAL = 'i',
	KEY_COUNT = 'n',
};

static error_t parse_stats(int key, char *arg, struct argp_state *state)
{
	struct list_args *args = state->input;
	char *end;

	switch (key) {
	case KEY_INTERVAL:
		args->interval = strtod(arg, &end);
		if (*end || !(args->interval > 0 && args->interval < 1e6))
			argp_error(state,
				   "--interval: '%s' is no number of "
				   "seconds",
				   arg);
		return 0;
	case KEY_COUNT:
		if (!parse_u64(arg, &args->count) || !args->count)
			argp_error(state, "--count: '%s' is no number", arg);
		return 0;
	case ARGP_KEY_ARG:
		if (args->device)
			argp_error(state, "'%s' is too much", arg);
		args->device = arg;
		return 0;
	case ARGP_KEY_END:
		if (!args->device)
			argp_error(state, "DEVICE is missing");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option stats_options[] = {
	{ "interval", KEY_INTERVAL, "SECONDS", 0,
	  "Go on, and show every so often what happened since; with --json an "
	  "object per line",
	  0 },
	{ "count", KEY_COUNT, "N", 0, "With --interval: stop after N reports",
	  0 },
	{}
};

static const struct argp stats_argp = {
	.options = stats_options,
	.parser = parse_stats,
	.args_doc = "DEVICE",
	.doc = "Show the counters of a device's programs.",
	.children = common_children,
};

const struct command cmd_stats = {
	.name = "stats",
	.doc = "show counters, once or at an interval",
	.argp = &stats_argp,
	.args_size = sizeof(struct list_args),
	.run = stats,
};
