// SPDX-License-Identifier: GPL-2.0
/* Device mapper, through libdevmapper. */
#include <errno.h>
#include <libdevmapper.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "bioctl.h"
#include "dm.h"

/* As syslog's, with flags above; libdevmapper.h does not name them. */
#define LEVEL_MASK 0x07
#define LEVEL_WARN 4

/* What libdevmapper, and the kernel through it, said last. */
static char *said;

static void listen(int level, const char *file, int line, int dm_errno,
		   const char *fmt, ...)
{
	va_list args;
	char *text;

	(void)file;
	(void)line;
	(void)dm_errno;
	if ((level & LEVEL_MASK) > LEVEL_WARN)
		return;
	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		text = NULL;
	va_end(args);
	free(said);
	said = text;
}

static struct dm_task *task(int type, const char *name)
{
	struct dm_task *task;

	dm_log_with_errno_init(listen);
	free(said);
	said = NULL;
	task = dm_task_create(type);
	if (!task || (name && !dm_task_set_name(task, name))) {
		failed(.op = OP_DM, .what = name, .err = errno, .cause = said);
		exit(BIOCTL_FAILED);
	}
	return task;
}

static int run(struct dm_task *task)
{
	return dm_task_run(task) ? 0 : dm_task_get_errno(task);
}

static int report(const char *name, int err, const char *doing)
{
	return failed(.op = OP_DM, .what = name, .err = err,
		      .cause = strf("%s: %s", doing,
				    said ? said : strerror(err)),
		      .next = "the kernel's log says more: dmesg | tail");
}

/* Of what udev does meanwhile, if we do not wait for it yet */
static uint32_t udev_cookie;
static bool udev_held;

/*
 * With a cookie, so that udev has done its work when we go on. If it is ours,
 * without the rules that would look into it: it has the UUIDs of the device it is a
 * copy of.
 */
static int run_with_udev(struct dm_task *task, bool ours)
{
	const uint16_t flags = DM_UDEV_DISABLE_SUBSYSTEM_RULES_FLAG |
			       DM_UDEV_DISABLE_DISK_RULES_FLAG |
			       DM_UDEV_DISABLE_OTHER_RULES_FLAG;
	int err;

	/*
	 * No semaphore, or somebody has destroyed ours: better a link that comes
	 * late than a device that stays suspended.
	 */
	if (!dm_task_set_cookie(task, &udev_cookie, ours ? flags : 0)) {
		udev_cookie = 0;
		dm_udev_set_sync_support(0);
		dm_task_set_cookie(task, &udev_cookie, ours ? flags : 0);
		dm_udev_set_sync_support(1);
	}
	err = run(task);
	if (!udev_held)
		dm_udev_release();
	return err;
}

void dm_udev_hold(void)
{
	udev_held = true;
	udev_cookie = 0;
}

void dm_udev_release(void)
{
	udev_held = false;
	dm_udev_wait(udev_cookie);
	udev_cookie = 0;
}

static int simple(int type, const char *name, bool ours, const char *doing)
{
	struct dm_task *t = task(type, name);
	int err;

	/* What is mounted there has been frozen. */
	if (type == DM_DEVICE_SUSPEND)
		dm_task_skip_lockfs(t);
	err = type == DM_DEVICE_RESUME ? run_with_udev(t, ours) : run(t);
	dm_task_destroy(t);
	return err ? report(name, err, doing) : BIOCTL_OK;
}

int dm_suspend(const char *name)
{
	return simple(DM_DEVICE_SUSPEND, name, false, "suspending it");
}

int dm_suspend_hanging(const char *name)
{
	struct dm_task *t = task(DM_DEVICE_SUSPEND, name);
	int err;

	dm_task_skip_lockfs(t);
	dm_task_no_flush(t);
	err = run(t);
	dm_task_destroy(t);
	return err ? report(name, err, "suspending it") : BIOCTL_OK;
}

