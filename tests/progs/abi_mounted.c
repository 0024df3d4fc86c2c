// SPDX-License-Identifier: GPL-2.0
/*
 * usage: abi_mounted DEVICE FILE yes|no
 *
 * Attaching to a mounted device. FILE is in the filesystem on it; the last
 * argument tells whether DEVICE can be opened for writing then.
 */
#include "abi.h"

static int file;

static bool write_and_sync(void)
{
	static const char data[1 << 16];

	return pwrite(file, data, sizeof(data), 0) == sizeof(data) &&
	       !fsync(file);
}

int main(int argc, char **argv)
{
	int dev, writable, link, prog = load_return(BPF_BIO_PASS);
	int other = load_return(BPF_BIO_PASS);
	__u64 seen;

	if (argc != 4)
		die("usage: %s DEVICE FILE yes|no", argv[0]);
	file = open(argv[2], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	must(file < 0 ? -errno : 0, argv[2]);
	writable = open(argv[1], O_RDWR | O_CLOEXEC);
	tap_errno(writable < 0 ? -errno : 0,
		  strcmp(argv[3], "yes") ? -EBUSY : 0,
		  "open the mounted device for writing");
	if (writable >= 0)
		close(writable);

	dev = must_open(argv[1], O_RDONLY);
	link = attach_link(dev, prog, BPF_F_BLK_BARRIER);
	tap_errno(link, 0, "attach a link");
	tap(write_and_sync(), "write to the filesystem");
	seen = must_query(dev).stats[0].bios[BPF_BIO_PASS];
	tap(seen > 0, "the program has seen it");
	tap_errno(bpf_link_update(link, other, NULL), 0, "replace the program");
	tap_errno(attach_prog(dev, prog, 0), 0, "attach without a link");
	tap_errno(detach_prog(dev, prog), 0, "detach");
	close(link);
	tap_eq(must_query(dev).count, 0, "nothing is attached");
	tap(write_and_sync(), "write to the filesystem without programs");
	close(dev);
	close(file);
	return tap_exit();
}
