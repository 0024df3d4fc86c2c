# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A mounted device moves to another disk while it is written; it can be stopped, gone on with, cancelled; in the end all I/O is there."
REQUIRES="cmd:jq cmd:fio cmd:dmsetup cmd:mkfs.ext4"
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

interrupted() {
	# Which what runs in the background ignores
	env --default-signal=INT bioctl -j migrate "$DEV" "$TARGET" --rate 2 \
		--force >"$TMP/first" 2>&1 &
	MIGRATION=$!
	must wait_for 30 is_copying
	kill -INT "$MIGRATION"
	wait "$MIGRATION" || true
	expect_eq "stopped: it says so" "$(jq -r .error.errno "$TMP/first")" \
		EINTR
	expect_eq "stopped: the kernel goes on" "$(migrate_state)" inserted
	expect_refused "stopped: it does not end on another disk" null \
		"being copied to" migrate "$DEV" "$(new_null_blk size=400)"
	ok "cancel" bioctl migrate "$DEV" --cancel
	expect_no_stack "cancelled" "$DEV"
	ok "fio runs" load_runs
}

# Writes that the mirror keeps for its target hang, until it is taken away.
failing_target() {
	local base size

	base=$(new_null_blk size=400)
	size=$(blockdev --getsz "$base")
	new_dm failing "0 $size linear $base 0" >/dev/null
	bioctl -j migrate "$DEV" /dev/mapper/failing --rate 2 --force \
		>"$TMP/failing" 2>&1 &
	MIGRATION=$!
	must wait_for 30 is_copying
	echo "0 $size error" | must dmsetup reload failing
	must dmsetup suspend --noudevsync --noflush failing
	must dmsetup resume --noudevsync failing
	expect_within "failed: bioctl ends" 60 dead "$MIGRATION"
	wait "$MIGRATION" || true
	expect_eq "failed: it says why" "$(jq -r .error.cause "$TMP/failing")" \
		"the target has errors"
	expect_no_stack "failed" "$DEV"
	expect_within "failed: the filesystem works" 30 writes "$(dirname \
		"$LOADED")"
	ok "failed: fio runs" load_runs
}

# It fails when the last that is dirty is on its way to both.
failing_while_frozen() {
	local base size

	base=$(new_null_blk size=400)
	size=$(blockdev --getsz "$base")
	new_dm later "0 $size linear $base 0" >/dev/null
	BIOCTL_PAUSE_AT=freezing-out bioctl -j migrate "$DEV" /dev/mapper/later \
		--force >"$TMP/later" 2>&1 &
	MIGRATION=$!
	must wait_for 120 is_stopped "$MIGRATION"
	echo "0 $size error" | must dmsetup reload later
	must dmsetup suspend --noudevsync --noflush later
	must dmsetup resume --noudevsync later
	kill -CONT "$MIGRATION"
	expect_within "failed late: bioctl ends" 60 dead "$MIGRATION"
	expect_eq "failed late: it says why" "$(jq -r .error.cause \
		"$TMP/later" | grep -c "not complete any more")" 1
	expect_within "failed late: the filesystem works" 30 writes \
		"$(dirname "$LOADED")"
	ok "failed late: cancel" bioctl migrate "$DEV" --cancel
	expect_no_stack "failed late" "$DEV"
	ok "failed late: fio runs" load_runs
}

is_stopped() {
	grep -q '^State:.T' "/proc/$1/status" 2>/dev/null
}

# Nobody hangs up under nohup; while it verifies it can be stopped.
signals() {
	BIOCTL_PAUSE_AT=verifying nohup "$(type -P bioctl)" -j migrate "$DEV" \
		"$TARGET" --verify --force >"$TMP/signals" 2>&1 &
	MIGRATION=$!
	must wait_for 30 is_copying
	kill -HUP "$MIGRATION"
	expect_within "signals: a hang-up is none" 120 is_stopped "$MIGRATION"
	kill -TERM "$MIGRATION"
	kill -CONT "$MIGRATION"
	expect_within "signals: it ends" 30 dead "$MIGRATION"
	expect_eq "signals: it says so" "$(jq -r .error.errno "$TMP/signals")" \
		EINTR
	ok "signals: cancel" bioctl migrate "$DEV" --cancel
	expect_no_stack "signals" "$DEV"
}

is_copying() {
	[ "$(migrate_state)" = inserted ]
}

test_run() {
	local dir before

	hold_gate
	DEV=$(disk 0)
	TARGET=$(disk 1)
	must mkfs.ext4 -q "$DEV"
	dir=$(new_mount "$DEV")
	refused
	LOADED=$dir/file
	start_load "$LOADED" 300 --fsync=8 --size=8M
	undo_with bioctl stack remove "$DEV" --name migrate --force
	interrupted
	failing_target
	failing_while_frozen
	signals
	ok "killed while it copies" killed_while_copying
	ok "the same again goes on" bioctl migrate "$DEV" "$TARGET" --verify \
		--force
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
