# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A disk of a mirror that fails, at any moment and in any way, costs no acknowledged write and holds up nobody, whoever watches, freezes or waits."
REQUIRES="cmd:jq cmd:dmsetup cmd:mkfs.ext4"
TIMEOUT=300

. "$BLKI_ROOT/tests/lib/lower.sh"

# hanging NAME STEP [ARG...]: a migration that is stopped there, whose target fails
# then, and somebody who has the lock and freezes what hangs there
hanging() {
	TARGET=$(new_breakable "$1" 64)
	undo_with bioctl migrate "$DEV" --cancel
	BIOCTL_PAUSE_AT=$2 bioctl -j migrate "$DEV" "$TARGET" "${@:3}" \
		>"$TMP/migrate" 2>&1 &
	WATCHER=$!
	must wait_for 60 is_stopped "$WATCHER"
	breaks "$TARGET"
	dd if=/dev/zero of="$DIR/new" bs=64k count=8 conv=fsync status=none &
	WRITER=$!
	bioctl attach "$DEV" count --freeze >"$TMP/attach" 2>&1 &
	FREEZER=$!
	must wait_for 30 waits_in_kernel "$FREEZER"
	sleep 1
	must waits_in_kernel "$FREEZER"
}

# all_end NAME STATUS: of the watcher
all_end() {
	expect_within "$1: who watches ends" 60 dead "$WATCHER"
	expect_end "$1: as it should" "$WATCHER" "$2"
	expect_within "$1: who freezes ends" 60 dead "$FREEZER"
	expect_end "$1: and has done it" "$FREEZER" 0
	expect_end "$1: who writes, too" "$WRITER" 0
	must bioctl detach "$DEV" count
	expect_no_stack "$1" "$DEV"
}

frozen_by_another() {
	new_ext4 64
	hanging one copying
	kill -CONT "$WATCHER"
	all_end "watched" 1
	expect_eq "watched: why" "$(jq -r .error.cause "$TMP/migrate")" \
		"the target has errors"

	# It waits for the lock by then.
	hanging two copied
	kill -CONT "$WATCHER"
	all_end "copied" 1

	hanging three copying
	kill -KILL "$WATCHER"
	ok "cancelled" timeout "$(scaled 60)" bioctl migrate "$DEV" --cancel
	all_end "cancelled" 137

	hanging four copying
	kill -KILL "$WATCHER"
	expect_fail "the same again" timeout "$(scaled 60)" \
		bioctl migrate "$DEV" "$TARGET"
	all_end "the same again" 137

	hanging five copying
	kill -KILL "$WATCHER"
	ok "repaired" timeout "$(scaled 60)" bioctl stack repair "$DEV" \
		--name migrate
	all_end "repaired" 137
	must umount "$DIR"
}

# Two watch, and the other one ends it.
watched_twice() {
	local target

	new_ext4 64
	target=$(new_null_blk size=64)
	undo_with bioctl stack remove "$DEV" --name migrate --force
	BIOCTL_PAUSE_AT=copied bioctl -j migrate "$DEV" "$target" \
		>"$TMP/first" 2>&1 &
	WATCHER=$!
	must wait_for 120 is_stopped "$WATCHER"
	ok "two watch: one ends it" bioctl migrate "$DEV" "$target"
	kill -CONT "$WATCHER"
	expect_end "two watch: so does the other" "$WATCHER" 0
	expect_eq "two watch: and says where the data are" \
		"$(jq -r .target "$TMP/first")" "$target"
	must umount "$DIR"
	must bioctl stack remove "$DEV" --name migrate --force
	expect_no_stack "two watch" "$DEV"
}

# stopped STEP DEVICE TARGET: a migration that is stopped there
stopped() {
	undo_with bioctl stack remove "$2" --name migrate --force
	BIOCTL_PAUSE_AT=$1 bioctl -j migrate "$2" "$3" >"$TMP/migrate" 2>&1 &
	WATCHER=$!
	must wait_for 120 is_stopped "$WATCHER"
}

why() {
	jq -r .error.cause "$TMP/migrate"
}

