# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Ranges of a disk live on two other disks: reads, writes, discards and flushes reach them, and only them."
REQUIRES="cmd:fio cmd:jq"
TIMEOUT=180

# Eight MiB; one range goes to each target, at another sector.
SECTORS=16384
FIRST=1001 NR=301 TO=77
FIRST2=5003 NR2=2000 TO2=0

copy() {
	dd if="$1" of="$2" bs=512 skip="$3" seek="$4" count="$5" \
		conv=notrunc status=none
}

# $TMP/seen: what the disk looks like with its ranges on the targets.
compose() {
	cp "$TMP/source" "$TMP/seen"
	copy "$TMP/target0" "$TMP/seen" "$TO" "$FIRST" "$NR"
	copy "$TMP/target1" "$TMP/seen" "$TO2" "$FIRST2" "$NR2"
}

reads_as() {
	dd if="$1" bs=1M count=8 iflag=direct,fullblock status=none | cmp - "$2"
}

random_files() {
	local name

	for name; do
		dd if=/dev/urandom of="$TMP/$name" bs=512 count="$SECTORS" \
			status=none
	done
}

attach() {
	must bioctl attach "$1" redirect --target "0=$2" --target "1=$3" \
		--set "ranges=$FIRST-$((FIRST + NR - 1)):$TO:0,$FIRST2-$((FIRST2 + NR2 - 1)):$TO2:1"
}

fio_verify() {
	fio --name=verify --filename="$1" --size=8M --direct=1 --rw=randrw \
		--bsrange=512-64k --blockalign=512 --ioengine=libaio \
		--iodepth=8 --verify=crc32c --verify_fatal=1 --randrepeat=1 \
		--fsync=16 --output="$TMP/fio.log"
}

check_devices() {
	local dev=$1 target0=$2 target1=$3

	note "device $dev, targets $target0 and $target1"
	random_files source target0 target1 new
	dd if="$TMP/source" of="$dev" bs=1M oflag=direct status=none
	dd if="$TMP/target0" of="$target0" bs=1M oflag=direct status=none
	dd if="$TMP/target1" of="$target1" bs=1M oflag=direct status=none
	compose
	attach "$dev" "$target0" "$target1"
	ok "reads find the ranges on the targets" reads_as "$dev" "$TMP/seen"

	dd if="$TMP/new" of="$dev" bs=1M oflag=direct status=none
	ok "what was written is read" reads_as "$dev" "$TMP/new"
	must bioctl detach "$dev" redirect
	copy "$TMP/new" "$TMP/target0" "$FIRST" "$TO" "$NR"
	copy "$TMP/new" "$TMP/target1" "$FIRST2" "$TO2" "$NR2"
	copy "$TMP/source" "$TMP/new" "$FIRST" "$FIRST" "$NR"
	copy "$TMP/source" "$TMP/new" "$FIRST2" "$FIRST2" "$NR2"
	ok "the disk's own sectors there are untouched" reads_as "$dev" "$TMP/new"
	ok "the first target has its range" reads_as "$target0" "$TMP/target0"
	ok "the second target has its range" reads_as "$target1" "$TMP/target1"

	attach "$dev" "$target0" "$target1"
	ok "fio verifies what it wrote, in blocks of all sizes" fio_verify "$dev"
	must bioctl detach "$dev" redirect
}

flushes() {
	block_stat "$1" 16
}

check_flush() {
	local dev=$1 target=$2 before_source before_target

	must bioctl attach "$dev" redirect --target "0=$target" \
		--set ranges=0-7:64:0
	before_source=$(flushes "$dev")
	before_target=$(flushes "$target")
	must dd if=/dev/zero of="$dev" bs=4k count=1 oflag=direct conv=fsync \
		status=none
	expect_num "fsync flushes the target" \
		"$(flushes "$target")" -gt "$before_target"
	expect_num "and the disk itself" \
		"$(flushes "$dev")" -gt "$before_source"
	must bioctl detach "$dev" redirect
}

check_discard() {
	local dev=$1 target=$2

	random_files source target0
	dd if="$TMP/source" of="$dev" bs=1M oflag=direct status=none
	dd if="$TMP/target0" of="$target" bs=1M oflag=direct status=none
	must bioctl attach "$dev" redirect --target "0=$target" \
		--set ranges=1024-2047:4096:0
	must blkdiscard -f -z -o $((1000 * 512)) -l $((1000 * 512)) "$dev"
	must bioctl detach "$dev" redirect
	dd if=/dev/zero of="$TMP/source" bs=512 seek=1000 count=24 \
		conv=notrunc status=none
	dd if=/dev/zero of="$TMP/target0" bs=512 seek=4096 count=976 \
		conv=notrunc status=none
	ok "zeroing across the border: the disk" reads_as "$dev" "$TMP/source"
	ok "zeroing across the border: the target" \
		reads_as "$target" "$TMP/target0"
}

# An empty slot fails unless the user wants the disk's own data.
check_missing() {
	local dev=$1 target=$2

	must bioctl attach "$dev" redirect --target "0=$target" \
		--set ranges=0-7:0:0,8-15:0:3
	ok "a filled slot" dd if="$dev" of=/dev/null bs=4k count=1 iflag=direct
	expect_fail "an empty slot fails" \
		dd if="$dev" of=/dev/null bs=4k skip=1 count=1 iflag=direct
	must bioctl replace "$dev" redirect redirect --target "0=$target" \
		--set ranges=0-7:0:0,8-15:0:3 --set fallback=0
	ok "and passes where that is wanted" \
		dd if="$dev" of=/dev/null bs=4k skip=1 count=1 iflag=direct
	must bioctl detach "$dev" redirect
}

check_read_only() {
	local dev=$1 target=$2

	must bioctl attach "$dev" redirect --target "0=$target:ro" \
		--set ranges=0-7:0:0
	ok "a target given read-only can be read" \
		dd if="$dev" of=/dev/null bs=4k count=1 iflag=direct
	expect_fail "but not written" \
		dd if=/dev/zero of="$dev" bs=4k count=1 oflag=direct
	expect_eq "and that is counted" "$(bioctl -j list "$dev" |
		jq '.devices[0].programs[0].refused.rdonly')" 1
	must bioctl detach "$dev" redirect
}

test_run() {
	local disk0 disk1 disk2 null ram

	disk0=$(disk 0)
	disk1=$(disk 1)
	disk2=$(disk 2)
	null=$(new_null_blk)
	ram=$(new_brd)
	check_devices "$disk0" "$disk1" "$disk2"
	check_flush "$disk0" "$disk1"
	check_discard "$disk0" "$disk1"
	check_missing "$disk0" "$disk1"
	check_read_only "$disk0" "$disk1"
	check_devices "$null" "$ram" "$disk1"
	check_devices "$ram" "$null" "$disk1"
}