int dm_resume(const char *name)
{
	return simple(DM_DEVICE_RESUME, name, true, "resuming it");
}

int dm_resume_foreign(const char *name)
{
	return simple(DM_DEVICE_RESUME, name, false, "resuming it");
}

/* "CIPHER KEY ...": nobody shall see it in what we print. */
static void hide_key(char *params)
{
	char *key = params ? strchr(params, ' ') : NULL;

	while (key && *++key && *key != ' ')
		*key = '0';
}

/* "journal_mac:ALGORITHM:KEY", and others */
static void hide_keys(char *params)
{
	static const char *const words[] = { "internal_hash:", "journal_crypt:",
					     "journal_mac:" };

	for (size_t i = 0; params && i < ARRAY_SIZE(words); i++) {
		char *at = strstr(params, words[i]);

		at = at ? strchr(at + strlen(words[i]), ':') : NULL;
		while (at && *++at && *at != ' ')
			*at = '0';
	}
}

/* Each line: START LENGTH TARGET ARGUMENTS */
static char *read_lines(const char *name, int type)
{
	struct dm_task *t = task(type, name);
	char *target, *params, *lines = strf("%s", "");
	uint64_t start, length;
	void *next = NULL;

	/* A suspend is not waited for, nor is what hangs flushed. */
	dm_task_no_flush(t);
	if (run(t))
		goto out;
	do {
		next = dm_get_next_target(t, next, &start, &length, &target,
					  &params);
		if (target && type == DM_DEVICE_TABLE &&
		    !strcmp(target, "crypt"))
			hide_key(params);
		if (target && type == DM_DEVICE_TABLE &&
		    !strcmp(target, "integrity"))
			hide_keys(params);
		if (target)
			lines = strf("%s%llu %llu %s %s\n", lines,
				     (unsigned long long)start,
				     (unsigned long long)length, target,
				     params ? params : "");
	} while (next);
out:
	dm_task_destroy(t);
	return lines;
}

int dm_find(const char *name, struct dm_state *state)
{
	struct dm_task *t = task(DM_DEVICE_INFO, name);
	struct dm_info info = {};
	int err;

	memset(state, 0, sizeof(*state));
	state->targets = state->status = "";
	err = run(t);
	if (!err && !dm_task_get_info(t, &info))
		err = EINVAL;
	state->exists = info.exists;
	if (state->exists)
		state->uuid = strf("%s", dm_task_get_uuid(t));
	dm_task_destroy(t);
	if (err == ENXIO || (!err && !info.exists))
		return BIOCTL_OK;
	if (err)
		return report(name, err, "looking for it");
	state->dev = makedev(info.major, info.minor);
	state->open = info.open_count;
	state->live = info.live_table;
	state->loaded = info.inactive_table;
	state->suspended = info.suspended;
	state->events = info.event_nr;
	if (state->live) {
		state->targets = read_lines(name, DM_DEVICE_TABLE);
		state->status = read_lines(name, DM_DEVICE_STATUS);
	}
	return BIOCTL_OK;
}

/* "START LENGTH TARGET ARGUMENTS" */
static bool add_line(struct dm_task *t, char *line)
{
	unsigned long long start, length;
	int at = 0, end = 0;

	if (sscanf(line, "%llu %llu %n%*s%n", &start, &length, &at, &end) < 2 ||
	    !end)
		return false;
	if (line[end])
		line[end++] = '\0';
	return dm_task_add_target(t, start, length, line + at, line + end);
}

static int load(const char *name, const char *table, bool read_only)
{
	struct dm_task *t = task(DM_DEVICE_RELOAD, name);
	char *text = strf("%s", table), *line;
	int err = 0;

	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		if (add_line(t, line))
			continue;
		dm_task_destroy(t);
		return failed(.op = OP_DM, .what = name,
			      .cause = strf("'%s' is no line of a table", line),
			      .next = "write START LENGTH TARGET ARGUMENTS, or for "
				      "one target TARGET ARGUMENTS");
	}
	if (read_only)
		dm_task_set_ro(t);
	err = run(t);
	dm_task_destroy(t);
	return err ? report(name, err, "loading its table") : BIOCTL_OK;
}

