# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A link is made, updated and detached by several threads at once, under I/O."

test_run() {
	run_bin abi_race "$(new_null_blk)" 5
}
