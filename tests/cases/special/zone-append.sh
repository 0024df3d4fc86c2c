# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Zone appends of btrfs pass or fail as programs say; they are not moved, divided or swallowed, whether the disk can do them or the block layer emulates them."
REQUIRES="cmd:mkfs.btrfs config:BTRFS_FS config:BLK_DEV_ZONED"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/rule.sh"

# append FILE: 64 KiB, straight to the disk
append() {
	dd if="$TMP/data" of="$1" bs=64k count=1 iflag=fullblock \
		oflag=direct status=none
}

# Where the zones are written next
pointers() {
	blkzone report "$1" | grep -oE "start: [^,]*|wptr [^ ]*" | paste -sd ' '
}

# expect_refused VERDICT SETTING: and nothing of it on either disk
expect_refused() {
	local how=$1 rule=$2 before

	must sync -f "$DIR"
	before=$(pointers "$ZONED")
	rule_attach append "$ZONED" "target=0:$PLAIN" \
		"op=zone_append,whole=1,$rule"
	expect_error "$KIND: $how" "Operation not supported" \
		append "$DIR/$how"
	expect_num "$KIND: $how: is counted" \
		"$(stat_of append refused.op)" -ge 1
	expect_eq "$KIND: $how: with nothing else refused" \
		"$(rule stats append | grep -o refused | wc -l)" 1
	expect_eq "$KIND: $how: no zone is written" "$(pointers "$ZONED")" \
		"$before"
	rule_detach append
	ok "$KIND: $how: nothing is on the target" \
		cmp -n $((8 << 20)) "$PLAIN" /dev/zero
}

check_pass() {
	local bad

	rule_attach append "$ZONED"
	ok "$KIND: a file is written" append "$DIR/passed"
	must sync -f "$DIR"
	rule log append >"$TMP/log"
	expect_num "$KIND: it is appended" \
		"$(grep -c "op=zone_append " "$TMP/log")" -ge 1
	expect_eq "$KIND: with all of its sectors" \
		"$(awk '/op=zone_append/ { sub("nr=", "", $3); n += $3 }
			END { print n }' "$TMP/log")" 128
	bad=$(sed -nE 's/^op=zone_append sector=([0-9]+) .*/\1/p' "$TMP/log" |
		awk '$1 % 8192' | wc -l)
	expect_eq "$KIND: the program is told where the zone starts" "$bad" 0
	rule_detach append
}

check_fail() {
	rule_attach append "$ZONED" "op=zone_append,verdict=fail,error=-61"
	expect_error "$KIND: failed" "No data available" append "$DIR/failed"
	expect_eq "$KIND: failed: counted" "$(stat_of append fail)" 1/128
	rule_detach append
}

# One cannot be divided: who appends must be told one place.
check_part() {
	rule_attach append "$ZONED" "op=zone_append,accept=8,exact=1"
	ok "$KIND: a part" append "$DIR/part"
	expect_eq "$KIND: no part is accepted" \
		"$(rule_count append "op=zone_append .*nr=128 .*accepted=-22 after=128 ")" 1
	rule_detach append
}

check() {
	local file

	KIND=$1
	ZONED=$2
	expect_match "$KIND: what the disk says" \
		"$(dmesg | grep "${ZONED##*/}: using" | tail -n 1)" "$KIND"
	must mkfs.btrfs -q -f -O zoned -d single -m single "$ZONED"
	# Data with checksums does not go straight to the disk.
	# And no commit of its own moves a write pointer meanwhile.
	DIR=$(new_mount "$ZONED" -t btrfs -o nodatasum,commit=3600)
	check_pass
	check_fail
	check_part
	expect_refused remapped "verdict=remap,offset=8192"
	expect_refused redirected "verdict=redirect"
	expect_refused "done" "verdict=done"
	ok "$KIND: afterwards a file is written" append "$DIR/after"
	must umount "$DIR"
	must mount -t btrfs "$ZONED" "$DIR"
	for file in passed part after; do
		ok "$KIND: $file: what was written is read" \
			cmp -n 65536 "$DIR/$file" "$TMP/data"
	done
	must umount "$DIR"
	ok "$KIND: the filesystem is clean" btrfs check --readonly "$ZONED"
}

test_run() {
	must dd if=/dev/urandom of="$TMP/data" bs=64k count=1 status=none
	PLAIN=$(new_null_blk)
	check native "$(new_null_blk size=256 zoned=1 zone_size=4)"
	check emulated "$(new_null_blk size=256 zoned=1 zone_size=4 \
		zone_append_max_sectors=0)"
}
