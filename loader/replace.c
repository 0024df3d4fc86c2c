// SPDX-License-Identifier: GPL-2.0
/* 'bioctl replace': each bio meets the old program or the new one. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bioctl.h"
#include "stack.h"

struct replace_args {
	struct policy_args policy;
	struct place_args place; /* only what to wait for, and the revision */
	const char *device;
	const char *old;
	bool fresh_maps;
};

static char *map_path(const char *dir, const struct bpf_map *map)
{
	return strf("%s/" BIOCTL_PIN_MAPS "/%s", dir, bpf_map__name(map));
}

/* The kernel keeps the first 15 characters of a name. */
static bool is_called(const struct bpf_map *map,
		      const struct bpf_map_info *info)
{
	return map_is_named(map) &&
	       !strncmp(info->name, bpf_map__name(map), sizeof(info->name) - 1);
}

static bool is_alike(const struct bpf_map *map, const struct bpf_map_info *info)
{
	return info->type == bpf_map__type(map) &&
	       info->key_size == bpf_map__key_size(map) &&
	       info->value_size == bpf_map__value_size(map) &&
	       /* libbpf fills in a 0 when it creates the map. */
	       (!bpf_map__max_entries(map) ||
		info->max_entries == bpf_map__max_entries(map));
}

static int keep_map(const struct policy *policy, __u32 id, const char *device)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);
	struct bpf_map *map;
	bool alike = true;
	int fd, err;

	fd = bpf_map_get_fd_by_id(id);
	if (fd < 0)
		return failed(.op = OP_QUERY, .what = strf("map %u", id),
			      .device = device, .err = -fd);
	err = bpf_map_get_info_by_fd(fd, &info, &len);
	bpf_object__for_each_map(map, policy->object) {
		if (err || !is_called(map, &info))
			continue;
		alike = is_alike(map, &info);
		if (alike)
			err = bpf_map__reuse_fd(map, fd);
	}
	close(fd);
	if (err)
		return failed(.op = OP_QUERY, .what = strf("map %u", id),
			      .device = device, .err = -err);
	if (!alike)
		return failed(.op = OP_LOAD, .what = policy->name,
			      .device = device,
			      .cause = strf("it cannot go on with the old "
					    "program's map '%s': its own is of "
					    "another type or size",
					    info.name),
			      .next = "use --fresh-maps");
	return BIOCTL_OK;
}

/* Maps of the same name go on being used, with what is in them. */
static int keep_maps(const struct policy *policy, const struct entry *old,
		     const char *device)
{
	__u32 ids[MAPS_MAX];
	int nr = entry_maps(old, ids), err = BIOCTL_OK;

	if (nr < 0)
		return failed(.op = OP_QUERY, .what = entry_label(old),
			      .device = device, .err = -nr);
	for (int i = 0; !err && i < nr; i++)
		err = keep_map(policy, ids[i], device);
	return err;
}

/* The pins follow what the new program uses. */
static int pin_maps(const struct policy *policy, const char *dir,
		    const char *device)
{
	struct bpf_map *map;

	pin_forget_maps(dir);
	bpf_object__for_each_map(map, policy->object) {
		char *path;
		int err;

		if (!map_is_named(map))
			continue;
		path = map_path(dir, map);
		err = bpf_obj_pin(bpf_map__fd(map), path);
		if (err)
			return failed(.op = OP_PIN, .what = path,
				      .device = device, .err = -err,
				      .cause = "the program was replaced, but "
					       "a map of the new one could not "
					       "be pinned");
		free(path);
	}
	return BIOCTL_OK;
}

/* Exchanges the program of a link, or one that was attached without. */
static int exchange(const struct chain *chain, const struct entry *old,
		    const struct policy *policy,
		    const struct replace_args *args)
{
	__u32 flags = BPF_F_REPLACE;
	int prog = bpf_program__fd(policy->program), old_prog, link, err;

	if (args->place.barrier)
		flags |= BPF_F_BLK_BARRIER;
	old_prog = bpf_prog_get_fd_by_id(old->prog_id);
	if (old_prog < 0)
		return old_prog;
	if (old->link_id) {
		LIBBPF_OPTS(bpf_link_update_opts, opts, .flags = flags,
			    .old_prog_fd = old_prog);

		link = bpf_link_get_fd_by_id(old->link_id);
		if (link < 0) {
			close(old_prog);
			return link;
		}
		err = bpf_link_update(link, prog, &opts);
		close(link);
	} else {
		LIBBPF_OPTS(bpf_prog_attach_opts, opts, .flags = flags,
			    .replace_prog_fd = old_prog,
			    .expected_revision = args->place.revision);

		err = bpf_prog_attach_opts(prog, chain->fd, BPF_BLK_SUBMIT,
					   &opts);
	}
	close(old_prog);
	return err;
}

/* A link's update takes no revision of its own. */
static int check_revision(const struct chain *chain,
			  const struct replace_args *args)
{
	if (!args->place.have_revision ||
	    args->place.revision == chain->revision)
		return BIOCTL_OK;
	return failed(.op = OP_REPLACE, .what = args->old,
		      .device = chain->device, .err = ESTALE);
}

static void replace_print(const json_t *result)
{
	printf("%s: replaced program %lld of %s with %s, program %lld\n",
	       json_text(result, "device", "?"),
	       (long long)json_int(result, "old_id"),
	       json_text(result, "attachment", "?"),
	       json_text(result, "name", "?"),
	       (long long)json_int(result, "id"));
}

