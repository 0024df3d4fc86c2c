# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="On disks that take requests, what is read and written agrees with a model of the rules, byte for byte."
REQUIRES="cmd:losetup"
TIMEOUT=240

test_run() {
	local virtio null loop scsi

	virtio=$(disk 0)
	null=$(new_null_blk)
	loop=$(new_loop 64 --direct-io=off)
	scsi=$(new_scsi_debug)
	run_bin path_model direct "$virtio" "$null" "$(disk 1)"
	run_bin path_model direct "$null" "$virtio" "$loop"
	run_bin path_model direct "$loop" "$scsi" "$null"
	run_bin path_model direct "$scsi" "$loop" "$virtio"
}