# write_data SEEK: 64 KiB of $TMP/data
write_data() {
	timeout "$(scaled 20)" dd if="$TMP/data" of="$DEV" bs=64k seek="$1" \
		oflag=direct conv=notrunc status=none
}

# has_data DEVICE SEEK
has_data() {
	dd if="$1" bs=64k skip="$2" count=1 iflag=direct status=none |
		cmp --bytes=65536 - "$TMP/data"
}

# A flush that the target failed once: dm-mirror keeps it, and forgets the error.
failed_flush() {
	local base flush

	DEV=$(new_null_blk size=64 cache_size=16)
	base=$(new_null_blk size=64 cache_size=16)
	TARGET=$(new_dm forgetful "0 $(blockdev --getsz "$base") linear $base 0")
	stopped copied "$DEV" "$TARGET"
	# What is clean is not flushed.
	must write_data 2
	# Not what breaks() does: that fails no flush.
	becomes "$TARGET" "flakey $base 0 0 3600 1 error_writes"
	sync "$DEV" &
	flush=$!
	sleep "$(scaled 1)"
	becomes "$TARGET" "linear $base 0"
	must write_data 0
	must write_data 0
	must write_data 1
	expect_eq "flush: the mirror says that all is well" \
		"$(dmsetup status --noflush "${DEV##*/}-migrate" |
			awk '{ print $9 }')" AA
	kill -CONT "$WATCHER"
	expect_end "flush: it is given up nevertheless" "$WATCHER" 1
	expect_eq "flush: why" "$(why)" \
		"one of the two has errors, see dmesg"
	ok "flush: what was written is there" has_data "$DEV" 0
	ok "flush: all of it" has_data "$DEV" 1
	expect_within "flush: who waits ends" 30 dead "$flush"
	expect_no_stack "flush" "$DEV"
}

# Reads are all right there: to thaw is the first that writes.
failing_at_first() {
	local base

	new_ext4 64
	base=$(new_null_blk size=64)
	TARGET=$(new_dm bad "0 $(blockdev --getsz "$base") flakey $base 0 0 3600 1 error_writes")
	undo_with bioctl migrate "$DEV" --cancel
	expect_fail "first: it fails" timeout "$(scaled 60)" \
		bioctl migrate "$DEV" "$TARGET"
	expect_within "first: the filesystem works" 30 writes "$DIR"
	expect_no_stack "first" "$DEV"
	must umount "$DIR"
}

# Everything stands still, and goes on again with a target that fails.
failing_at_last() {
	local base

	new_ext4 64
	base=$(new_null_blk size=64 cache_size=16)
	TARGET=$(new_dm last "0 $(blockdev --getsz "$base") linear $base 0")
	stopped frozen-out "$DEV" "$TARGET"
	becomes "$TARGET" "flakey $base 0 0 3600 1 error_writes"
	kill -CONT "$WATCHER"
	expect_within "last: it ends" 60 dead "$WATCHER"
	expect_end "last: it fails" "$WATCHER" 1
	expect_within "last: the filesystem works" 30 writes "$DIR"
	ok "last: cancel" bioctl migrate "$DEV" --cancel
	expect_no_stack "last" "$DEV"
	must umount "$DIR"
}

# One that bioctl did not make to copy: only who ends it does.
insert_again() {
	local other

	DEV=$(new_null_blk size=64)
	other=$(new_breakable other 64)
	must insert "$DEV" --table \
		"mirror core 2 1024 nosync 2 @lower 0 $other 0 1 handle_errors"
	breaks "$other"
	write_data 0 &
	WRITER=$!
	sleep "$(scaled 1)"
	expect_refused "again: insert" EEXIST "of that name" \
		stack insert "$DEV" --table "linear @lower 0"
	expect_eq "again: it is as it was" \
		"$(dmsetup table "${DEV##*/}-stack" | awk '{ print $3 }')" mirror
	ok "again: remove" bioctl stack remove "$DEV"
	expect_end "again: who writes ends" "$WRITER" 0
	expect_no_stack "again" "$DEV"
}

test_run() {
	hold_gate
	must dd if=/dev/urandom of="$TMP/data" bs=64k count=1 status=none
	insert_again
	failed_flush
	failing_at_first
	failing_at_last
	frozen_by_another
	watched_twice
}