static void report(struct chain *chain, const struct entry *old,
		   const struct policy *policy, const struct replace_args *args)
{
	json_t *result = policy_json(policy);

	chain_query(chain);
	json_object_update_new(
		result,
		json_pack("{s:o, s:o, s:i, s:i, s:I, s:o, s:b, s:b}", "device",
			  json_string_or_null(chain->device), "attachment",
			  json_string_or_null(entry_label(old)), "old_id",
			  old->prog_id, "link_id", old->link_id, "revision",
			  (json_int_t)chain->revision, "pin",
			  json_string_or_null(old->pin), "barrier",
			  args->place.barrier, "kept_maps", !args->fresh_maps));
	emit(result, replace_print);
}

static int replace(struct chain *chain, const struct entry *old,
		   struct policy *policy, const struct replace_args *args)
{
	char *dir = old->pin ? pin_dir_of_link(old->pin) : NULL;
	struct frozen *frozen = NULL;
	int err, filled, pinned = BIOCTL_OK;

	if (!args->fresh_maps && keep_maps(policy, old, chain->device))
		return BIOCTL_FAILED;
	err = policy_load(policy, chain->device);
	if (!err && args->place.freeze)
		err = freeze_filesystems(chain->dev, chain->device, &frozen);
	if (err)
		return err;
	/* A map that is kept is in use: nothing changes before the freeze. */
	filled = target_fill(policy, args->policy.targets,
			     args->policy.nr_targets, chain->device);
	if (!filled)
		err = exchange(chain, old, policy, args);
	/* The change stands when the wait of a barrier ends early. */
	if (!filled && dir && (!err || gave_up(err)))
		pinned = pin_maps(policy, dir, chain->device);
	pinned |= thaw_filesystems(frozen, chain->device);
	if (filled)
		return filled;
	if (err)
		return failed(.op = OP_REPLACE, .what = entry_label(old),
			      .device = chain->device, .err = -err);
	if (pinned)
		return pinned;
	report(chain, old, policy, args);
	return BIOCTL_OK;
}

static int run(void *input)
{
	const struct replace_args *args = input;
	const struct entry *old;
	struct policy policy;
	struct chain chain;
	int err;

	err = kernel_check();
	if (err)
		return err;
	if (pin_lock() < 0 || chain_open(&chain, args->device))
		return BIOCTL_FAILED;
	hold_signals();
	old = chain_find(&chain, args->old, OP_REPLACE);
	if (!old || check_revision(&chain, args) ||
	    stack_keep(chain.device, old->name, old->link_id, OP_REPLACE))
		return BIOCTL_FAILED;
	err = policy_open(&policy, &args->policy, chain.device);
	if (err)
		return err;
	err = replace(&chain, old, &policy, args);
	policy_close(&policy);
	return err;
}

enum replace_key {
	KEY_FRESH_MAPS = 0x700,
	KEY_KEEP_MAPS,
	KEY_REVISION,
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct replace_args *args = state->input;
	unsigned long long value;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[1] = &args->policy;
		state->child_inputs[2] = &args->policy;
		state->child_inputs[3] = &args->place;
		return 0;
	case KEY_FRESH_MAPS:
	case KEY_KEEP_MAPS:
		args->fresh_maps = key == KEY_FRESH_MAPS;
		return 0;
	case KEY_REVISION:
		if (!parse_u64(arg, &value) || !value)
			argp_error(state,
				   "--expect-revision: '%s' is no "
				   "revision",
				   arg);
		args->place.have_revision = true;
		args->place.revision = value;
		return 0;
	case ARGP_KEY_ARG:
		if (!args->device)
			args->device = arg;
		else if (!args->old)
			args->old = arg;
		else if (!args->policy.policy)
			args->policy.policy = arg;
		else
			argp_error(state, "'%s' is too much", arg);
		return 0;
	case ARGP_KEY_END:
		if (!args->policy.policy)
			argp_error(state, "%s is missing",
				   !args->device ? "DEVICE" :
				   !args->old	 ? "OLD" :
						   "POLICY");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option options[] = {
	{ "keep-maps", KEY_KEEP_MAPS, NULL, 0,
	  "Go on using the old policy's maps where the new one has maps of the "
	  "same name (the default)",
	  0 },
	{ "fresh-maps", KEY_FRESH_MAPS, NULL, 0, "Start with new maps", 0 },
	{ "expect-revision", KEY_REVISION, "N", 0,
	  "Fail if the list of programs has changed since 'bioctl list' showed "
	  "revision N",
	  0 },
	{}
};

static const struct argp_child children[] = {
	{ &common_argp, 0, "Output:", 3 },
	{ &policy_argp, 0, "The policy:", 1 },
	{ &targets_argp, 0, NULL, 1 },
	{ &barrier_argp, 0, "What to wait for:", 2 },
	{}
};

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "DEVICE OLD POLICY",
	.doc = "Exchange the program OLD (an id, a name or a pin) for that of "
	       "POLICY, in its place and atomically: each bio meets the one or "
	       "the other. Counters and the attachment's name stay. A --target "
	       "for a map that is kept takes effect at once.",
	.children = children,
};

const struct command cmd_replace = {
	.name = "replace",
	.doc = "exchange a policy for another, atomically",
	.argp = &argp,
	.args_size = sizeof(struct replace_args),
	.run = run,
};
