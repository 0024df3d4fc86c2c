# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Random programs over struct bpf_bio: what the verifier takes does no harm, and some things it never takes."
TIMEOUT=90

. "$BLKI_ROOT/tests/lib/hostile.sh"

test_run() {
	local dev target

	fast_grace_periods
	dev=$(new_null_blk discard=1 cache_size=4)
	target=$(new_null_blk)
	run_bin hostile_verifier "$dev" "$target" 1 2000
}
