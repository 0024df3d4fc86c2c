# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="What is attached stays as long as its descriptors, pins and device do, and leaves no id behind."

test_run() {
	local gone

	gone=$(new_null_blk)
	at_exit rm -f /sys/fs/bpf/abi_link
	run_bin abi_link "$(new_null_blk)" "$gone" \
		"$(null_blk_dir "$gone")/power" /sys/fs/bpf/abi_link
}
