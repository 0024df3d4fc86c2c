# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Two barriers at the same time wait for the same bios, and neither for what the other has begun."
REQUIRES="cmd:fio cmd:jq"

. "$BLKI_ROOT/tests/lib/load.sh"

test_run() {
	local source target

	source=$(new_null_blk)
	target=$(new_null_blk)
	start_storm meet "$source" "$target" "$target"
	# From the first redirected bio on there is something to wait for.
	start_load "$source" "$(scaled 5)"
	expect_verified "fio verifies"
	expect_storm "under load" 20
	start_storm meet "$source" "$target" "$target"
	must dd if="$source" of=/dev/null bs=4k count=1 iflag=direct status=none
	sleep "$(scaled 3)"
	expect_storm "idle" 20
	expect_keys_off "in the end"
}
