# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Buffered and mapped I/O through a disk with rules agrees with the model, byte for byte."
TIMEOUT=180

test_run() {
	local null brd

	null=$(new_null_blk)
	brd=$(new_brd)
	run_bin path_model buffered "$null" "$brd"
	run_bin path_model buffered "$brd" "$null"
	run_bin path_model mmap "$(disk 0)" "$null"
}
