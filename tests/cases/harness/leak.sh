# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A case that leaves things behind is failed for it, and each kind of them is seen."
EXPECT=leak
EXPECT_LEFT="prog link map pin disk mount"
FLAVOURS=base

test_run() {
	ok "pin a link and maps" bioctl attach /dev/vdc count
	ok "bind a loop device" losetup -f "$BLKI_IMAGES/../plan"
	ok "add a disk" cat /sys/class/zram-control/hot_add
	ok "mount a filesystem" mount -t tmpfs left /mnt
}
