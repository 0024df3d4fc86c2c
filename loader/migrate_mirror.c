// SPDX-License-Identifier: GPL-2.0
/* The mirror that copies for 'bioctl migrate': how far it is, and how fast. */
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "migrate.h"

#define THROTTLE "/sys/module/dm_mirror/parameters/raid1_resync_throttle"

/* "0 N mirror 2 A:B C:D DONE/TOTAL 1 HEALTH 1 core" */
static bool parse_status(const struct stack *stack, struct progress *progress)
{
	unsigned int from[2], to[2];

	memset(progress, 0, sizeof(*progress));
	if (sscanf(stack->dm.status,
		   "%*u %*u mirror 2 %u:%u %u:%u %llu/%llu %*u %2[A-Za-z]",
		   &from[0], &from[1], &to[0], &to[1], &progress->done,
		   &progress->total, progress->health) != 7)
		return false;
	progress->source = makedev(from[0], from[1]);
	progress->target = makedev(to[0], to[1]);
	/* Of others nobody knows what they have had since. */
	if (!strcmp(stack->name, MIGRATE_STACK))
		progress->events = stack->dm.events;
	return true;
}

bool mirror_read(struct stack *stack, struct progress *progress)
{
	return !dm_find(stack->dm_name, &stack->dm) &&
	       parse_status(stack, progress);
}

/*
 * When all is copied dm-mirror says so by an event, and says of each first error.
 * Then it forgets the error, if that was no block of its own but a flush: it says
 * again that all is well, but keeps the flush, and sends to one disk only what is
 * written from then on.
 */
bool mirror_is_alive(const struct progress *progress)
{
	return !strcmp(progress->health, "AA") && progress->events < 2;
}

/* Does it keep what failed? Without that nothing hangs there. */
static bool keeps_failed(const char *targets)
{
	return strstr(targets, " mirror ") &&
	       strstr(targets, " handle_errors") &&
	       !strstr(targets, " keep_log");
}

bool stack_mirror_failed(const struct stack *stack)
{
	struct progress now;

	return keeps_failed(stack->dm.targets) && parse_status(stack, &now) &&
	       !mirror_is_alive(&now);
}

void mirror_set_share(unsigned int percent)
{
	FILE *file = fopen(THROTTLE, "we");

	if (!file)
		return;
	fprintf(file, "%u\n", percent);
	fclose(file);
}

unsigned int mirror_share(void)
{
	FILE *file = fopen(THROTTLE, "re");
	unsigned int percent = 100;

	if (file && fscanf(file, "%u", &percent) != 1)
		percent = 100;
	if (file)
		fclose(file);
	return percent;
}

/*
 * What the kernel takes is a share of the time. @done: regions since the last
 * second.
 */
void mirror_keep_rate(unsigned long long rate, unsigned long long done)
{
	unsigned long long is = done * REGION / 2048;
	static unsigned int percent = 10;

	if (!rate)
		return;
	if (is > rate && percent > 1)
		percent = percent * rate / (is ? is : 1) + 1;
	else if (is < rate && percent < 100)
		percent++;
	mirror_set_share(percent);
}

void mirror_show(const struct progress *progress, const char *end)
{
	unsigned int percent =
		progress->total ? 100 * progress->done / progress->total : 0;

	if (settings.json || !isatty(STDERR_FILENO))
		return;
	fprintf(stderr, "\r[%-50.*s] %3u %%%s", (int)percent / 2,
		"##################################################", percent,
		end);
}
