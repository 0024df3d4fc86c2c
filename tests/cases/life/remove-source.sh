# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A disk is removed while bios redirected from it are in flight: they end, links become defunct, the target is let go."
REQUIRES="cmd:fio cmd:jq"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/load.sh"
. "$BLKI_ROOT/tests/lib/bioctl.sh"

remove_null_blk() {
	echo 0 >"$(null_blk_dir "$1")/power"
}

remove_scsi() {
	echo 1 >"/sys/block/${1##*/}/device/delete"
}

defunct() {
	query "[.defunct[].name] | sort | join(\" \")" list
}

# check NAME REMOVE SOURCE TARGET
check() {
	local name=$1 remove=$2 source=$3 target=$4

	must bioctl attach "$source" redirect --target "0=$target" \
		--set ranges=0-131071:0:0
	must bioctl attach "$source" count --name after
	start_io "$source"
	must wait_for 10 load_flows "$target"
	ok "$name: remove it" "$remove" "$source"
	expect_io_ended "$name"
	expect_eq "$name: both links are defunct" "$(defunct)" "after redirect"
	ok "$name: the target works" dd if="$target" of=/dev/null bs=4k \
		count=1 iflag=direct status=none
	ok "$name: clean up" bioctl detach --defunct
	expect_keys_off "$name"
}

removed_device_on_top() {
	local below above

	below=$(new_null_blk irqmode=2 completion_nsec=20000000)
	above=$(new_view gone "$below")
	must bioctl attach "$above" redirect --target "0=$below" \
		--set ranges=0-131071:0:0
	start_load "$above" "$(scaled 3)"
	must wait_for 10 load_flows "$below"
	expect_fail "dm: busy while it is open" \
		remove_dm gone
	expect_verified "dm: fio verifies"
	ok "dm: removed with its program" remove_dm gone
	expect_eq "dm: the link is defunct" "$(defunct)" redirect
	ok "dm: clean up" bioctl detach --defunct
	expect_keys_off "dm"
}

test_run() {
	local slow

	slow=$(new_null_blk irqmode=2 completion_nsec=20000000)
	check null_blk remove_null_blk "$(new_null_blk)" "$slow"
	check scsi remove_scsi "$(new_scsi_debug)" "$slow"
	removed_device_on_top
}
