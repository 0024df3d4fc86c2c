// SPDX-License-Identifier: GPL-2.0
/* Entries of device maps: the targets that a policy redirects to. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bioctl.h"
#include "target.h"

#define READ_ONLY ":ro"

bool target_parse(struct target *target, const char *text, bool device)
{
	char *left = strf("%s", text), *colon;

	memset(target, 0, sizeof(*target));
	if (device) {
		char *equals = strchr(left, '=');
		size_t len;

		if (!equals || !equals[1])
			return false;
		*equals = '\0';
		target->device = equals + 1;
		len = strlen(target->device);
		if (len > strlen(READ_ONLY) &&
		    !strcmp(target->device + len - strlen(READ_ONLY),
			    READ_ONLY)) {
			target->device[len - strlen(READ_ONLY)] = '\0';
			target->read_only = true;
		}
	}
	colon = strrchr(left, ':');
	if (colon) {
		*colon = '\0';
		target->map = left;
		left = colon + 1;
	}
	return parse_u64(left, &target->key) && target->key <= UINT32_MAX;
}

/* @name: of the map; NULL: any */
bool target_is_map(int fd, const char *name)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	if (bpf_map_get_info_by_fd(fd, &info, &len) ||
	    info.type != BPF_MAP_TYPE_BLKDEV)
		return false;
	/* The kernel keeps the first 15 characters of a name. */
	return !name || !strncmp(info.name, name, sizeof(info.name) - 1);
}

int target_bad(const char *text, bool device)
{
	failed(.op = OP_TARGET_ADD, .what = text,
	       .cause = strf("'%s' is not [MAP:]KEY%s", text,
			     device ? "=DEVICE[:ro]" : ""),
	       .next = device ? "for example 0=/dev/vdb, or 0=/dev/vdb:ro" :
				"for example 0");
	return BIOCTL_USAGE;
}

int target_set(int map_fd, const struct target *target, __u64 flags,
	       const char *text, const char *device)
{
	struct bpf_blkdev_val value = {};
	__u32 key = target->key;
	char *path;
	int fd, err;

	/*
	 * Not O_EXCL: the target may be the lower half of something that is
	 * in use, and whoever attaches a redirect has decided that.
	 */
	fd = device_open(target->device, OP_TARGET_OPEN,
			 target->read_only ? O_RDONLY : O_RDWR, &path, NULL);
	if (fd < 0)
		return BIOCTL_FAILED;
	value.fd_or_dev = fd;
	err = bpf_map_update_elem(map_fd, &key, &value, flags);
	close(fd);
	if (err)
		return failed(.op = OP_TARGET_ADD, .what = text,
			      .device = device, .err = -err);
	return BIOCTL_OK;
}

static struct bpf_map *policy_map(const struct policy *policy, const char *name,
				  char **cause)
{
	struct bpf_map *map, *found = NULL;
	unsigned int nr = 0;
	char *names = "";

	bpf_object__for_each_map(map, policy->object) {
		if (bpf_map__type(map) != BPF_MAP_TYPE_BLKDEV)
			continue;
		names = strf("%s%s%s", names, *names ? ", " : "",
			     bpf_map__name(map));
		if (name && strcmp(bpf_map__name(map), name))
			continue;
		found = map;
		nr++;
	}
	if (nr == 1)
		return found;
	if (!*names)
		*cause = "the policy has no device map";
	else if (nr)
		*cause = strf("the policy has several device maps; write "
			      "MAP:KEY=DEVICE with one of %s",
			      names);
	else
		*cause = strf("the policy has no device map '%s', but %s", name,
			      names);
	return NULL;
}

int target_fill(const struct policy *policy, char **targets, unsigned int nr,
		const char *device)
{
	for (unsigned int i = 0; i < nr; i++) {
		struct target target;
		struct bpf_map *map;
		char *cause = NULL;
		int err;

		if (!target_parse(&target, targets[i], true))
			return target_bad(targets[i], true);
		map = policy_map(policy, target.map, &cause);
		if (!map)
			return failed(.op = OP_TARGET_ADD, .what = targets[i],
				      .device = device, .cause = cause,
				      .next = "see which maps the policy has: bpftool map");
		err = target_set(bpf_map__fd(map), &target, BPF_ANY, targets[i],
				 device);
		if (err)
			return err;
	}
	return BIOCTL_OK;
}
