# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A link that nobody pinned goes when its process is killed, bios in flight or not; a pinned one stays."
REQUIRES="cmd:fio cmd:jq"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/load.sh"
. "$BLKI_ROOT/tests/lib/bioctl.sh"

kill_in_turn() {
	local stack=$1 kills=0

	make_stack "$stack"
	start_load "$SOURCE" "$(scaled 6)"
	while load_runs; do
		start_storm hold "$SOURCE" "$TARGET0" "$TARGET1"
		sleep 0.3
		kill -KILL "$STORM"
		wait "$STORM" || true
		kills=$((kills + 1))
	done
	expect_verified "$stack: fio verifies"
	expect_num "$stack: holders killed" "$kills" -ge 2
	expect_num "$stack: bios went to the target" "$(ios "$TARGET0")" -gt 0
	expect_within "$stack: nothing is attached" 10 \
		has_programs "$SOURCE" 0
}

pinned() {
	local dev=$1

	must bioctl attach "$dev" count
	ok "the process is gone, the program is there" has_programs "$dev" 1
	ok "the pin is all that holds it" \
		rm "/sys/fs/bpf/bioctl/${dev##*/}/count/link"
	expect_within "without it it is gone" 10 \
		has_programs "$dev" 0
	must rm -r /sys/fs/bpf/bioctl
}

test_run() {
	kill_in_turn mq
	kill_in_turn delay
	pinned "$(new_null_blk)"
	expect_keys_off "in the end"
}
