# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Those of the kernel's own test_progs about links, multi-program hooks, libbpf and the verifier come to their end."
FLAVOURS="peers peers-unpatched"
TIMEOUT=900
VM_MEM=4096

. "$BLKI_ROOT/tests/lib/bioctl.sh"
. "$BLKI_ROOT/tests/lib/peers.sh"

# `#12/3 TEST/SUBTEST:OK` and `#12 TEST:OK (SKIP: 1/3)`
test_results() {
	sed -nE 's/^#[0-9]+(\/[0-9]+)? +([^:]+):(OK|FAIL|SKIP)( .*)?$/\2:\3/p' \
		"$1" | tr ' ' '_' | sed 's/:\([A-Z]*\)$/ \1/'
}

test_run() {
	local way dev disk

	dev=$(new_null_blk)
	disk=$(disk 0)
	suite_here
	for way in $(ways); do
		enter_way "$way" "$dev" "$disk"
		./test_progs >"$TMP/out" 2>&1 || true
		tail -n 1 "$TMP/out"
		expect_match "$way: it comes to its end" \
			"$(tail -n 1 "$TMP/out")" "^Summary: "
		test_results "$TMP/out" >"$TMP/results"
		expect_results "$way" 500
		leave_way "$way" "$dev" "$disk"
	done
}
