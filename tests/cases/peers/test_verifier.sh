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
	run_suite test_verifier 700
}
