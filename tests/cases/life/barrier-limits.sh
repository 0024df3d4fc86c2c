# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="What a barrier does not wait for, as documented: bios that are throttled, held back for a flush, or within a bio-based disk and not redirected."
REQUIRES="cmd:jq cmd:dmsetup"
TIMEOUT=120

. "$BLKI_ROOT/tests/lib/flush.sh"
. "$BLKI_ROOT/tests/lib/load.sh"
. "$BLKI_ROOT/tests/lib/bioctl.sh"
. "$BLKI_ROOT/tests/lib/rule.sh"

# at_once NAME PID COMMAND...: the barrier of COMMAND returns, long before it
# would give up, and process PID still waits for its bio.
at_once() {
	local name=$1 pid=$2 start=$SECONDS

	shift 2
	ok "$name: the barrier returns" timeout "$(scaled 15)" "$@"
	ok "$name: the bio is still there" kill -0 "$pid"
	note "$name: $((SECONDS - start)) s"
}

expect_over() {
	local rc=0

	expect_within "$1: the bio ends" 60 dead "$2"
	wait "$2" || rc=$?
	expect_eq "$1: without an error" "$rc" 0
}

# The program has moved the bio, which then waits above the queue. It arrives
# where a program that is gone has sent it.
throttled() {
	local null group

	# No disk that is removed: blk_throtl_exit() leaks then, in 6.12, as the
	# policy is off already.
	null=$(disk 0)
	group=$(new_cgroup throttled)
	echo "$(lsblk -dno MAJ:MIN "$null" | tr -d ' ') wbps=$((1048576 / $(scaled 20)))" \
		>"$group/io.max"
	rule_attach moved "$null" "first=0,last=2047,verdict=remap,offset=4096"
	must bioctl attach "$null" count
	# shellcheck disable=SC2016
	bash -c 'echo $$ >"$0/cgroup.procs"
		exec dd if="$1" of="$2" bs=1M count=1 oflag=direct status=none' \
		"$group" "$TMP/data" "$null" &
	WRITER=$!
	must wait_for 20 moved_one
	rule_detach moved
	at_once throttled $WRITER bioctl detach "$null" count --barrier
	echo "$(lsblk -dno MAJ:MIN "$null" | tr -d ' ') wbps=max" \
		>"$group/io.max"
	expect_over throttled $WRITER
	ok "throttled: it is where the old program sent it" \
		cmp -n 1048576 -i $((2 << 20)):0 "$null" "$TMP/data"
}

moved_one() {
	[ "$(stat_of moved remap)" = 1/2048 ]
}

# On a disk without a queue of its own: before any program, and passed by one.
bio_based() {
	local dm before

	dm=$(new_view above "$(new_null_blk)")
	must dmsetup suspend --noudevsync --noflush --nolockfs above
	write_in_background "$dm"
	sleep "$(scaled 1)"
	at_once "before the first program" "$WRITER" \
		bioctl attach "$dm" count --barrier
	must dmsetup resume --noudevsync above
	expect_over "before the first program" "$WRITER"

	before=$(passed "$dm")
	must dmsetup suspend --noudevsync --noflush --nolockfs above
	write_in_background "$dm"
	must wait_for 10 passed_one_more "$dm" "$before"
	at_once "passed" "$WRITER" bioctl detach "$dm" count --barrier
	must dmsetup resume --noudevsync above
	expect_over "passed" "$WRITER"
}

passed() {
	verdict_bios "$1" count pass
}

passed_one_more() {
	[ "$(passed "$1")" -gt "$2" ]
}

# The flush of the source waits for that of a target.
flushing() {
	local source syncer

	source=$(new_cached)
	new_view target "$(new_cached)" >/dev/null
	redirect_blocks "$source" /dev/mapper/target
	write_block "$source" 0
	must dmsetup suspend --noudevsync --noflush --nolockfs target
	sync "$source" &
	syncer=$!
	sleep "$(scaled 1)"
	at_once "held back for a flush" $syncer \
		bioctl attach "$source" count --barrier
	must dmsetup resume --noudevsync target
	expect_over "held back for a flush" $syncer
	must bioctl detach "$source" count
	must bioctl detach "$source"
}

test_run() {
	must dd if=/dev/urandom of="$TMP/data" bs=1M count=1 status=none
	throttled
	bio_based
	flushing
	expect_keys_off "in the end"
}
