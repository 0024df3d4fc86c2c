# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A lower device shows whose it is, and has the size, limits and read-only state that the device has, whatever changes."
REQUIRES="cmd:jq cmd:dmsetup cmd:lsblk cmd:losetup"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/lower.sh"

# of_dir DIR FILE: sets OF
of_dir() {
	local dir=$1

	# A partition has the queue of its disk.
	[ -e "$dir/$2" ] || dir+=/..
	read -r OF <"$dir/$2"
}

# of DEVICE FILE: in sysfs
of() {
	of_dir "$(sys_dir "$1")" "$2"
	echo "$OF"
}

# same NAME FILE...: DEV's and LOWER's. Without a process for each: they are many.
same() {
	local file dev lower one

	dev=$(sys_dir "$DEV")
	lower=$(sys_dir "$LOWER")
	for file in "${@:2}"; do
		of_dir "$dev" "$file"
		one=$OF
		of_dir "$lower" "$file"
		[ "$one" = "$OF" ] || {
			echo "# $1 $file: $one, $OF"
			return 1
		}
	done
}

LIMITS="queue/logical_block_size queue/physical_block_size queue/max_sectors_kb
	queue/max_hw_sectors_kb queue/discard_max_bytes queue/discard_granularity
	queue/write_zeroes_max_bytes queue/write_cache queue/fua queue/rotational
	queue/dma_alignment queue/max_segments queue/zoned queue/stable_writes
	queue/atomic_write_max_bytes queue/minimum_io_size queue/optimal_io_size
	queue/chunk_sectors queue/zone_append_max_bytes queue/nr_zones"

same_limits() {
	local limits

	read -rd '' -a limits <<<"$LIMITS" || true
	same "$1" "${limits[@]}"
}

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
	must dd if=/dev/zero of="$LOWER" bs=64k count=3 oflag=direct status=none
	expect_num "counted: writes" "$(block_stat "$LOWER" 5)" -eq 3
	expect_num "counted: sectors" "$(block_stat "$LOWER" 7)" -eq 384
	expect_num "and of the device" "$(block_stat "$DEV" 7)" -ge 384
}

follows_limits() {
	echo "write through" >"$(sys_dir "$DEV")/queue/write_cache"
	expect_within "the write cache is off" 10 same cache queue/write_cache
	expect_eq "and it was not before" "$(of "$LOWER" queue/write_cache)" \
		"write through"
	echo 65536 >"$(sys_dir "$DEV")/queue/discard_max_bytes"
	expect_within "discard" 10 same discard queue/discard_max_bytes
	expect_eq "is what was asked for" \
		"$(of "$LOWER" queue/discard_max_bytes)" 65536
	echo 64 >"$(sys_dir "$DEV")/queue/max_sectors_kb"
	expect_within "the largest request" 10 same sectors queue/max_sectors_kb
}

follows_ro() {
	must blockdev --setro "$DEV"
	expect_within "read-only" 10 test "$(of "$LOWER" ro)" = 1
	expect_fail "no write is taken" write_sector "$LOWER" 0
	must blockdev --setrw "$DEV"
	expect_within "no longer" 10 is_rw
	ok "writes are taken" write_sector "$LOWER" 0
}

is_rw() {
	[ "$(of "$LOWER" ro)" = 0 ]
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
	must bioctl detach "$DEV" stack
}

test_run() {
	kinds
	follows_size
}
