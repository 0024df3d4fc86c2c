# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A target stays open for a redirected bio that is throttled there, although slot and program are gone."
REQUIRES="config:BLK_DEV_THROTTLING"
TIMEOUT=120

. "$BLKI_ROOT/tests/lib/load.sh"
. "$BLKI_ROOT/tests/lib/rule.sh"

redirected_one() {
	[ "$(stat_of slow redirect)" = 1/2048 ]
}

keys() {
	"$TEST_BIN/life_keys" "$TEST_BPF/life_keys.bpf.o"
}

test_run() {
	local source target group number writer rc=0

	source=$(new_null_blk)
	# No disk that is removed: blk_throtl_exit() leaks then, in 6.12, as the
	# policy is off already.
	target=$(disk 2)
	must dd if=/dev/urandom of="$TMP/data" bs=1M count=1 status=none
	group=$(new_cgroup throttled)
	number=$(lsblk -dno MAJ:MIN "$target" | tr -d ' ')
	echo "$number wbps=$((1048576 / $(scaled 60)))" >"$group/io.max"
	rule_attach slow "$source" "verdict=redirect,op=write" \
		"target=0:$target"
	# shellcheck disable=SC2016
	bash -c 'echo $$ >"$0/cgroup.procs"
		exec dd if="$1" of="$2" bs=1M count=1 oflag=direct status=none' \
		"$group" "$TMP/data" "$source" &
	writer=$!
	must wait_for 20 redirected_one
	must rule untarget slow 0
	rule_detach slow
	# The worker that closes targets had its time.
	sleep "$(scaled 2)"
	ok "the write still waits" kill -0 "$writer"
	# So is the gate: a flush of the source may have to go there.
	expect_eq "and so the target is open" "$(keys)" "1 1"
	echo "$number wbps=max" >"$group/io.max"
	expect_within "the write ends" 60 dead "$writer"
	wait "$writer" || rc=$?
	expect_eq "without an error" "$rc" 0
	expect_keys_off "then"
	ok "it is where the program sent it" \
		cmp -n 1048576 "$target" "$TMP/data"
}
