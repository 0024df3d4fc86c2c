# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="After a power failure ext4, with parts on two other disks, is clean and has every file that was synced."
REQUIRES="config:BLK_DEV_NBD cmd:mkfs.ext4 cmd:e2fsck"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/load.sh"
. "$BLKI_ROOT/tests/lib/power.sh"

test_run() {
	power_record "ext4" ext4 "$POWER_STEPS" cached cached cached
	power_all_written "ext4"
	power_fail "ext4" ext4
	power_held "ext4"

	power_record "a lie" ext4 240 cached cached lies-flush
	power_notices "a lie" ext4 "a disk that lies about flushes"
}
