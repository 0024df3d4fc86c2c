# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# For cases about power failures; a case that needs it sources it, and load.sh.
# tests/progs/power.h says what is done and why it is right.

POWER=$TMP/power
LOOPS=()
# At how many moments the power fails, or `all`; see power_state.c.
POWER_STATES=${POWER_STATES:-6}
# How much is done before
POWER_STEPS=${POWER_STEPS:-240}

power() {
	"$TEST_BIN/power_$1" "${@:2}"
}

# power_layout MIB MIB: RANGES. At each of the two places begins a hot part of
# 8 MiB, of which every other 128 KiB go to a target, to one and the other in
# turn, at the same sector.
power_layout() {
	local start n first

	RANGES=''
	for start; do
		for n in {0..31}; do
			first=$((start * 2048 + n * 512 + 256))
			RANGES+=,$first-$((first + 255)):$first:$((n % 2))
		done
	done
	RANGES=${RANGES#,}
}

# power_images FS: what the disks hold in the beginning, the hot parts moved
power_images() {
	local n size=64

	# It does not make smaller ones.
	[ "$1" != btrfs ] || size=128
	mkdir -p "$POWER"
	rm -f "$POWER"/*
	truncate -s ${size}M "$POWER"/{0,1,2}.base
	must make_fs "$1" "$POWER/0.base"
	must power state move "$POWER" "$RANGES"
	for n in 0 1 2; do
		cp --sparse=always "$POWER/$n".{base,now}
		cp --sparse=always "$POWER/$n".{base,left}
	done
}

power_is_served() {
	grep -q ready "$POWER/out"
}

power_attach() {
	must bioctl attach "$1" redirect --target "0=$2" --target "1=$3" \
		--set "ranges=$RANGES"
}

# power_hot FS: RANGES such that journal or log, metadata and data have parts
# everywhere
power_hot() {
	case $1 in
	ext4) power_layout 0 8 ;; # the journal is at 4 to 8 MiB
	xfs) power_layout 0 32 ;; # the log begins the second half
	btrfs) power_layout 5 13 ;; # the first chunks of metadata and data
	esac
}

# power_serve KIND KIND KIND: disks of these kinds, with what power_images made
power_serve() {
	"$TEST_BIN/power_disk" "$POWER" "$1:/dev/nbd0" "$2:/dev/nbd1" \
		"$3:/dev/nbd2" >"$POWER/out" 2>"$POWER/err" &
	POWER_SERVER=$!
	must wait_for 20 power_is_served
}

# power_served NAME: unmounted, and no target any more
power_served() {
	local rc=0

	must wait_for 20 targets_are_closed
	kill -TERM "$POWER_SERVER"
	wait "$POWER_SERVER" || rc=$?
	sed 's/^/# disk: /' "$POWER/err"
	expect_eq "$1: the disks were served to the end" "$rc" 0
	mapfile -t WRITES < <(power state writes "$POWER")
	note "$1: writes, FUA writes, flushes: ${WRITES[*]/%/;}"
}

# power_record NAME FS STEPS KIND KIND KIND: serves source and targets of
# these kinds, and lets a load run on the redirected source.
power_record() {
	local name=$1 fs=$2 dir

	power_hot "$fs"
	power_images "$fs"
	power_serve "${@:4}"
	power_attach /dev/nbd0 /dev/nbd1 /dev/nbd2
	dir=$(new_mount /dev/nbd0 -t "$fs")
	ok "$name: the load runs" power load "$POWER" "$dir" "$3"
	must umount "$dir"
	must bioctl detach /dev/nbd0 redirect
	power_served "$name"
}

# power_all_written NAME: the load has changed all three disks.
power_all_written() {
	local n

	for n in 0 1 2; do
		expect_num "$1: writes to disk $n" "${WRITES[n]%% *}" -gt 10
	done
}

# power_bad KIND WHAT...: a state is not as it should be.
power_bad() {
	BAD[$1]=$((BAD[$1] + 1))
	note "${@:2}"
}

# power_try NAME FS DEVICE DIR POSITION
power_try() {
	local log=$POWER/log words=()

	# See tests/progs/power_check.c.
	[ "$2" != btrfs ] || words=(old-names)
	if ! mount -t "$2" "$3" "$4" >"$log" 2>&1; then
		power_bad mount "$1: mount: $(<"$log")"
		return 0
	fi
	power check "$POWER" "$4" "$5" "${words[@]}" >"$log" 2>&1 ||
		power_bad files "$1: files:" "$(<"$log")"
	FILES=$((FILES + $(awk 'END { print $1 }' "$log")))
	must umount "$4"
	check_fs "$2" "$3" >"$log" 2>&1 ||
		power_bad fsck "$1: fsck:" "$(<"$log")"
	# It remembers the newest state that it has seen, and wants no older one.
	[ "$2" != btrfs ] || must btrfs device scan --forget
}

# power_each NAME FS FUNCTION [noticed]: lets the power fail at some moments. Each
# time two states are tried: the caches were lost, and they were written in part.
# FUNCTION gets a description and the position, and finds them in N.left.
# With `noticed` it ends at the first state with files that are wrong.
# Sets BAD, how many states could not be mounted, and so on; STATES; FILES,
# how many were looked at; LOST, blocks of the first disk and so on.
power_each() {
	local name=$1 fs=$2 try=$3 until=${4:-} at dice lost n

	declare -gA BAD=([mount]=0 [files]=0 [fsck]=0)
	declare -ga LOST=(0 0 0)
	STATES=0 FILES=0
	[ "$fs" != btrfs ] || must btrfs device scan --forget
	for at in $(power state points "$POWER" "$POWER_STATES"); do
		for dice in 0 "$at"; do
			read -ra lost < <(power state build "$POWER" "$at" "$dice")
			for n in 0 1 2; do
				LOST[n]=$((LOST[n] + lost[n]))
			done
			STATES=$((STATES + 1))
			"$try" "$name: at $at, dice $dice, lost ${lost[*]}" "$at"
			if [ -n "$until" ] && [ "${BAD[files]}" -gt 0 ]; then
				break 2
			fi
		done
	done
	note "$name: $STATES states, $FILES files, lost ${LOST[*]} blocks"
}

# power_loops: LOOPS, on what power_each builds, and POWER_DIR to mount one at
power_loops() {
	local n

	for n in "${LOOPS[@]}"; do
		must undo_loop "$n"
	done
	LOOPS=()
	for n in 0 1 2; do
		LOOPS+=("$(new_loop "$POWER/$n.left")")
	done
	POWER_DIR=$TMP/left
	mkdir -p "$POWER_DIR"
	at_exit undo_mount "$POWER_DIR"
}

# power_fail NAME FS [noticed]: power_each, of a redirected source
power_fail() {
	power_loops
	power_attach "${LOOPS[@]}"
	POWER_FS=$2 power_each "$1" "$2" power_try_source "${@:3}"
	must bioctl detach "${LOOPS[0]}" redirect
}

power_try_source() {
	power_try "$1" "$POWER_FS" "${LOOPS[0]}" "$POWER_DIR" "$2"
}

# power_kept NAME: nothing that was promised is lost in any state.
power_kept() {
	expect_num "$1: states" "$STATES" -ge 8
	expect_num "$1: files that had to be there" "$FILES" -ge "$STATES"
	expect_eq "$1: states that do not mount" "${BAD[mount]}" 0
	expect_eq "$1: states with files that are lost or wrong" \
		"${BAD[files]}" 0
	expect_eq "$1: states that fsck finds fault with" "${BAD[fsck]}" 0
}

# power_held NAME: and it is not because the targets had nothing to lose.
power_held() {
	power_kept "$1"
	expect_num "$1: blocks that were in the caches of the targets" \
		$((LOST[1] + LOST[2])) -gt 0
}

# power_notices NAME FS WHAT: one of the disks does not keep its promises. Not
# every moment shows it.
power_notices() {
	local POWER_STATES=24

	power_fail "$1" "$2" noticed
	expect_num "$3 is noticed" "${BAD[files]}" -gt 0
}
