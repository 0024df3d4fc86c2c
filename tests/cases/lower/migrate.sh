# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A mounted device moves to another disk while it is written; it can be stopped, gone on with, cancelled; in the end all I/O is there."
REQUIRES="cmd:jq cmd:fio cmd:dmsetup cmd:mkfs.ext4 cmd:script"
TIMEOUT=600

. "$BLKI_ROOT/tests/lib/lower.sh"

# migrate_state: of the stack
migrate_state() {
	query '.stacks[0].state' stack status "$DEV" --name migrate
}

# written DEVICE: sectors; a flush counts as a write of none
written() {
	block_stat "$1" 7
}

refused() {
	local small taken

	small=$(new_null_blk size=16)
	taken=$(new_null_blk size=400)
	must mkfs.ext4 -q "$taken"
	expect_refused "a target that is too small" null "sectors" \
		migrate "$DEV" "$small"
	expect_refused "a target with something on it" null "holds ext4" \
		migrate "$DEV" "$taken"
	expect_no_stack "refused" "$DEV"
}

THROTTLE=/sys/module/dm_mirror/parameters/raid1_resync_throttle

# Regions of 512 KiB
copied() {
	dmsetup status --noflush "${DEV##*/}-migrate" |
		awk '{ split($7, of, "/"); print of[1] }'
}

# Some three seconds at 2 MiB in each
rate() {
	local before

	sleep 3
	before=$(copied)
	sleep 3
	note "$(($(copied) - before)) regions in three seconds"
	expect_num "it is copied at about the rate that was asked for" \
		$(($(copied) - before)) -le 48
	expect_num "the kernel's limit" "$(<"$THROTTLE")" -lt 100
}

interrupted() {
	# Which what runs in the background ignores
	env --default-signal=INT bioctl -j migrate "$DEV" "$TARGET" --rate 2 \
		--force >"$TMP/first" 2>&1 &
	MIGRATION=$!
	must wait_for 30 is_copying
	rate
	kill -INT "$MIGRATION"
	expect_end "stopped: it fails" "$MIGRATION" 1
	expect_eq "stopped: the kernel's limit is as it was" \
		"$(<"$THROTTLE")" 100
	expect_eq "stopped: it says so" "$(jq -r .error.errno "$TMP/first")" \
		EINTR
	expect_eq "stopped: the kernel goes on" "$(migrate_state)" inserted
	expect_refused "stopped: it does not end on another disk" null \
		"being copied to" migrate "$DEV" "$(new_null_blk size=400)"
	ok "cancel" bioctl migrate "$DEV" --cancel
	expect_no_stack "cancelled" "$DEV"
	ok "fio runs" load_runs
}

# gave_up NAME: and said why, CAUSE
gave_up() {
	expect_within "$1: bioctl ends" 60 dead "$MIGRATION"
	expect_end "$1: it fails" "$MIGRATION" 1
	CAUSE=$(jq -r .error.cause "$TMP/failing")
	expect_within "$1: the filesystem works" 30 writes \
		"$(dirname "$LOADED")"
	ok "$1: fio runs" load_runs
}

# Writes that the mirror keeps for its target hang, until it is taken away.
failing_target() {
	local target

	target=$(new_breakable failing 400)
	bioctl -j migrate "$DEV" "$target" --rate 2 --force \
		>"$TMP/failing" 2>&1 &
	MIGRATION=$!
	must wait_for 30 is_copying
	breaks "$target"
	gave_up "failed"
	expect_eq "failed: it says why" "$CAUSE" "the target has errors"
	expect_no_stack "failed" "$DEV"
}

# failing_at STEP NAME: it breaks when all is copied
failing_at() {
	local target

	target=$(new_breakable "$2" 400)
	BIOCTL_PAUSE_AT=$1 bioctl -j migrate "$DEV" "$target" --verify --force \
		>"$TMP/failing" 2>&1 &
	MIGRATION=$!
	must wait_for 120 is_stopped "$MIGRATION"
	breaks "$target"
	kill -CONT "$MIGRATION"
	gave_up "failed $2"
}

