// SPDX-License-Identifier: GPL-2.0
/*
 * usage: abi_lower DISK PARTITION GONE POWER
 *
 * What BPF_F_BLK_LOWER makes and takes away. PARTITION is the first of DISK;
 * GONE is removed by writing 0 to the file POWER.
 */
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <linux/fs.h>

#include "abi.h"

/* st_rdev as in struct bpf_link_info: new_encode_dev() of the kernel */
static dev_t decode(__u32 dev)
{
	return makedev((dev & 0xfff00) >> 8,
		       (dev & 0xff) | ((dev >> 12) & 0xfff00));
}

static int open_dev(__u32 dev, int flags)
{
	dev_t number = decode(dev);
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/dev/lower-test-%u", dev);
	unlink(path);
	if (mknod(path, S_IFBLK | 0600, number))
		die("mknod %s: %s", path, strerror(errno));
	fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		fd = -errno;
	unlink(path);
	return fd;
}

static bool sysfs_has(__u32 dev, const char *name)
{
	dev_t number = decode(dev);
	char path[128];

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%s", major(number),
		 minor(number), name);
	return !access(path, F_OK);
}

static bool fdinfo_has_lower(int link, __u32 lower)
{
	char path[64], text[1024] = {}, want[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", link);
	snprintf(want, sizeof(want), "lower:\t%u:%u\n", major(decode(lower)),
		 minor(decode(lower)));
	fd = must_open(path, O_RDONLY);
	if (read(fd, text, sizeof(text) - 1) < 0)
		die("%s: %s", path, strerror(errno));
	close(fd);
	return strstr(text, want);
}

static int attach_lower(int dev, int prog)
{
	return must(attach_link(dev, prog, BPF_F_BLK_LOWER),
		    "attach with a lower device");
}

static bool there(__u32 dev)
{
	return sysfs_has(dev, "dev");
}

static __u64 bytes_of(int fd)
{
	__u64 bytes;

	if (ioctl(fd, BLKGETSIZE64, &bytes))
		die("size: %s", strerror(errno));
	return bytes;
}

static void test_refused(int dev)
{
	int prog = load_return(BPF_BIO_PASS), link, lower, other, map;

	tap_errno(attach_prog(dev, prog, BPF_F_BLK_LOWER), -EINVAL,
		  "without a link");
	link = attach_lower(dev, prog);
	other = load_return(BPF_BIO_PASS);
	tap_errno(attach_link(dev, other, BPF_F_BLK_LOWER), -EEXIST,
		  "a second one");
	lower = must(open_dev(link_info(link).blk.lower, O_RDONLY), "open it");
	tap_errno(attach_link(lower, other, BPF_F_BLK_LOWER), -EOPNOTSUPP,
		  "one of a lower device");
	tap_errno(attach_link(lower, other, 0), -EOPNOTSUPP,
		  "a link to a lower device");
	tap_errno(attach_prog(lower, other, 0), -EOPNOTSUPP,
		  "a program on a lower device");
	map = new_blkdev_map(1);
	tap_errno(map_set(map, 0, lower), -EOPNOTSUPP, "a redirect to it");
	/* Looks at all disks that somebody wanted to attach to. */
	tap_errno(map_set(map, 0, dev), 0, "a redirect to the original");
	close(map);
	close(lower);
	close(link);
	close(other);
	close(prog);
}

/* Its program fails everything: what works does not meet it. */
static void test_io(int dev)
{
	int prog = load_return(BPF_BIO_FAIL), link, fd;
	static char buf[4096] __attribute__((aligned(4096)));
	__u32 lower;

	link = attach_lower(dev, prog);
	lower = link_info(link).blk.lower;
	tap(lower, "it has a number");
	tap(fdinfo_has_lower(link, lower), "fdinfo tells it");
	tap(sysfs_has(lower, "lower_of"), "lower_of");
	tap(sysfs_has(lower, "slaves"), "slaves");
	fd = must(open_dev(lower, O_RDWR | O_DIRECT), "open it");
	tap_eq(bytes_of(fd), bytes_of(dev), "its size");
	tap_errno(direct_io(dev, false), -EIO,
		  "the original's program fails a read");
	tap_errno(direct_io(fd, false), 0, "not that of the lower device");
	memset(buf, 'x', sizeof(buf));
	if (pwrite(fd, buf, sizeof(buf), 4096) != sizeof(buf))
		die("write: %s", strerror(errno));
	tap(!fsync(fd), "flush");
	tap_errno(bpf_link_detach(link), -EBUSY,
		  "detach with the lower device open");
	tap_eq(must_query(dev).count, 1, "the program is still there");
	tap_errno(direct_io(fd, false), 0, "the lower device works");
	close(fd);
	tap_errno(bpf_link_detach(link), 0, "detach when it is closed");
	tap_eq(must_query(dev).count, 0, "the program is gone");
	tap(!there(lower), "and the lower device");
	tap_eq(link_info(link).blk.lower, 0, "the link says so");
	memset(buf, 0, sizeof(buf));
	if (pread(dev, buf, sizeof(buf), 4096) != sizeof(buf))
		die("read: %s", strerror(errno));
	tap(buf[0] == 'x' && buf[4095] == 'x',
	    "what was written is on the original");
	close(link);
	close(prog);
}

/* The last reference goes while somebody has it open. */
static void test_release(int dev)
{
	int prog = load_return(BPF_BIO_PASS), link, fd;
	__u32 lower;

	link = attach_lower(dev, prog);
	lower = link_info(link).blk.lower;
	fd = must(open_dev(lower, O_RDWR | O_DIRECT), "open it");
	close(link);
	tap(wait_gone(there, lower), "the lower device goes with its link");
	tap_errno(direct_io(fd, false), -EIO, "who has it open reads errors");
	/* Its size is 0, as that of any disk that was removed. */
	tap_errno(direct_io(fd, true), -ENOSPC, "and cannot write");
	/* Which has no sector that could be beyond its end. */
	tap(fsync(fd) && errno == EIO, "nor flush");
	tap(open_dev(lower, O_RDONLY) < 0, "nobody opens it any more");
	tap_errno(direct_io(dev, true), 0, "the original works");
	link = attach_link(dev, prog, BPF_F_BLK_LOWER);
	tap(link >= 0, "there can be another one meanwhile");
	tap_errno(direct_io(fd, false), -EIO, "which is not the one before");
	close(fd);
	tap_errno(bpf_link_detach(link), 0, "detach");
	close(link);
	close(prog);
}

static void test_partition(int disk, int part)
{
	int fail = load_return(BPF_BIO_FAIL), pass = load_return(BPF_BIO_PASS);
	int link = attach_lower(part, fail), of_disk, fd;

	fd = must(open_dev(link_info(link).blk.lower, O_RDWR | O_DIRECT),
		  "open it");
	tap_eq(bytes_of(fd), bytes_of(part), "its size");
	tap_errno(direct_io(part, false), -EIO, "the partition's program");
	tap_errno(direct_io(fd, false), 0, "is not met");
	of_disk = must(attach_link(disk, pass, 0), "attach to the disk");
	tap_errno(direct_io(fd, true), 0, "write");
	tap_eq(must_query(disk).stats[0].bios[BPF_BIO_PASS], 1,
	       "the disk's program is");
	close(of_disk);
	of_disk = must(attach_link(disk, fail, 0), "attach to the disk");
	tap_errno(direct_io(fd, true), -EIO, "and may fail it");
	tap(fsync(fd) && errno == EIO, "or a flush");
	close(of_disk);
	close(fd);
	close(link);
	close(fail);
	close(pass);
}

static void test_gone(int gone, const char *power)
{
	int prog = load_return(BPF_BIO_PASS), link, fd;
	__u32 lower;

	link = attach_lower(gone, prog);
	lower = link_info(link).blk.lower;
	fd = must(open_dev(lower, O_RDWR | O_DIRECT), "open it");
	write_file(power, "0");
	tap(wait_gone(there, lower), "it goes with the original");
	tap_errno(direct_io(fd, false), -EIO, "who has it open sees errors");
	tap_eq(link_info(link).blk.flags, BPF_BLK_LINK_DEFUNCT,
	       "the link is defunct");
	tap_eq(link_info(link).blk.lower, 0, "and has no lower device");
	tap_errno(bpf_link_detach(link), 0, "detach");
	close(link);
	close(fd);
	close(prog);
}

int main(int argc, char **argv)
{
	int disk, part;

	if (argc != 5)
		die("usage: %s DISK PARTITION GONE POWER", argv[0]);
	disk = must_open(argv[1], O_RDWR | O_DIRECT);
	part = must_open(argv[2], O_RDWR | O_DIRECT);
	test_refused(disk);
	test_io(disk);
	test_io(part);
	test_release(disk);
	test_release(part);
	test_partition(disk, part);
	test_gone(must_open(argv[3], O_RDWR | O_DIRECT), argv[4]);
	return tap_exit();
}
