// SPDX-License-Identifier: GPL-2.0
/* Where else the programs of a device may send its bios. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "bioctl.h"
#include "target.h"

static unsigned int add_targets(int map, dev_t **list, unsigned int nr)
{
	struct bpf_blkdev_val value;
	__u32 key, *last = NULL;
	dev_t *grown;

	while (!bpf_map_get_next_key(map, last, &key)) {
		last = &key;
		if (bpf_map_lookup_elem(map, &key, &value))
			continue;
		grown = reallocarray(*list, nr + 2, sizeof(*grown));
		if (!grown)
			break;
		*list = grown;
		grown[nr++] = value.fd_or_dev;
		grown[nr] = 0;
	}
	return nr;
}

static unsigned int add_program(__u32 id, dev_t **list, unsigned int nr)
{
	const struct entry entry = { .prog_id = id };
	__u32 maps[MAPS_MAX];
	int count = entry_maps(&entry, maps);

	for (int i = 0; i < count; i++) {
		int fd = bpf_map_get_fd_by_id(maps[i]);

		if (fd < 0)
			continue;
		if (target_is_map(fd, NULL))
			nr = add_targets(fd, list, nr);
		close(fd);
	}
	return nr;
}

/**
 * device_redirects - targets in the device maps of the programs of a device
 * @dev: number of the device
 *
 * Return: their numbers, and 0 behind them; to be freed. Or NULL.
 */
dev_t *device_redirects(dev_t dev)
{
	__u32 ids[CHAIN_MAX];
	LIBBPF_OPTS(bpf_prog_query_opts, query, .prog_ids = ids,
		    .count = CHAIN_MAX);
	unsigned int nr = 0;
	dev_t *list = NULL;
	int fd;

	fd = open(device_name(dev), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	if (!bpf_prog_query_opts(fd, BPF_BLK_SUBMIT, &query))
		for (__u32 i = 0; i < query.count; i++)
			nr = add_program(ids[i], &list, nr);
	close(fd);
	return list;
}
