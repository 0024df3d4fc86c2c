# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="The targets of device mapper get below a mounted xfs and a mounted btrfs under a load that verifies, and out again."
REQUIRES="cmd:jq cmd:fio cmd:dmsetup cmd:mkfs.xfs cmd:mkfs.btrfs"
TIMEOUT=400

. "$BLKI_ROOT/tests/lib/lower.sh"

test_run() {
	local fs three

	hold_gate
	DEV=$(disk 0)
	three=$(new_null_blk size=64)
	for fs in xfs btrfs; do
		below_fs "$fs" "$fs" "$DEV" through_dm "$fs" "$(disk 1)" "$three"
		wipe_disk "$DEV"
		must blkdiscard -z -l 1M "$three"
	done
}
