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

# enter_way WAY DEVICE...: attached, every bio of the devices passes through a
# program, and there are bios all the time on the first.
enter_way() {
	local dev

	[ "$1" = attached ] || return 0
	for dev in "${@:2}"; do
		must bioctl attach "$dev" count
	done
	start_io "$2"
}

leave_way() {
	local dev rc=0

	[ "$1" = attached ] || return 0
	kill -TERM "$IO"
	wait "$IO" || rc=$?
	expect_eq "$1: what was read is what was written" "$rc" 0
	for dev in "${@:2}"; do
		expect_num "$1: the program saw bios of $dev" \
			"$(query '.devices[0].programs[0].verdicts.pass.bios' \
				list "$dev")" -gt 0
		must bioctl detach "$dev" --all
	done
}

# The suites expect to lie in the current directory, and write there.
suite_here() {
	must cp -a "$SUITE" "$TMP/suite"
	must cd "$TMP/suite"
}

# expect_results WAY LEAST: of lines `NAME RESULT` in $TMP/results
expect_results() {
	sed "s/^/result: $1 /" "$TMP/results"
	expect_num "$1: results" "$(wc -l <"$TMP/results")" -ge "$2"
}
