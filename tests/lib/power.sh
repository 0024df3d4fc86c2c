# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# For cases about power failures; a case that needs it sources it, and load.sh.
# tests/progs/power.h says what is done and why it is right.

POWER=$TMP/power
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

# power_record NAME FS STEPS KIND KIND KIND: serves source and targets of
# these kinds, and lets a load run on the redirected source.
power_record() {
	local name=$1 fs=$2 dir rc=0 server

	power_hot "$fs"
	power_images "$fs"
	"$TEST_BIN/power_disk" "$POWER" "$4:/dev/nbd0" "$5:/dev/nbd1" "$6:/dev/nbd2" \
		>"$POWER/out" 2>"$POWER/err" &
	server=$!
	must wait_for 20 power_is_served
	power_attach /dev/nbd0 /dev/nbd1 /dev/nbd2
	dir=$(new_mount /dev/nbd0 -t "$fs")
	ok "$name: the load runs" power load "$POWER" "$dir" "$3"
	must umount "$dir"
	must bioctl detach /dev/nbd0 redirect
	# The targets are not open any more.
	must wait_for 20 keys_are_off
	kill -TERM "$server"
	wait "$server" || rc=$?
	sed 's/^/# disk: /' "$POWER/err"
	expect_eq "$name: the disks were served to the end" "$rc" 0
	mapfile -t WRITES < <(power state writes "$POWER")
	note "$name: writes, FUA writes, flushes: ${WRITES[*]/%/;}"
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

# power_fail NAME FS [noticed]: lets the power fail at some moments. Each time two
# states are tried: the caches were lost, and they were written in part.
# With `noticed` it ends at the first state with files that are wrong.
# Sets BAD, how many states could not be mounted, and so on; STATES; FILES,
# how many were looked at; LOST, blocks of the first disk and so on.
power_fail() {
	local name=$1 fs=$2 until=${3:-} dir=$TMP/left source target0 target1 at dice lost n

	declare -gA BAD=([mount]=0 [files]=0 [fsck]=0)
	declare -ga LOST=(0 0 0)
	STATES=0 FILES=0
	mkdir -p "$dir"
	at_exit undo_mount "$dir"
	[ "$fs" != btrfs ] || must btrfs device scan --forget
	source=$(new_loop "$POWER/0.left")
	target0=$(new_loop "$POWER/1.left")
	target1=$(new_loop "$POWER/2.left")
	power_attach "$source" "$target0" "$target1"
	for at in $(power state points "$POWER" "$POWER_STATES"); do
		for dice in 0 "$at"; do
			read -ra lost < <(power state build "$POWER" "$at" "$dice")
			for n in 0 1 2; do
				LOST[n]=$((LOST[n] + lost[n]))
			done
			STATES=$((STATES + 1))
			power_try "$name: at $at, dice $dice, lost ${lost[*]}" \
				"$fs" "$source" "$dir" "$at"
			if [ -n "$until" ] && [ "${BAD[files]}" -gt 0 ]; then
				break 2
			fi
		done
	done
	must bioctl detach "$source" redirect
	note "$name: $STATES states, $FILES files, lost ${LOST[*]} blocks"
}

# power_held NAME: nothing that was promised is lost in any state.
power_held() {
	expect_num "$1: states" "$STATES" -ge 8
	expect_num "$1: files that had to be there" "$FILES" -ge "$STATES"
	expect_num "$1: blocks that were in the caches of the targets" \
		$((LOST[1] + LOST[2])) -gt 0
	expect_eq "$1: states that do not mount" "${BAD[mount]}" 0
	expect_eq "$1: states with files that are lost or wrong" \
		"${BAD[files]}" 0
	expect_eq "$1: states that fsck finds fault with" "${BAD[fsck]}" 0
}

# power_notices NAME FS WHAT: one of the disks does not keep its promises. Not
# every moment shows it.
power_notices() {
	local POWER_STATES=24

	power_fail "$1" "$2" noticed
	expect_num "$3 is noticed" "${BAD[files]}" -gt 0
}
