// SPDX-License-Identifier: GPL-2.0
/*
 * What the barrier does not wait for. A filesystem that is frozen has nothing on its
 * way. Without one a bio that has met the policy may be held back above the device's
 * queue, or be within the device, while all is exchanged below. It reaches the
 * device, but not what was put there meanwhile: a mirror that has copied its sectors
 * by then has the old ones.
 */
#include <dirent.h>
#include <fnmatch.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "stack.h"

#define CGROUPS "/sys/fs/cgroup"

/* Of nftw(), whose callback gets no argument */
static char *disk_number;
static char *limiting_group;

/* "8:0 rbps=1048576 ..." */
static bool names_disk(const char *path)
{
	FILE *file = fopen(path, "re");
	size_t len = strlen(disk_number);
	bool found = false;
	char *line = NULL;
	size_t size = 0;

	while (file && !found && getline(&line, &size, file) > 0)
		found = !strncmp(line, disk_number, len) && line[len] == ' ';
	free(line);
	if (file)
		fclose(file);
	return found;
}

static int look_at(const char *path, const struct stat *st, int type,
		   struct FTW *at)
{
	const char *name = path + at->base;

	(void)st;
	if (type != FTW_F ||
	    /* The second is that of cgroup v1. */
	    (strcmp(name, "io.max") &&
	     fnmatch("blkio.throttle.*_device", name, 0)))
		return 0;
	if (!names_disk(path))
		return 0;
	limiting_group = strf("%.*s", at->base - 1, path);
	return 1;
}

/* A control group that has a limit for the disk, or NULL */
static char *limited_by(const char *number)
{
	disk_number = (char *)number;
	limiting_group = NULL;
	nftw(CGROUPS, look_at, 32, FTW_PHYS);
	return limiting_group;
}

/*
 * What submits bios of its own (md, bcache) has them under way without a queue.
 * Device mapper is suspended.
 */
static bool is_stacked(const char *number)
{
	DIR *slaves = opendir(strf("/sys/dev/block/%s/slaves", number));
	struct dirent *entry;
	bool found = false;

	while (slaves && !found && (entry = readdir(slaves)))
		found = entry->d_name[0] != '.';
	if (slaves)
		closedir(slaves);
	return found && access(strf("/sys/dev/block/%s/mq", number), F_OK) &&
	       access(strf("/sys/dev/block/%s/dm", number), F_OK);
}

/**
 * stack_gap - why something may go past a stack that is put in now
 * @stack: the stack
 *
 * A filesystem on the very device has it alone, and is frozen. One on a part of it,
 * or on what is stacked on it, may not be the only one that writes there.
 *
 * Return: the reason, to be said behind "no filesystem has it alone, and"; NULL if
 * nothing may.
 */
char *stack_gap(const struct stack *stack)
{
	dev_t disk = device_disk(stack->dev);
	char *number = strf("%u:%u", major(disk), minor(disk)), *group;

	if (device_is_mounted(stack->dev))
		return NULL;
	group = limited_by(number);
	if (group)
		return strf("%s limits what is written to it", group);
	if (is_stacked(number))
		return strf("it is stacked on other disks");
	return NULL;
}
