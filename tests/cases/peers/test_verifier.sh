# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="The kernel's own test_verifier comes to its end."
FLAVOURS="peers peers-unpatched"
TIMEOUT=900
VM_MEM=4096

. "$BLKI_ROOT/tests/lib/bioctl.sh"
. "$BLKI_ROOT/tests/lib/peers.sh"

# `#12/p DESCRIPTION [N cases] OK`, with the verifier's log after a failure
test_results() {
	awk '/^#[0-9]+\/[pu] / {
		result = "FAIL"
		if (/ OK( \(NOTE: .*\))?$/)
			result = "OK"
		else if (/ SKIP( \(.*\))?$/)
			result = "SKIP"
		print $1, result
	}' "$1"
}

test_run() {
	local way dev disk

	dev=$(new_null_blk)
	disk=$(disk 0)
	suite_here
	for way in $(ways); do
		enter_way "$way" "$dev" "$disk"
		./test_verifier >"$TMP/out" 2>&1 || true
		tail -n 1 "$TMP/out"
		expect_match "$way: it comes to its end" \
			"$(tail -n 1 "$TMP/out")" "^Summary: "
		test_results "$TMP/out" >"$TMP/results"
		expect_results "$way" 500
		leave_way "$way" "$dev" "$disk"
	done
}
