// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/types.h>

#include <linux/blk_interposer.h>
#include <linux/bpf.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "json_writer.h"
#include "main.h"

#define SYSFS_CLASS_BLOCK	"/sys/class/block"

/* One more than bpf_mprog takes, so that a full list is seen as such. */
#define BLK_MAX_PROGS	64

struct blk_chain {
	__u64 revision;
	__u32 count;
	__u32 prog_ids[BLK_MAX_PROGS];
	__u32 link_ids[BLK_MAX_PROGS];
	struct bpf_blk_stats stats[BLK_MAX_PROGS];
};

static int open_blk_dev(const char *path, int mode, struct stat *st)
{
	int fd;

	/* Opening anything else may have effects of its own. */
	if (stat(path, st))
		return -errno;
	if (!S_ISBLK(st->st_mode))
		return -ENOTBLK;

	/* O_NONBLOCK, since a drive without a medium is a device, too. */
	fd = open(path, mode | O_CLOEXEC | O_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

/* The device is a path or, as everywhere in the output, a name in /dev. */
int blk_parse_dev(int *argc, char ***argv, int mode)
{
	char path[PATH_MAX];
	struct stat st;
	int fd;

	if (*argc < 2 || !is_prefix(**argv, "dev")) {
		p_err("expected 'dev DEVICE', got: '%s'?",
		      *argc ? **argv : "");
		return -EINVAL;
	}
	NEXT_ARGP();
	snprintf(path, sizeof(path), "%s%s", strchr(**argv, '/') ? "" : "/dev/",
		 **argv);
	NEXT_ARGP();

	fd = open_blk_dev(path, mode, &st);
	if (fd < 0)
		p_err("can't open block device %s: %s", path, strerror(-fd));
	return fd;
}

static const char *attach_hint(int err)
{
	switch (err) {
	case EACCES:
		return " (no write permission on the device node)";
	case EEXIST:
		return " (already attached to this device)";
	case EINTR:
	case ETIMEDOUT:
		return " (while waiting for bios; the change itself is done)";
	case EINVAL:
		return " (not a blk/submit program, or a kernel without block interposer)";
	case ELOOP:
		return " (a device map of the program holds a target on top of this device)";
	case ENOENT:
		return " (the program is not attached there)";
	case EOPNOTSUPP:
		return " (the kernel was booted with blk_interposer=off)";
	default:
		return "";
	}
}

int blk_prog_attach(int progfd, int argc, char **argv)
{
	LIBBPF_OPTS(bpf_prog_attach_opts, opts);
	int fd, err = -1;

	fd = blk_parse_dev(&argc, &argv, O_RDONLY);
	if (fd < 0)
		return -1;

	while (argc) {
		if (is_prefix(*argv, "barrier")) {
			opts.flags |= BPF_F_BLK_BARRIER;
			NEXT_ARG();
		} else if (is_prefix(*argv, "before") ||
			   is_prefix(*argv, "after")) {
			if (opts.flags & (BPF_F_BEFORE | BPF_F_AFTER)) {
				p_err("'before' or 'after' specified multiple times");
				goto exit_close;
			}
			opts.flags |= is_prefix(*argv, "before") ?
				      BPF_F_BEFORE : BPF_F_AFTER;
			NEXT_ARG();
			if (!REQ_ARGS(2))
				goto exit_close;
			opts.relative_fd = prog_parse_fd(&argc, &argv);
			if (opts.relative_fd < 0)
				goto exit_close;
		} else {
			BAD_ARG();
			goto exit_close;
		}
	}

	err = bpf_prog_attach_opts(progfd, fd, BPF_BLK_SUBMIT, &opts);
	if (err)
		p_err("failed to attach prog to block device: %s%s",
		      strerror(-err), attach_hint(-err));
	else if (json_output)
		jsonw_null(json_wtr);

exit_close:
	if (opts.relative_fd > 0)
		close(opts.relative_fd);
	close(fd);
	return err ? -1 : 0;
}

int blk_prog_detach(int progfd, int argc, char **argv)
{
	LIBBPF_OPTS(bpf_prog_detach_opts, opts);
	int fd, err;

	fd = blk_parse_dev(&argc, &argv, O_RDONLY);
	if (fd < 0)
		return -1;

	if (argc && is_prefix(*argv, "barrier")) {
		opts.flags |= BPF_F_BLK_BARRIER;
		NEXT_ARG();
	}
	if (argc) {
		err = BAD_ARG();
		goto exit_close;
	}

	err = bpf_prog_detach_opts(progfd, fd, BPF_BLK_SUBMIT, &opts);
	if (err)
		p_err("failed to detach prog from block device: %s%s",
		      strerror(-err),
		      err == -EBUSY ? " (it is attached by a link; see 'bpftool link detach')" :
				      attach_hint(-err));
	else if (json_output)
		jsonw_null(json_wtr);

exit_close:
	close(fd);
	return err ? -1 : 0;
}

static int query_chain(int fd, struct blk_chain *chain)
{
	LIBBPF_OPTS(bpf_prog_query_opts, opts);
	int err;

	memset(chain, 0, sizeof(*chain));
	opts.count = BLK_MAX_PROGS;
	opts.prog_ids = chain->prog_ids;
	opts.link_ids = chain->link_ids;
	opts.blk_stats = chain->stats;
	opts.blk_stats_size = sizeof(chain->stats[0]);
	err = bpf_prog_query_opts(fd, BPF_BLK_SUBMIT, &opts);
	if (err)
		return err;

	chain->count = opts.count;
	chain->revision = opts.revision;
	return 0;
}

/* A program may be detached and gone between the query and this. */
static const char *prog_name(__u32 id, char *name, size_t len)
{
	struct bpf_prog_info info = {};
	__u32 info_len = sizeof(info);
	int fd;

	fd = bpf_prog_get_fd_by_id(id);
	if (fd < 0)
		return NULL;
	if (bpf_prog_get_info_by_fd(fd, &info, &info_len)) {
		close(fd);
		return NULL;
	}
	get_prog_full_name(&info, fd, name, len);
	close(fd);
	return name;
}

static void show_chain_json(__u32 dev, const struct blk_chain *chain)
{
	char name[MAX_PROG_FULL_NAME];
	__u32 i;

	jsonw_start_object(json_wtr);
	bdev_dump_json(dev, NULL, json_wtr);
	jsonw_lluint_field(json_wtr, "revision", chain->revision);
	jsonw_name(json_wtr, "progs");
	jsonw_start_array(json_wtr);
	for (i = 0; i < chain->count; i++) {
		jsonw_start_object(json_wtr);
		jsonw_uint_field(json_wtr, "prog_id", chain->prog_ids[i]);
		if (prog_name(chain->prog_ids[i], name, sizeof(name)))
			jsonw_string_field(json_wtr, "name", name);
		if (chain->link_ids[i])
			jsonw_uint_field(json_wtr, "link_id",
					 chain->link_ids[i]);
		blk_stats_dump_json(&chain->stats[i], json_wtr);
		jsonw_end_object(json_wtr);
	}
	jsonw_end_array(json_wtr);
	jsonw_end_object(json_wtr);
}

static void show_chain_plain(__u32 dev, const struct blk_chain *chain)
{
	char name[MAX_PROG_FULL_NAME];
	__u32 i;

	bdev_dump_plain(dev, NULL);
	printf("revision %llu\n", chain->revision);
	for (i = 0; i < chain->count; i++) {
		printf("\tprog %u  ", chain->prog_ids[i]);
		if (prog_name(chain->prog_ids[i], name, sizeof(name)))
			printf("name %s  ", name);
		if (chain->link_ids[i])
			printf("link %u  ", chain->link_ids[i]);
		blk_stats_dump_plain(&chain->stats[i], "\n\t\t");
		printf("\n");
	}
}

static int show_chain(int fd, __u32 dev, bool also_empty)
{
	struct blk_chain chain;
	int err;

	err = query_chain(fd, &chain);
	if (err) {
		p_err("can't query block device %u:%u: %s%s", major(dev),
		      minor(dev), strerror(-err),
		      err == -EINVAL ? " (kernel without block interposer?)" : "");
		return -1;
	}

	if (!chain.count && !also_empty)
		return 0;
	if (json_output)
		show_chain_json(dev, &chain);
	else
		show_chain_plain(dev, &chain);
	return 0;
}

/* A device that can't be opened is part of the answer, not the end of it:
 * programs may be attached there all the same.
 */
static void show_unreadable(__u32 dev, int err)
{
	if (json_output) {
		jsonw_start_object(json_wtr);
		bdev_dump_json(dev, NULL, json_wtr);
		jsonw_string_field(json_wtr, "error", strerror(err));
		jsonw_end_object(json_wtr);
	} else {
		bdev_dump_plain(dev, NULL);
		printf("can't be opened: %s\n", strerror(err));
	}
}

/* The number is sysfs's; hidden disks have none and take no programs. */
static bool sysfs_dev(const char *name, __u32 *dev)
{
	unsigned int maj, min;
	char path[PATH_MAX];
	bool found;
	FILE *f;

	snprintf(path, sizeof(path), SYSFS_CLASS_BLOCK "/%s/dev", name);
	f = fopen(path, "re");
	if (!f)
		return false;
	found = fscanf(f, "%u:%u", &maj, &min) == 2;
	fclose(f);
	if (found)
		*dev = makedev(maj, min);
	return found;
}

static int show_sysfs_entry(const char *entry)
{
	char path[sizeof("/dev/") + NAME_MAX];
	struct stat st;
	int fd, err;
	__u32 dev;

	if (!sysfs_dev(entry, &dev))
		return 0;

	snprintf(path, sizeof(path), "/dev/%s", entry);
	blk_name_from_sysfs(path);
	fd = open_blk_dev(path, O_RDONLY, &st);
	if (fd >= 0 && st.st_rdev != dev) {
		close(fd);
		fd = -ENXIO;
	}
	if (fd < 0) {
		show_unreadable(dev, -fd);
		return 0;
	}

	err = show_chain(fd, dev, false);
	close(fd);
	return err;
}

static int not_hidden(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int show_all(void)
{
	struct dirent **entries;
	int i, n, err = 0;

	n = scandir(SYSFS_CLASS_BLOCK, &entries, not_hidden, versionsort);
	if (n < 0) {
		p_err("can't read " SYSFS_CLASS_BLOCK ": %s", strerror(errno));
		return -1;
	}

	if (json_output)
		jsonw_start_array(json_wtr);
	for (i = 0; i < n; i++) {
		if (!err)
			err = show_sysfs_entry(entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	if (json_output)
		jsonw_end_array(json_wtr);
	return err;
}

static int do_show(int argc, char **argv)
{
	struct stat st;
	int fd, err;

	if (!argc)
		return show_all();

	fd = blk_parse_dev(&argc, &argv, O_RDONLY);
	if (fd < 0)
		return -1;
	if (argc) {
		err = BAD_ARG();
	} else if (fstat(fd, &st)) {
		p_err("can't stat block device: %s", strerror(errno));
		err = -1;
	} else {
		err = show_chain(fd, st.st_rdev, true);
	}
	close(fd);
	return err;
}

static int do_help(int argc, char **argv)
{
	if (json_output) {
		jsonw_null(json_wtr);
		return 0;
	}

	fprintf(stderr,
		"Usage: %1$s %2$s { show | list } [dev DEVICE]\n"
		"       %1$s %2$s help\n"
		"\n"
		"       " HELP_SPEC_OPTIONS " }\n"
		"",
		bin_name, argv[-2]);

	return 0;
}

static const struct cmd cmds[] = {
	{ "show",	do_show },
	{ "list",	do_show },
	{ "help",	do_help },
	{ 0 }
};

int do_blk(int argc, char **argv)
{
	return cmd_select(cmds, argc, argv, do_help);
}
