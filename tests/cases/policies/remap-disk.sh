# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Two exchanged ranges of a disk read and write each other's sectors, however bios straddle their borders."
REQUIRES="cmd:fio"
TIMEOUT=180

SECTORS=16384
A=1001
B=5003
NR=301

# FILE with both ranges exchanged.
exchange() {
	cp "$1" "$1.exchanged"
	dd if="$1" of="$1.exchanged" bs=512 skip="$A" seek="$B" count="$NR" \
		conv=notrunc status=none
	dd if="$1" of="$1.exchanged" bs=512 skip="$B" seek="$A" count="$NR" \
		conv=notrunc status=none
}

reads_as() {
	dd if="$1" bs=1M count=8 iflag=direct,fullblock status=none | cmp - "$2"
}

fio_verify() {
	fio --name=verify --filename="$1" --size=8M --direct=1 --rw=randrw \
		--bsrange=512-64k --blockalign=512 --ioengine=libaio \
		--iodepth=8 --verify=crc32c --verify_fatal=1 --randrepeat=1 \
		--output="$TMP/fio.log"
}

check_device() {
	local dev=$1

	note "device $dev"
	dd if=/dev/urandom of="$TMP/old" bs=512 count="$SECTORS" status=none
	dd if=/dev/urandom of="$TMP/new" bs=512 count="$SECTORS" status=none
	exchange "$TMP/old"
	exchange "$TMP/new"
	dd if="$TMP/old" of="$dev" bs=1M oflag=direct status=none

	must bioctl attach "$dev" remap --set a_first="$A" --set b_first="$B" \
		--set nr="$NR"
	ok "reads find the ranges exchanged" reads_as "$dev" "$TMP/old.exchanged"
	dd if="$TMP/new" of="$dev" bs=1M oflag=direct status=none
	ok "what was written is read" reads_as "$dev" "$TMP/new"
	must bioctl detach "$dev" remap
	ok "and lies exchanged on the disk" reads_as "$dev" "$TMP/new.exchanged"

	must bioctl attach "$dev" remap --set a_first="$A" --set b_first="$B" \
		--set nr="$NR"
	ok "fio verifies what it wrote, in blocks of all sizes" fio_verify "$dev"
	must bioctl detach "$dev" remap
}

test_run() {
	local disk null ram

	disk=$(disk 0)
	null=$(new_null_blk)
	ram=$(new_brd)
	check_device "$disk"
	check_device "$null"
	check_device "$ram"
}
