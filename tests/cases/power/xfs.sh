# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="After a power failure xfs, with parts on two other disks, is clean and has every file that was synced."
REQUIRES="config:BLK_DEV_NBD config:XFS_FS cmd:mkfs.xfs cmd:xfs_repair"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/load.sh"
. "$BLKI_ROOT/tests/lib/power.sh"

test_run() {
	power_record "xfs" xfs "$POWER_STEPS" cached cached cached
	power_all_written "xfs"
	power_fail "xfs" xfs
	power_held "xfs"
}
