# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Queues of source and target are frozen again and again, by elevator and limit changes, while bios are redirected."
REQUIRES="cmd:fio cmd:jq"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/load.sh"
. "$BLKI_ROOT/tests/lib/bioctl.sh"

set_queue() {
	echo "$3" >"/sys/block/${1##*/}/queue/$2"
}

change() {
	local dev=$1

	must set_queue "$dev" scheduler mq-deadline
	must set_queue "$dev" nr_requests 64
	must set_queue "$dev" max_sectors_kb 64
	must set_queue "$dev" scheduler bfq
	must set_queue "$dev" scheduler none
	must set_queue "$dev" max_sectors_kb 128
	must blockdev --flushbufs "$dev"
}

test_run() {
	local source target rounds=0

	source=$(new_null_blk irqmode=2 completion_nsec=20000000)
	target=$(new_null_blk irqmode=2 completion_nsec=20000000)
	# Half of the load goes to the target.
	must bioctl attach "$source" redirect --target "0=$target" \
		--set ranges=0-4095:8192:0
	start_load "$source" "$(scaled 6)"
	must wait_for 10 load_flows "$target"
	while load_runs; do
		change "$source"
		change "$target"
		rounds=$((rounds + 1))
	done
	expect_verified "fio verifies"
	expect_num "changes" "$rounds" -ge 2
	expect_num "bios were redirected" \
		"$(verdict_bios "$source" redirect redirect)" -gt 0
	expect_num "and passed" \
		"$(verdict_bios "$source" redirect pass)" -gt 0
	must bioctl detach "$source"
	expect_keys_off "in the end"
}
