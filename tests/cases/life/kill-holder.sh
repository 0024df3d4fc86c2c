# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A link that nobody pinned goes when its process is killed, bios in flight or not; a pinned one stays."
REQUIRES="cmd:fio cmd:jq"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/load.sh"
. "$BLKI_ROOT/tests/lib/bioctl.sh"

attached() {
	query '.devices[0].programs | length' list "$1"
}

nothing_attached() {
	[ "$(attached "$1")" -eq 0 ]
}

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
	if load_runs; then fail "$stack: load"; fi
	kill -KILL "$STORM" 2>/dev/null || true
	expect_within "$stack: nothing is attached" 10 nothing_attached "$SOURCE"
}

pinned() {
	local dev=$1

	must bioctl attach "$dev" count
	expect_eq "the process is gone, the program is there" \
		"$(attached "$dev")" 1
	ok "the pin is all that holds it" \
		rm "/sys/fs/bpf/bioctl/${dev##*/}/count/link"
	expect_within "without it it is gone" 10 nothing_attached "$dev"
	must rm -r /sys/fs/bpf/bioctl
}

test_run() {
	kill_in_turn mq
	kill_in_turn delay
	pinned "$(new_null_blk)"
	expect_keys_off "in the end"
}
