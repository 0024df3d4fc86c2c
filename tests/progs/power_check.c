// SPDX-License-Identifier: GPL-2.0
/*
 * usage: power_check DIR MOUNTPOINT POSITION [old-names]
 *
 * Whether the files are as the steps that had ended by POSITION have left
 * them. A step that was under way may have come as far as it likes, but no
 * further, and what it does not touch must be there. Prints what is wrong, a
 * line each, and at last how many files it looked at. Exit status: 0 if all
 * is well, 1 if not.
 *
 * old-names: of a file that was renamed over another one soon after it was
 * made, the first name may be left beside the new one. The log tree of btrfs
 * in 6.12 does that, also on a single disk without any program.
 */
#include <dirent.h>
#include <errno.h>

#include "power.h"

static struct power_step *steps;
static size_t nr_steps;
static int mountpoint;
static unsigned int wrong, looked_at;
static bool old_names;

struct thread {
	struct power_file files[POWER_FILES];
	const struct power_step *under_way;
};

/* Too large for the stack. */
static struct thread thread;
static struct power_file after, found;

static void __attribute__((format(printf, 3, 4)))
complain(uint32_t number, uint32_t name, const char *fmt, ...)
{
	va_list ap;

	wrong++;
	printf("t%u/%u: ", number, name);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	puts("");
}

/* Return: whether the file is there; @found has it then. */
static bool look(uint32_t number, uint32_t name)
{
	char path[64];
	ssize_t len;
	int fd;

	power_file_name(path, sizeof(path), number, name);
	fd = openat(mountpoint, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		if (errno != ENOENT)
			complain(number, name, "open: %m");
		return false;
	}
	len = read(fd, found.data, sizeof(found.data));
	if (len < 0)
		complain(number, name, "read: %m");
	/* Longer than any file may be counts as that long. */
	found.len = len < 0 ? 0 : len;
	close(fd);
	return true;
}

static bool same(const struct power_file *f)
{
	return found.len == f->len && !memcmp(found.data, f->data, f->len);
}

static void must_be(uint32_t number, const struct power_file *f)
{
	uint32_t at = 0;

	looked_at++;
	if (!look(number, f->name)) {
		complain(number, f->name, "is lost");
		return;
	}
	if (same(f))
		return;
	while (at < f->len && at < found.len && f->data[at] == found.data[at])
		at++;
	complain(number, f->name, "%u bytes, should be %u; differs at %u",
		 found.len, f->len, at);
}

/* Before or after or, byte by byte, something in between. */
static void between(uint32_t number, const struct power_file *before)
{
	looked_at++;
	if (!look(number, before->name)) {
		complain(number, before->name, "is lost during a write");
		return;
	}
	if (found.len < before->len || found.len > after.len) {
		complain(number, before->name,
			 "%u bytes during a write, should be %u to %u",
			 found.len, before->len, after.len);
		return;
	}
	for (uint32_t i = 0; i < before->len; i++)
		if (found.data[i] != before->data[i] &&
		    found.data[i] != after.data[i]) {
			complain(number, before->name,
				 "byte %u is neither old nor new", i);
			return;
		}
}

static void check_under_way(const struct power_step *step,
			    const struct power_file *before)
{
	uint32_t number = step->thread;

	after = *before;
	power_apply(&after, step);
	switch (step->op) {
	case POWER_CREATE:
		if (look(number, step->name) && found.len > step->len)
			complain(number, step->name, "%u bytes, of %u",
				 found.len, step->len);
		break;
	case POWER_APPEND:
	case POWER_OVERWRITE:
		between(number, before);
		break;
	case POWER_REPLACE:
		looked_at++;
		if (!look(number, before->name))
			complain(number, before->name,
				 "is lost during a replacement");
		else if (!same(before) && !same(&after))
			complain(number, before->name,
				 "is neither the old nor the new file");
		break;
	case POWER_RENAME:
		looked_at++;
		if (!look(number, before->name) && !look(number, after.name))
			complain(number, before->name,
				 "is lost during a rename to %u", after.name);
		else if (!same(before))
			complain(number, before->name,
				 "has changed during a rename");
		break;
	case POWER_REMOVE:
		if (look(number, before->name) && !same(before))
			complain(number, before->name,
				 "has changed during its removal");
		break;
	}
}

/* Return: whether an entry of the directory may be there. */
static bool expected(uint32_t name)
{
	const struct power_step *step = thread.under_way;

	if (old_names && power_is_temporary(name))
		return true;
	for (unsigned int i = 0; i < POWER_FILES; i++)
		if (thread.files[i].there && thread.files[i].name == name)
			return true;
	if (!step)
		return false;
	switch (step->op) {
	case POWER_CREATE:
	case POWER_RENAME:
		return name == step->name;
	case POWER_REPLACE:
		return name == power_temporary(step->name);
	}
	return false;
}

static void check_directory(uint32_t number)
{
	struct dirent *entry;
	char path[16];
	DIR *dir;
	int fd;

	snprintf(path, sizeof(path), "t%u", number);
	fd = openat(mountpoint, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		wrong++;
		printf("%s: %m\n", path);
		return;
	}
	while ((entry = readdir(dir))) {
		uint32_t name = strtoul(entry->d_name, NULL, 10);

		if (entry->d_name[0] != '.' && !expected(name))
			complain(number, name, "should not be there");
	}
	closedir(dir);
}

static void check_thread(uint32_t number, uint64_t position)
{
	memset(&thread, 0, sizeof(thread));
	/* From 1: the first says when the directories were there. */
	for (size_t i = 1; i < nr_steps; i++) {
		const struct power_step *step = &steps[i];

		if (step->thread != number)
			continue;
		if (step->end > position) {
			if (step->start < position)
				thread.under_way = step;
			break;
		}
		power_apply(&thread.files[step->file], step);
	}
	for (uint32_t i = 0; i < POWER_FILES; i++) {
		const struct power_file *f = &thread.files[i];

		if (thread.under_way && thread.under_way->file == i)
			check_under_way(thread.under_way, f);
		else if (f->there)
			must_be(number, f);
	}
	check_directory(number);
}

int main(int argc, char **argv)
{
	uint64_t position;

	old_names = argc == 5 && !strcmp(argv[4], "old-names");
	if (argc != 4 && !old_names) {
		fprintf(stderr,
			"usage: %s DIR MOUNTPOINT POSITION [old-names]\n",
			argv[0]);
		return 2;
	}
	steps = power_entries(argv[1], "steps", sizeof(*steps), &nr_steps);
	mountpoint = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mountpoint < 0)
		power_die("%s", argv[2]);
	position = strtoull(argv[3], NULL, 0);
	for (uint32_t i = 0; i < POWER_THREADS; i++)
		check_thread(i, position);
	printf("%u files, %u wrong\n", looked_at, wrong);
	return wrong != 0;
}
