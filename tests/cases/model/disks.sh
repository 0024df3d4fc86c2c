# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="On disks of several kinds, random programs, changes and I/O come to what a model predicts."
TIMEOUT=180

. "$BLKI_ROOT/tests/lib/model.sh"

test_run() {
	model_null_blk cache_size=4
	LAYOUT+=("$(new_brd)")
	# Divides what is longer, behind the programs.
	model_null_blk cache_size=4 max_sectors=32 discard=1
	model_run -s 1 -n 10
}
