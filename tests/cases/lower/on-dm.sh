# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Stacks that write by themselves get below a device of device mapper, which they need to do so, and out again, with and without a filesystem."
REQUIRES="cmd:jq cmd:fio cmd:dmsetup cmd:mkfs.ext4"
TIMEOUT=400

. "$BLKI_ROOT/tests/lib/below.sh"

is_copying() {
	[ "$(query '.stacks[0].state' stack status "$DEV" --name migrate)" = \
		inserted ]
}


stacks() {
	local two three

	two=$(new_null_blk size=64)
	three=$(new_null_blk size=64)
	through "$1, linear" "linear @lower 0"
	covers "$1: the device is suspended meanwhile" .suspended \
		stack insert "$DEV" --table "linear @lower 0"
	must bioctl stack remove "$DEV"
	mirror "$1" "$two"
	zero_head "$three"
	through "$1, writecache" "writecache s @lower $three 512 0"
	cancelled "$1"
	ok "$1: a snapshot" bioctl snapshot create "$DEV" --store "$two" --force
	ok "$1: fio runs" load_runs
	ok "$1: no snapshot" bioctl snapshot remove "$DEV"
	expect_no_stack "$1" "$DEV"
}

# It copies what was there before, and all that is written meanwhile.
mirror() {
	local two=$2 top

	ok "$1, mirror: insert" insert "$DEV" --table \
		"mirror core 1 1024 2 @lower 0 $two 0 1 handle_errors"
	expect_within "$1, mirror: it has copied all" 60 has_copied
	ok "$1, mirror: fio runs" load_runs
	top=$(stack_says .dm "$DEV")
	must dmsetup suspend --noudevsync "$top"
	ok "$1, mirror: both are the same" cmp "$(lower_of "$DEV")" "$two"
	must dmsetup resume --noudevsync "$top"
	ok "$1, mirror: remove" bioctl stack remove "$DEV"
}

# "0 N mirror 2 A B DONE/ALL ..."
has_copied() {
	dmsetup status --noflush "$(stack_says .dm "$DEV")" |
		awk '{ split($7, of, "/"); exit of[1] != of[2] }'
}

cancelled() {
	local target

	target=$(new_null_blk size=64)
	bioctl migrate "$DEV" "$target" --rate 1 --force >/dev/null 2>&1 &
	must wait_for 30 is_copying
	kill -TERM $!
	wait $! || true
	ok "$1: a migration is cancelled" timeout -s KILL "$(scaled 60)" \
		bioctl migrate "$DEV" --cancel
	ok "$1: fio runs" load_runs
}

test_run() {
	local base dir

	hold_gate
	base=$(new_null_blk size=64)
	DEV=$(new_dm above "0 $(blockdev --getsz "$base") linear $base 0")
	undo_with dmsetup resume --noudevsync above
	undo_with bioctl stack remove "$DEV" --name migrate --force
	undo_with bioctl snapshot remove "$DEV"
	start_load "$DEV" 300
	stacks raw
	expect_verified_now "raw: fio verifies"
	must mkfs.ext4 -q "$DEV"
	dir=$(new_mount "$DEV")
	start_load "$dir/file" 300 --fsync=8 --size=8M
	stacks mounted
	expect_verified_now "mounted: fio verifies"
	must umount "$dir"
	ok "the filesystem is clean" e2fsck -fn "$DEV"
}
