# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="More fsyncs than a workqueue runs at a time are stuck at the target of one disk: another disk does not wait for them, and all end."
REQUIRES="cmd:mdadm cmd:jq"
TIMEOUT=120

. "$BLKI_ROOT/tests/lib/flush.sh"

# WQ_DFL_ACTIVE is 256.
MANY=300

stuck_workers() {
	cat /proc/[0-9]*/stat 2>/dev/null | grep -c '^[0-9]* (kworker/[uR][^)]*) D '
}

are_stuck() {
	[ "$(stuck_workers)" -ge "$1" ]
}

# md makes all wait that write to a range, also who flushes it.
hold_md() {
	echo "$2" >"/sys/block/${1##*/}/md/suspend_hi"
}

test_run() {
	local dev other md pids='' pid n

	dev=$(new_cached)
	md=$(new_md 1 "$(new_cached)")
	other=$(new_cached)
	redirect_blocks "$dev" "$md"
	redirect_blocks "$other" "$(new_cached)"
	must write_block "$dev" 0
	must write_block "$other" 0

	at_exit bash -c "echo 0 >/sys/block/${md##*/}/md/suspend_hi"
	must hold_md "$md" 1000000
	for ((n = 0; n < MANY; n++)); do
		sync "$dev" &
		pids+=" $!"
	done
	expect_within "as many are stuck as can be" 60 are_stuck 256
	ok "another disk does not wait" fsync "$other"
	must are_stuck 256

	must hold_md "$md" 0
	for pid in $pids; do
		must wait "$pid"
	done
	ok "one more has nothing to wait for" fsync "$dev"
	must bioctl detach "$dev"
	must bioctl detach "$other"
}
