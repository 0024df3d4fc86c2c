# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A case that leaves a map pinned and a disk behind is failed for it."
EXPECT=leak
FLAVOURS=base

test_run() {
	ok "pin a map" bpftool map create /sys/fs/bpf/left type array key 4 value 4 \
		entries 1 name left
	ok "bind a loop device" losetup -f "$BLKI_IMAGES/../plan"
	ok "add a disk" cat /sys/class/zram-control/hot_add
}
