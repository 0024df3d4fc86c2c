# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Booted with blk_interposer=off nothing can be attached; all else works."
CMDLINE="blk_interposer=off"

test_run() {
	run_bin abi_off "$(new_null_blk)"
}
