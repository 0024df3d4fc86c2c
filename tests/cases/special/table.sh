# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Each kind of bio comes under each verdict to what the table in docs/correctness.md says."
REQUIRES="config:BLK_DEV_ZONED"
CMDLINE="scsi_debug.atomic_wr=1"
TIMEOUT=120

test_run() {
	run_bin special_table "$BLKI_ROOT/docs/correctness.md" \
		"$(disk 0)" "$(disk 1)" "$(new_null_blk)" "$(new_zram)" \
		"$(new_null_blk zoned=1 zone_size=4)" \
		"$(new_null_blk zoned=1 zone_size=4)" \
		"$(new_null_blk zoned=1 zone_size=8)" \
		"$(new_null_blk poll_queues=1)" "$(new_null_blk poll_queues=1)" \
		"$(new_scsi_debug)" "$(new_scsi_debug)"
}
