# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="bpf(2) with every field of its new calls wrong: documented errnos, and what fails changes nothing."
TIMEOUT=90

. "$BLKI_ROOT/tests/lib/hostile.sh"

test_run() {
	local dev other

	fast_grace_periods
	dev=$(new_null_blk)
	other=$(new_null_blk)
	run_bin hostile_bpf "$dev" "$other" 1 300
}
