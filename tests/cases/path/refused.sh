# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A redirect or remap that cannot be carried out ends with the right error and is counted with its reason."
TIMEOUT=240

test_run() {
	local null dev4k brd zram

	null=$(new_null_blk)
	dev4k=$(new_null_blk blocksize=4096)
	brd=$(new_brd)
	zram=$(new_zram)
	run_bin path_refused "$null" "$brd" "$dev4k" "$zram"
	run_bin path_refused "$brd" "$null" "$dev4k"
	run_bin path_refused "$(new_dm path0 "0 65536 linear $brd 0")" "$null" "$dev4k"
}
