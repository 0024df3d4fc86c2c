// SPDX-License-Identifier: GPL-2.0
/*
 * usage: abi_map DEVICE
 *
 * Device maps: what they can be, who may change them, what they hold.
 */
#include "abi.h"

static const char *path;
static int dev;

static void test_create(void)
{
	static const struct {
		const char *name;
		int want;
		__u32 key, value, max, flags;
	} rows[] = {
		{ "one slot", 0, 4, 8, 1, 0 },
		{ "65536 slots", 0, 4, 8, 65536, 0 },
		{ "no slot", -EINVAL, 4, 8, 0, 0 },
		{ "65537 slots", -E2BIG, 4, 8, 65537, 0 },
		{ "key of 8 bytes", -EINVAL, 8, 8, 1, 0 },
		{ "no key", -EINVAL, 0, 8, 1, 0 },
		{ "value of 4 bytes", -EINVAL, 4, 4, 1, 0 },
		{ "value of 16 bytes", -EINVAL, 4, 16, 1, 0 },
		{ "BPF_F_NO_PREALLOC", -EINVAL, 4, 8, 1, BPF_F_NO_PREALLOC },
		{ "BPF_F_MMAPABLE", -EINVAL, 4, 8, 1, BPF_F_MMAPABLE },
		{ "BPF_F_RDONLY_PROG", -EINVAL, 4, 8, 1, BPF_F_RDONLY_PROG },
	};
	char name[128];
	size_t i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		LIBBPF_OPTS(bpf_map_create_opts, opts,
			    .map_flags = rows[i].flags);

		fd = bpf_map_create(BPF_MAP_TYPE_BLKDEV, NULL, rows[i].key,
				    rows[i].value, rows[i].max, &opts);
		snprintf(name, sizeof(name), "create: %s", rows[i].name);
		tap_errno(fd < 0 ? -errno : fd, rows[i].want, name);
		if (fd >= 0)
			close(fd);
	}
}

/* It would be out of sight of the check that a target stacks on its source. */
static void test_inner(void)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts,
		    .inner_map_fd = new_blkdev_map(1));
	int fd;

	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, NULL, 4, 4, 1, &opts);
	tap_errno(fd < 0 ? -errno : fd, -ENOTSUPP, "create: as an inner map");
	close(opts.inner_map_fd);
}

static void test_modes(void)
{
	LIBBPF_OPTS(bpf_get_fd_by_id_opts, rdonly, .open_flags = BPF_F_RDONLY);
	struct bpf_map_info info = {};
	__u32 len = sizeof(info), key = 0;
	int map = new_blkdev_map(1), fd;
	struct bpf_blkdev_val val;

	if (bpf_map_get_info_by_fd(map, &info, &len))
		die("info of a map: %s", strerror(errno));
	tap_eq(info.type, BPF_MAP_TYPE_BLKDEV, "info: type");
	fd = bpf_map_get_fd_by_id_opts(info.id, &rdonly);
	must(fd < 0 ? -errno : fd, "open the map for reading");
	tap_errno(map_set(fd, 0, dev), -EPERM, "update: opened for reading");
	tap_errno(bpf_map_delete_elem(fd, &key) ? -errno : 0, -EPERM,
		  "delete: opened for reading");
	close(fd);

	tap_errno(map_set(map, 0, dev), 0, "update");
	tap_errno(bpf_map_lookup_elem(map, &key, &val) ? -errno : 0, 0,
		  "look up");
	tap_errno(bpf_map_freeze(map) ? -errno : 0, 0, "freeze");
	tap_errno(map_set(map, 0, dev), -EPERM, "update: frozen");
	tap_errno(bpf_map_delete_elem(map, &key) ? -errno : 0, -EPERM,
		  "delete: frozen");
	close(map);
	tap(wait_gone(map_id_there, info.id), "the map goes when closed");
}

static void expect_slot(int map, __u32 key, __u32 dev_no, __u32 flags,
			const char *name)
{
	struct bpf_blkdev_val val = {};
	int ret = bpf_map_lookup_elem(map, &key, &val) ? -errno : 0;

	if (!tap(!ret && val.fd_or_dev == dev_no && val.flags == flags, "%s",
		 name))
		printf("# got %d, device %#x, flags %#x; want %#x, %#x\n", ret,
		       val.fd_or_dev, val.flags, dev_no, flags);
}

static void test_values(void)
{
	int rdonly = must_open(path, O_RDONLY), map = new_blkdev_map(3);
	struct bpf_blkdev_val val;
	__u32 key, next, seen = 0;
	struct stat st;

	if (fstat(dev, &st))
		die("%s: %s", path, strerror(errno));
	must(map_set(map, 0, dev), "update");
	must(map_set(map, 2, rdonly), "update");
	close(rdonly);
	expect_slot(map, 0, st.st_rdev, 0, "a slot for reading and writing");
	expect_slot(map, 2, st.st_rdev, BPF_BLKDEV_F_RDONLY,
		    "a slot for reading");
	must(map_set(map, 2, dev), "update");
	expect_slot(map, 2, st.st_rdev, 0, "a slot that was overwritten");
	for (key = ~0U; !bpf_map_get_next_key(map, &key, &next); key = next)
		seen++;
	tap_eq(seen, 3, "next key: all slots, taken or free");
	key = 2;
	tap_errno(bpf_map_delete_elem(map, &key) ? -errno : 0, 0, "delete");
	tap_errno(bpf_map_lookup_elem(map, &key, &val) ? -errno : 0, -ENOENT,
		  "look up what was deleted");
	close(map);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		die("usage: %s DEVICE", argv[0]);
	path = argv[1];
	dev = must_open(path, O_RDWR);
	test_create();
	test_inner();
	test_modes();
	test_values();
	return tap_exit();
}
