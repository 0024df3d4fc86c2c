// SPDX-License-Identifier: GPL-2.0
/* 'bioctl detach' */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "stack.h"

struct detach_args {
	struct place_args place; /* only what to wait for */
	const char *device;
	const char *ref;
	bool all;
	bool force;
	bool defunct;
	__u32 link_id;
};

static int unpin(const struct entry *entry)
{
	char *dir = entry->pin ? pin_dir_of_link(entry->pin) : NULL;

	if (dir)
		pin_remove_dir(dir);
	else if (entry->pin && unlink(entry->pin))
		return -errno;
	return 0;
}

/* udev and lsblk have a lower device open for a moment: -EBUSY. */
int link_detach(int link, __u32 flags)
{
	LIBBPF_OPTS(bpf_link_detach_opts, opts, .flags = flags);
	const struct timespec pause = { .tv_nsec = 100000000 };
	int err, tries;

	for (tries = 0; tries < 50; tries++) {
		err = bpf_link_detach_opts(link, &opts);
		if (err != -EBUSY)
			break;
		nanosleep(&pause, NULL);
	}
	return err;
}

static int detach_link(const struct entry *entry, __u32 flags)
{
	int fd, err;

	fd = bpf_link_get_fd_by_id(entry->link_id);
	if (fd < 0)
		return fd;
	err = entry->defunct ? 0 : link_detach(fd, flags);
	close(fd);
	return err == -ENOLINK ? 0 : err;
}

static int detach_program(const struct entry *entry, int device_fd, __u32 flags)
{
	LIBBPF_OPTS(bpf_prog_detach_opts, opts, .flags = flags);
	int fd, err;

	fd = bpf_prog_get_fd_by_id(entry->prog_id);
	if (fd < 0)
		return fd;
	err = bpf_prog_detach_opts(fd, device_fd, BPF_BLK_SUBMIT, &opts);
	close(fd);
	return err;
}

static int detach_entry(const struct chain *chain, const struct entry *entry,
			const struct detach_args *args, json_t *done)
{
	__u32 flags = args->place.barrier ? BPF_F_BLK_BARRIER : 0;
	int err, unpinned = 0;

	if (!args->force && !entry->defunct) {
		err = stack_keep(chain->device, entry->name, entry->link_id,
				 OP_DETACH);
		if (err)
			return err;
	}
	if (entry->link_id && !entry->pin && !args->force)
		return failed(.op = OP_DETACH, .what = entry_label(entry),
			      .device = chain->device,
			      .cause = strf(
				      "link %u is not pinned: it belongs to "
				      "a process that is still running",
				      entry->link_id),
			      .next = "end that process, or add --force");
	err = entry->link_id ? detach_link(entry, flags) :
			       detach_program(entry, chain->fd, flags);
	if (!err || gave_up(err)) {
		unpinned = unpin(entry);
		json_array_append_new(
			done,
			json_pack("{s:o, s:i, s:s, s:i}", "name",
				  json_string_or_null(entry->name), "id",
				  entry->prog_id, "program", entry->prog_name,
				  "link_id", entry->link_id));
	}
	if (err == -EBUSY && entry->link_id)
		return failed(.op = OP_DETACH, .what = entry_label(entry),
			      .device = chain->device, .err = EBUSY,
			      .cause = "something has its lower device open",
			      .next = "see what is stacked there: lsblk; remove "
				      "it, then try again");
	if (err)
		return failed(.op = OP_DETACH, .what = entry_label(entry),
			      .device = chain->device, .err = -err);
	if (unpinned)
		return failed(.op = OP_PIN, .what = entry->pin,
			      .device = chain->device, .err = -unpinned,
			      .cause = "the program was detached, but its pin "
				       "could not be removed",
			      .next = strf("rm %s", entry->pin));
	return BIOCTL_OK;
}

static struct entry *find_link(struct chain *chain, __u32 id)
{
	for (unsigned int i = 0; i < chain->nr; i++) {
		if (chain->entries[i].link_id == id)
			return &chain->entries[i];
	}
	failed(.op = OP_DETACH, .what = strf("link %u", id),
	       .device = chain->device, .err = ENOENT,
	       .cause = "no such link is attached there");
	return NULL;
}

/* The one that is meant; NULL after a report. */
static struct entry *choose(struct chain *chain, const struct detach_args *args)
{
	if (args->link_id)
		return find_link(chain, args->link_id);
	if (args->ref)
		return chain_find(chain, args->ref, OP_DETACH);
	if (chain->nr == 1)
		return &chain->entries[0];
	failed(.op = OP_DETACH, .device = chain->device,
	       .what = chain->nr ? "a program" : NULL,
	       .err = chain->nr ? 0 : ENOENT,
	       .cause = chain->nr ? "several programs are attached there" :
				    "nothing is attached there",
	       .next = chain->nr ? "name one, or use --all; see 'bioctl list'" :
				   NULL);
	return NULL;
}

