# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Device maps: sizes and flags, read-only and frozen maps, what a slot tells."

test_run() {
	run_bin abi_map "$(new_null_blk)"
}
