# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="On device mapper over disks and partitions, random programs, changes and I/O come to what a model predicts."
REQUIRES="cmd:dmsetup"
TIMEOUT=180

. "$BLKI_ROOT/tests/lib/model.sh"

test_run() {
	model_null_blk size=8 cache_size=4
	LAYOUT+=("$(new_brd)")
	model_partitions 0 1024
	model_linear 1024:1:0 1024:2:0 512:1:2048
	model_run -s 201 -n 8
}