static void detach_print(const json_t *result)
{
	json_t *entry;
	size_t i;

	for (i = 0; (entry = json_element(result, "detached", i)); i++)
		printf("%s: detached %s, program %lld\n",
		       json_text(result, "device", "removed device"),
		       json_text(entry, "name",
				 json_text(entry, "program", "?")),
		       (long long)json_int(entry, "id"));
	if (!i)
		puts("nothing was attached");
}

static int detach(struct chain *chain, const struct detach_args *args,
		  json_t *done)
{
	struct entry *entry;
	int err = BIOCTL_OK;

	if (args->all || (args->defunct && !args->ref && !args->link_id)) {
		/* One that fails does not keep the others. */
		for (unsigned int i = 0; i < chain->nr; i++)
			err |= detach_entry(chain, &chain->entries[i], args,
					    done);
		return err;
	}
	entry = choose(chain, args);
	return entry ? detach_entry(chain, entry, args, done) : BIOCTL_FAILED;
}

static int open_chain(struct chain *chain, const struct detach_args *args)
{
	int err;

	/* A removed device leaves its links behind, defunct. */
	if (!args->defunct && !chain_device_is_gone(args->device))
		return chain_open(chain, args->device);
	err = chain_defunct(chain, args->device);
	if (err)
		return failed(.op = OP_QUERY, .device = args->device,
			      .err = -err);
	if (!args->defunct && !chain->nr)
		return chain_open(chain, args->device);
	return BIOCTL_OK;
}

static int run(void *input)
{
	const struct detach_args *args = input;
	struct frozen *frozen = NULL;
	json_t *done = json_array();
	struct chain chain = {};
	int err;

	err = kernel_check();
	if (!err && pin_lock() < 0)
		err = BIOCTL_FAILED;
	if (!err)
		err = open_chain(&chain, args);
	hold_signals();
	if (!err && args->place.freeze)
		err = freeze_filesystems(chain.dev, chain.device, &frozen);
	if (err)
		return err;
	err = detach(&chain, args, done);
	err |= thaw_filesystems(frozen, chain.device);
	/* What was done is said also if something else failed. */
	if (!err || json_array_size(done))
		emit(json_pack("{s:o, s:o}", "device",
			       json_string_or_null(chain.device), "detached",
			       done),
		     detach_print);
	return err;
}

enum detach_key {
	KEY_ALL = 0x600,
	KEY_FORCE,
	KEY_DEFUNCT,
	KEY_LINK,
};

static void parse_end(const struct detach_args *args, struct argp_state *state)
{
	if (!args->device && !args->defunct)
		argp_error(state, "DEVICE is missing");
	else if (!!args->ref + args->all + !!args->link_id > 1)
		argp_error(state,
			   "PROGRAM, --all and --link exclude each other");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct detach_args *args = state->input;
	unsigned long long value;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[1] = &args->place;
		return 0;
	case KEY_ALL:
		args->all = true;
		return 0;
	case KEY_FORCE:
		args->force = true;
		return 0;
	case KEY_DEFUNCT:
		args->defunct = true;
		return 0;
	case KEY_LINK:
		if (!parse_u64(arg, &value) || !value || value > UINT32_MAX)
			argp_error(state, "--link: '%s' is no id", arg);
		args->link_id = value;
		return 0;
	case ARGP_KEY_ARG:
		if (!args->device)
			args->device = arg;
		else if (!args->ref)
			args->ref = arg;
		else
			argp_error(state, "'%s' is too much", arg);
		return 0;
	case ARGP_KEY_END:
		parse_end(args, state);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option options[] = {
	{ "all", KEY_ALL, NULL, 0, "Detach every program of the device", 0 },
	{ "link", KEY_LINK, "ID", 0, "Detach the program of that link", 0 },
	{ "defunct", KEY_DEFUNCT, NULL, 0,
	  "Remove links that do nothing any more, mostly because their device "
	  "was removed: those of DEVICE, or all",
	  0 },
	{ "force", KEY_FORCE, NULL, 0,
	  "Detach also what another process holds, and what keeps a device that "
	  "was migrated on its new disk",
	  0 },
	{}
};

static const struct argp_child children[] = { { &common_argp, 0, "Output:", 2 },
					      { &barrier_argp, 0,
						"What to wait for:", 1 },
					      {} };

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "DEVICE [PROGRAM]",
	.doc = "Take a program off a device and remove its pins. PROGRAM is an "
	       "id, a name or a pin; it can be left out when there is only one.",
	.children = children,
};

const struct command cmd_detach = {
	.name = "detach",
	.doc = "take a policy off a device",
	.argp = &argp,
	.args_size = sizeof(struct detach_args),
	.run = run,
};
