# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A target is held as an open file is: dm cannot be removed, a loop device not cleared, partitions not rescanned, until the map lets go."
REQUIRES="cmd:fio cmd:jq"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/load.sh"
. "$BLKI_ROOT/tests/lib/bioctl.sh"

attach() {
	must bioctl attach "$1" redirect --target "0=$2" \
		--set ranges=0-131071:0:0
}

held_by_dm() {
	local source=$1 base view

	base=$(new_null_blk irqmode=2 completion_nsec=20000000)
	view=$(new_view held "$base")
	attach "$source" "$view"
	start_io "$source"
	must wait_for 10 load_flows "$base"
	expect_error "dm: busy" "busy" remove_dm held
	must bioctl target del "$source" redirect 0
	expect_within "dm: removed when the last bio has ended" 10 \
		remove_dm held
	expect_io_ended "dm: without a target"
	must bioctl detach "$source"
}

held_by_loop() {
	local source=$1 base loop

	base=$(new_null_blk irqmode=2 completion_nsec=20000000)
	loop=$(new_loop "$base" --direct-io=on)
	attach "$source" "$loop"
	start_load "$source" 4
	must wait_for 10 load_flows "$loop"
	ok "loop: clear it" losetup -d "$loop"
	expect_verified "loop: it stays, and fio verifies"
	ok "loop: it still has its file" losetup "$loop"
	must bioctl detach "$source"
	expect_within "loop: cleared when the map has let go" 10 \
		loop_is_free "$loop"
}

held_partition() {
	local source=$1 disk part

	disk=$(new_null_blk irqmode=2 completion_nsec=20000000)
	part=$(new_partitions "$disk" size=16MiB)
	attach "$source" "$part"
	start_load "$source" 3
	must wait_for 10 load_flows "$part"
	expect_error "partition: no rescan" "busy" blockdev --rereadpt "$disk"
	expect_error "partition: not deleted" "busy" delpart "$disk" 1
	expect_verified "partition: fio verifies"
	must bioctl detach "$source"
	expect_within "partition: rescan when the map has let go" 10 \
		blockdev --rereadpt "$disk"
}

test_run() {
	local source

	source=$(new_null_blk)
	held_by_dm "$source"
	held_by_loop "$source"
	held_partition "$source"
	expect_keys_off "in the end"
}
