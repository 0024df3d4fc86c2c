// SPDX-License-Identifier: GPL-2.0
/*
 * Print the BPF programs, links and maps of the kernel, one per line. bpftool
 * would do, but loads programs and maps of its own for every listing, which
 * is slow under emulation and shows up in the listing.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include <bpf/bpf.h>

static int print_prog(int fd, __u32 id)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	if (bpf_prog_get_info_by_fd(fd, &info, &len))
		return -errno;
	printf("prog %u type %u %s\n", id, info.type, info.name);
	return 0;
}

static int print_link(int fd, __u32 id)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);

	if (bpf_link_get_info_by_fd(fd, &info, &len))
		return -errno;
	printf("link %u type %u prog %u\n", id, info.type, info.prog_id);
	return 0;
}

static int print_map(int fd, __u32 id)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	if (bpf_map_get_info_by_fd(fd, &info, &len))
		return -errno;
	printf("map %u type %u %s\n", id, info.type, info.name);
	return 0;
}

static const struct {
	int (*next)(__u32 id, __u32 *next_id);
	int (*open)(__u32 id);
	int (*print)(int fd, __u32 id);
} kinds[] = {
	{ bpf_prog_get_next_id, bpf_prog_get_fd_by_id, print_prog },
	{ bpf_link_get_next_id, bpf_link_get_fd_by_id, print_link },
	{ bpf_map_get_next_id, bpf_map_get_fd_by_id, print_map },
};

int main(void)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		__u32 id = 0;

		while (!kinds[i].next(id, &id)) {
			int fd = kinds[i].open(id);
			int err;

			/* It may have gone since. */
			if (fd < 0)
				continue;
			err = kinds[i].print(fd, id);
			close(fd);
			if (err) {
				fprintf(stderr, "object %u: %d\n", id, err);
				return 1;
			}
		}
		if (errno != ENOENT) {
			perror("next object");
			return 1;
		}
	}
	return 0;
}
