# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="The barrier flag is taken by all calls that change what is attached to a disk, and by no others."

test_run() {
	local disk part null

	disk=$(disk 0)
	part=$(new_partitions "$disk" size=16MiB)
	null=$(new_null_blk)
	run_bin abi_barrier "$(new_cgroup abi)" "$null" "$part" "$disk" \
		"$(new_brd)" "$(new_dm abi_barrier "0 8192 linear $null 0")"
}
