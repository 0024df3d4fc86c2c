# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Every kind of stack gets below a mounted ext4 under a load that verifies, and out again: most of device mapper, md raid1."
REQUIRES="cmd:jq cmd:fio cmd:dmsetup cmd:mdadm cmd:mkfs.ext4"
TIMEOUT=500

. "$BLKI_ROOT/tests/lib/lower.sh"

raid1() {
	local lower md=/dev/md9

	lower=$(new_lower "$DEV")
	# No superblock: what is mounted must not be written over.
	ok "raid1: build" mdadm --quiet --build "$md" --run --level=1 \
		--raid-devices=2 --assume-clean "$lower" missing
	at_exit undo_md "$md"
	ok "raid1: insert" bioctl stack insert "$DEV" --device "$md"
	expect_within "raid1: writes go through it" 60 is_written "$md" 20
	ok "raid1: take it out" bioctl target del "$DEV" stack 0
	must wait_for 20 mdadm --quiet --stop "$md"
	ok "raid1: remove" bioctl stack remove "$DEV"
	ok "raid1: fio runs" load_runs
}

test_run() {
	local dir size two three

	hold_gate
	DEV=$(disk 0)
	two=$(disk 1)
	three=$(new_null_blk size=64)
	must mkfs.ext4 -q "$DEV"
	size=$(blockdev --getsz "$DEV")
	dir=$(new_mount "$DEV")
	start_load "$dir/file" 300 --fsync=8 --size=8M
	must wait_for 30 test -s "$dir/file"
	through linear "linear @lower 0"
	through two-parts "0 4096 linear @lower 0"$'\n'"4096 $((size - 4096)) linear @lower 4096"
	through flakey "flakey @lower 0 60 0"
	through delay "delay @lower 0 5"
	through dust "dust @lower 0 512"
	through log-writes "log-writes @lower $three"
	must dd if=/dev/zero of="$three" bs=4k count=1 oflag=direct status=none
	through era "era $three @lower 4096"
	must dd if=/dev/zero of="$three" bs=1M count=1 oflag=direct status=none
	expect_refused "writecache with larger blocks" null "logical blocks" \
		stack insert "$DEV" --table "writecache s @lower $three 4096 0"
	expect_no_stack "refused" "$DEV"
	must dd if=/dev/zero of="$three" bs=1M count=1 oflag=direct status=none
	through writecache "writecache s @lower $three 512 0"
	through mirror "mirror core 2 1024 nosync 2 @lower 0 $two 0"
	raid1
	expect_verified_now "fio verifies"
	must umount "$dir"
	ok "the filesystem is clean" e2fsck -fn "$DEV"
}
