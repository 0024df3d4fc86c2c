// SPDX-License-Identifier: GPL-2.0
/* 'bioctl target': device maps of attached programs, or of any pin or id. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "bioctl.h"
#include "stack.h"
#include "target.h"

struct target_args {
	const char *verb;
	const char *device;
	const char *program;
	const char *map;
	bool create;
	char **items;
	unsigned int nr_items;
};

static int map_by_path_or_id(const char *map)
{
	unsigned long long id;
	int fd;

	if (!parse_u64(map, &id))
		fd = bpf_obj_get(map);
	else if (id > UINT32_MAX)
		fd = -ENOENT;
	else
		fd = bpf_map_get_fd_by_id(id);
	if (fd < 0)
		failed(.op = OP_QUERY, .what = map, .err = -fd,
		       .cause = fd == -ENOENT ? "there is no such map" : NULL,
		       .next = "give the id or the pin of a map");
	return fd;
}

/* The device map of a program, which must have one (of that name). */
static int map_of_program(const struct entry *entry, const char *name,
			  const char *device)
{
	int found = -1, nr, maps = 0;
	__u32 ids[MAPS_MAX];

	nr = entry_maps(entry, ids);
	for (int i = 0; i < nr; i++) {
		int map = bpf_map_get_fd_by_id(ids[i]);

		if (map < 0)
			continue;
		if (target_is_map(map, name) && !maps++)
			found = map;
		else
			close(map);
	}
	if (maps == 1)
		return found;
	if (maps)
		close(found);
	failed(.op = OP_QUERY, .what = entry_label(entry), .device = device,
	       .err = nr < 0 ? -nr : 0,
	       .cause = nr < 0 ? NULL :
			maps   ? "it has several device maps" :
			name   ? "it has no device map of that name" :
				 "it has no device map",
	       .next = maps ? "write MAP:KEY" : "see 'bioctl target list'");
	return -1;
}

static int open_map(const struct target_args *args, const char *name,
		    enum op op)
{
	struct chain chain;
	struct entry *entry;
	int map = -1;

	if (args->map) {
		int fd = map_by_path_or_id(args->map);

		if (fd >= 0 &&
		    !(fd_is(fd, "bpf-map") && target_is_map(fd, name))) {
			close(fd);
			failed(.op = OP_QUERY, .what = args->map,
			       .cause = "it is not a device map",
			       .next = "see 'bioctl target list'");
			return -1;
		}
		return fd;
	}
	if (chain_open(&chain, args->device))
		return -1;
	entry = chain_find(&chain, args->program, OP_QUERY);
	close(chain.fd);
	if (entry && (op == OP_QUERY || !stack_keep(chain.device, entry->name,
						    entry->link_id, op)))
		map = map_of_program(entry, name, chain.device);
	return map;
}

static void change_print(const json_t *result)
{
	json_t *key;
	size_t i;

	for (i = 0; (key = json_element(result, "keys", i)); i++)
		printf("target %lld %s\n", (long long)json_integer_value(key),
		       json_text(result, "action", "?"));
}

static int target_delete(int map_fd, const struct target *target,
			 const char *text, const char *device)
{
	__u32 key = target->key;
	int err;

	err = bpf_map_delete_elem(map_fd, &key);
	if (err)
		return failed(.op = OP_TARGET_DEL, .what = text,
			      .device = device, .err = -err);
	return BIOCTL_OK;
}

static int change(const struct target_args *args, bool add)
{
	json_t *keys = json_array();
	struct target target;
	int err = BIOCTL_OK;

	/* Nothing is changed if one of them is not understood. */
	for (unsigned int i = 0; i < args->nr_items; i++)
		if (!target_parse(&target, args->items[i], add))
			return target_bad(args->items[i], add);

	for (unsigned int i = 0; !err && i < args->nr_items; i++) {
		const char *item = args->items[i];
		int fd;

		target_parse(&target, item, add);
		fd = open_map(args, target.map,
			      add ? OP_TARGET_ADD : OP_TARGET_DEL);
		if (fd < 0) {
			err = BIOCTL_FAILED;
			break;
		}
		if (add)
			err = target_set(fd, &target,
					 args->create ? BPF_NOEXIST : BPF_ANY,
					 item, args->device);
		else
			err = target_delete(fd, &target, item, args->device);
		close(fd);
		if (!err)
			json_array_append_new(keys, json_integer(target.key));
	}
	if (!err || json_array_size(keys))
		emit(json_pack("{s:s, s:o}", "action",
			       add ? "added" : "deleted", "keys", keys),
		     change_print);
	return err;
}

static json_t *map_json(int fd)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info), key, *previous = NULL;
	json_t *targets = json_array();

	bpf_map_get_info_by_fd(fd, &info, &len);
	while (!bpf_map_get_next_key(fd, previous, &key)) {
		struct bpf_blkdev_val value;

		previous = &key;
		if (bpf_map_lookup_elem(fd, &key, &value))
			continue;
		json_array_append_new(
			targets,
			json_pack("{s:I, s:o, s:b, s:b}", "key",
				  (json_int_t)key, "device",
				  json_string_or_null(
					  device_name(value.fd_or_dev)),
				  "read_only",
				  value.flags & BPF_BLKDEV_F_RDONLY, "gone",
				  value.flags & BPF_BLKDEV_F_GONE));
	}
	return json_pack("{s:s, s:i, s:I, s:o}", "name", info.name, "id",
			 info.id, "max_entries", (json_int_t)info.max_entries,
			 "targets", targets);
}

