# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Zone operations report their zone and can be failed, which the protect policy does; they move to another zone of that size, and data moves as on any disk."
REQUIRES="cmd:blkzone config:BLK_DEV_ZONED"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/bioctl.sh"
. "$BLKI_ROOT/tests/lib/rule.sh"

write_4k() {
	dd if=/dev/zero of="$1" bs=4k count=1 seek="$2" oflag=direct \
		status=none
}

# 4 MiB are 8192 sectors.
check_operations() {
	local zoned=$1

	rule_attach zones "$zoned"
	must blkzone open -o 8192 -c 1 "$zoned"
	expect_eq "open" "$(rule_count zones "op=zone_open sector=8192 nr=8192 ")" 1
	must blkzone close -o 8192 -c 1 "$zoned"
	expect_eq "close" \
		"$(rule_count zones "op=zone_close sector=8192 nr=8192 ")" 1
	must blkzone finish -o 8192 -c 1 "$zoned"
	expect_eq "finish" \
		"$(rule_count zones "op=zone_finish sector=8192 nr=8192 ")" 1
	must blkzone reset -o 8192 -c 1 "$zoned"
	expect_eq "reset" \
		"$(rule_count zones "op=zone_reset sector=8192 nr=8192 ")" 1
	must blkzone reset "$zoned"
	expect_eq "reset of all reports the whole device" \
		"$(rule_count zones "op=zone_reset_all sector=0 nr=131072 ")" 1
	rule_detach zones
}

# A zone that is protected anywhere cannot be reset.
check_fail() {
	local zoned=$1

	must write_4k "$zoned" 1024
	rule_attach guard "$zoned" "first=8192,last=16383,verdict=fail,whole=1" \
		"op=zone_reset_all,verdict=fail,whole=1"
	expect_fail "resetting the guarded zone" \
		blkzone reset -o 8192 -c 1 "$zoned"
	expect_fail "resetting all zones" blkzone reset "$zoned"
	ok "resetting another zone" blkzone reset -o 16384 -c 1 "$zoned"
	expect_match "the write pointer is where it was" \
		"$(blkzone report -o 8192 -c 1 "$zoned")" "wptr 0x000008"
	rule_detach guard
}

# The shipped guard: one protected block in the middle of a zone guards all of
# that zone, as a zone operation cannot be divided.
check_protect() {
	local zoned=$1

	must blkzone reset "$zoned"
	must write_4k "$zoned" 1024
	must write_4k "$zoned" 2048
	must bioctl attach "$zoned" protect --set ranges=10240-10247
	expect_fail "protect: resetting the zone" \
		blkzone reset -o 8192 -c 1 "$zoned"
	expect_fail "protect: finishing it" \
		blkzone finish -o 8192 -c 1 "$zoned"
	expect_fail "protect: resetting all zones" blkzone reset "$zoned"
	expect_eq "protect: each is a refusal of its own" \
		"$(verdict_bios "$zoned" protect fail)" 3
	expect_match "protect: the zone is as it was" \
		"$(blkzone report -o 8192 -c 1 "$zoned")" "wptr 0x000008"
	ok "protect: another zone can be reset" \
		blkzone reset -o 16384 -c 1 "$zoned"
	expect_match "protect: it is empty now" \
		"$(blkzone report -o 16384 -c 1 "$zoned")" "wptr 0x000000"
	ok "protect: and finished" blkzone finish -o 16384 -c 1 "$zoned"
	must bioctl detach "$zoned" protect
	ok "without protect the zone can be reset" \
		blkzone reset -o 8192 -c 1 "$zoned"
}

# wptr DEVICE ZONE: offset of its write pointer
wptr() {
	blkzone report -o $(($2 * 8192)) -c 1 "$1" |
		sed -nE 's/.* wptr (0x[0-9a-f]+) .*/\1/p'
}

holds() {
	dd if="$1" bs=4k skip="$2" count=1 iflag=direct status=none |
		cmp - "$TMP/data"
}

write_data() {
	dd if="$TMP/data" of="$1" bs=4k count=1 seek="$2" oflag=direct \
		status=none
}

# A write pointer moves where the data went, and only there. Zone 0 to zone 1,
# zone 2 to the other zoned disk, zone 3 to a disk without zones.
check_data() {
	local zoned=$1 other=$2 plain=$3

	must blkzone reset "$zoned"
	must blkzone reset "$other"
	rule_attach move "$zoned" "target=0:$other" "target=1:$plain" \
		"first=0,last=8191,verdict=remap,offset=8192,op=read+write" \
		"first=16384,last=24575,verdict=redirect,op=read+write" \
		"first=24576,last=32767,verdict=redirect,key=1,op=read+write"
	ok "a write to a zone is remapped" write_data "$zoned" 0
	expect_eq "into the other zone" \
		"$(wptr "$zoned" 0) $(wptr "$zoned" 1)" "0x000000 0x000008"
	ok "from where it is read" holds "$zoned" 0
	expect_error "but not off the write pointer" "Input/output error" \
		write_data "$zoned" 8
	ok "a write is redirected to another zoned disk" \
		write_data "$zoned" 2048
	expect_eq "whose write pointer moves" \
		"$(wptr "$zoned" 2) $(wptr "$other" 2)" "0x000000 0x000008"
	ok "from where it is read, too" holds "$zoned" 2048
	ok "and one to a disk without zones" write_data "$zoned" 3072
	ok "again, as that has no write pointer" write_data "$zoned" 3072
	ok "and it is read" holds "$zoned" 3072
	expect_eq "the zone is empty" "$(wptr "$zoned" 3)" "0x000000"
	expect_eq "nothing was refused" \
		"$(rule stats move | grep -c refused)" 0
	rule_detach move
	ok "the data is on the other disk" holds "$other" 2048
	ok "and on the one without zones" holds "$plain" 3072
}

