# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# `make storm` lets it go on for 10 minutes.

DESCRIPTION="Stacks go in and out, programs come and go above them, slots, tables, limits and disks change, all at once under load: every job verifies, nothing hangs, nothing is left."
REQUIRES="cmd:fio cmd:jq cmd:dmsetup"
TIMEOUT=240
VM_MEM=1536

. "$BLKI_ROOT/tests/lib/lower.sh"
. "$BLKI_ROOT/tests/lib/rule.sh"
. "$BLKI_ROOT/tests/lib/storm.sh"

slow_disk() {
	new_null_blk irqmode=2 completion_nsec=1000000
}

# Bios go through the stack and beside it: to the same sectors. By its pin, as
# 'target del DEVICE stack' does not take it from what is in use.
switch_slot() {
	local map=/sys/fs/bpf/bioctl/${1##*/}/stack/maps/targets

	bioctl target del --map "$map" 0 &&
		bioctl target add --map "$map" "0=/dev/mapper/${1##*/}-stack"
}

in_and_out() {
	bioctl stack insert "$1" --table "linear @lower 0" &&
		bioctl stack remove "$1"
}

snapshot_and_away() {
	bioctl snapshot create "$1" --store "$2" --force &&
		bioctl snapshot remove "$1"
}

change_limits() {
	echo 64 >"$1/queue/max_sectors_kb"
	echo "write through" >"$1/queue/write_cache"
	echo "write back" >"$1/queue/write_cache"
	echo 128 >"$1/queue/max_sectors_kb"
}

# The disk goes with a stack on it: that fails, and can be cleared away.
remove_original() {
	local dev=$1 dir=$2 rc=0

	bioctl stack insert "$dev" --table "linear @lower 0" || rc=$?
	# It may begin when the node is gone.
	dd if=/dev/zero of="$dev" bs=4k count=512 oflag=direct conv=nocreat \
		status=none &
	sleep 0.02
	echo 0 >"$dir/power"
	wait $! && rc=1
	bioctl stack remove "$dev" || rc=$?
	until echo 1 >"$dir/power"; do
		sleep 0.1
	done
	return "$rc"
}

export -f switch_slot in_and_out snapshot_and_away change_limits \
	remove_original

# Something is inserted all the time.
below() {
	local dev

	dev=$(slow_disk)
	insert "$dev" --table "linear @lower 0" >/dev/null
	job fio-below "$dev"
	storm storm-link-below link "$dev"
	storm storm-prog-below -b prog "$dev"
	again slot switch_slot "$dev"
	again suspend suspend_dm "${dev##*/}-stack"
	again freeze freeze_queue "/sys/block/${dev##*/}"
	BELOW=$dev
}

# The stack itself comes and goes.
comes_and_goes() {
	local dev=$1 name=$2

	undo_with bioctl stack remove "$dev"
	job "fio-$name" "$dev"
	storm "storm-update-$name" update "$dev"
	again "insert-$name" in_and_out "$dev"
}

test_run() {
	local dev gone

	SECONDS_OF_STORM=${STORM_SECONDS:-$(scaled 15)}
	hold_gate
	below
	comes_and_goes "$(slow_disk)" mq
	comes_and_goes "$(new_brd)" brd
	dev=$(new_null_blk cache_size=4)
	undo_with bioctl snapshot remove "$dev"
	job fio-snapshot "$dev"
	again snapshot snapshot_and_away "$dev" "$(disk 1)"
	again limits change_limits "/sys/block/${dev##*/}"
	gone=$(slow_disk)
	undo_with bioctl stack remove "$gone"
	again remove remove_original "$gone" "$(null_blk_dir "$gone")"
	again query query_all

	sleep "$SECONDS_OF_STORM"
	expect_storm_ends
	ok "the stack is still there" bioctl stack status "$BELOW"
	ok "and goes" bioctl stack remove "$BELOW"
	expect_eq "no stack is left" "$(query '.stacks | length' stack list)" 0
	expect_within "in the end: targets are closed" "$(scaled 30)" \
		targets_are_closed
}
