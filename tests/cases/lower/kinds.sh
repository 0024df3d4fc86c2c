# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Stacks with a mind of their own (faults, caches, encryption, thin copies) work below devices of every kind, and what they did is gone with them."
REQUIRES="cmd:jq cmd:fio cmd:dmsetup cmd:mkfs.ext4 cmd:losetup"
TIMEOUT=400

. "$BLKI_ROOT/tests/lib/lower.sh"

# Faults appear with the stack and vanish with it.
faults() {
	local size

	size=$(blockdev --getsz "$DEV")
	ok "error: insert" insert "$DEV" --table \
		"0 2048 linear @lower 0"$'\n'"2048 $((size - 2048)) error"
	ok "error: what is not in the range works" write_sector "$DEV" 2047
	expect_fail "error: a sector of the range" read_sector "$DEV" 2048
	ok "error: remove" bioctl stack remove "$DEV"
	ok "error: it works again" read_sector "$DEV" 2048
	ok "flakey: insert" insert "$DEV" --table "flakey @lower 0 0 3600"
	expect_fail "flakey: a read" read_sector "$DEV" 0
	ok "flakey: remove" bioctl stack remove "$DEV"
	ok "flakey: it works again" read_sector "$DEV" 0
	ok "dust: insert" insert "$DEV" --table "dust @lower 0 512"
	must dmsetup message "$(basename "$DEV")-stack" 0 addbadblock 7
	must dmsetup message "$(basename "$DEV")-stack" 0 enable
	expect_fail "dust: a bad block" read_sector "$DEV" 7
	ok "dust: a good one" read_sector "$DEV" 8
	ok "dust: remove" bioctl stack remove "$DEV"
	ok "dust: it works again" read_sector "$DEV" 7
	expect_no_stack "faults" "$DEV"
}

# Reads come from the device, writes go elsewhere: the device stays as it is.
thin() {
	local meta data before

	meta=$(new_null_blk size=8)
	data=$(new_null_blk size=64)
	new_dm pool "0 $(blockdev --getsz "$data") thin-pool $meta $data 128 0" \
		>/dev/null
	must dmsetup message pool 0 "create_thin 0"
	must dd if=/dev/urandom of="$DEV" bs=64k count=4 oflag=direct status=none
	before=$(md5sum_of "$DEV")
	ok "thin: insert" insert "$DEV" --table "thin /dev/mapper/pool 0 @lower"
	expect_eq "thin: reads what the device has" "$(md5sum_of "$DEV")" \
		"$before"
	must dd if=/dev/zero of="$DEV" bs=64k count=2 oflag=direct status=none
	expect_ne "thin: reads what was written" "$(md5sum_of "$DEV")" "$before"
	ok "thin: remove" bioctl stack remove "$DEV"
	expect_eq "thin: the device is as it was" "$(md5sum_of "$DEV")" "$before"
}

md5sum_of() {
	dd if="$1" bs=64k count=4 iflag=direct status=none | md5sum
}

# Twice the same key stream is none: what the device holds stays readable.
crypt() {
	local lower key inner outer size

	key=$(printf '%032x' 0x123456)
	lower=$(new_lower "$DEV")
	size=$(blockdev --getsz "$DEV")
	inner=$(new_dm inner "0 $size crypt aes-ctr-plain64 $key 0 $lower 0")
	outer=$(new_dm outer "0 $size crypt aes-ctr-plain64 $key 0 $inner 0")
	ok "crypt: insert" bioctl stack insert "$DEV" --device "$outer"
	expect_within "crypt: writes go through it" 60 is_written "$outer" 20
	ok "crypt: take it out" bioctl target del "$DEV" stack 0
	must wait_for 20 remove_dm outer
	must wait_for 20 remove_dm inner
	ok "crypt: remove" bioctl stack remove "$DEV"
	ok "crypt: fio runs" load_runs
}

dirty() {
	dmsetup status --noflush "$(basename "$DEV")-stack" |
		awk '{ print $14 }'
}

is_clean() {
	[ "$(dirty)" = 0 ]
}

cache() {
	local meta=$1 blocks=$2 name

	name=$(basename "$DEV")-stack
	must dd if=/dev/zero of="$meta" bs=1M count=1 oflag=direct status=none
	through "cache, write through" \
		"cache $meta $blocks @lower 64 1 writethrough default 0"
	must dd if=/dev/zero of="$meta" bs=1M count=1 oflag=direct status=none
	ok "cache, write back: insert" insert "$DEV" --table \
		"cache $meta $blocks @lower 64 1 writeback default 0"
	expect_within "cache, write back: some is dirty" 60 is_dirty
	expect_error "cache, write back: it is not lost" \
		"not written back" bioctl stack remove "$DEV"
	dmsetup table "$name" | sed 's/ writeback [a-z]* .*/ writethrough cleaner 0/' \
			>"$TMP/cleaner"
	must dmsetup reload "$name" "$TMP/cleaner"
	must dmsetup suspend --noudevsync "$name"
	must dmsetup resume --noudevsync "$name"
	expect_within "cache, write back: clean" 60 is_clean
	ok "cache, write back: remove" bioctl stack remove "$DEV"
	ok "cache, write back: fio runs" load_runs
}

# One behind the other: what the second has goes back to another disk.
two_caches() {
	local one=$1 two=$2 other=$3 size half sums

	size=$(blockdev --getsz "$DEV")
	half=$(((size / 2) & ~7))
	must dd if=/dev/urandom of="$TMP/blocks" bs=64k count=4 status=none
	sums=$(md5sum <"$TMP/blocks")
	ok "two caches: insert" insert "$DEV" --table \
		"0 $half writecache s @lower $one 512 0
$half $((size - half)) writecache s $other $two 512 0"
	must dd if="$TMP/blocks" of="$DEV" bs=64k oflag=direct status=none
	must dd if="$TMP/blocks" of="$DEV" bs=4k oflag=direct \
		seek=$((half / 8)) status=none
	expect_ne "two caches: the second keeps it" "$(md5sum_of "$other")" \
		"$sums"
	ok "two caches: remove" bioctl stack remove "$DEV"
	expect_eq "two caches: what the first had" "$(md5sum_of "$DEV")" "$sums"
	expect_eq "two caches: what the second had" "$(md5sum_of "$other")" \
		"$sums"
}

is_dirty() {
	[ "$(dirty)" -gt 0 ]
}

# of_kind NAME DEVICE: fio verifies below and beside an inserted stack.
of_kind() {
	DEV=$2
	start_load "$DEV" 300
	through "$1" "linear @lower 0"
	expect_verified_now "$1: fio verifies"
	expect_no_stack "$1" "$DEV"
}

test_run() {
	local dir

	hold_gate
	DEV=$(disk 0)
	faults
	thin
	two_caches "$(new_null_blk size=32)" "$(new_null_blk size=32)" \
		"$(new_null_blk size=300)"
	must mkfs.ext4 -q "$DEV"
	dir=$(new_mount "$DEV")
	start_load "$dir/file" 300 --fsync=8 --size=8M
	must wait_for 30 test -s "$dir/file"
	crypt
	cache "$(new_null_blk size=8)" "$(new_null_blk size=32)"
	expect_verified_now "fio verifies"
	must umount "$dir"
	ok "the filesystem is clean" e2fsck -fn "$DEV"
	of_kind "null_blk" "$(new_null_blk)"
	of_kind "brd" "$(new_brd)"
	of_kind "a loop over a file" "$(new_loop 32)"
	of_kind "zram" "$(new_zram 64)"
}
