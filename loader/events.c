// SPDX-License-Identifier: GPL-2.0
/* 'bioctl events': what the protect policy wrote into its ring buffer. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "../bpf-progs/protect.h"
#include "bioctl.h"

#define EVENTS_MAP "events"

struct events_args {
	const char *device;
	const char *program;
	bool follow;
	unsigned long long count;
};

struct reader {
	unsigned long long left; /* 0: as many as there are */
};

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

static void event_print(const json_t *event)
{
	json_int_t time = json_int(event, "time_ns");

	printf("%lld.%06lld %s: %s of %lld sectors at %lld refused (%s), pid %lld (%s), cgroup %lld\n",
	       (long long)time / 1000000000, (long long)time / 1000 % 1000000,
	       json_text(event, "device", "?"),
	       json_text(event, "operation", "?"),
	       (long long)json_int(event, "nr_sectors"),
	       (long long)json_int(event, "sector"),
	       json_text(event, "error", "?"),
	       (long long)json_int(event, "pid"), json_text(event, "comm", "?"),
	       (long long)json_int(event, "cgroup_id"));
}

static int on_event(void *context, void *data, size_t size)
{
	const struct protect_event *event = data;
	struct reader *reader = context;
	char comm[PROTECT_COMM_LEN + 1] = "";

	if (size < sizeof(*event))
		return -EPROTO;
	memcpy(comm, event->comm, PROTECT_COMM_LEN);
	emit(json_pack(
		     "{s:I, s:o, s:i, s:s, s:I, s:I, s:I, s:i, s:i, s:o, s:I, s:o}",
		     "time_ns", (json_int_t)event->time_ns, "device",
		     json_string_or_null(device_name(event->dev)), "partition",
		     event->partno, "operation", op_name(event->op), "flags",
		     (json_int_t)event->flags, "sector",
		     (json_int_t)event->sector, "nr_sectors",
		     (json_int_t)event->nr_sectors, "pid", event->pid, "tid",
		     event->tid, "comm", json_string_or_null(comm), "cgroup_id",
		     (json_int_t)event->cgroup_id, "error",
		     json_string_or_null(strerrorname_np(-event->error))),
	     event_print);
	/* The consumer moves on before it sees this, so none is lost. */
	if (reader->left && !--reader->left)
		return -ECANCELED;
	return 0;
}

static int map_of(const struct entry *entry)
{
	__u32 ids[MAPS_MAX];
	int nr;

	nr = entry_maps(entry, ids);
	for (int i = 0; i < nr; i++) {
		struct bpf_map_info info = {};
		__u32 len = sizeof(info);
		int fd = bpf_map_get_fd_by_id(ids[i]);

		if (fd < 0)
			continue;
		if (!bpf_map_get_info_by_fd(fd, &info, &len) &&
		    info.type == BPF_MAP_TYPE_RINGBUF &&
		    !strcmp(info.name, EVENTS_MAP))
			return fd;
		close(fd);
	}
	return nr < 0 ? nr : -ENOENT;
}

static int read_events(int fd, const struct events_args *args)
{
	struct reader reader = { .left = args->count };
	struct ring_buffer *ring;
	int err;

	ring = ring_buffer__new(fd, on_event, &reader, NULL);
	if (!ring)
		return -errno;
	do {
		err = args->follow ? ring_buffer__poll(ring, -1) :
				     ring_buffer__consume(ring);
	} while (args->follow && !stopped && err >= 0);
	ring_buffer__free(ring);
	if (err == -ECANCELED || err == -EINTR)
		err = 0;
	return err < 0 ? err : 0;
}

static int run(void *input)
{
	const struct events_args *args = input;
	struct sigaction action = { .sa_handler = stop };
	const struct entry *entry;
	struct chain chain;
	int fd, err;

	err = kernel_check();
	if (!err)
		err = chain_open(&chain, args->device);
	if (err)
		return err;
	entry = chain_find(&chain, args->program, OP_EVENTS);
	if (!entry)
		return BIOCTL_FAILED;
	/* The layout of an event is the policy's own. */
	if (strcmp(entry->prog_name, "protect"))
		return failed(.op = OP_EVENTS, .what = entry_label(entry),
			      .device = chain.device,
			      .cause = strf("its program is %s, not protect",
					    entry->prog_name),
			      .next = "read its maps with bpftool");
	fd = map_of(entry);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	err = fd < 0 ? fd : read_events(fd, args);
	if (err)
		return failed(.op = OP_EVENTS, .what = entry_label(entry),
			      .device = chain.device, .err = -err);
	return BIOCTL_OK;
}

enum events_key {
	KEY_FOLLOW = 'f',
	KEY_COUNT = 'n',
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct events_args *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		args->program = "protect";
		return 0;
	case KEY_FOLLOW:
		args->follow = true;
		return 0;
	case KEY_COUNT:
		if (!parse_u64(arg, &args->count) || !args->count)
			argp_error(state, "--count: '%s' is no number", arg);
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num == 0)
			args->device = arg;
		else if (state->arg_num == 1)
			args->program = arg;
		else
			argp_error(state, "'%s' is too much", arg);
		return 0;
	case ARGP_KEY_END:
		if (!args->device)
			argp_error(state, "DEVICE is missing");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option options[] = {
	{ "follow", KEY_FOLLOW, NULL, 0, "Wait for more, until Ctrl-C", 0 },
	{ "count", KEY_COUNT, "N", 0, "Stop after N events", 0 },
	{}
};

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "DEVICE [PROGRAM]",
	.doc = "Show, and take from its ring buffer, what the policy protect "
	       "refused: each event once, one per line.",
	.children = common_children,
};

const struct command cmd_events = {
	.name = "events",
	.doc = "show what the policy protect refused",
	.argp = &argp,
	.args_size = sizeof(struct events_args),
	.run = run,
};
