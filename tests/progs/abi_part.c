// SPDX-License-Identifier: GPL-2.0
/*
 * usage: abi_part DISK PARTITION
 *
 * Partitions come and go under what is attached to them and to their disk.
 * PARTITION is the first one of DISK.
 */
#include <linux/blkpg.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "abi.h"

static const char *path;
static int disk;

static int rescan(void)
{
	return ioctl(disk, BLKRRPART) ? -errno : 0;
}

static int delete_partition(void)
{
	struct blkpg_partition part = { .pno = 1 };
	struct blkpg_ioctl_arg arg = {
		.op = BLKPG_DEL_PARTITION,
		.datalen = sizeof(part),
		.data = &part,
	};

	return ioctl(disk, BLKPG, &arg) ? -errno : 0;
}

static int link_to_partition(int prog)
{
	int part = must_open(path, O_RDONLY), link;

	link = must(attach_link(part, prog, 0), "attach to the partition");
	close(part);
	return link;
}

static void expect_defunct(int link, bool want, const char *name)
{
	tap_eq(!!(link_info(link).blk.flags & BPF_BLK_LINK_DEFUNCT), want,
	       name);
}

static __u64 bios_of(int link)
{
	struct bpf_blk_stats stats = {};
	struct bpf_link_info info = {
		.blk.stats = (unsigned long)&stats,
		.blk.stats_size = sizeof(stats),
	};
	__u32 len = sizeof(info);

	if (bpf_link_get_info_by_fd(link, &info, &len))
		die("info of a link: %s", strerror(errno));
	return stats.bios[BPF_BIO_PASS];
}

/* Its node may come a moment later. */
static int open_partition(void)
{
	int i, fd = -1;

	for (i = 0; i < 500 && fd < 0; i++) {
		fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
		if (fd < 0)
			usleep(10000);
	}
	return must(fd < 0 ? -errno : fd, path);
}

static void test_busy(int on_disk)
{
	int prog = load_return(BPF_BIO_PASS), link = link_to_partition(prog);
	int part = must_open(path, O_RDONLY);

	tap_errno(delete_partition(), -EBUSY, "an open partition is kept");
	tap_errno(rescan(), -EBUSY, "and its disk not rescanned");
	expect_defunct(link, false, "its link works");
	expect_defunct(on_disk, false, "and that of the disk");
	tap_eq(must_query(part).count, 1, "query");
	close(part);
	close(link);
	close(prog);
}

static void test_rescan(int on_disk)
{
	int prog = load_return(BPF_BIO_PASS), link = link_to_partition(prog);
	int other = load_return(BPF_BIO_PASS), part, again;
	__u32 id = prog_id(other);
	__u64 before;

	part = must_open(path, O_RDONLY);
	must(attach_prog(part, other, 0), "attach");
	close(part);
	close(other);
	tap(prog_id_there(id), "rescan: the partition holds its program");
	tap_errno(rescan(), 0, "rescan");
	expect_defunct(link, true, "rescan: link of the partition");
	expect_defunct(on_disk, false, "rescan: link of the disk");
	tap(wait_gone(prog_id_there, id), "rescan: the program is released");
	tap_errno(bpf_link_update(link, prog, NULL), -ENOLINK,
		  "rescan: update of the link");

	part = open_partition();
	tap_eq(must_query(part).count, 0, "rescan: the new one has nothing");
	tap_eq(must_query(part).revision, 1, "rescan: and starts anew");
	before = bios_of(on_disk);
	must(direct_io(part, false), "read");
	tap_eq(bios_of(on_disk), before + 1, "rescan: the disk sees its bios");
	again = must(attach_link(part, prog, 0), "attach");
	must(direct_io(part, false), "read");
	tap(bios_of(again) == 1 && bios_of(on_disk) == before + 2,
	    "rescan: both see a bio when both have programs");
	close(part);
	close(again);
	close(link);
	close(prog);
}

static void test_delete(int on_disk)
{
	int prog = load_return(BPF_BIO_PASS), link = link_to_partition(prog);
	__u32 id = link_id(link);

	tap_errno(delete_partition(), 0, "delete the partition");
	expect_defunct(link, true, "delete: link of the partition");
	expect_defunct(on_disk, false, "delete: link of the disk");
	close(link);
	tap(wait_gone(link_id_there, id), "delete: the link can be closed");
	close(prog);
	tap_errno(rescan(), 0, "the partition comes back");
	close(open_partition());
}

int main(int argc, char **argv)
{
	int prog, on_disk;

	if (argc != 3)
		die("usage: %s DISK PARTITION", argv[0]);
	disk = must_open(argv[1], O_RDONLY | O_DIRECT);
	path = argv[2];
	prog = load_return(BPF_BIO_PASS);
	on_disk = must(attach_link(disk, prog, 0), "attach to the disk");
	test_busy(on_disk);
	test_rescan(on_disk);
	test_delete(on_disk);
	close(on_disk);

	/* And once more with no program on the disk. */
	on_disk = must(attach_link(disk, prog, 0), "attach to the disk");
	must(bpf_link_detach(on_disk), "detach");
	close(on_disk);
	on_disk = link_to_partition(prog);
	tap_errno(rescan(), 0, "rescan with programs on the partition only");
	expect_defunct(on_disk, true, "its link");
	close(on_disk);
	close(prog);
	return tap_exit();
}
