# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# For the suites of others, which run on their kernel, on ours, and on ours with
# a program attached to each disk. What they say goes into lines `result: WAY
# NAME RESULT` of the log, for tests/peers/compare: a case fails here only if a
# suite does not come to its end.

. "$BLKI_ROOT/tests/lib/load.sh"

SUITE=$OUT/tests/peers/$FLAVOUR
REQUIRES="file:$SUITE/test_verifier cmd:fio"

# ways: in which this kernel can be run
ways() {
	if [ "$FLAVOUR" = peers ]; then
		echo "detached attached"
	else
		echo "unpatched"
	fi
}

# Attached, there are bios all the time, each of which passes through a program.
enter_way() {
	[ "$1" = attached ] || return 0
	must bioctl attach "$2" count
	start_io "$2"
}

leave_way() {
	local rc=0

	[ "$1" = attached ] || return 0
	kill -TERM "$IO"
	wait "$IO" || rc=$?
	expect_eq "$1: what was read is what was written" "$rc" 0
	expect_num "$1: the program saw bios" \
		"$(verdict_bios "$2" count pass)" -gt 256
	must bioctl detach "$2"
}

# expect_results WAY LEAST: of lines `NAME RESULT` in $TMP/results
expect_results() {
	sed "s/^/result: $1 /" "$TMP/results"
	expect_num "$1: results" "$(wc -l <"$TMP/results")" -ge "$2"
}

# run_suite PROGRAM LEAST: in each way; the case's test_results() makes lines
# `NAME RESULT` of what it printed. The suites expect to lie in the current
# directory, and write there. Some of their tests fail on any kernel: status 1.
run_suite() {
	local way dev rc

	dev=$(disk 0)
	must cp -a "$SUITE" "$TMP/suite"
	must cd "$TMP/suite"
	for way in $(ways); do
		enter_way "$way" "$dev"
		rc=0
		"./$1" >"$TMP/out" 2>&1 || rc=$?
		tail -n 1 "$TMP/out"
		expect_num "$way: status" "$rc" -le 1
		expect_match "$way: it comes to its end" \
			"$(tail -n 1 "$TMP/out")" "^Summary: "
		test_results "$TMP/out" >"$TMP/results"
		expect_results "$way" "$2"
		leave_way "$way" "$dev"
	done
}
