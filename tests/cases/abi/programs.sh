# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="What programs reach: the bio itself, cookies, redirect targets, not from callbacks; and programs in the place of others."

test_run() {
	run_bin abi_prog "$(new_null_blk)" "$(new_null_blk)" \
		"$(new_null_blk blocksize=4096)"
}
