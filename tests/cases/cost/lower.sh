# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="What a lower device and an inserted stack cost."
FLAVOURS="base"
BY_NAME=1
TIMEOUT=400
ICOUNT=1

. "$BLKI_ROOT/tests/lib/bioctl.sh"
. "$BLKI_ROOT/tests/lib/bench.sh"

test_run() {
	KINDS=${KIND:-null_blk}
	bench_disks
	row bare
	row_of pass pass
	row_redirected redirect redirect one_target 0
	row_stacked dm-linear "linear DISK 0"
	row_lower
	row_inserted inserted-dm-linear "linear @lower 0"
	row_inserted beside-a-stack "linear @lower 0" --set first=0xffffffff
}
