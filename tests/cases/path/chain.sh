# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Several programs are asked in their order, each sees what is left for it, and none inherits what another wrote in vain."

test_run() {
	run_bin path_chain "$(new_null_blk)" "$(new_brd)"
}
