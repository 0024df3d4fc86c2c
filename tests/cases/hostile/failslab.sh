# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Each allocation of attach, links, maps, query, barrier, test run and the check for circles fails once: ENOMEM, and nothing has changed."
REQUIRES="config:FAILSLAB config:FAIL_PAGE_ALLOC config:FAULT_INJECTION_DEBUG_FS"
FLAVOURS="debug"
TIMEOUT=120

. "$BLKI_ROOT/tests/lib/hostile.sh"

test_run() {
	local dev other fresh dm

	fast_grace_periods
	dev=$(new_null_blk)
	other=$(new_null_blk)
	fresh=$(new_null_blk)
	# Its slab of bios serves the dm device in there, too: a slab that cannot
	# be made leaks its name (sysfs_slab_add() in mm/slub.c).
	dm=$(new_dm keep "0 2048 linear $(new_null_blk) 0")
	prepare_faults
	run_bin hostile_fail "$dev" "$other" "$fresh" \
		"$(null_blk_dir "$fresh")/power" "$dm"
}
