// SPDX-License-Identifier: GPL-2.0
/*
 * usage: abi_off DEVICE
 *
 * What works, and what does not, on a kernel booted with blk_interposer=off.
 */
#include "abi_obj.h"

int main(int argc, char **argv)
{
	struct bpf_bio in = bio(BPF_BIO_OP_READ, 0, 8), out;
	struct obj o = {};
	int dev, map;

	if (argc != 2)
		die("usage: %s DEVICE", argv[0]);
	dev = must_open(argv[1], O_RDWR | O_DIRECT);
	o.fd = load_return(BPF_BIO_FAIL);
	tap_errno(attach_prog(dev, o.fd, 0), -EOPNOTSUPP, "attach");
	tap_errno(attach_prog(dev, o.fd, BPF_F_BLK_BARRIER), -EOPNOTSUPP,
		  "attach with barrier");
	tap_errno(attach_prog(1000, o.fd, 0), -EOPNOTSUPP,
		  "attach to whatever it is");
	tap_errno(attach_link(dev, o.fd, 0), -EOPNOTSUPP, "create a link");
	tap_errno(detach_prog(dev, o.fd), -ENOENT, "detach");
	tap_eq(must_query(dev).count, 0, "query");
	map = new_blkdev_map(1);
	tap_errno(map_set(map, 0, dev), 0, "update of a device map");
	tap_eq(run_once(&o, &in, &out), BPF_BIO_FAIL, "test run");
	tap_errno(direct_io(dev, true), 0, "a write passes");
	tap_errno(direct_io(dev, false), 0, "a read passes");
	close(map);
	return tap_exit();
}
