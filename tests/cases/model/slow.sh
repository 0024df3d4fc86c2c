# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Programs and targets change while I/O to slow disks with large blocks is in flight, as a model predicts."
TIMEOUT=180

. "$BLKI_ROOT/tests/lib/model.sh"

test_run() {
	model_null_blk blocksize=4096 cache_size=4
	model_null_blk cache_size=4 irqmode=2 completion_nsec=5000000
	model_null_blk cache_size=4 irqmode=2 completion_nsec=3000000 \
		submit_queues=2
	model_run -s 301 -n 8
}
