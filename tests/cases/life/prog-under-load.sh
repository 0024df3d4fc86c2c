# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Programs are attached and detached while bios are in flight."
REQUIRES="cmd:fio cmd:jq"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/load.sh"

check() {
	make_stack "$1"
	start_load "$SOURCE" 4
	start_storm prog "$SOURCE" "$TARGET0" "$TARGET1"
	expect_verified "$1: fio verifies"
	expect_storm "$1" 6
}

test_run() {
	local stack

	for stack in $STACKS; do
		check "$stack"
	done
	expect_keys_off "in the end"
}
