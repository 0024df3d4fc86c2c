# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A mounted disk is removed: what its filesystem still writes back then goes to the target, as all before it."
REQUIRES="cmd:jq cmd:mkfs.ext4"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/load.sh"

test_run() {
	local source target dir

	source=$(new_null_blk)
	target=$(new_null_blk)
	must bioctl attach "$source" redirect --target "0=$target" \
		--set ranges=0-131071:0:0
	must mkfs.ext4 -q "$source"
	dir=$(new_mount "$source" -o commit=300)
	dd if=/dev/urandom of="$TMP/file" bs=64k count=8 status=none
	sync -f "$dir"
	cp "$TMP/file" "$dir/file"
	echo 0 >"$(null_blk_dir "$source")/power"
	ok "umount" umount "$dir"
	ok "clean up" bioctl detach --defunct
	expect_keys_off "removed"
	ok "mount the target" mount "$target" "$dir"
	ok "the file is there" cmp "$dir/file" "$TMP/file"
	ok "umount" umount "$dir"
	ok "the filesystem is clean" e2fsck -fn "$target"
}
