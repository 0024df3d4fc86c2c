# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="The redirect policy agrees with a plain model on every border, operation and on random bios."
TIMEOUT=240

test_run() {
	local first second

	first=$(new_null_blk)
	second=$(new_null_blk)
	run_bin policy_redirect "$first" "$second"
}