int dm_create(const char *name, const char *uuid)
{
	struct dm_task *t = task(DM_DEVICE_CREATE, name);
	int err = EINVAL;

	/* Without a cookie: nothing is told to udev before it is resumed. */
	if (dm_task_set_uuid(t, uuid))
		err = run(t);
	dm_task_destroy(t);
	return err ? report(name, err, "creating it") : BIOCTL_OK;
}

int dm_load(const char *name, const char *table)
{
	return load(name, table, false);
}

int dm_load_read_only(const char *name, const char *table)
{
	return load(name, table, true);
}

int dm_unload(const char *name)
{
	return simple(DM_DEVICE_CLEAR, name, true, "clearing its table");
}

/* All of it, or after a report nothing. */
int dm_make(const char *name, const char *uuid, const char *table, dev_t *dev)
{
	struct dm_state state;
	int err;

	err = dm_create(name, uuid);
	if (err)
		return err;
	err = dm_load(name, table);
	if (!err)
		err = dm_resume(name);
	if (!err)
		err = dm_find(name, &state);
	if (err) {
		dm_remove(name, 0);
		return err;
	}
	*dev = state.dev;
	return BIOCTL_OK;
}

/*
 * Whoever redirects there lets go of it when the last bio has ended, a bit after
 * it was told to.
 */
int dm_remove(const char *name, unsigned int seconds)
{
	const struct timespec pause = { .tv_nsec = 50000000 };
	time_t until = time(NULL) + seconds;
	int err;

	for (;;) {
		struct dm_task *t = task(DM_DEVICE_REMOVE, name);

		err = run_with_udev(t, true);
		dm_task_destroy(t);
		if (err != EBUSY || time(NULL) >= until)
			break;
		nanosleep(&pause, NULL);
	}
	if (err && err != ENXIO)
		return report(name, err, "removing it");
	return BIOCTL_OK;
}

/* @sector: where the target begins that it is for, in sectors of the device */
int dm_message(const char *name, unsigned long long sector, const char *message)
{
	struct dm_task *t = task(DM_DEVICE_TARGET_MSG, name);
	int err = EINVAL;

	if (dm_task_set_sector(t, sector) && dm_task_set_message(t, message))
		err = run(t);
	dm_task_destroy(t);
	return err ? report(name, err, strf("message '%s'", message)) :
		     BIOCTL_OK;
}

static bool has_prefix(struct dm_task *info, const char *uuid_prefix)
{
	return !strncmp(dm_task_get_uuid(info), uuid_prefix,
			strlen(uuid_prefix));
}

static int add_names(struct dm_task *t, const char *uuid_prefix, char ***found,
		     unsigned int *nr)
{
	struct dm_names *names = dm_task_get_names(t);
	unsigned int next = 0;
	int err = 0;

	if (!names || !names->dev)
		return 0;
	do {
		struct dm_task *info;

		names = (struct dm_names *)((char *)names + next);
		next = names->next;
		info = task(DM_DEVICE_INFO, names->name);
		err = run(info);
		if (!err && has_prefix(info, uuid_prefix))
			list_add(found, nr, strf("%s", names->name));
		dm_task_destroy(info);
	} while (!err && next);
	return err;
}

/*
 * NULL after a report: who takes that for none lets go of what others need. The
 * list ends with NULL.
 */
char **dm_names(const char *uuid_prefix)
{
	struct dm_task *t = task(DM_DEVICE_LIST, NULL);
	char **found = NULL;
	unsigned int nr = 0;
	int err;

	err = run(t);
	if (!err)
		err = add_names(t, uuid_prefix, &found, &nr);
	dm_task_destroy(t);
	list_add(&found, &nr, NULL);
	if (!err)
		return found;
	report(NULL, err, "looking which devices there are");
	return NULL;
}
