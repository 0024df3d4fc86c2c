# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Bios are divided, redirected and flushed although allocations fail: what they need is kept in reserve."
REQUIRES="config:FAILSLAB config:FAIL_PAGE_ALLOC config:FAULT_INJECTION_STACKTRACE_FILTER"
FLAVOURS="debug"
TIMEOUT=120

. "$BLKI_ROOT/tests/lib/hostile.sh"

# some_fail NAME PERCENT SOURCE TARGET [ALIAS]
some_fail() {
	note "$1"
	count_faults
	run_bin hostile_io "${@:2}"
	stop_faults
	expect_num "$1: allocations that failed" "$INJECTED" -gt 100
}

test_run() {
	local source target alias

	source=$(disk 0)
	target=$(disk 1)
	# Its bios wait on current->bio_list while ours are divided.
	alias=$(new_dm above "0 65536 linear $source 0")
	prepare_faults
	run_bin hostile_io 0 "$source" "$target"
	run_bin hostile_io 0 "$source" "$target" "$alias"
	faults_of_interposer
	some_fail "one of three" 33 "$source" "$target"
	some_fail "each" 100 "$source" "$target"
	some_fail "each, below dm" 100 "$source" "$target" "$alias"
}
