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

# It has written its superblock by then, which the next one would find.
refused() {
	expect_refused "writecache with larger blocks" null "logical blocks" \
		stack insert "$DEV" --table "writecache s @lower $1 4096 0"
	expect_no_stack "refused" "$DEV"
	must dd if=/dev/zero of="$1" bs=1M count=1 oflag=direct status=none
}

all() {
	local three=$3

	refused "$three"
	through_dm "$@"
	raid1
}

test_run() {
	hold_gate
	DEV=$(disk 0)
	below_fs ext4 ext4 "$DEV" all ext4 "$(disk 1)" "$(new_null_blk size=64)"
}
