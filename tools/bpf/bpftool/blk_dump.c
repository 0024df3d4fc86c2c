// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/sysmacros.h>

#include <linux/blk_interposer.h>
#include <linux/bpf.h>

#include "json_writer.h"
#include "main.h"

static const char * const verdict_names[] = {
	[BPF_BIO_PASS]		= "pass",
	[BPF_BIO_FAIL]		= "fail",
	[BPF_BIO_REMAP]		= "remap",
	[BPF_BIO_DONE]		= "done",
	[BPF_BIO_REDIRECT]	= "redirect",
};

static const char * const refusal_names[] = {
	[BPF_BIO_REFUSED_SECTOR]	= "sector",
	[BPF_BIO_REFUSED_RDONLY]	= "rdonly",
	[BPF_BIO_REFUSED_ALIGN]		= "align",
	[BPF_BIO_REFUSED_LOOP]		= "loop",
	[BPF_BIO_REFUSED_NO_TARGET]	= "no_target",
	[BPF_BIO_REFUSED_TARGET_GONE]	= "target_gone",
	[BPF_BIO_REFUSED_STABLE]	= "stable",
	[BPF_BIO_REFUSED_OP]		= "op",
	[BPF_BIO_REFUSED_NOWAIT]	= "nowait",
	[BPF_BIO_REFUSED_ERRNO]		= "errno",
	[BPF_BIO_REFUSED_HINT]		= "hint",
	[BPF_BIO_REFUSED_PARTIAL]	= "partial",
	[BPF_BIO_REFUSED_FLUSH]		= "flush",
	[BPF_BIO_REFUSED_NOMEM]		= "nomem",
};

/* A later kernel may count what this bpftool has no name for. */
static const char *name_of(const char * const *names, size_t nr_names,
			   unsigned int i)
{
	static char number[16];

	if (i < nr_names)
		return names[i];
	snprintf(number, sizeof(number), "%u", i);
	return number;
}

void blk_stats_dump_json(const struct bpf_blk_stats *stats, json_writer_t *wtr)
{
	unsigned int i;

	jsonw_name(wtr, "verdicts");
	jsonw_start_object(wtr);
	for (i = 0; i < ARRAY_SIZE(stats->bios); i++) {
		if (i >= ARRAY_SIZE(verdict_names) && !stats->bios[i])
			continue;
		jsonw_name(wtr, name_of(verdict_names,
					ARRAY_SIZE(verdict_names), i));
		jsonw_start_object(wtr);
		jsonw_lluint_field(wtr, "bios", stats->bios[i]);
		jsonw_lluint_field(wtr, "sectors", stats->sectors[i]);
		jsonw_end_object(wtr);
	}
	jsonw_end_object(wtr);

	jsonw_name(wtr, "refused");
	jsonw_start_object(wtr);
	for (i = 0; i < ARRAY_SIZE(stats->refused); i++) {
		if (i >= ARRAY_SIZE(refusal_names) && !stats->refused[i])
			continue;
		jsonw_lluint_field(wtr, name_of(refusal_names,
						ARRAY_SIZE(refusal_names), i),
				   stats->refused[i]);
	}
	jsonw_end_object(wtr);
}

void blk_stats_dump_plain(const struct bpf_blk_stats *stats, const char *prefix)
{
	const char *sep = prefix;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(stats->bios); i++) {
		if (!stats->bios[i])
			continue;
		printf("%s%s %llu bios %llu sectors", sep,
		       name_of(verdict_names, ARRAY_SIZE(verdict_names), i),
		       stats->bios[i], stats->sectors[i]);
		sep = "  ";
	}

	sep = prefix;
	for (i = 0; i < ARRAY_SIZE(stats->refused); i++) {
		if (!stats->refused[i])
			continue;
		if (sep == prefix)
			printf("%srefused", sep);
		sep = "  ";
		printf(" %s %llu",
		       name_of(refusal_names, ARRAY_SIZE(refusal_names), i),
		       stats->refused[i]);
	}
}

/* A name like cciss/c0d0 can't be that of a directory. */
void blk_name_from_sysfs(char *name)
{
	while ((name = strchr(name, '!')))
		*name = '/';
}

static const char *bdev_name(__u32 dev, char *buf, size_t len)
{
	char path[64], target[PATH_MAX];
	const char *base;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(dev),
		 minor(dev));
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return "(unknown)";
	target[n] = '\0';

	base = strrchr(target, '/');
	snprintf(buf, len, "%.*s", (int)len - 1, base ? base + 1 : target);
	blk_name_from_sysfs(buf);
	return buf;
}

/* @instead: what to say instead of the name; the number of a device that is
 * gone may belong to another one by now
 */
void bdev_dump_json(__u32 dev, const char *instead, json_writer_t *wtr)
{
	char buf[NAME_MAX + 1];

	jsonw_string_field(wtr, "devname",
			   instead ? : bdev_name(dev, buf, sizeof(buf)));
	jsonw_uint_field(wtr, "major", major(dev));
	jsonw_uint_field(wtr, "minor", minor(dev));
}

void bdev_dump_plain(__u32 dev, const char *instead)
{
	char buf[NAME_MAX + 1];

	printf("%s(%u:%u)  ", instead ? : bdev_name(dev, buf, sizeof(buf)),
	       major(dev), minor(dev));
}

void blk_link_dump_json(const struct bpf_link_info *info, json_writer_t *wtr)
{
	bool defunct = info->blk.flags & BPF_BLK_LINK_DEFUNCT;

	bdev_dump_json(info->blk.dev, defunct ? "(detached)" : NULL, wtr);
	jsonw_bool_field(wtr, "defunct", defunct);
	jsonw_lluint_field(wtr, "cookie", info->blk.cookie);
	if (info->blk.lower) {
		jsonw_name(wtr, "lower");
		jsonw_start_object(wtr);
		bdev_dump_json(info->blk.lower, NULL, wtr);
		jsonw_end_object(wtr);
	}
	blk_stats_dump_json(u64_to_ptr(info->blk.stats), wtr);
}

void blk_link_dump_plain(const struct bpf_link_info *info)
{
	bool defunct = info->blk.flags & BPF_BLK_LINK_DEFUNCT;

	printf("dev ");
	bdev_dump_plain(info->blk.dev, defunct ? "(detached)" : NULL);
	if (info->blk.cookie)
		printf("cookie %llu  ", info->blk.cookie);
	if (info->blk.lower) {
		printf("lower ");
		bdev_dump_plain(info->blk.lower, NULL);
	}
	if (defunct)
		printf("defunct  ");
	blk_stats_dump_plain(u64_to_ptr(info->blk.stats), "\n\t");
}

void blkdev_val_dump_json(const void *value, json_writer_t *wtr)
{
	const struct bpf_blkdev_val *val = value;
	bool gone = val->flags & BPF_BLKDEV_F_GONE;

	bdev_dump_json(val->fd_or_dev, gone ? "(gone)" : NULL, wtr);
	jsonw_bool_field(wtr, "read_only", val->flags & BPF_BLKDEV_F_RDONLY);
	jsonw_bool_field(wtr, "gone", gone);
}

void blkdev_val_dump_plain(const void *value)
{
	const struct bpf_blkdev_val *val = value;
	bool gone = val->flags & BPF_BLKDEV_F_GONE;

	printf("dev: ");
	bdev_dump_plain(val->fd_or_dev, gone ? "(gone)" : NULL);
	if (val->flags & BPF_BLKDEV_F_RDONLY)
		printf("read_only  ");
}
