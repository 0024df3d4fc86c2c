# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="After a power failure btrfs, with parts on two other disks, is clean and has every file that was synced."
REQUIRES="config:BLK_DEV_NBD config:BTRFS_FS cmd:mkfs.btrfs cmd:btrfs"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/load.sh"
. "$BLKI_ROOT/tests/lib/power.sh"

test_run() {
	power_record "btrfs" btrfs "$POWER_STEPS" cached cached cached
	power_all_written "btrfs"
	power_fail "btrfs" btrfs
	power_held "btrfs"
}
