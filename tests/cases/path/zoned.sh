# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Zone operations report their zone and can be failed, which the protect policy does; nothing on a zoned disk is moved, and nothing is moved to one."
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

check_moves() {
	local zoned=$1 plain=$2

	must blkzone reset "$zoned"
	rule_attach move "$zoned" "target=0:$plain" \
		"first=0,last=8191,verdict=remap,offset=8192,whole=1" \
		"first=8192,last=16383,verdict=redirect,whole=1"
	expect_error "a write to a zone is not remapped" \
		"Operation not supported" write_4k "$zoned" 0
	expect_error "nor redirected" "Operation not supported" \
		write_4k "$zoned" 1024
	expect_fail "nor a reset" blkzone reset -o 8192 -c 1 "$zoned"
	ok "another zone can be written" write_4k "$zoned" 2048
	expect_eq "each was counted" "$(stat_of move refused.op)" 3
	rule_detach move

	rule_attach move "$plain" "target=0:$zoned" "verdict=redirect"
	expect_error "nothing is redirected to a zoned disk" \
		"Operation not supported" write_4k "$plain" 0
	expect_eq "which is counted" "$(stat_of move refused.op)" 1
	rule_detach move
}

test_run() {
	local zoned

	zoned=$(new_null_blk zoned=1 zone_size=4)
	check_operations "$zoned"
	check_fail "$zoned"
	check_protect "$zoned"
	check_moves "$zoned" "$(new_brd)"
}
