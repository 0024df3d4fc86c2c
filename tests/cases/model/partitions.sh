# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="On partitions and the disk below them, random programs, changes and I/O come to what a model predicts."
TIMEOUT=180

. "$BLKI_ROOT/tests/lib/model.sh"

test_run() {
	model_null_blk size=8 cache_size=4
	LAYOUT+=("$(new_loop 8)")
	model_partitions 0 1024 1024
	model_run -s 101 -n 8
}
