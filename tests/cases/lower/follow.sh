# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A lower device shows whose it is, and has the size, limits and read-only state that the device has, whatever changes."
REQUIRES="cmd:jq cmd:dmsetup cmd:lsblk cmd:losetup cmd:iostat cmd:blkzone"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/lower.sh"

shows() {
	expect_eq "$1: lower_of" "$(of "$LOWER" lower_of)" "$(of "$DEV" dev)"
	ok "$1: holders of the device" test -e \
		"$(sys_dir "$DEV")/holders/${LOWER##*/}"
	ok "$1: slaves of the lower device" test -e \
		"$(sys_dir "$LOWER")/slaves/$(basename "$(readlink -f "$(sys_dir "$DEV")")")"
	expect_output "$1: lsblk shows one below the other" \
		"(^|[^[:alnum:]-])${LOWER##*/}( |$)" lsblk -nro NAME "$DEV"
	expect_eq "$1: size" "$(of "$LOWER" size)" "$(of "$DEV" size)"
	ok "$1: limits" same_limits "$1"
}

counts() {
	local how

	for how in env in_no_cgroup; do
		must "$how" dd if=/dev/zero of="$LOWER" bs=64k count=3 \
			oflag=direct status=none
	done
	expect_num "counted: writes" "$(block_stat "$LOWER" 5)" -eq 6
	expect_num "counted: sectors" "$(block_stat "$LOWER" 7)" -eq 768
	expect_num "and of the device" "$(block_stat "$DEV" 7)" -ge 768
	must dd if="$LOWER" of=/dev/null bs=64k count=2 iflag=direct status=none
	expect_num "counted: reads" "$(block_stat "$LOWER" 1)" -eq 2
	# Device, tps, and kB: read, written, discarded
	expect_eq "iostat shows both" "$(iostat -dk "${LOWER##*/}" |
		awk -v d="${LOWER##*/}" '$1 == d { print $6, $7 }')" "128 384"
}

follows_limits() {
	echo "write through" >"$(sys_dir "$DEV")/queue/write_cache"
	expect_within "the write cache is off" 10 same cache queue/write_cache
	expect_eq "and it was not before" "$(of "$LOWER" queue/write_cache)" \
		"write through"
	echo "write back" >"$(sys_dir "$DEV")/queue/write_cache"
	expect_within "and on again" 10 is_write_back
	echo 65536 >"$(sys_dir "$DEV")/queue/discard_max_bytes"
	expect_within "discard" 10 same discard queue/discard_max_bytes
	expect_eq "is what was asked for" \
		"$(of "$LOWER" queue/discard_max_bytes)" 65536
	echo 64 >"$(sys_dir "$DEV")/queue/max_sectors_kb"
	expect_within "the largest request" 10 same sectors queue/max_sectors_kb
}

is_write_back() {
	[ "$(of "$LOWER" queue/write_cache)" = "write back" ]
}

write_a_page() {
	dd if=/dev/zero of="$LOWER" bs=4k count=1 oflag=direct status=none
}

follows_ro() {
	must blockdev --setro "$DEV"
	expect_within "read-only" 10 is_ro
	expect_fail "no write is taken" write_a_page
	must blockdev --setrw "$DEV"
	expect_within "no longer" 10 is_rw
	ok "writes are taken" write_a_page
}

is_rw() {
	[ "$(of "$LOWER" ro)" = 0 ]
}

is_ro() {
	! is_rw
}

# It is the driver that makes the disk read-only, long after it has its limits.
follows_driver() {
	local table how options

	DEV=$(new_dm driver "0 32768 linear $(new_null_blk) 0")
	LOWER=$(new_lower "$DEV")
	table=$(dmsetup table driver)
	for how in ro rw; do
		options=(--table "$table")
		[ "$how" = rw ] || options+=(--readonly)
		must dmsetup reload driver "${options[@]}"
		must dmsetup suspend --noudevsync driver
		must dmsetup resume --noudevsync driver
		expect_within "dm: $how" 10 "is_$how"
		expect_eq "dm: $how itself" "$(of "$DEV" ro)" "$(of "$LOWER" ro)"
	done
	must bioctl detach "$DEV" stack
}

# is_size SECTORS
is_size() {
	[ "$(of "$LOWER" size)" = "$1" ]
}

