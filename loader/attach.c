// SPDX-License-Identifier: GPL-2.0
/* 'bioctl attach': a policy onto a device, to stay or for a while. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attach.h"

/*
 * What a removed device or an interrupted bioctl left is in nobody's way; a
 * directory that the user named and that has no link may be anything.
 */
static bool is_stale(const char *dir, bool by_user)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);
	bool stale = false;
	int fd;

	fd = bpf_obj_get(strf("%s/" BIOCTL_PIN_LINK, dir));
	if (fd < 0)
		return errno == ENOENT && !by_user;
	if (!bpf_link_get_info_by_fd(fd, &info, &len))
		stale = info.type == BPF_LINK_TYPE_BLK &&
			info.blk.flags & BPF_BLK_LINK_DEFUNCT;
	close(fd);
	return stale;
}

static int make_pin(struct attachment *at, const struct attach_args *args)
{
	int err;

	at->pin = args->pin ? strf("%s", args->pin) :
			      pin_default_dir(at->chain.key, at->policy.name);
	err = pin_make_dir(at->pin);
	if (err == -EEXIST && is_stale(at->pin, args->pin)) {
		pin_remove_dir(at->pin);
		err = pin_make_dir(at->pin);
	}
	if (err)
		return failed(.op = OP_PIN, .what = at->pin,
			      .device = at->chain.device, .err = -err);
	at->made = true;
	return BIOCTL_OK;
}

/* Beside the link, so that later commands and other tools find them. */
static int pin_maps(const struct attachment *at)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, at->policy.object) {
		char *path;
		int err;

		if (!map_is_named(map))
			continue;
		path = strf("%s/" BIOCTL_PIN_MAPS "/%s", at->pin,
			    bpf_map__name(map));
		err = bpf_obj_pin(bpf_map__fd(map), path);
		if (err)
			return failed(.op = OP_PIN, .what = path,
				      .device = at->chain.device, .err = -err);
		free(path);
	}
	return BIOCTL_OK;
}

static int attach_link(struct attachment *at, const struct attach_args *args)
{
	const char *device = at->chain.device;
	struct frozen *frozen = NULL;
	__u32 flags = 0, relative = 0;
	int err, thawed;
	char *log;

	err = place_resolve(&args->place, &at->chain, &flags, &relative);
	if (args->lower)
		flags |= BPF_F_BLK_LOWER;
	if (!err && args->place.freeze)
		err = freeze_filesystems(at->chain.dev, device, &frozen);
	if (err)
		return err;

	LIBBPF_OPTS(bpf_blk_opts, opts, .flags = flags, .relative_id = relative,
		    .expected_revision = args->place.revision,
		    .cookie = args->cookie);
	log_start();
	at->link = bpf_program__attach_blk(at->policy.program, at->chain.fd,
					   &opts);
	err = at->link ? 0 : errno;
	log = log_finish();
	thawed = thaw_filesystems(frozen, device);
	if (gave_up(-err))
		/* A link is not left without an owner. */
		return failed(.op = OP_ATTACH, .what = at->policy.name,
			      .device = device, .err = err,
			      .cause = "earlier bios did not complete while "
				       "bioctl waited for them, so the program "
				       "was taken off again",
			      .next = "find what holds the device's bios, or "
				      "attach without --barrier");
	if (err)
		return failed(.op = OP_ATTACH, .what = at->policy.name,
			      .device = device, .err = err,
			      .log = settings.verbose ? log : NULL);
	return thawed;
}

static int pin_link(const struct attachment *at)
{
	char *path;
	int err;

	path = strf("%s/" BIOCTL_PIN_LINK, at->pin);
	err = bpf_obj_pin(bpf_link__fd(at->link), path);
	if (err)
		return failed(.op = OP_PIN, .what = path,
			      .device = at->chain.device, .err = -err);
	return BIOCTL_OK;
}

static void attach_print(const json_t *result)
{
	const char *lower = json_text(result, "lower", NULL);
	const char *pin = json_text(result, "pin", NULL);

	printf("%s: attached %s as program %lld, place %lld, link %lld\n",
	       json_text(result, "device", "?"), json_text(result, "name", "?"),
	       (long long)json_int(result, "id"),
	       (long long)json_int(result, "position"),
	       (long long)json_int(result, "link_id"));
	if (lower)
		printf("  lower device %s\n", lower);
	if (pin)
		printf("  pinned in %s\n", pin);
	else
		puts("  not pinned: it goes when this bioctl ends (Ctrl-C)");
}

static void report(struct attachment *at, const struct attach_args *args)
{
	json_t *result = policy_json(&at->policy);
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);
	unsigned int position = 0;

	bpf_link_get_info_by_fd(bpf_link__fd(at->link), &info, &len);
	chain_query(&at->chain);
	while (position < at->chain.nr &&
	       at->chain.entries[position].link_id != info.id)
		position++;
	json_object_update_new(
		result,
		json_pack("{s:o, s:o, s:i, s:i, s:I, s:I, s:o, s:b, s:b}",
			  "device", json_string_or_null(at->chain.device),
			  "lower",
			  json_string_or_null(
				  at->lower ? device_name(at->lower) : NULL),
			  "link_id", info.id, "position", position + 1,
			  "revision", (json_int_t)at->chain.revision, "cookie",
			  (json_int_t)args->cookie, "pin",
			  json_string_or_null(at->pin), "transient",
			  args->transient, "barrier", args->place.barrier));
	emit(result, attach_print);
}

