# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="On disks that take bios, what is read and written agrees with a model of the rules, byte for byte."
REQUIRES="cmd:dmsetup cmd:mdadm"
TIMEOUT=300

test_run() {
	local null brd linear stripes mirror

	null=$(new_null_blk)
	brd=$(new_brd)
	linear=$(new_dm path0 "0 2048 linear $null 8192
2048 2048 linear $null 4096")
	stripes=$(new_md 0 "$(disk 0)" "$(disk 1)")
	mirror=$(new_md 1 "$(new_null_blk)" "$(new_null_blk)")
	run_bin path_model direct "$brd" "$linear"
	run_bin path_model direct "$linear" "$brd"
	run_bin path_model direct "$stripes" "$mirror"
	run_bin path_model direct "$mirror" "$brd"
	# Needs stable pages, which no other disk promises: a source only.
	run_bin path_model direct "$(new_zram)" "$brd"
}
