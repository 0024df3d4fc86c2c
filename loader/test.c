// SPDX-License-Identifier: GPL-2.0
/* 'bioctl test': ask a policy about a bio that is only described. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bioctl.h"

/* What the kernel takes as the payload of a described bio at most. */
#define PAYLOAD_MAX (1U << 20)

struct test_args {
	struct policy_args policy;
	struct bpf_bio bio;
	const char *device;
	const char *payload;
	bool have_length;
};

/* Returns the payload and its size; NULL after a report. */
static void *read_payload(const char *path, __u32 *size)
{
	char *data = xalloc(1, PAYLOAD_MAX);
	ssize_t len = -1, got = 0;
	int fd, err;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	/* A pipe gives it in pieces. */
	for (; fd >= 0 && (len = read(fd, data + got, PAYLOAD_MAX - got)) > 0;
	     got += len)
		;
	err = errno;
	if (fd >= 0)
		close(fd);
	if (len < 0) {
		failed(.op = OP_TEST, .what = path, .err = err);
		free(data);
		return NULL;
	}
	*size = got;
	return data;
}

static void test_print(const json_t *result)
{
	const json_t *bio = json_object_get(result, "bio");
	const char *verdict = json_text(result, "verdict", "?");

	printf("%s", verdict);
	if (!strcmp(verdict, "fail"))
		printf(" with %s", json_text(bio, "error", "EIO"));
	if (!strcmp(verdict, "redirect"))
		printf(" to %s", json_text(bio, "device", "?"));
	if (!strcmp(verdict, "redirect") || !strcmp(verdict, "remap"))
		printf(" at sector %lld", (long long)json_int(bio, "sector"));
	if (json_is_true(json_object_get(result, "partial")))
		printf(", of the first %lld sectors",
		       (long long)json_int(bio, "nr_sectors"));
	putchar('\n');
}

static void report(const struct test_args *args, const struct bpf_bio *bio,
		   __u32 verdict)
{
	const char *error = bio->error ? strerrorname_np(-bio->error) : NULL;
	json_t *after;

	after = json_pack("{s:I, s:I, s:o, s:o, s:i, s:i}", "sector",
			  (json_int_t)bio->sector, "nr_sectors",
			  (json_int_t)bio->nr_sectors, "device",
			  bio->dev ?
				  json_string_or_null(device_name(bio->dev)) :
				  json_null(),
			  "error", json_string_or_null(error), "ioprio",
			  bio->ioprio, "write_hint", bio->write_hint);
	emit(json_pack("{s:s, s:b, s:o}", "verdict", verdict_name(verdict),
		       "partial", bio->nr_sectors < args->bio.nr_sectors, "bio",
		       after),
	     test_print);
}

static int ask(const struct policy *policy, const struct test_args *args)
{
	struct bpf_bio after = {};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &args->bio,
		    .ctx_size_in = sizeof(args->bio), .ctx_out = &after,
		    .ctx_size_out = sizeof(after));
	void *data = NULL;
	int err;

	if (args->payload) {
		data = read_payload(args->payload, &opts.data_size_in);
		if (!data)
			return BIOCTL_FAILED;
		opts.data_in = data;
	}
	err = bpf_prog_test_run_opts(bpf_program__fd(policy->program), &opts);
	free(data);
	if (err)
		return failed(.op = OP_TEST, .what = policy->name, .err = -err);
	report(args, &after, opts.retval);
	return BIOCTL_OK;
}

static int run(void *input)
{
	struct test_args *args = input;
	struct policy policy;
	int err, fd;

	err = kernel_check();
	if (!err && args->device) {
		char *path;
		dev_t dev;

		fd = device_open(args->device, OP_DEVICE, O_RDONLY, &path,
				 &dev);
		if (fd < 0)
			return BIOCTL_FAILED;
		close(fd);
		args->bio.dev = dev;
	}
	if (!err)
		err = policy_open(&policy, &args->policy, NULL);
	if (err)
		return err;
	err = policy_load(&policy, NULL);
	if (!err)
		err = target_fill(&policy, args->policy.targets,
				  args->policy.nr_targets, NULL);
	if (!err)
		err = ask(&policy, args);
	policy_close(&policy);
	return err;
}

