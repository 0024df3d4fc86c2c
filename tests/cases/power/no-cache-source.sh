# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A disk without a write cache has parts on disks with one: synced files outlast a power failure, as every write there is FUA."
REQUIRES="config:BLK_DEV_NBD cmd:mkfs.ext4 cmd:e2fsck"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/load.sh"
. "$BLKI_ROOT/tests/lib/power.sh"

# only_fua NAME: the source takes no flushes, and no write to a target was left
# to its cache.
only_fua() {
	local n writes fua flushes

	read -r writes fua flushes <<<"${WRITES[0]}"
	expect_eq "$1: flushes of the source" "$flushes" 0
	for n in 1 2; do
		read -r writes fua flushes <<<"${WRITES[n]}"
		expect_eq "$1: FUA writes to disk $n" "$fua" "$writes"
	done
}

test_run() {
	power_record "no cache" ext4 "$POWER_STEPS" direct cached cached
	only_fua "no cache"
	power_all_written "no cache"
	power_fail "no cache" ext4
	power_held "no cache"

	power_record "a lie" ext4 240 direct cached lies-fua
	power_notices "a lie" ext4 "a target that lies about FUA"
}
