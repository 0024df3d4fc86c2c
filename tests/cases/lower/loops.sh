# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="What would send bios in a circle is refused: a stack on the device itself, and on the lower device of a partition one that its disk redirects to."
REQUIRES="cmd:jq cmd:dmsetup"

. "$BLKI_ROOT/tests/lib/lower.sh"

linear() {
	new_dm "$1" "0 $(blockdev --getsz "$2") linear $2 0"
}

# What a driver splits off comes back to the programs' gate: they are behind it.
split_below() {
	local disk=$1 dm lower how

	dm=$(new_dm halves "0 64 linear $disk 0"$'\n'"64 1024 linear $disk 64")
	must bioctl attach "$dm" count --lower >/dev/null
	lower=$(lower_of "$dm")
	wait_device "$lower"
	for how in env in_no_cgroup; do
		must "$how" dd if=/dev/zero of="$lower" bs=64k count=1 \
			oflag=direct status=none
	done
	expect_num "divided below: they were" "$(block_stat "$lower" 5)" -eq 2
	expect_eq "divided below: no part meets the programs" \
		"$(verdict_bios "$dm" count pass)" 0
	must write_sector "$dm" 0
	expect_eq "divided below: what names the device does" \
		"$(verdict_bios "$dm" count pass)" 1
	must bioctl detach "$dm" count
	must remove_dm halves
}

# Its new table would be below its lower device, too, by way of a redirect.
new_table() {
	local disk=$1 other=$2 dm top

	dm=$(linear changed "$disk")
	must bioctl attach "$dm" count --lower >/dev/null
	wait_device "$(lower_of "$dm")"
	top=$(linear onlower "$(lower_of "$dm")")
	must bioctl attach "$other" redirect --set "ranges=0-131071:0:0" \
		--target "0=$top"
	expect_fail "a table that comes back through the lower device" \
		dmsetup reload changed --table \
		"0 $(blockdev --getsz "$dm") linear $other 0"
	expect_num "refused by name" "$(dmesg | grep -c \
		"blk_interposer: refused on top of ${other##*/}")" -eq 1
	must bioctl detach "$other"
	must wait_for 10 remove_dm onlower
	ok "without the redirect it is taken" dmsetup reload changed --table \
		"0 $(blockdev --getsz "$dm") linear $other 0"
	must dmsetup clear changed
	must bioctl detach "$dm" count
	must remove_dm changed
}

test_run() {
	local disk part lower top

	disk=$(new_null_blk cache_size=4)
	part=$(new_partitions "$disk" size=16MiB)

	top=$(linear itself "$part")
	expect_refused "on the device, not its lower device" ELOOP "come back" \
		stack insert "$part" --device "$top"
	expect_no_stack "refused" "$part"
	must remove_dm itself

	lower=$(new_lower "$part")
	top=$(linear above "$lower")
	ok "on its lower device" bioctl stack insert "$part" --device "$top"
	ok "a write goes through it" write_sector "$part" 0
	expect_num "once" "$(block_stat "$lower" 5)" -eq 1
	ok "a flush ends" timeout "$(scaled 20)" sync "$part"
	must bioctl attach "$disk" count
	must write_sector "$part" 0
	ok "also with a program on the disk" timeout "$(scaled 20)" sync "$part"
	must bioctl detach "$disk" count
	expect_refused "what the disk redirects to must not be above it" ELOOP \
		"come back" attach "$disk" redirect --set "ranges=0-131071:0:0" \
		--target "0=$top"
	expect_refused "a program on a lower device" EOPNOTSUPP "lower device" \
		attach "$lower" count
	expect_refused "a second lower device" EEXIST "already" attach "$part" \
		count --lower
	ok "take it out" bioctl stack remove "$part"
	must wait_for 10 remove_dm above
	ok "and the lower device" bioctl stack remove "$part"
	expect_refused "a table on the device, not its lower device" ELOOP \
		"come back" stack insert "$part" --table "linear $part 0"
	expect_no_stack "a table refused" "$part"
	split_below "$(new_null_blk)"
	new_table "$(new_null_blk)" "$(new_null_blk)"
}
