# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A bio ends with the errno that a program gives, if it is one that a bio can end with."

test_run() {
	run_bin path_errno "$(new_null_blk)"
	run_bin path_errno "$(new_brd)"
}