/* The signals are blocked since before the program was attached. */
static int wait_and_detach(struct attachment *at,
			   const struct attach_args *args)
{
	sigset_t signals;
	int signal, err;

	stop_signals(&signals);
	sigwait(&signals, &signal);
	err = link_detach(bpf_link__fd(at->link),
			  args->place.barrier ? BPF_F_BLK_BARRIER : 0);
	/* The device may have gone first. */
	if (err && err != -ENOLINK)
		return failed(.op = OP_DETACH, .what = at->policy.name,
			      .device = at->chain.device, .err = -err);
	return BIOCTL_OK;
}

static void find_lower(struct attachment *at)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);

	if (!bpf_link_get_info_by_fd(bpf_link__fd(at->link), &info, &len))
		at->lower = info.blk.lower;
}

int attach_make(struct attachment *at, const struct attach_args *args)
{
	int err;

	err = chain_open(&at->chain, args->device);
	hold_signals();
	if (!err)
		err = policy_open(&at->policy, &args->policy, at->chain.device);
	if (!err && !args->transient)
		err = make_pin(at, args);
	if (!err)
		err = policy_load(&at->policy, at->chain.device);
	if (!err)
		err = target_fill(&at->policy, args->policy.targets,
				  args->policy.nr_targets, at->chain.device);
	if (!err && at->pin)
		err = pin_maps(at);
	if (!err)
		err = attach_link(at, args);
	if (!err && at->pin)
		err = pin_link(at);
	if (!err)
		find_lower(at);
	if (err && at->made)
		pin_remove_dir(at->pin);
	return err;
}

void attach_end(struct attachment *at)
{
	bpf_link__destroy(at->link);
	policy_close(&at->policy);
}

static int run(void *input)
{
	const struct attach_args *args = input;
	struct attachment at = {};
	int lock, err;

	err = kernel_check();
	if (err)
		return err;
	/* Without a pin there is nothing that needs bpffs. */
	lock = args->transient ? -1 : pin_lock();
	if (lock < 0 && !args->transient)
		return BIOCTL_FAILED;
	err = attach_make(&at, args);
	if (lock >= 0)
		close(lock);
	if (!err)
		report(&at, args);
	if (!err && args->transient)
		err = wait_and_detach(&at, args);
	attach_end(&at);
	return err;
}

enum attach_key {
	KEY_PIN = 0x500,
	KEY_TRANSIENT,
	KEY_COOKIE,
	KEY_LOWER,
};

static void parse_words(struct attach_args *args, char *arg,
			struct argp_state *state)
{
	if (!args->device)
		args->device = arg;
	else if (!args->policy.policy)
		args->policy.policy = arg;
	else
		argp_error(state, "'%s' is too much", arg);
}

static void parse_end(const struct attach_args *args, struct argp_state *state)
{
	if (!args->device)
		argp_error(state, "DEVICE is missing");
	else if (!args->policy.policy)
		argp_error(state, "POLICY is missing");
	else if (args->pin && args->transient)
		argp_error(state, "--pin and --transient exclude each other");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct attach_args *args = state->input;
	unsigned long long value;
	size_t len;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[1] = &args->policy;
		state->child_inputs[2] = &args->policy;
		state->child_inputs[3] = &args->place;
		state->child_inputs[4] = &args->place;
		return 0;
	case KEY_PIN:
		if (*arg != '/')
			argp_error(state, "--pin: '%s' is no absolute path",
				   arg);
		args->pin = arg;
		/* A slash at the end names nothing. */
		for (len = strlen(arg); len > 1 && arg[len - 1] == '/'; len--)
			arg[len - 1] = '\0';
		return 0;
	case KEY_TRANSIENT:
		args->transient = true;
		return 0;
	case KEY_LOWER:
		args->lower = true;
		return 0;
	case KEY_COOKIE:
		if (!parse_u64(arg, &value))
			argp_error(state, "--cookie: '%s' is no number", arg);
		args->cookie = value;
		return 0;
	case ARGP_KEY_ARG:
		parse_words(args, arg, state);
		return 0;
	case ARGP_KEY_END:
		parse_end(args, state);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option options[] = {
	{ "pin", KEY_PIN, "PATH", 0,
	  "Directory to make in bpffs for the link and the maps, instead of "
	  "/sys/fs/bpf/bioctl/DEVICE/NAME",
	  0 },
	{ "transient", KEY_TRANSIENT, NULL, 0,
	  "Do not pin: stay in the foreground, and detach at the end or when "
	  "killed. Right for watching; under a redirect or remap it leaves data "
	  "where nobody looks for it",
	  0 },
	{ "lower", KEY_LOWER, NULL, 0,
	  "Make DEVICE-lower, too, a disk whose bios meet none of DEVICE's "
	  "programs: for what is stacked between the programs and DEVICE",
	  0 },
	{ "cookie", KEY_COOKIE, "N", 0,
	  "What bpf_get_attach_cookie() tells the program", 0 },
	{}
};

static const struct argp_child children[] = {
	{ &common_argp, 0, "Output:", 4 },
	{ &policy_argp, 0, "The policy:", 1 },
	{ &targets_argp, 0, NULL, 1 },
	{ &place_argp, 0, "Its place:", 2 },
	{ &barrier_argp, 0, "What to wait for:", 3 },
	{}
};

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "DEVICE POLICY",
	.doc = "Put a policy in charge of every bio of a device, a whole disk "
	       "or a partition. POLICY is a file or the name of a shipped "
	       "policy.",
	.children = children,
};

const struct command cmd_attach = {
	.name = "attach",
	.doc = "put a policy in charge of a device",
	.argp = &argp,
	.args_size = sizeof(struct attach_args),
	.run = run,
};
