# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A program can be attached to a mounted device where mounted devices cannot be opened for writing."
REQUIRES="cmd:mkfs.ext4"
CMDLINE="bdev_allow_write_mounted=0"

test_run() {
	local dev

	dev=$(disk 0)
	must mkfs.ext4 -q "$dev"
	run_bin abi_mounted "$dev" "$(new_mount "$dev")/file" no
}