check_plain_to_zoned() {
	local plain=$1 zoned=$2

	must blkzone reset "$zoned"
	rule_attach move "$plain" "target=0:$zoned" \
		"verdict=redirect,op=read+write"
	ok "a write from a disk without zones moves the write pointer" \
		write_data "$plain" 0
	expect_eq "by its length" "$(wptr "$zoned" 0)" "0x000008"
	expect_error "another one there fails" "Input/output error" \
		write_data "$plain" 0
	# After an error the block layer does not know the write pointer until
	# zones are reported (BLK_ZONE_WPLUG_NEED_WP_UPDATE).
	must blkzone report -c 1 "$zoned" >/dev/null
	# 8 MiB, of which one block of the first zone is written.
	ok "one over the border of two zones is divided there" \
		dd if=/dev/zero of="$plain" bs=8188k count=1 seek=4096 \
		oflag=direct,seek_bytes status=none
	expect_eq "both are full" \
		"$(blkzone report -c 2 "$zoned" | grep -c "(fu)")" 2
	rule_detach move
}

# Zone 0 for zone 1, zone 2 for that of the other disk; the others to places
# where there is no such zone.
check_operations_moved() {
	local zoned=$1 other=$2 coarse=$3 plain=$4 n

	must blkzone reset "$zoned"
	must blkzone reset "$other"
	for n in 0 1024 2048 3072; do
		must write_data "$zoned" "$n"
	done
	must write_data "$other" 2048
	rule_attach move "$zoned" "target=0:$other" "target=1:$coarse" \
		"target=2:$plain" \
		"op=zone_reset_all,verdict=redirect,whole=1" \
		"first=0,last=8191,verdict=remap,offset=8192,whole=1" \
		"first=16384,last=24575,verdict=redirect,whole=1" \
		"first=24576,last=32767,verdict=remap,offset=8,whole=1" \
		"first=32768,last=40959,verdict=redirect,key=1,whole=1" \
		"first=40960,last=49151,verdict=redirect,key=2,whole=1" \
		"first=49152,last=57343,verdict=remap,offset=81920,whole=1"
	ok "a reset is remapped" blkzone reset -o 0 -c 1 "$zoned"
	expect_eq "it hits the other zone" \
		"$(wptr "$zoned" 0) $(wptr "$zoned" 1)" "0x000008 0x000000"
	ok "a finish is redirected" blkzone finish -o 16384 -c 1 "$zoned"
	expect_eq "it hits the other disk" "$(wptr "$zoned" 2)" "0x000008"
	expect_match "whose zone is full" \
		"$(blkzone report -o 16384 -c 1 "$other")" "\\(fu\\)"
	expect_error "a reset that would not hit a zone fails" \
		"Invalid argument" blkzone reset -o 24576 -c 1 "$zoned"
	expect_eq "is counted" "$(stat_of move refused.align)" 1
	expect_error "so does one beyond the end" "Invalid argument" \
		blkzone reset -o 49152 -c 1 "$zoned"
	expect_eq "which is counted, too" "$(stat_of move refused.align)" 2
	expect_error "one of a zone of another size is not supported" \
		"not supported" blkzone reset -o 32768 -c 1 "$zoned"
	expect_error "nor on a disk without zones" "not supported" \
		blkzone reset -o 40960 -c 1 "$zoned"
	expect_eq "both are counted" "$(stat_of move refused.op)" 2
	ok "a reset of all goes to the other disk" blkzone reset "$zoned"
	expect_eq "and hits it" "$(wptr "$other" 2)" "0x000000"
	expect_eq "and not this one" "$(wptr "$zoned" 3)" "0x000008"
	rule_detach move
}

test_run() {
	local zoned other plain

	must dd if=/dev/urandom of="$TMP/data" bs=4k count=1 status=none
	zoned=$(new_null_blk zoned=1 zone_size=4)
	other=$(new_null_blk zoned=1 zone_size=4)
	plain=$(new_brd)
	check_operations "$zoned"
	check_fail "$zoned"
	check_protect "$zoned"
	check_data "$zoned" "$other" "$plain"
	check_plain_to_zoned "$plain" "$zoned"
	check_operations_moved "$zoned" "$other" \
		"$(new_null_blk zoned=1 zone_size=8)" "$plain"
}
