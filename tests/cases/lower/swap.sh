# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A stack gets below the disk that a machine out of memory swaps to, and out again: no hang, nothing lost."
REQUIRES="config:SWAP cmd:jq cmd:dmsetup"
VM_MEM=512
VM_DISKS="384 384"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/hostile.sh"
. "$BLKI_ROOT/tests/lib/lower.sh"

EXCESS=64
ROUNDS=2
if [ "$FLAVOUR" = debug ]; then
	EXCESS=0
	ROUNDS=1
fi

vmstat() {
	awk -v n="$1" '$1 == n { print $2 }' /proc/vmstat
}

swaps() {
	[ "$(vmstat pswpout)" -ge $((BEFORE + $1)) ]
}

# Two parts, so that bios are divided below, and each is a clone.
halves() {
	local size

	size=$(blockdev --getsz "$1")
	echo "0 40960 linear @lower 0"$'\n'"40960 $((size - 40960)) linear @lower 40960"
}

test_run() {
	local dev size top rounds=0 rc=0

	hold_gate
	dev=$(disk 0)
	undo_with swapoff "$dev"
	must mkswap "$dev" >/dev/null
	must swapon "$dev"
	size=$(awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo)
	note "$size MiB of memory"
	BEFORE=$(vmstat pswpout)
	"$TEST_BIN/hostile_hog" $((size + EXCESS)) "$ROUNDS" >"$TMP/hog" 2>&1 &
	must wait_for 60 swaps 1024
	while kill -0 $! 2>/dev/null; do
		ok "insert" insert "$dev" --table "$(halves "$dev")"
		top=$(stack_says .top "$dev")
		wait_for 10 is_written "$top" 64 || true
		note "through the stack: $(block_stat "$top" 5) writes, $(block_stat "$top" 1) reads"
		[ "$(block_stat "$top" 5)" -lt 64 ] || rounds=$((rounds + 1))
		ok "remove" bioctl stack remove "$dev"
	done
	wait $! || rc=$?
	sed 's/^/# /' "$TMP/hog"
	expect_eq "what was swapped out came back as it was" "$rc" 0
	expect_num "stacks that it was swapped through" "$rounds" -ge 1
	expect_num "pages that went out" $(($(vmstat pswpout) - BEFORE)) -ge 4096
	ok "swapoff" swapoff "$dev"
	expect_no_stack "in the end" "$dev"
}
