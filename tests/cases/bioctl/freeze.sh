# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="bioctl --freeze holds the filesystems on a device, its partitions and stacks still, and lets them go again."
REQUIRES="cmd:jq cmd:fsfreeze cmd:mkfs.ext4"
TIMEOUT=180

. "$BLKI_ROOT/tests/lib/bioctl.sh"

write_file() {
	timeout "$(scaled 10)" dd if=/dev/zero of="$1/file" bs=4k count=16 \
		conv=fsync status=none
}

test_run() {
	local disk part above one two

	disk=$(disk 0)
	part=$(new_partitions "$disk" size=64MiB)
	above=$(new_dm frozen "0 $(blockdev --getsz "$part") linear $part 0")
	must mkfs.ext4 -q "$above"
	one=$(new_mount "$above")

	ok "attach below a filesystem on dm on a partition" \
		bioctl attach "$disk" count --freeze
	ok "it goes on" write_file "$one"
	ok "replace" bioctl replace "$disk" count count --freeze
	ok "it goes on" write_file "$one"
	expect_num "and the policy sees it" \
		"$(verdict_bios "$disk" count pass)" -gt 0

	must fsfreeze --freeze "$one"
	ok "one that is frozen" bioctl attach "$part" count --freeze
	expect_fail "stays frozen" fsfreeze --freeze "$one"
	ok "until its owner thaws it" fsfreeze --unfreeze "$one"
	ok "it goes on" write_file "$one"

	expect_refused "a failure on the way" ESTALE "revision" \
		attach "$disk" count --name two --freeze --expect-revision 999
	ok "leaves nothing frozen" write_file "$one"
	ok "detach" bioctl detach "$part" --freeze
	ok "detach" bioctl detach "$disk" --freeze
	ok "it goes on" write_file "$one"
}
