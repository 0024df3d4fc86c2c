# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="The power fails while stacks are put in and taken out, snapshots made and removed, a device migrated: what was synced is there, and the filesystem is clean."
REQUIRES="config:BLK_DEV_NBD cmd:jq cmd:dmsetup cmd:mkfs.ext4 cmd:e2fsck"
TIMEOUT=500

. "$BLKI_ROOT/tests/lib/lower.sh"
. "$BLKI_ROOT/tests/lib/power.sh"

DEV=/dev/nbd0
TABLES=("linear @lower 0" "mirror core 2 1024 nosync 2 @lower 0 /dev/nbd1 0")

position() {
	od -An -tu8 -N8 "$POWER/position" | tr -d ' '
}

# while_loaded STEPS FUNCTION: again and again while a load of so many steps runs
while_loaded() {
	local rc=0

	ROUNDS=0 BROKEN=0
	power load "$POWER" "$DIR" "$1" &
	LOAD=$!
	while kill -0 "$LOAD" 2>/dev/null; do
		"$2" >"$TMP/round" 2>&1 || {
			BROKEN=$((BROKEN + 1))
			note "round $ROUNDS:" "$(<"$TMP/round")"
		}
		ROUNDS=$((ROUNDS + 1))
	done
	wait "$LOAD" || rc=$?
	expect_eq "$NAME: the load runs to its end" "$rc" 0
	expect_eq "$NAME: changes that failed" "$BROKEN" 0
	note "$NAME: $ROUNDS rounds"
}

# recorded NAME STEPS FUNCTION
recorded() {
	NAME=$1
	RANGES=''
	power_images ext4
	power_serve cached cached cached
	DIR=$(new_mount "$DEV" -t ext4)
	while_loaded "$2" "$3"
	must umount "$DIR"
	undo
	power_served "$NAME"
	power_loops
}

undo() {
	:
}

in_and_out() {
	bioctl stack insert "$DEV" --table \
		"${TABLES[ROUNDS % ${#TABLES[@]}]}" &&
		bioctl stack remove "$DEV"
}

snapshots() {
	bioctl snapshot create "$DEV" --store /dev/nbd1 --force &&
		sleep 0.5 && bioctl snapshot remove "$DEV"
}

# Once; from COPIED to MOVED it is one disk or the other.
migrates() {
	if [ "$ROUNDS" -gt 0 ]; then
		sleep 0.2
		return 0
	fi
	killed_at copied migrate "$DEV" /dev/nbd2 --force || return 1
	COPIED=$(position)
	bioctl migrate "$DEV" /dev/nbd2
	MOVED=$(position)
}

undo_migration() {
	must bioctl stack remove "$DEV" --name migrate --force
}

try_source() {
	power_try "$1" ext4 "${LOOPS[0]}" "$POWER_DIR" "$2"
}

try_either() {
	local bad=${BAD[*]} key

	if [ "$2" -ge "$MOVED" ]; then
		TARGETS=$((TARGETS + 1))
		power_try "$1: target" ext4 "${LOOPS[2]}" "$POWER_DIR" "$2"
		return
	fi
	power_try "$1: source" ext4 "${LOOPS[0]}" "$POWER_DIR" "$2"
	if [ "$2" -gt "$COPIED" ] && [ "$bad" != "${BAD[*]}" ]; then
		note "not the source any more"
		for key in mount files fsck; do
			BAD[$key]=${bad%% *}
			bad=${bad#* }
		done
		power_try "$1: target" ext4 "${LOOPS[2]}" "$POWER_DIR" "$2"
	fi
}

test_run() {
	local POWER_STATES=6

	hold_gate
	recorded "stacks" 300 in_and_out
	expect_num "stacks: put in and taken out" "$ROUNDS" -ge 2
	power_each "stacks" ext4 try_source
	power_kept "stacks"
	expect_num "stacks: blocks that were in the device's cache" \
		"${LOST[0]}" -gt 0

	recorded "snapshots" 300 snapshots
	expect_num "snapshots: made and removed" "$ROUNDS" -ge 2
	power_each "snapshots" ext4 try_source
	power_kept "snapshots"
	# The origin's is often empty: the journal is flushed all the time.
	expect_num "snapshots: blocks that were in the caches" \
		$((LOST[0] + LOST[1])) -gt 0

	undo() {
		undo_migration
	}
	TARGETS=0
	recorded "migration" 400 migrates
	power_each "migration" ext4 try_either
	power_kept "migration"
	expect_num "migration: states with all on the target" "$TARGETS" -ge 2
	expect_num "migration: blocks that were in the target's cache" \
		"${LOST[2]}" -gt 0
}
