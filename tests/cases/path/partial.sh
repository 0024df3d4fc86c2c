# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A bio is divided where programs want it, down to its single sectors, and every part is asked about once."
TIMEOUT=240

test_run() {
	local dev4k

	dev4k=$(new_null_blk blocksize=4096)
	run_bin path_partial "$(disk 0)" "$dev4k"
	run_bin path_partial \
		"$(new_null_blk discard=1 cache_size=8)" "$dev4k"
}
