# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A program can be attached to a mounted device where mounted devices can be opened for writing."
REQUIRES="cmd:mkfs.ext4 config:BLK_DEV_WRITE_MOUNTED"

test_run() {
	local dev

	dev=$(disk 0)
	must mkfs.ext4 -q "$dev"
	run_bin abi_mounted "$dev" "$(new_mount "$dev")/file" yes
}