# Compared while writes to it hang, and when the last that is dirty is on its way
# to both
failing_late() {
	failing_at verifying compared
	expect_eq "failed compared: it says why" "$CAUSE" \
		"the target has errors"
	expect_no_stack "failed compared" "$DEV"
	failing_at freezing-out late
	expect_match "failed late: it says why" "$CAUSE" \
		"not complete any more"
	ok "failed late: cancel" bioctl migrate "$DEV" --cancel
	expect_no_stack "failed late" "$DEV"
}

# Nobody hangs up under nohup; while it verifies it can be stopped.
signals() {
	BIOCTL_PAUSE_AT=verifying nohup "$(type -P bioctl)" -j migrate "$DEV" \
		"$TARGET" --verify --force >"$TMP/signals" 2>&1 &
	MIGRATION=$!
	must wait_for 30 is_copying
	kill -HUP "$MIGRATION"
	expect_within "signals: a hang-up is none" 120 is_stopped "$MIGRATION"
	spoiled
	kill -TERM "$MIGRATION"
	kill -CONT "$MIGRATION"
	expect_within "signals: it ends" 30 dead "$MIGRATION"
	expect_eq "signals: it says so" "$(jq -r .error.errno "$TMP/signals")" \
		EINTR
	ok "signals: cancel" bioctl migrate "$DEV" --cancel
	expect_no_stack "signals" "$DEV"
}

# Somebody else writes to the target: the last block, which no filesystem uses.
spoiled() {
	local last=$((DEV_BLOCKS - 1))

	must dd if=/dev/urandom of="$TARGET" bs=4k count=1 seek="$last" \
		oflag=direct status=none
	ok "verify: what differs" expect_differs $((last * 4096))
	must dd if="$(lower_of "$DEV")" of="$TARGET" bs=4k count=1 \
		skip="$last" seek="$last" iflag=direct oflag=direct status=none
}

# The mirror is there: the same again only compares.
expect_differs() {
	local rc=0

	bioctl -j migrate "$DEV" "$TARGET" --verify >"$TMP/differs" 2>&1 ||
		rc=$?
	cat "$TMP/differs"
	[ "$rc" -eq 1 ] && [ "$(jq -r .error.cause "$TMP/differs")" = \
		"it differs from the device at byte $1" ]
}

# On a terminal
in_the_end() {
	local rc=0

	script -qefc "bioctl migrate $DEV $TARGET --verify --force" \
		"$TMP/terminal" >/dev/null 2>&1 || rc=$?
	tr '\r' '\n' <"$TMP/terminal" | tail -n 12
	return "$rc"
}

test_run() {
	local dir before

	hold_gate
	DEV=$(disk 0)
	TARGET=$(disk 1)
	DEV_BLOCKS=$(($(blockdev --getsize64 "$DEV") / 4096))
	must mkfs.ext4 -q -b 4096 "$DEV" $((DEV_BLOCKS - 16))
	dir=$(new_mount "$DEV")
	refused
	LOADED=$dir/file
	start_load "$LOADED" 300 --fsync=8 --size=8M
	undo_with bioctl stack remove "$DEV" --name migrate --force
	interrupted
	failing_target
	failing_late
	signals
	ok "killed while it copies" killed_while_copying
	ok "the same again goes on" in_the_end
	expect_output "with a bar that says how far it is" \
		'\[#{10,} +\] +[0-9]+ %' cat "$TMP/terminal"
	expect_output "to its end" '\[#{50}\] 100 %' cat "$TMP/terminal"
	ok "fio runs" load_runs
	before=$(written "$DEV")
	must dd if=/dev/urandom of="$dir/probe" bs=1M count=4 conv=fsync \
		status=none
	expect_eq "nothing is written to the source" "$(written "$DEV")" \
		"$before"
	expect_verified_now "fio verifies"
	expect_refused "it cannot be taken out by mistake" null "changed there" \
		stack remove "$DEV" --name migrate
	before=$(md5sum <"$dir/probe")
	must umount "$dir"
	# Not before: what others have read of it is in its page cache.
	ok "take it out" bioctl stack remove "$DEV" --name migrate --force
	ok "the target is clean" e2fsck -fn "$TARGET"
	dir=$(new_mount "$TARGET")
	expect_eq "the target has the file" "$(md5sum <"$dir/probe")" "$before"
}

killed_while_copying() {
	killed_at copying migrate "$DEV" "$TARGET" --force
}
