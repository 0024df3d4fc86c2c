// SPDX-License-Identifier: GPL-2.0
/*
 * usage: nvme_events CONTROLLER on|off
 *
 * Whether an NVMe controller tells the host that the state of its path has
 * changed. If it does not, the host learns it from the first request that
 * comes back, which is what a failover test needs.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <linux/nvme_ioctl.h>
#include <sys/ioctl.h>

#define SET_FEATURES 0x09
#define ASYNC_EVENT_CONFIG 0x0b
#define NAMESPACE_CHANGES (1U << 8)
#define ANA_CHANGES (1U << 11)

int main(int argc, char **argv)
{
	struct nvme_admin_cmd cmd = {
		.opcode = SET_FEATURES,
		.cdw10 = ASYNC_EVENT_CONFIG,
	};
	int fd, ret;

	if (argc != 3 || (strcmp(argv[2], "on") && strcmp(argv[2], "off"))) {
		fprintf(stderr, "usage: %s CONTROLLER on|off\n", argv[0]);
		return 1;
	}
	if (!strcmp(argv[2], "on"))
		cmd.cdw11 = NAMESPACE_CHANGES | ANA_CHANGES;
	fd = open(argv[1], O_RDWR);
	if (fd < 0) {
		fprintf(stderr, "%s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	ret = ioctl(fd, NVME_IOCTL_ADMIN_CMD, &cmd);
	if (ret)
		fprintf(stderr, "%s: set features: %s\n", argv[1],
			ret < 0 ? strerror(errno) : "NVMe error");
	close(fd);
	return !!ret;
}
