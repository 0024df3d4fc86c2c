# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Where mounted devices refuse writers, bioctl attaches all the same, and says why a mounted target is refused."
REQUIRES="cmd:jq cmd:mkfs.ext4"
TIMEOUT=180
CMDLINE="bdev_allow_write_mounted=0"

. "$BLKI_ROOT/tests/lib/bioctl.sh"

test_run() {
	local dev other mnt

	dev=$(disk 0)
	other=$(new_null_blk)
	must mkfs.ext4 -q "$dev"
	mnt=$(new_mount "$dev")
	expect_fail "nobody else can open it for writing" \
		dd if=/dev/zero of="$dev" bs=512 count=0 conv=notrunc
	ok "attach" bioctl attach "$dev" count
	ok "the filesystem is written" \
		dd if=/dev/zero of="$mnt/file" bs=4k count=1 conv=fsync
	ok "replace" bioctl replace "$dev" count count --barrier
	ok "detach" bioctl detach "$dev"
	expect_refused "as a target for writes" EBUSY "mounted" \
		attach "$other" redirect --target "0=$dev"
	ok "but it can be one for reads" \
		bioctl attach "$other" redirect --target "0=$dev:ro"
	ok "detach" bioctl detach "$other"
}
