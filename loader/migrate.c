// SPDX-License-Identifier: GPL-2.0
/*
 * 'bioctl migrate': the data of a device in use to another disk, on dm-mirror
 * beneath the live device.
 *
 * As long as blocks are copied both disks get what is written, and the source is
 * complete: it can be stopped at any moment. When all is copied one change sends
 * everything to the target, and the mirror goes. The kernel copies; bioctl only
 * watches, and may be killed and started again.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "snapshot.h"
#include "stack.h"

#define THROTTLE "/sys/module/dm_mirror/parameters/raid1_resync_throttle"
#define REGION 1024 /* sectors that are copied at a time */
#define CHUNK (1 << 20) /* bytes that are compared at a time */
#define BLOCK 4096
#define TRIES 1000 /* of a block that is being written to */

struct migrate_args {
	const char *source;
	const char *target;
	unsigned long long rate;
	bool verify;
	bool cancel;
	bool force;
};

struct progress {
	unsigned long long done;
	unsigned long long total;
	bool failed;
};

/* "0 N mirror 2 A:B C:D DONE/TOTAL 1 HEALTH 1 core" */
static bool read_progress(struct stack *stack, struct progress *progress)
{
	char health[16] = "";

	memset(progress, 0, sizeof(*progress));
	if (dm_find(stack->dm_name, &stack->dm) ||
	    sscanf(stack->dm.status,
		   "%*u %*u mirror %*u %*s %*s %llu/%llu %*u %15s",
		   &progress->done, &progress->total, health) != 3)
		return false;
	progress->failed = strcmp(health, "AA");
	return true;
}

static void set_throttle(unsigned int percent)
{
	FILE *file = fopen(THROTTLE, "we");

	if (!file)
		return;
	fprintf(file, "%u\n", percent);
	fclose(file);
}

/*
 * What the kernel takes is a share of the time. @done: regions since the last
 * second.
 */
static void keep_rate(unsigned long long rate, unsigned long long done)
{
	unsigned long long is = done * REGION / 2048;
	static unsigned int percent = 10;

	if (!rate)
		return;
	if (is > rate && percent > 1)
		percent = percent * rate / (is ? is : 1) + 1;
	else if (is < rate && percent < 100)
		percent++;
	set_throttle(percent);
}

static void show(const struct progress *progress, const char *end)
{
	unsigned int percent =
		progress->total ? 100 * progress->done / progress->total : 0;

	if (settings.json || !isatty(STDERR_FILENO))
		return;
	fprintf(stderr, "\r[%-50.*s] %3u %%%s", (int)percent / 2,
		"##################################################", percent,
		end);
}

/* Return: false if one of the signals came that stop us, not the kernel */
static bool wait_second(void)
{
	const struct timespec second = { .tv_sec = 1 };
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	return sigtimedwait(&signals, NULL, &second) < 0;
}

static int copy_all(struct stack *stack, const struct migrate_args *args)
{
	unsigned long long before = 0;
	struct progress now;

	for (;;) {
		if (!read_progress(stack, &now))
			return failed(.op = OP_MIGRATE, .what = args->target,
				      .device = stack->device,
				      .cause = "the mirror is gone",
				      .next = "see 'bioctl stack list'");
		if (now.failed)
			return failed(.op = OP_MIGRATE, .what = args->target,
				      .device = stack->device,
				      .cause = "a disk of the mirror failed",
				      .next = "the source is complete: bioctl "
					      "migrate --cancel");
		show(&now, "");
		if (now.done == now.total)
			break;
		keep_rate(args->rate, now.done - before);
		before = now.done;
		if (!wait_second())
			return failed(.op = OP_MIGRATE, .what = args->target,
				      .device = stack->device, .err = EINTR,
				      .cause = "bioctl was stopped; the kernel "
					       "goes on copying",
				      .next = "the same command goes on "
					      "watching; --cancel ends it");
	}
	show(&now, "\n");
	return BIOCTL_OK;
}

/**
 * struct pair - two disks that are compared
 * @paths: of them
 * @fds: open
 * @bufs: what was read of each
 * @err: errno of the read that failed
 * @bad: index of that disk
 */
struct pair {
	const char *paths[2];
	int fds[2];
	char *bufs[2];
	int err;
	int bad;
};

static bool pair_read(struct pair *pair, off_t at, size_t len)
{
	for (int i = 0; i < 2; i++) {
		ssize_t got = pread(pair->fds[i], pair->bufs[i], len, at);

		if (got == (ssize_t)len)
			continue;
		pair->err = got < 0 ? errno : EIO;
		pair->bad = i;
		return false;
	}
	return true;
}

