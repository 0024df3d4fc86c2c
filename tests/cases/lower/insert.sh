# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A stack is put below a mounted filesystem and taken out again, in turn, while fio writes, syncs and verifies."
REQUIRES="cmd:jq cmd:fio cmd:dmsetup cmd:mkfs.ext4 cmd:mkfs.xfs cmd:mkfs.btrfs"
TIMEOUT=400

. "$BLKI_ROOT/tests/lib/below.sh"

# in_and_out NAME DEVICE TIMES
in_and_out() {
	local name=$1 dev=$2 n lower top

	lower=$(lower_of "$dev")
	for ((n = 0; n < $3; n++)); do
		undo_with bioctl stack remove "$dev"
		covers "$name: insert freezes what is mounted" \
			'.mounts | length > 0' \
			stack insert "$dev" --table "linear @lower 0"
		expect_eq "$name: it is there" "$(stack_says .state "$dev")" \
			inserted
		top=$(stack_says .top "$dev")
		expect_within "$name: writes go through it" 30 \
			is_written "$top" 20
		expect_within "$name: and through the lower device" 30 \
			is_written "$lower" 20
		covers "$name: remove, too" '.mounts | length > 0' \
			stack remove "$dev"
		ok "$name: fio runs" load_runs
	done
	expect_no_stack "$name" "$dev"
}

test_run() {
	local disk part dm

	hold_gate
	disk=$(disk 0)
	below_fs ext4 "$disk" in_and_out virtio "$disk" 3
	wipe_disk "$disk"
	part=$(new_partitions "$disk" size=240MiB)
	below_fs xfs "$part" in_and_out partition "$part" 3
	dm=$(new_dm own "0 $(blockdev --getsz "$part") linear $part 0")
	below_fs btrfs "$dm" in_and_out dm "$dm" 3
}