follows_size() {
	truncate -s 16M "$TMP/image"
	DEV=$(losetup --show -f "$TMP/image")
	at_exit undo_loop "$DEV"
	LOWER=$(new_lower "$DEV")
	truncate -s 24M "$TMP/image"
	must losetup -c "$DEV"
	expect_within "larger" 10 is_size 49152
	ok "its last sector can be read" read_sector "$LOWER" 49151
	truncate -s 8M "$TMP/image"
	must losetup -c "$DEV"
	expect_within "smaller" 10 is_size 16384
	expect_eq "no sector beyond" "$(dd if="$LOWER" bs=512 skip=16384 \
		count=1 iflag=direct status=none | wc -c)" 0
	must bioctl detach "$DEV" stack
}

kinds() {
	local disk

	DEV=$(new_null_blk cache_size=4 discard=1)
	LOWER=$(new_lower "$DEV")
	shows disk
	counts
	follows_limits
	follows_ro
	must bioctl detach "$DEV" stack
	disk=$(new_null_blk blocksize=4096)
	DEV=$(new_partitions "$disk" size=16MiB)
	LOWER=$(new_lower "$DEV")
	shows "a partition of large blocks"
	follows_ro
	must bioctl detach "$DEV" stack
	DEV=$(new_dm below "0 $(blockdev --getsz "$disk") linear $disk 0")
	LOWER=$(new_lower "$DEV")
	shows dm
	must bioctl detach "$DEV" stack
	DEV=$(new_null_blk zoned=1 zone_size=4 zone_nr_conv=2)
	LOWER=$(new_lower "$DEV")
	shows zoned
	expect_eq "zoned: the same zones" "$(blkzone report "$LOWER")" \
		"$(blkzone report "$DEV")"
	# The third is the first that is written in order.
	ok "zoned: a write" dd if=/dev/zero of="$LOWER" bs=4k count=1 seek=2048 \
		oflag=direct status=none
	expect_fail "zoned: not at its write pointer" dd if=/dev/zero \
		of="$LOWER" bs=4k count=1 seek=2050 oflag=direct status=none
	expect_eq "zoned: its write pointer" "$(blkzone report -o 16384 -c 1 \
		"$DEV" | grep -o 'wptr 0x[0-9a-f]*')" "wptr 0x000008"
	ok "zoned: a reset" blkzone reset -o 16384 -c 1 "$LOWER"
	expect_eq "zoned: and after that" "$(blkzone report -o 16384 -c 1 \
		"$DEV" | grep -o 'wptr 0x[0-9a-f]*')" "wptr 0x000000"
	must bioctl detach "$DEV" stack
}

# has_zones KIND N: what sysfs says of the lower device. (N of a dm device that has
# lost its zones is wrong in 6.12.)
has_zones() {
	[ "$(of "$LOWER" queue/zoned) $(of "$LOWER" queue/nr_zones)" = "$1 $2" ] &&
		same zones queue/zoned queue/chunk_sectors
}

# reload NAME TABLE
reload() {
	must dmsetup load "$1" --table "$2"
	must dmsetup resume "$1"
}

# One of device mapper may get zones, other ones, and lose them.
follows_zones() {
	local zoned plain

	zoned=$(new_null_blk zoned=1 zone_size=4 zone_nr_conv=4 size=64)
	plain=$(new_null_blk size=64)
	DEV=$(new_dm zones "0 32768 linear $zoned 32768")
	LOWER=$(new_lower "$DEV")
	expect_within "zones" 10 has_zones host-managed 4
	reload zones "0 32768 linear $zoned 0"
	expect_within "conventional ones only" 10 has_zones none 0
	reload zones "0 16384 linear $zoned 65536"
	expect_within "other ones" 10 has_zones host-managed 2
	expect_eq "they can be asked for" "$(blkzone report "$LOWER" | wc -l)" 2
	reload zones "0 32768 linear $plain 0"
	expect_within "none" 10 has_zones none 0
	must dmsetup suspend zones
	must dmsetup load zones --table "0 32768 linear $zoned 65536"
	sleep 1
	must dmsetup resume zones
	expect_within "zones again" 10 has_zones host-managed 4
	must bioctl detach "$DEV" stack
}

test_run() {
	kinds
	follows_zones
	follows_driver
	follows_size
}
