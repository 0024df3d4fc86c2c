# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A link makes a lower device, which meets none of its device's programs and goes with it."

dmesg_has() {
	grep -q "$1" <(dmesg)
}

test_run() {
	local disk gone

	disk=$(new_null_blk cache_size=4)
	gone=$(new_null_blk)
	run_bin abi_lower "$disk" "$(new_partitions "$disk" size=1024)" "$gone" \
		"$(null_blk_dir "$gone")/power"
	# Which also says EEXIST, and that this is a bug.
	expect_fail "a second one is refused before sysfs is asked" \
		dmesg_has "duplicate filename"
}
