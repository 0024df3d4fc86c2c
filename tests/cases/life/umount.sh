# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A filesystem that lies on a redirect target is mounted, filled, unmounted, checked and mounted again."
REQUIRES="cmd:fio cmd:jq cmd:mkfs.ext4"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/load.sh"

files() {
	(cd "$1" && find . -type f -name 'f*' -exec sha256sum {} + | sort)
}

test_run() {
	local source target dir before

	source=$(disk 0)
	target=$(disk 1)
	must bioctl attach "$source" redirect --target "0=$target" \
		--set ranges=0-131071:0:0
	must mkfs.ext4 -q "$source" 65536
	dir=$(new_mount "$source")
	must fio --name=f --directory="$dir" --size=8M --numjobs=2 --bs=64k \
		--rw=write --fsync_on_close=1 --output="$TMP/fio.log"
	before=$(files "$dir")
	ok "umount writes everything back" umount "$dir"
	ok "the filesystem is clean" e2fsck -fn "$source"
	ok "and lies on the target" e2fsck -fn "$target"
	ok "mount it again" mount "$source" "$dir"
	expect_eq "the files are there" "$(files "$dir")" "$before"
	ok "detach under the mounted filesystem" bioctl detach "$source" --freeze
	expect_within "the target stays open for no bio" 15 keys_are_off
	must bioctl attach "$source" redirect --target "0=$target" \
		--set ranges=0-131071:0:0 --freeze
	ok "umount" umount "$dir"
	must bioctl detach "$source"
	expect_fail "the source never had a filesystem" \
		mount -t ext4 "$source" "$dir"
	ok "mount the target" mount "$target" "$dir"
	expect_eq "the files are there" "$(files "$dir")" "$before"
	ok "umount" umount "$dir"
	expect_keys_off "in the end"
}
