# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="bioctl gets to the end where all memory is taken, and what the machine swaps to is what it has suspended."
REQUIRES="config:SWAP cmd:jq cmd:dmsetup"
# On the debug kernel the rest of the case would not fit into that little.
FLAVOURS=base
VM_MEM=512
VM_DISKS="384 384"
TIMEOUT=150
GRACE=5

. "$BLKI_ROOT/tests/lib/lower.sh"

# Of them the second or the third hung.
ROUNDS=3
BOOST=/proc/sys/vm/watermark_boost_factor

# short_of_memory STEP ARG...: bioctl, at that step
short_of_memory() {
	"$TEST_BIN/lower_short" "$1" "$MIB" bioctl "${@:2}"
}

test_run() {
	local dev i

	# What is reserved shall not change by itself.
	undo_with sh -c "echo $(<"$BOOST") >$BOOST"
	echo 0 >"$BOOST"
	hold_gate
	dev=$(disk 0)
	undo_with swapoff "$dev"
	must mkswap "$dev" >/dev/null
	must swapon "$dev"
	MIB=$(($(awk '/^MemAvailable:/ { print int($2 / 1024) }' \
		/proc/meminfo) + 64))
	undo_with bioctl stack remove "$dev"
	for ((i = 1; i <= ROUNDS; i++)); do
		ok "insert $i" short_of_memory suspended stack insert "$dev" \
			--table "linear @lower 0"
		ok "remove $i" short_of_memory suspended-out stack remove "$dev"
	done
	# Its table is loaded when it is suspended.
	for ((i = 1; i <= ROUNDS; i++)); do
		must insert "$dev" \
			--table "writecache s @lower $(disk 1) 512 0" >/dev/null
		ok "cache: remove $i" short_of_memory suspended-out stack \
			remove "$dev"
		wipe_disk "$(disk 1)"
	done
	undo_with bioctl snapshot remove "$dev"
	for ((i = 1; i <= ROUNDS; i++)); do
		ok "snapshot $i" short_of_memory origin-suspended snapshot \
			create "$dev" --store "$(disk 1)" --force
		ok "snapshot: remove $i" short_of_memory origin-suspended-out \
			snapshot remove "$dev"
	done
	ok "swapoff" swapoff "$dev"
	expect_no_stack "in the end" "$dev"
}