/*
 * Both are written to meanwhile, one a bit before the other: a block that differs
 * is read again until it does not.
 */
static bool same_block(struct pair *pair, off_t at, size_t len)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	for (int tries = 0; tries < TRIES; tries++) {
		if (!pair_read(pair, at, len))
			return false;
		if (!memcmp(pair->bufs[0], pair->bufs[1], len))
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

/* Return: how much is the same, @len if all is */
static size_t same(struct pair *pair, off_t at, size_t len)
{
	size_t done, block;

	if (!pair_read(pair, at, len))
		return 0;
	if (!memcmp(pair->bufs[0], pair->bufs[1], len))
		return len;
	for (done = 0; done < len; done += block) {
		block = len - done < BLOCK ? len - done : BLOCK;
		if (!same_block(pair, at + done, block))
			break;
	}
	return done;
}

static int differs(const struct stack *stack, const struct pair *pair, off_t at)
{
	char *cause;

	if (pair->err)
		cause = strf("%s cannot be read at byte %lld: %s",
			     pair->paths[pair->bad], (long long)at,
			     strerror(pair->err));
	else
		cause = strf("it differs from the device at byte %lld",
			     (long long)at);
	return failed(.op = OP_MIGRATE, .what = pair->paths[1],
		      .device = stack->device, .cause = cause,
		      .next = "nothing was switched; bioctl migrate --cancel");
}

static int verify(const struct stack *stack, const struct migrate_args *args)
{
	struct pair pair = {
		.paths = { device_name(stack->link_info.blk.lower),
			   args->target },
	};
	off_t at = 0, end = (off_t)device_sectors(stack->device) * 512;
	size_t len, done;

	for (int i = 0; i < 2; i++) {
		pair.fds[i] =
			open(pair.paths[i], O_RDONLY | O_DIRECT | O_CLOEXEC);
		if (pair.fds[i] < 0 ||
		    posix_memalign((void **)&pair.bufs[i], BLOCK, CHUNK))
			return failed(.op = OP_MIGRATE, .what = pair.paths[i],
				      .device = stack->device, .err = errno);
	}
	for (; at < end; at += done) {
		len = end - at < CHUNK ? end - at : CHUNK;
		done = same(&pair, at, len);
		if (done < len)
			return differs(stack, &pair, at + done);
	}
	for (int i = 0; i < 2; i++) {
		close(pair.fds[i]);
		free(pair.bufs[i]);
	}
	return BIOCTL_OK;
}

static int check_target(const struct stack *stack,
			const struct migrate_args *args)
{
	unsigned long long own = device_sectors(stack->device);
	unsigned long long targets = device_sectors(args->target);

	if (targets < own)
		return failed(.op = OP_MIGRATE, .what = args->target,
			      .device = stack->device,
			      .cause = strf("it has %llu sectors, the device "
					    "%llu",
					    targets, own),
			      .next = "choose a disk that is large enough");
	return store_check(args->target, args->force);
}

static int start(struct stack *stack, const struct migrate_args *args)
{
	const struct stack_args stack_args = {
		.device = args->source,
		.name = MIGRATE_STACK,
		.table =
			strf("mirror core 1 %d 2 @lower 0 %s 0 1 handle_errors",
			     REGION, args->target),
	};
	int err;

	err = check_target(stack, args);
	hold_signals();
	if (!err)
		err = stack_insert_quietly(&stack_args);
	if (!err)
		stack_look(stack, stack->key, MIGRATE_STACK);
	return err;
}

static void finish_print(const json_t *result)
{
	const char *device = json_text(result, "device", "?");

	printf("%s: all I/O goes to %s now, until the machine boots again\n"
	       "  Both hold the same filesystem. Before that, so that it is not "
	       "found on the old one:\n"
	       "  wipefs --all %s\n",
	       device, json_text(result, "target", "?"),
	       json_text(result, "lower", "?"));
}

static int finish(struct stack *stack, const struct migrate_args *args)
{
	int lock = pin_lock(), err;

	if (lock < 0)
		return BIOCTL_FAILED;
	err = stack_change_top(stack, args->target);
	at_step("migrated");
	if (!err)
		err = dm_remove(stack->dm_name, PATIENCE);
	close(lock);
	return err;
}

static int say_moved(const struct stack *stack)
{
	emit(json_pack("{s:s, s:s, s:s}", "device", stack->device, "target",
		       device_name(stack->top), "lower",
		       device_name(stack->link_info.blk.lower)),
	     finish_print);
	return BIOCTL_OK;
}

/* One that was killed at the very end, or has done all */
static int moved_before(struct stack *stack, const struct migrate_args *args)
{
	struct stat st;

	if (stat(args->target, &st) || st.st_rdev != stack->top)
		return failed(.op = OP_MIGRATE, .what = args->target,
			      .device = stack->device,
			      .cause = strf("its data are on %s",
					    device_name(stack->top)),
			      .next = "unmount it and migrate that one");
	if (stack->dm.exists && dm_remove(stack->dm_name, PATIENCE))
		return BIOCTL_FAILED;
	return say_moved(stack);
}

/* Copying, whoever has begun it */
static int go_on(struct stack *stack, const struct migrate_args *args, int lock)
{
	int err = BIOCTL_OK;

	if (!stack_is_there(stack))
		err = start(stack, args);
	close(lock);
	at_step("copying");
	if (!err)
		err = copy_all(stack, args);
	if (!err && args->verify)
		err = verify(stack, args);
	at_step("copied");
	if (!err)
		err = finish(stack, args);
	if (err)
		return err;
	stack_look(stack, stack->key, MIGRATE_STACK);
	return say_moved(stack);
}

/* It may take hours: others may use bioctl meanwhile. @lock is let go. */
static int migrate(const struct migrate_args *args, int lock)
{
	struct stack stack;
	int err;

	err = stack_find(&stack, args->source, MIGRATE_STACK);
	if (err)
		return err;
	hold_signals();
	if (stack_is_moved(&stack))
		return moved_before(&stack, args);
	if (stack_is_there(&stack) && strcmp(stack_state(&stack), "inserted"))
		return failed(.op = OP_MIGRATE, .what = args->target,
			      .device = stack.device,
			      .cause = "an earlier one was stopped halfway",
			      .next = strf(
				      "bioctl stack repair %s --name " MIGRATE_STACK,
				      args->source));
	return go_on(&stack, args, lock);
}

static int run(void *input)
{
	const struct migrate_args *args = input;
	const struct stack_args stack_args = {
		.device = args->source,
		.name = MIGRATE_STACK,
	};
	int err, lock;

	err = kernel_check();
	if (err)
		return err;
	lock = pin_lock();
	if (lock < 0)
		return BIOCTL_FAILED;
	return args->cancel ? stack_remove(&stack_args) : migrate(args, lock);
}

enum migrate_key {
	KEY_RATE = 0x900,
	KEY_VERIFY,
	KEY_CANCEL,
	KEY_FORCE,
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct migrate_args *args = state->input;

	switch (key) {
	case KEY_RATE:
		if (!parse_u64(arg, &args->rate) || !args->rate)
			argp_error(state, "--rate: '%s' is no number of MiB",
				   arg);
		return 0;
	case KEY_VERIFY:
		args->verify = true;
		return 0;
	case KEY_CANCEL:
		args->cancel = true;
		return 0;
	case KEY_FORCE:
		args->force = true;
		return 0;
	case ARGP_KEY_ARG:
		if (!args->source)
			args->source = arg;
		else if (!args->target)
			args->target = device_path(arg);
		else
			argp_error(state, "'%s' is too much", arg);
		return 0;
	case ARGP_KEY_END:
		if (!args->source)
			argp_error(state, "SOURCE is missing");
		else if (!args->target == !args->cancel)
			argp_error(state,
				   "one of TARGET and --cancel is needed");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option options[] = {
	{ "rate", KEY_RATE, "MIB", 0, "Copy about so many MiB in a second", 0 },
	{ "verify", KEY_VERIFY, NULL, 0,
	  "Compare both disks before everything goes to the target", 0 },
	{ "cancel", KEY_CANCEL, NULL, 0, "Give up: all I/O goes to SOURCE", 0 },
	{ "force", KEY_FORCE, NULL, 0, "Overwrite what TARGET holds", 0 },
	{}
};

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "SOURCE TARGET\nSOURCE --cancel",
	.doc = "Move the data of a device in use to another disk, and all I/O "
	       "with it. Until all is copied the source is complete, and the "
	       "move can be cancelled.",
	.children = common_children,
};

const struct command cmd_migrate = {
	.name = "migrate",
	.doc = "move a device in use to another disk",
	.argp = &argp,
	.args_size = sizeof(struct migrate_args),
	.run = run,
};
