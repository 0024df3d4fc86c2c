# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Disks of other drivers do with random programs, changes and I/O what a model predicts."
REQUIRES="cmd:mdadm"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/model.sh"

test_run() {
	LAYOUT=("$(new_md 0 "$(disk 0)" "$(disk 1)")" "$(disk 2)"
		"$(new_scsi_debug)")
	model_run -s 501 -n 4
	# The first needs stable pages, which the others do not promise: it is
	# a source only, and has large blocks.
	LAYOUT=("$(new_zram)"
		"$(new_md 1 "$(new_null_blk)" "$(new_null_blk)")"
		"$(new_null_blk cache_size=4)")
	model_run -s 551 -n 4
}
