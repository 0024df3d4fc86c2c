# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="fsync does not return before a slow target has flushed, however many call it; other disks do not wait."
REQUIRES="cmd:jq"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/flush.sh"

# Milliseconds that a flush of the target takes.
SLOW=$(scaled 1500)

# elapsed COMMAND...: sets MS.
elapsed() {
	local start=${EPOCHREALTIME/./}

	must "$@"
	MS=$(((${EPOCHREALTIME/./} - start) / 1000))
}

test_run() {
	local dev base other other_target slow pids pid

	dev=$(new_cached)
	base=$(new_cached)
	other=$(new_cached)
	other_target=$(new_cached)
	slow=$(new_dm slow "0 $(blockdev --getsz "$base") \
		delay $base 0 0 $base 0 0 $base 0 $SLOW")
	redirect_blocks "$dev" "$slow"
	redirect_blocks "$other" "$other_target"

	elapsed fsync "$dev"
	expect_num "clean: no wait" "$MS" -lt "$SLOW"
	write_block "$dev" 0
	elapsed fsync "$dev"
	expect_num "dirty: it waits" "$MS" -ge "$SLOW"

	# The second one starts while the first one's flush is on its way, and
	# its own write may have come too late for that.
	write_block "$dev" 0
	fsync "$dev" &
	pids=$!
	sleep 0.5
	write_block "$dev" 0
	elapsed fsync "$dev"
	expect_num "a second fsync has a flush of its own" "$MS" -ge "$SLOW"
	must wait "$pids"

	write_block "$dev" 0
	fsync "$dev" &
	pids=$!
	sleep 0.5
	elapsed fsync "$dev"
	expect_num "and without a write of its own does not overtake" \
		"$MS" -ge $((SLOW / 3))
	must wait "$pids"

	write_block "$dev" 0
	pids=''
	for _ in 1 2 3 4 5 6 7 8; do
		fsync "$dev" &
		pids+=" $!"
	done
	write_block "$other" 0
	elapsed fsync "$other"
	expect_num "another disk does not wait" "$MS" -lt "$SLOW"
	for pid in $pids; do
		must wait "$pid"
	done
	must bioctl detach "$dev"
	must bioctl detach "$other"
}
