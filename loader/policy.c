// SPDX-License-Identifier: GPL-2.0
/* Policies: where their files are, configuring and loading them, 'verify'. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bioctl.h"

#define SUFFIX ".bpf.o"

#ifndef BIOCTL_POLICY_DIR
#define BIOCTL_POLICY_DIR "/usr/local/lib/blk_interposer"
#endif

static char *in_dir(const char *dir, size_t len, const char *name)
{
	char *path = strf("%.*s/%s" SUFFIX, (int)len, dir, name);

	if (!access(path, F_OK))
		return path;
	free(path);
	return NULL;
}

/* Beside the binary: installed under any prefix, or in the build tree. */
static char *near_binary(const char *name)
{
	static const char *const places[] = {
		"../lib/blk_interposer",
		"../bpf-progs",
	};
	char self[4096], *path = NULL;
	ssize_t len;

	len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (len < 0)
		return NULL;
	self[len] = '\0';
	*strrchr(self, '/') = '\0';
	for (unsigned int i = 0; !path && i < ARRAY_SIZE(places); i++) {
		char *dir = strf("%s/%s", self, places[i]);

		path = in_dir(dir, strlen(dir), name);
		free(dir);
	}
	return path;
}

/* The file of a policy, NULL if a bare name is found nowhere. */
char *policy_find(const char *name)
{
	const char *dirs = getenv("BIOCTL_POLICY_PATH");
	size_t len = strlen(name);
	char *path = NULL;

	if (strchr(name, '/') || (len > 2 && !strcmp(name + len - 2, ".o")))
		return strf("%s", name);
	while (!path && dirs && *dirs) {
		size_t dir = strcspn(dirs, ":");

		if (dir)
			path = in_dir(dirs, dir, name);
		dirs += dir + (dirs[dir] == ':');
	}
	if (!path)
		path = near_binary(name);
	if (!path)
		path = in_dir(BIOCTL_POLICY_DIR, strlen(BIOCTL_POLICY_DIR),
			      name);
	return path;
}

/* dir/protect.bpf.o is "protect"; bpffs allows no dots in names. */
char *policy_name(const char *path)
{
	char *name = strf("%s", base_name(path));
	size_t len = strlen(name);

	if (len > strlen(SUFFIX) &&
	    !strcmp(name + len - strlen(SUFFIX), SUFFIX))
		name[len - strlen(SUFFIX)] = '\0';
	else if (len > 2 && !strcmp(name + len - 2, ".o"))
		name[len - 2] = '\0';
	for (char *c = name; *c; c++) {
		if (*c == '.')
			*c = '_';
	}
	return name;
}

bool map_is_named(const struct bpf_map *map)
{
	return !bpf_map__is_internal(map);
}

static char *program_names(const struct bpf_object *object)
{
	struct bpf_program *program;
	char *names = strf("%s", "");

	bpf_object__for_each_program(program, object) {
		if (bpf_program__type(program) == BPF_PROG_TYPE_BLK_INTERPOSER)
			names = strf("%s%s%s", names, *names ? ", " : "",
				     bpf_program__name(program));
	}
	return names;
}

/* Of several programs in an object only the chosen one is loaded. */
static int choose_program(struct policy *policy, const char *name,
			  const char *device)
{
	struct bpf_program *program;
	unsigned int nr = 0;

	bpf_object__for_each_program(program, policy->object) {
		bool fits = bpf_program__type(program) ==
			    BPF_PROG_TYPE_BLK_INTERPOSER;

		if (fits && name)
			fits = !strcmp(bpf_program__name(program), name);
		if (fits) {
			policy->program = program;
			nr++;
		}
		bpf_program__set_autoload(program, false);
	}
	if (nr == 1) {
		bpf_program__set_autoload(policy->program, true);
		return BIOCTL_OK;
	}
	if (nr)
		return failed(.op = OP_POLICY, .what = policy->path,
			      .device = device,
			      .cause = "it has more than one program",
			      .next = strf("choose with --prog: %s",
					   program_names(policy->object)));
	if (name)
		return failed(.op = OP_POLICY, .what = policy->path,
			      .device = device, .err = ENOENT,
			      .cause = strf("it has no program '%s'", name),
			      .next = strf("it has: %s",
					   program_names(policy->object)));
	return failed(.op = OP_POLICY, .what = policy->path, .device = device,
		      .cause = "it has no program in section blk/submit",
		      .next = "mark the function with SEC(\"blk/submit\")");
}

int policy_open(struct policy *policy, const struct policy_args *args,
		const char *device)
{
	char *error = NULL;
	int err;

	memset(policy, 0, sizeof(*policy));
	policy->path = policy_find(args->policy);
	if (!policy->path || access(policy->path, R_OK))
		return failed(.op = OP_POLICY, .what = args->policy,
			      .device = device,
			      .err = policy->path ? errno : ENOENT);
	policy->name = args->name ? strf("%s", args->name) :
				    policy_name(policy->path);
	log_start();
	policy->object = bpf_object__open_file(policy->path, NULL);
	err = policy->object ? 0 : errno;
	if (err)
		return failed(.op = OP_POLICY, .what = policy->path,
			      .device = device, .err = err,
			      .log = log_finish());
	log_finish();
	err = choose_program(policy, args->prog, device);
	if (err)
		return err;
	if (set_globals(policy->object, args->sets, args->nr_sets, &error))
		return failed(.op = OP_SET, .what = policy->name,
			      .device = device, .cause = error,
			      .next = strf("its settings are: %s",
					   set_known(policy->object)));
	return BIOCTL_OK;
}

