# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="The targets of device mapper and md raid1 get below a mounted xfs and a mounted btrfs under a load that verifies, and out again."
REQUIRES="cmd:jq cmd:fio cmd:dmsetup cmd:mdadm cmd:mkfs.xfs cmd:mkfs.btrfs"
TIMEOUT=500

. "$BLKI_ROOT/tests/lib/below.sh"

all() {
	through_dm "$BELOW_FS" "$1" "$2"
	through_raid1 "$BELOW_FS" "$1"
	through_cache "$BELOW_FS" "$META" "$BLOCKS"
	through_crypt "$BELOW_FS"
}

test_run() {
	local dev two three fs

	hold_gate
	dev=$(disk 0)
	two=$(disk 1)
	three=$(new_null_blk size=64)
	META=$(new_null_blk size=8)
	BLOCKS=$(new_null_blk size=32)
	for fs in xfs btrfs; do
		below_fs "$fs" "$dev" all "$two" "$three"
		wipe_disk "$dev"
		zero_head "$three"
	done
}
