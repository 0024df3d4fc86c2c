# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="2047 redirect targets, an error for one more, and all of them closed afterwards."
TIMEOUT=240
FLAVOURS="base"

test_run() {
	local disks=() i

	for i in 1 2 3 4 5; do
		disks+=("$(new_null_blk size=256 memory_backed=0)")
	done
	run_bin abi_limit "${disks[@]}"
}
