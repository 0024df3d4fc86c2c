# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A protected range survives writes, discards and zeroing, and what lies beside it does not."
REQUIRES="cmd:jq cmd:blkdiscard"
TIMEOUT=180

SECTORS=4096
RANGES=100-199,1000-1007

# The same write on the device and on the file that says what it should hold.
write_both() {
	local first=$1 nr=$2

	dd if="$TMP/new" of="$TMP/want" bs=512 skip="$first" seek="$first" \
		count="$nr" conv=notrunc status=none
	dd if="$TMP/new" of="$DEV" bs="$((nr * 512))" count=1 \
		iflag=skip_bytes oflag=direct,seek_bytes \
		skip="$((first * 512))" seek="$((first * 512))" status=none
}

# What a refused write leaves behind: only the part outside of the range.
want_only() {
	dd if="$TMP/new" of="$TMP/want" bs=512 skip="$1" seek="$1" \
		count="$2" conv=notrunc status=none
}

write_device() {
	dd if="$TMP/new" of="$DEV" bs="$(($2 * 512))" count=1 \
		iflag=skip_bytes oflag=direct,seek_bytes \
		skip="$(($1 * 512))" seek="$(($1 * 512))" status=none
}

as_wanted() {
	dd if="$DEV" bs=512 count="$SECTORS" iflag=direct,fullblock \
		status=none | cmp - "$TMP/want"
}

failed_bios() {
	bioctl -j list "$DEV" | jq '.devices[0].programs[0].verdicts.fail.bios'
}

check_device() {
	local before

	DEV=$1
	note "device $DEV"
	dd if=/dev/urandom of="$TMP/want" bs=512 count="$SECTORS" status=none
	dd if=/dev/urandom of="$TMP/new" bs=512 count="$SECTORS" status=none
	dd if="$TMP/want" of="$DEV" bs=64k oflag=direct status=none
	must bioctl attach "$DEV" protect --set "ranges=$RANGES"

	ok "a write before the range" write_both 92 8
	ok "a write behind the range" write_both 200 8
	ok "a write between the ranges" write_both 500 8
	expect_fail "a write of its first sector" write_device 100 1
	expect_fail "a write of its last sector" write_device 199 1
	expect_fail "a write of all of it" write_device 100 100
	ok "the device holds what it should" as_wanted
	expect_eq "three refusals counted" "$(failed_bios)" 3

	expect_fail "a write across its beginning" write_device 72 64
	want_only 72 28
	ok "the part before the range was written" as_wanted
	expect_fail "a write across its end" write_device 168 64
	want_only 200 32
	ok "the part behind the range was written" as_wanted
	expect_fail "a write across a whole range" write_device 992 32
	want_only 992 8
	want_only 1008 16
	ok "both parts beside the range were written" as_wanted

	expect_error "a buffered write fails at fsync" "Input/output error" \
		dd if=/dev/zero of="$DEV" bs=512 seek=1000 count=8 \
		conv=notrunc,fsync
	blockdev --flushbufs "$DEV"
	ok "reads go through, and the range is intact" as_wanted
}

check_discard() {
	expect_fail "a discard of the range" \
		blkdiscard -f -o $((100 * 512)) -l $((100 * 512)) "$DEV"
	expect_fail "zeroing of the range" \
		blkdiscard -f -z -o $((100 * 512)) -l $((100 * 512)) "$DEV"
	ok "the range is intact" as_wanted
	ok "zeroing elsewhere" \
		blkdiscard -f -z -o $((2048 * 512)) -l $((64 * 512)) "$DEV"
	dd if=/dev/zero of="$TMP/want" bs=512 seek=2048 count=64 \
		conv=notrunc status=none
	ok "and only there" as_wanted
}

check_partition() {
	local disk part

	disk=$(new_null_blk)
	part=$(new_partitions "$disk" start=2048)
	must bioctl attach "$disk" protect --set ranges=2048-2055 \
		--set error=-EREMOTEIO
	expect_error "a write through the partition, with the error chosen" \
		"Remote I/O error" \
		dd if=/dev/zero of="$part" bs=4k count=1 oflag=direct
	ok "a write behind it" \
		dd if=/dev/zero of="$part" bs=4k seek=1 count=1 oflag=direct
	must bioctl detach "$disk" protect
}

check_whole_device() {
	local disk

	disk=$(new_null_blk)
	must bioctl attach "$disk" protect
	expect_fail "without ranges nothing can be written" \
		dd if=/dev/zero of="$disk" bs=1M seek=63 count=1 oflag=direct
	ok "but read" dd if="$disk" of=/dev/null bs=1M iflag=direct
	must bioctl detach "$disk" protect
}

test_run() {
	local disk null ram

	disk=$(disk 0)
	null=$(new_null_blk)
	ram=$(new_brd)
	check_device "$disk"
	check_discard
	must bioctl detach "$DEV" protect
	ok "once detached, the range can be written" write_both 100 100
	ok "and is" as_wanted

	check_device "$null"
	must bioctl detach "$DEV" protect
	check_device "$ram"
	must bioctl detach "$DEV" protect
	check_partition
	check_whole_device
}