enum test_key {
	KEY_OP = 0x800,
	KEY_SECTOR,
	KEY_LENGTH,
	KEY_FLAGS,
	KEY_DEVICE,
	KEY_PARTITION,
	KEY_DATA,
};

static bool parse_u32(const char *text, __u32 *value)
{
	unsigned long long number;

	if (!parse_u64(text, &number) || number > UINT32_MAX)
		return false;
	*value = number;
	return true;
}

static bool parse_flags(const char *text, __u32 *flags)
{
	char *list = strf("%s", text), *rest = list, *word;
	bool known = true;

	while (known && (word = strsep(&rest, ","))) {
		int bit = flag_by_name(word);

		known = bit >= 0;
		if (known)
			*flags |= 1U << bit;
	}
	free(list);
	return known;
}

static void parse_end(struct test_args *args, struct argp_state *state)
{
	bool flush = args->bio.op == BPF_BIO_OP_FLUSH;

	if (!args->policy.policy)
		argp_error(state, "POLICY is missing");
	else if (flush && args->bio.nr_sectors)
		argp_error(state, "a flush has no sectors");
	else if (!flush && args->have_length && !args->bio.nr_sectors)
		argp_error(state, "only a flush has no sectors");
	if (!flush && !args->have_length)
		args->bio.nr_sectors = 1;
}

static bool parse_bio(int key, const char *arg, struct test_args *args)
{
	unsigned long long sector;
	int op;

	switch (key) {
	case KEY_OP:
		op = op_by_name(arg);
		args->bio.op = op;
		return op >= 0;
	case KEY_SECTOR:
		if (!parse_u64(arg, &sector))
			return false;
		args->bio.sector = sector;
		return true;
	case KEY_LENGTH:
		args->have_length = true;
		return parse_u32(arg, &args->bio.nr_sectors);
	case KEY_PARTITION:
		return parse_u32(arg, &args->bio.partno);
	case KEY_FLAGS:
		return parse_flags(arg, &args->bio.flags);
	}
	return false;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct test_args *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		args->bio.op = BPF_BIO_OP_READ;
		state->child_inputs[1] = &args->policy;
		state->child_inputs[2] = &args->policy;
		return 0;
	case KEY_OP:
	case KEY_SECTOR:
	case KEY_LENGTH:
	case KEY_PARTITION:
	case KEY_FLAGS:
		if (!parse_bio(key, arg, args))
			argp_error(state, "'%s' is not known, see --help", arg);
		return 0;
	case KEY_DEVICE:
		args->device = arg;
		return 0;
	case KEY_DATA:
		args->payload = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (args->policy.policy)
			argp_error(state, "one POLICY is enough: '%s'", arg);
		args->policy.policy = arg;
		return 0;
	case ARGP_KEY_END:
		parse_end(args, state);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option options[] = {
	{ "op", KEY_OP, "OP", 0,
	  "read (the default), write, flush, discard, secure_erase, "
	  "write_zeroes, zone_append, zone_open, zone_close, zone_finish, "
	  "zone_reset, zone_reset_all",
	  0 },
	{ "sector", KEY_SECTOR, "N", 0, "First sector; 0 unless given", 0 },
	{ "length", KEY_LENGTH, "N", 0, "In sectors; 1 unless given", 0 },
	{ "flags", KEY_FLAGS, "FLAG,...", 0,
	  "sync, meta, prio, fua, preflush, rahead, background, nowait, polled, "
	  "atomic, swap, nounmap, integrity, crypt",
	  0 },
	{ "device", KEY_DEVICE, "DEVICE", 0,
	  "The device that the program is told it is attached to", 0 },
	{ "partition", KEY_PARTITION, "N", 0,
	  "The partition that the bio was submitted to", 0 },
	{ "data", KEY_DATA, "FILE", 0, "Payload of a write", 0 },
	{}
};

static const struct argp_child children[] = { { &common_argp, 0, "Output:", 3 },
					      { &policy_argp, 0,
						"The policy:", 2 },
					      { &targets_argp, 0, NULL, 2 },
					      {} };

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "POLICY",
	.doc = "Load a policy without attaching it, and ask it about a bio. "
	       "No I/O takes place.",
	.children = children,
};

const struct command cmd_test = {
	.name = "test",
	.doc = "ask a policy about a described bio",
	.argp = &argp,
	.args_size = sizeof(struct test_args),
	.run = run,
};
