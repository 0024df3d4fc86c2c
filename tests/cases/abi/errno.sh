# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Every errno of attach, detach, replace, query and device maps; a call that fails changes nothing."

test_run() {
	local dev other stacked gone

	dev=$(new_null_blk)
	other=$(new_null_blk)
	gone=$(new_null_blk)
	stacked=$(new_dm abi_stacked "0 8192 linear $dev 0")
	run_bin abi_errno "$dev" "$other" "$stacked" "$gone" \
		"$(null_blk_dir "$gone")/power"
}
