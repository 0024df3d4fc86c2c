# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A redirect target is removed while bios are in flight to it: they fail, nothing hangs, the source lives on."
REQUIRES="cmd:jq"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/load.sh"
. "$BLKI_ROOT/tests/lib/bioctl.sh"

remove_null_blk() {
	echo 0 >"$(null_blk_dir "$1")/power"
}

remove_scsi() {
	echo 1 >"/sys/block/${1##*/}/device/delete"
}

refused_gone() {
	query '.devices[0].programs[0].refused.target_gone' list "$1"
}

fsync_fails() {
	! sync "$1"
}

# check NAME REMOVE SOURCE TARGET
check() {
	local name=$1 remove=$2 source=$3 target=$4

	must bioctl attach "$source" redirect --target "0=$target" \
		--set ranges=0-131071:0:0
	start_io "$source"
	must wait_for 10 load_flows "$target"
	ok "$name: remove it" "$remove" "$target"
	expect_io_ended "$name"
	expect_fail "$name: a bio fails" write_sector "$source" 0
	expect_num "$name: and is counted" "$(refused_gone "$source")" -ge 1
	expect_eq "$name: the map shows it as gone" \
		"$(query '.maps[0].targets[0].gone' target list "$source")" true
	ok "$name: take it out" bioctl target del "$source" redirect 0
	must bioctl detach "$source"
	ok "$name: the source works" write_sector "$source" 0
	expect_within "$name: what was not flushed is lost, fsync says" 10 \
		fsync_fails "$source"
	expect_within "$name: once" 10 sync "$source"
	expect_keys_off "$name"
}

test_run() {
	check null_blk remove_null_blk "$(new_null_blk)" \
		"$(new_null_blk irqmode=2 completion_nsec=20000000)"
	check scsi remove_scsi "$(new_null_blk)" "$(new_scsi_debug)"
	check bio-based-source remove_null_blk "$(new_brd)" \
		"$(new_null_blk irqmode=2 completion_nsec=20000000)"
}
