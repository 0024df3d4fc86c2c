# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Random attaching, replacing and detaching of up to 63 programs and links ends as the rules of order and revision say."
TIMEOUT=180

test_run() {
	run_bin abi_order "$(new_null_blk)" 150 1
	run_bin abi_order "$(new_null_blk)" 150 "$SRANDOM"
}
