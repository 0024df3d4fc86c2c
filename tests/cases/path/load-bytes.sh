# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A program reads the payload of a write, and only that."

test_run() {
	run_bin path_load "$(new_null_blk)"
	run_bin path_load "$(new_brd)"
}
