# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Each call by an unprivileged user, with single capabilities, and with each mode of the device node."

test_run() {
	local dev

	dev=$(new_null_blk)
	run_bin abi_caps "$dev"
	must blockdev --setro "$dev"
	run_bin abi_caps "$dev"
}
