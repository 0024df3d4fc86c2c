// SPDX-License-Identifier: GPL-2.0
/* The ordered programs of a device, and how a user refers to one of them. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bioctl.h"

static char *program_name(__u32 id)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);
	char *name;
	int fd;

	fd = bpf_prog_get_fd_by_id(id);
	if (fd < 0)
		return strf("?");
	if (bpf_prog_get_info_by_fd(fd, &info, &len))
		info.name[0] = '\0';
	name = strf("%s", info.name[0] ? info.name : "?");
	close(fd);
	return name;
}

static void entry_add_link(struct entry *entry, const struct pinned_link *pins)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);
	const char *path;
	int fd;

	path = pin_path_of(pins, entry->link_id);
	if (path) {
		entry->pin = strf("%s", path);
		entry->name = pin_attachment_name(path);
	}
	fd = bpf_link_get_fd_by_id(entry->link_id);
	if (fd < 0)
		return;
	if (!bpf_link_get_info_by_fd(fd, &info, &len)) {
		entry->cookie = info.blk.cookie;
		entry->lower = info.blk.lower;
		entry->defunct = info.blk.flags & BPF_BLK_LINK_DEFUNCT;
	}
	close(fd);
}

/* Returns 0 or a negative errno; reports nothing. */
int chain_query(struct chain *chain)
{
	struct bpf_blk_stats stats[CHAIN_MAX] = {};
	__u32 progs[CHAIN_MAX] = {}, links[CHAIN_MAX] = {};
	LIBBPF_OPTS(bpf_prog_query_opts, query, .prog_ids = progs,
		    .link_ids = links, .count = CHAIN_MAX, .blk_stats = stats,
		    .blk_stats_size = sizeof(stats[0]));
	struct pinned_link *pins;
	int err;

	err = bpf_prog_query_opts(chain->fd, BPF_BLK_SUBMIT, &query);
	if (err)
		return err;
	chain->revision = query.revision;
	chain->nr = query.count;
	chain->entries = xalloc(chain->nr, sizeof(*chain->entries));
	pins = chain->nr ? pin_scan() : NULL;
	for (unsigned int i = 0; i < chain->nr; i++) {
		struct entry *entry = &chain->entries[i];

		entry->prog_id = progs[i];
		entry->link_id = links[i];
		entry->prog_name = program_name(progs[i]);
		entry->stats = stats[i];
		if (links[i])
			entry_add_link(entry, pins);
	}
	pin_free(pins);
	return 0;
}

/* For the command that queries a chain again and again. */
void chain_free_entries(struct chain *chain)
{
	for (unsigned int i = 0; i < chain->nr; i++) {
		free(chain->entries[i].prog_name);
		free(chain->entries[i].name);
		free(chain->entries[i].pin);
	}
	free(chain->entries);
	chain->entries = NULL;
	chain->nr = 0;
}

int chain_open(struct chain *chain, const char *device)
{
	int err;

	memset(chain, 0, sizeof(*chain));
	chain->fd = device_open(device, OP_DEVICE, O_RDONLY, &chain->device,
				&chain->dev);
	if (chain->fd < 0)
		return BIOCTL_FAILED;
	chain->key = device_key(chain->dev, chain->device);
	err = chain_query(chain);
	if (err)
		return failed(.op = OP_QUERY, .device = chain->device,
			      .err = -err);
	return BIOCTL_OK;
}

/*
 * Two calls: before its type is known, the members of a link's info that ask
 * for counters could be pointers of another type.
 */
static int link_info(__u32 id, struct bpf_link_info *info,
		     struct bpf_blk_stats *stats)
{
	__u32 len = sizeof(*info);
	int fd, err;

	memset(info, 0, sizeof(*info));
	fd = bpf_link_get_fd_by_id(id);
	if (fd < 0)
		return fd;
	err = bpf_link_get_info_by_fd(fd, info, &len);
	if (!err && info->type == BPF_LINK_TYPE_BLK) {
		info->blk.stats = (__u64)(unsigned long)stats;
		info->blk.stats_size = sizeof(*stats);
		err = bpf_link_get_info_by_fd(fd, info, &len);
	}
	close(fd);
	return err;
}

/*
 * Links outlive their device. Fills @chain with the defunct ones, those of
 * @device alone unless it is NULL: it is known by its directory in bpffs.
 */
