// SPDX-License-Identifier: GPL-2.0
/*
 * The devices, as the case that made them describes them:
 *
 *	/dev/X			a disk of its own
 *	/dev/X@N		a partition of device N (counted from 0)
 *	/dev/X=LEN:N:FROM+...	dm-linear: LEN sectors of device N from FROM on
 *	NAME...:SECTORS[:START[:BLOCK]]  for a kernel in memory
 *
 * The rest is asked from the device.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <linux/fs.h>
#include <unistd.h>

#include "../progs/policy_test.h"
#undef ARRAY_SIZE
#include "model.h"

struct layout layout = { .unit = 1 };

int whole_of(int dev)
{
	const struct dev *d = &layout.devs[dev];

	return d->kind == DEV_PART ? d->parent : dev;
}

/* A number or a word of a file in the directory of @d in /sys. */
static bool attribute(const struct dev *d, const char *name, char *text,
		      int size)
{
	struct stat st;
	char path[128];
	FILE *f;
	bool good;

	if (stat(d->path, &st))
		return false;
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%s",
		 major(st.st_rdev), minor(st.st_rdev), name);
	f = fopen(path, "r");
	if (!f)
		return false;
	good = fgets(text, size, f);
	fclose(f);
	text[strcspn(text, "\n")] = 0;
	return good;
}

static __u64 number_of(const struct dev *d, const char *name)
{
	char text[32];

	return attribute(d, name, text, sizeof(text)) ?
		       strtoull(text, NULL, 0) :
		       0;
}

static void ask(struct dev *d)
{
	const struct dev *queue =
		d->kind == DEV_PART ? &layout.devs[d->parent] : d;
	int fd = open(d->path, O_RDONLY | O_CLOEXEC), block;
	char text[32];
	__u64 bytes;

	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &bytes) ||
	    ioctl(fd, BLKSSZGET, &block))
		die("%s: %s", d->path, strerror(errno));
	close(fd);
	d->sectors = bytes / SECTOR;
	d->block = block / SECTOR;
	d->start = number_of(d, "start");
	d->cache = attribute(queue, "queue/write_cache", text, sizeof(text)) &&
		   !strcmp(text, "write back");
	d->counts = d->cache &&
		    attribute(queue, "mq/0/nr_tags", text, sizeof(text));
	d->stable = number_of(queue, "queue/stable_writes");
	d->discard = number_of(queue, "queue/discard_max_bytes");
}

static int index_of(const char *text, char **end)
{
	long n = strtol(text, end, 10);

	if (n < 0 || n >= layout.nr)
		die("no device %ld", n);
	return n;
}

static void segments_of(struct dev *d, char *text)
{
	struct segment *s;
	__u64 at = 0;

	for (; text && d->nr_segments < MAX_SEGMENTS; text++) {
		s = &d->segments[d->nr_segments++];
		s->first = at;
		s->len = strtoull(text, &text, 10);
		s->dev = index_of(text + 1, &text);
		s->offset = strtoull(text + 1, &text, 10);
		at += s->len;
		if (*text != '+')
			break;
	}
	d->sectors = at;
}

void layout_add(const char *spec)
{
	struct dev *d = &layout.devs[layout.nr];
	char text[256], *rest;

	if (layout.nr == MAX_DEVS || strlen(spec) >= sizeof(text))
		die("too much: %s", spec);
	strcpy(text, spec);
	rest = text + strcspn(text, "@=:");
	snprintf(d->path, sizeof(d->path), "%.*s", (int)(rest - text), text);
	d->block = 1;
	if (*rest == '@') {
		d->kind = DEV_PART;
		d->parent = index_of(rest + 1, &rest);
	} else if (*rest == '=') {
		d->kind = DEV_LINEAR;
		segments_of(d, rest + 1);
		layout.stacked = true;
		rest = text + strlen(text);
	}
	if (*d->path == '/') {
		ask(d);
	} else {
		if (*rest == ':')
			d->sectors = strtoull(rest + 1, &rest, 10);
		if (*rest == ':')
			d->start = strtoull(rest + 1, &rest, 10);
		if (*rest == ':')
			d->block = strtoull(rest + 1, &rest, 10);
		d->cache = d->counts = d->kind == DEV_LEAF;
		d->discard = true;
	}
	d->window = d->sectors < WINDOW ? d->sectors : WINDOW;
	if (d->kind == DEV_PART && d->start + d->window > WINDOW)
		die("%s is too far behind", d->path);
	if (d->block > layout.unit)
		layout.unit = d->block;
	layout.nr++;
}
