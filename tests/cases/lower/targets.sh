# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Every kind of stack gets below a mounted ext4 under a load that verifies, and out again: most of device mapper, md raid1; on a disk, and on a partition."
REQUIRES="cmd:jq cmd:fio cmd:dmsetup cmd:mdadm cmd:mkfs.ext4"
TIMEOUT=500

. "$BLKI_ROOT/tests/lib/below.sh"

# It has written its superblock by then, which the next one would find.
refused() {
	expect_refused "writecache with larger blocks" null "logical blocks" \
		stack insert "$DEV" --table "writecache s @lower $1 4096 0"
	expect_no_stack "refused" "$DEV"
	zero_head "$1"
}

on_disk() {
	refused "$2"
	through_dm disk "$1" "$2"
	through_raid1 disk "$1"
	through_cache disk "$(new_null_blk size=8)" "$(new_null_blk size=32)"
	through_crypt disk
}

# In turn, without a pause
on_partition() {
	BELOW_FS=
	through_dm partition "$1" "$2"
}

test_run() {
	local two three

	hold_gate
	two=$(disk 1)
	three=$(new_null_blk size=64)
	below_fs ext4 "$(disk 0)" on_disk "$two" "$three"
	zero_head "$three"
	below_fs ext4 "$(new_partitions "$(new_null_blk size=128)" size=100MiB)" \
		on_partition "$two" "$three"
}