int chain_defunct(struct chain *chain, const char *device)
{
	struct pinned_link *pins = pin_scan();
	char *part = NULL;
	__u32 id = 0;

	memset(chain, 0, sizeof(*chain));
	chain->fd = -1;
	if (device) {
		chain->device = device_path(device);
		chain->key = device_key(0, chain->device);
		part = strf("/bioctl/%s/", chain->key);
	}
	while (!bpf_link_get_next_id(id, &id)) {
		struct bpf_blk_stats stats = {};
		struct bpf_link_info info;
		struct entry *entry;

		if (link_info(id, &info, &stats) ||
		    info.type != BPF_LINK_TYPE_BLK ||
		    !(info.blk.flags & BPF_BLK_LINK_DEFUNCT))
			continue;
		chain->entries = reallocarray(chain->entries, chain->nr + 1,
					      sizeof(*entry));
		entry = &chain->entries[chain->nr];
		memset(entry, 0, sizeof(*entry));
		entry->prog_id = info.prog_id;
		entry->link_id = id;
		entry->prog_name = program_name(info.prog_id);
		entry->stats = stats;
		entry_add_link(entry, pins);
		if (!part || (entry->pin && strstr(entry->pin, part)))
			chain->nr++;
	}
	return errno == ENOENT ? 0 : -errno;
}

bool chain_device_is_gone(const char *device)
{
	char *path = device_path(device);
	int fd;

	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0) {
		close(fd);
		return false;
	}
	return errno == ENOENT || errno == ENXIO || errno == ENODEV;
}

const char *entry_label(const struct entry *entry)
{
	return entry->name ? entry->name : entry->prog_name;
}

/* Ids of the maps a program uses. Returns how many, or a negative errno. */
int entry_maps(const struct entry *entry, __u32 ids[MAPS_MAX])
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);
	int fd, err;

	fd = bpf_prog_get_fd_by_id(entry->prog_id);
	if (fd < 0)
		return fd;
	info.map_ids = (__u64)(unsigned long)ids;
	info.nr_map_ids = MAPS_MAX;
	err = bpf_prog_get_info_by_fd(fd, &info, &len);
	close(fd);
	if (err)
		return err;
	return info.nr_map_ids < MAPS_MAX ? info.nr_map_ids : MAPS_MAX;
}

static bool entry_is(const struct entry *entry, const char *ref)
{
	unsigned long long id;

	if (parse_u64(ref, &id))
		return entry->prog_id == id;
	if (*ref == '/' && entry->pin) {
		char *dir = pin_dir_of_link(entry->pin);

		if (!strcmp(entry->pin, ref) || (dir && !strcmp(dir, ref)))
			return true;
	}
	return entry->name && !strcmp(entry->name, ref);
}

static char *chain_names(const struct chain *chain)
{
	char *names = strf("%s", "");

	for (unsigned int i = 0; i < chain->nr; i++)
		names = strf("%s%s%s (program %u)", names, i ? ", " : "",
			     entry_label(&chain->entries[i]),
			     chain->entries[i].prog_id);
	return names;
}

/* What a user means if nothing has the name: its function, or its file. */
static bool entry_resembles(const struct entry *entry, const char *ref)
{
	char *policy = policy_name(ref);
	bool same = !strcmp(entry->prog_name, ref) ||
		    (entry->name && !strcmp(entry->name, policy));

	free(policy);
	return same;
}

/* Returns how many fit; *@match is the last of them. */
static unsigned int matches(const struct chain *chain, const char *ref,
			    bool (*fits)(const struct entry *, const char *),
			    struct entry **match)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < chain->nr; i++) {
		if (fits(&chain->entries[i], ref)) {
			*match = &chain->entries[i];
			nr++;
		}
	}
	return nr;
}

/*
 * @ref: id of a program, name of an attachment, pin, name of a program, or
 * the file that a policy came from. Reports and returns NULL unless exactly
 * one program of @chain fits.
 */
struct entry *chain_find(struct chain *chain, const char *ref, enum op op)
{
	struct entry *match = NULL;
	unsigned int nr;

	nr = matches(chain, ref, entry_is, &match);
	if (!nr)
		nr = matches(chain, ref, entry_resembles, &match);
	if (nr == 1)
		return match;
	if (nr)
		failed(.op = op, .what = ref, .device = chain->device,
		       .cause = "more than one program there has that name",
		       .next = strf("name one by its id: %s",
				    chain_names(chain)));
	else
		failed(.op = op, .what = ref, .device = chain->device,
		       .err = ENOENT,
		       .cause = "no such program is attached there",
		       .next = chain->nr ? strf("attached are: %s",
						chain_names(chain)) :
					   "nothing is attached there");
	return NULL;
}
