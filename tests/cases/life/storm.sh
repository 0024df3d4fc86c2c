# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Two threads attach and detach on one device as fast as they can, with and without barrier, idle and under load."
REQUIRES="cmd:fio cmd:jq"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/load.sh"

idle() {
	local dev one two

	dev=$(new_null_blk)
	one=$(new_null_blk)
	two=$(new_null_blk)
	start_storm storm "$dev" "$one" "$two"
	sleep "$(scaled 3)"
	expect_storm "idle" 20
	start_storm -b storm "$dev" "$one" "$two"
	sleep "$(scaled 3)"
	expect_storm "idle, with barrier" 20
	ok "the device works" dd if=/dev/zero of="$dev" bs=4k count=1 \
		oflag=direct status=none
}

loaded() {
	make_stack mq
	start_load "$SOURCE" "$(scaled 6)"
	start_storm -b storm "$SOURCE" "$TARGET0" "$TARGET1"
	expect_verified "fio verifies"
	expect_storm "under load, with barrier" 8
}

test_run() {
	idle
	loaded
	expect_keys_off "in the end"
}
