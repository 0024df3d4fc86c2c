# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A partition that is deleted or rescanned leaves its links defunct, and those of the disk alone."

test_run() {
	local disk part

	disk=$(disk 0)
	part=$(new_partitions "$disk" size=16MiB)
	run_bin abi_part "$disk" "$part"
}