static void list_print(const json_t *result)
{
	json_t *map, *target;
	size_t i, j;

	for (i = 0; (map = json_element(result, "maps", i)); i++) {
		printf("%s (map %lld, %lld keys)\n",
		       json_text(map, "name", "?"),
		       (long long)json_int(map, "id"),
		       (long long)json_int(map, "max_entries"));
		for (j = 0; (target = json_element(map, "targets", j)); j++)
			printf("  %lld=%s%s%s\n",
			       (long long)json_int(target, "key"),
			       json_text(target, "device", "?"),
			       json_is_true(
				       json_object_get(target, "read_only")) ?
				       ":ro" :
				       "",
			       json_is_true(json_object_get(target, "gone")) ?
				       "  (removed)" :
				       "");
	}
}

/* Every device map of one program, or of all on the device. */
static int list_of_chain(const struct target_args *args, json_t *maps)
{
	struct entry *only = NULL;
	struct chain chain;

	if (chain_open(&chain, args->device))
		return BIOCTL_FAILED;
	close(chain.fd);
	if (args->program) {
		only = chain_find(&chain, args->program, OP_QUERY);
		if (!only)
			return BIOCTL_FAILED;
	}
	for (unsigned int i = 0; i < chain.nr; i++) {
		struct entry *entry = &chain.entries[i];
		__u32 ids[MAPS_MAX];
		int nr;

		if (only && only != entry)
			continue;
		nr = entry_maps(entry, ids);
		for (int j = 0; j < nr; j++) {
			int fd = bpf_map_get_fd_by_id(ids[j]);

			if (fd < 0)
				continue;
			if (target_is_map(fd, NULL))
				json_array_append_new(maps, map_json(fd));
			close(fd);
		}
	}
	return BIOCTL_OK;
}

static int list(const struct target_args *args)
{
	json_t *maps = json_array();
	int fd, err;

	if (!args->map) {
		err = list_of_chain(args, maps);
		if (err)
			return err;
	} else {
		fd = open_map(args, NULL, OP_QUERY);
		if (fd < 0)
			return BIOCTL_FAILED;
		json_array_append_new(maps, map_json(fd));
		close(fd);
	}
	emit(json_pack("{s:o}", "maps", maps), list_print);
	return BIOCTL_OK;
}

static int run(void *input)
{
	const struct target_args *args = input;
	int err;

	err = kernel_check();
	if (err)
		return err;
	if (!strcmp(args->verb, "list"))
		return list(args);
	if (pin_lock() < 0)
		return BIOCTL_FAILED;
	return change(args, !strcmp(args->verb, "add"));
}

enum target_key {
	KEY_MAP = 0x400,
	KEY_NEW,
};

static void parse_word(struct target_args *args, char *arg,
		       struct argp_state *state)
{
	if (!args->verb) {
		args->verb = arg;
		if (strcmp(arg, "add") && strcmp(arg, "del") &&
		    strcmp(arg, "list"))
			argp_error(state, "'%s' is none of add, del, list",
				   arg);
	} else {
		list_add(&args->items, &args->nr_items, arg);
	}
}

/* Without --map the first words are the device and the program. */
static void parse_end(struct target_args *args, struct argp_state *state)
{
	bool is_list = args->verb && !strcmp(args->verb, "list");

	if (!args->verb) {
		argp_error(state, "one of add, del, list is missing");
		return;
	}
	for (int i = 0; !args->map && i < 2 && args->nr_items; i++) {
		*(i ? &args->program : &args->device) = args->items[0];
		args->items++;
		args->nr_items--;
	}
	if (!args->map && !args->device)
		argp_error(state, "DEVICE is missing");
	else if (!args->map && !args->program && !is_list)
		argp_error(state, "PROGRAM is missing");
	else if (is_list && args->nr_items)
		argp_error(state, "'%s' is too much", args->items[0]);
	else if (!is_list && !args->nr_items)
		argp_error(state, "KEY is missing");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct target_args *args = state->input;

	switch (key) {
	case KEY_MAP:
		args->map = arg;
		return 0;
	case KEY_NEW:
		args->create = true;
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
	{ "map", KEY_MAP, "PIN|ID", 0,
	  "A device map, in place of DEVICE and PROGRAM", 0 },
	{ "new", KEY_NEW, NULL, 0, "With add: fail if the key has a target",
	  0 },
	{}
};

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "add DEVICE PROGRAM [MAP:]KEY=TARGET[:ro]...\n"
		    "del DEVICE PROGRAM [MAP:]KEY...\n"
		    "list DEVICE [PROGRAM]",
	.doc = "Show or change the devices that a program redirects to. "
	       "Bios that were sent to a target which is deleted or exchanged "
	       "still complete there.",
	.children = common_children,
};

const struct command cmd_target = {
	.name = "target",
	.doc = "show or change the targets of a redirect",
	.argp = &argp,
	.args_size = sizeof(struct target_args),
	.run = run,
};