int policy_load(struct policy *policy, const char *device)
{
	char *log;
	int err;

	log_start();
	err = bpf_object__load(policy->object);
	log = log_finish();
	if (err)
		return failed(.op = OP_LOAD, .what = policy->name,
			      .device = device, .err = -err, .log = log);
	return BIOCTL_OK;
}

void policy_close(struct policy *policy)
{
	bpf_object__close(policy->object);
	policy->object = NULL;
}

static json_t *maps_json(const struct bpf_object *object)
{
	json_t *maps = json_array();
	struct bpf_map *map;

	bpf_object__for_each_map(map, object) {
		struct bpf_map_info info = {};
		__u32 len = sizeof(info);

		if (!map_is_named(map) ||
		    bpf_map_get_info_by_fd(bpf_map__fd(map), &info, &len))
			continue;
		json_array_append_new(
			maps,
			json_pack("{s:s, s:i, s:s}", "name", bpf_map__name(map),
				  "id", info.id, "type",
				  libbpf_bpf_map_type_str(info.type)));
	}
	return maps;
}

json_t *policy_json(const struct policy *policy)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	bpf_prog_get_info_by_fd(bpf_program__fd(policy->program), &info, &len);
	return json_pack("{s:o, s:o, s:s, s:i, s:i, s:o}", "policy",
			 json_string_or_null(policy->path), "name",
			 json_string_or_null(policy->name), "program",
			 bpf_program__name(policy->program), "id", info.id,
			 "verified_instructions", info.verified_insns, "maps",
			 maps_json(policy->object));
}

enum policy_key {
	KEY_SET = 0x200,
	KEY_PROG,
	KEY_NAME,
	KEY_TARGET,
};

static error_t parse_policy(int key, char *arg, struct argp_state *state)
{
	struct policy_args *args = state->input;

	switch (key) {
	case KEY_SET:
		list_add(&args->sets, &args->nr_sets, arg);
		return 0;
	case KEY_PROG:
		args->prog = arg;
		return 0;
	case KEY_NAME:
		if (!*arg || strpbrk(arg, "./"))
			argp_error(state, "--name: '%s' has a dot or a slash",
				   arg);
		args->name = arg;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option policy_options[] = {
	{ "set", KEY_SET, "NAME=VALUE", 0,
	  "Set a read-only global of the policy; may be repeated. NAME may be "
	  "an array element NAME[2] or a member NAME.MEMBER. VALUE is a number "
	  "(0x, K, M, G, T, errno names), yes or no, an enumerator, a text, or "
	  "for an array a list of elements: ranges=0-2047,4096-8191",
	  0 },
	{ "prog", KEY_PROG, "PROGRAM", 0,
	  "Which program, when the file has several", 0 },
	{ "name", KEY_NAME, "NAME", 0,
	  "Name of the attachment instead of the policy's", 0 },
	{}
};

const struct argp policy_argp = {
	.options = policy_options,
	.parser = parse_policy,
};

static error_t parse_target(int key, char *arg, struct argp_state *state)
{
	struct policy_args *args = state->input;

	if (key != KEY_TARGET)
		return ARGP_ERR_UNKNOWN;
	list_add(&args->targets, &args->nr_targets, arg);
	return 0;
}

static const struct argp_option target_options[] = {
	{ "target", KEY_TARGET, "[MAP:]KEY=DEVICE[:ro]", 0,
	  "Put a device into the policy's device map; may be repeated. With "
	  "':ro' it serves reads only",
	  0 },
	{}
};

const struct argp targets_argp = {
	.options = target_options,
	.parser = parse_target,
};

static void verify_print(const json_t *result)
{
	printf("%s: program %s loads, %lld instructions verified\n",
	       json_text(result, "policy", "?"),
	       json_text(result, "program", "?"),
	       (long long)json_int(result, "verified_instructions"));
}

static int verify(void *input)
{
	const struct policy_args *args = input;
	struct policy policy;
	int err;

	err = kernel_check();
	if (!err)
		err = policy_open(&policy, args, NULL);
	if (err)
		return err;
	if (settings.verbose)
		bpf_program__set_log_level(policy.program, 2);
	err = policy_load(&policy, NULL);
	if (!err)
		emit(policy_json(&policy), verify_print);
	policy_close(&policy);
	return err;
}

static error_t parse_verify(int key, char *arg, struct argp_state *state)
{
	struct policy_args *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = NULL;
		state->child_inputs[1] = args;
		return 0;
	case ARGP_KEY_ARG:
		if (args->policy)
			argp_error(state, "one POLICY is enough: '%s'", arg);
		args->policy = arg;
		return 0;
	case ARGP_KEY_END:
		if (!args->policy)
			argp_error(state, "POLICY is missing");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_child verify_children[] = {
	{ &common_argp, 0, "Output:", 1 },
	{ &policy_argp, 0, "The policy:", 0 },
	{}
};

static const struct argp verify_argp = {
	.parser = parse_verify,
	.args_doc = "POLICY",
	.doc = "Load a policy without attaching it, to see whether the "
	       "verifier accepts it. POLICY is a file or the name of a shipped "
	       "policy.",
	.children = verify_children,
};

const struct command cmd_verify = {
	.name = "verify",
	.doc = "load a policy without attaching it",
	.argp = &verify_argp,
	.args_size = sizeof(struct policy_args),
	.run = verify,
};
