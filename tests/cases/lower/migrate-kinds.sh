# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Partitions and devices of device mapper migrate below xfs and btrfs, too; a disk with an unreadable block goes on by itself."
REQUIRES="cmd:jq cmd:fio cmd:dmsetup cmd:mkfs.ext4 cmd:mkfs.xfs cmd:mkfs.btrfs"
TIMEOUT=200

. "$BLKI_ROOT/tests/lib/lower.sh"

# migrated NAME FS DEVICE
migrated() {
	local name=$1 fs=$2 dev=$3 target dir before sums

	target=$(new_null_blk size=300 discard=1)
	must make_fs "$fs" "$dev"
	dir=$(new_mount "$dev")
	start_load "$dir/file" 300 --fsync=8 --size=8M
	must wait_for 30 test -s "$dir/file"
	undo_with bioctl stack remove "$dev" --name migrate --force
	ok "$name: migrate" bioctl migrate "$dev" "$target"
	ok "$name: fio runs" load_runs
	before=$(block_stat "$(basename "$(lower_of "$dev")")" 7)
	must dd if=/dev/urandom of="$dir/probe" bs=1M count=2 conv=fsync \
		status=none
	sums=$(md5sum <"$dir/probe")
	expect_eq "$name: nothing is written to the source" \
		"$(block_stat "$(basename "$(lower_of "$dev")")" 7)" "$before"
	expect_verified_now "$name: fio verifies"
	ok "$name: the old filesystem is wiped" wipefs --all \
		"$(lower_of "$dev")"
	must umount "$dir"
	ok "$name: take it out" bioctl stack remove "$dev" --name migrate --force
	ok "$name: the target is clean" check_fs "$fs" "$target"
	dir=$(new_mount "$target")
	expect_eq "$name: the target has the file" "$(md5sum <"$dir/probe")" \
		"$sums"
	must umount "$dir"
	# All of it was copied, into the machine's memory.
	must blkdiscard -f "$target"
	expect_no_stack "$name" "$dev"
}

# A block of the source cannot be read: beyond the filesystem, so that it lives on.
unreadable() {
	local base size dev dir target

	base=$(new_null_blk size=64)
	target=$(new_null_blk size=64)
	size=$(blockdev --getsz "$base")
	dev=$(new_dm bad "0 $((size - 64)) linear $base 0
$((size - 64)) 8 error
$((size - 56)) 56 linear $base $((size - 56))")
	must mkfs.ext4 -q -b 4096 "$dev" $((size / 8 - 64))
	dir=$(new_mount "$dev")
	start_load "$dir/file" 300 --fsync=8 --size=4M
	undo_with bioctl migrate "$dev" --cancel
	expect_refused "unreadable" EIO "the source has errors" migrate "$dev" \
		"$target"
	expect_no_stack "unreadable" "$dev"
	expect_within "unreadable: the filesystem works" 30 writes "$dir"
	expect_verified_now "unreadable: fio verifies"
	must umount "$dir"
	ok "unreadable: the filesystem is clean" e2fsck -fn "$dev"
}

test_run() {
	local disk part dm

	hold_gate
	disk=$(new_null_blk size=280)
	part=$(new_partitions "$disk" size=260MiB)
	migrated "a partition" xfs "$part"
	dm=$(new_dm own "0 $(blockdev --getsz "$part") linear $part 0")
	migrated "device mapper" btrfs "$dm"
	unreadable
}
