// SPDX-License-Identifier: GPL-2.0
/*
 * What the barrier does not wait for. A filesystem that is frozen has nothing on its
 * way. Without one a bio that has met the policy may be held back above the device's
 * queue, or be within the device, while all is exchanged below. It reaches the
 * device, but not what was put there meanwhile: a mirror that has copied its sectors
 * by then has the old ones.
 */
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
 * What has no queue of requests (md, bcache, the heads of NVMe multipath) has bios
 * under way that the barrier does not see. Not all of them show what they are on.
 * Device mapper is suspended; memory has been written when it has taken a bio.
 */
static bool is_bio_based(dev_t disk, const char *number)
{
	static const char *const at_once[] = { "ram[0-9]*", "zram[0-9]*",
					       "pmem[0-9]*" };
	const char *name = base_name(device_name(disk));
	bool found;

	found = access(strf("/sys/dev/block/%s/mq", number), F_OK) &&
		access(strf("/sys/dev/block/%s/dm", number), F_OK);
	for (size_t i = 0; found && i < ARRAY_SIZE(at_once); i++)
		found = fnmatch(at_once[i], name, 0);
	return found;
}

/*
 * A swap file is written without its filesystem: to freeze that holds nothing up. It
 * may be deleted, or have blanks in its name: then nobody knows where it is.
 */
static bool has_swap_file(dev_t dev)
{
	FILE *file = fopen("/proc/swaps", "re");
	char line[4096], path[4096], type[16];
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file))
		found = sscanf(line, "%4095s %15s", path, type) == 2 &&
			!strcmp(type, "file") &&
			file_place(path, dev) != PLACE_ELSEWHERE;
	if (file)
		fclose(file);
	return found;
}

/**
 * stack_gap - why something may go past a stack that is put in now
 * @stack: the stack
 *
 * A filesystem on the very device has it alone, but for a swap file, and is frozen.
 * One on a part of it, or on what is stacked on it, may not be the only one that
 * writes there.
 *
 * Return: the reason, to be said behind "no filesystem has it alone, and"; NULL if
 * nothing may.
 */
char *stack_gap(const struct stack *stack)
{
	dev_t disk = device_disk(stack->dev);
	char *number = strf("%u:%u", major(disk), minor(disk)), *group;

	if (device_is_mounted(stack->dev) && !has_swap_file(stack->dev))
		return NULL;
	group = limited_by(number);
	if (group)
		return strf("%s limits what is written to it", group);
	if (is_bio_based(disk, number))
		return strf("no barrier waits for all that its driver has "
			    "under way");
	return NULL;
}
