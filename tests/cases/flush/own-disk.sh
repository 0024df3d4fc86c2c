# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A target that writes, with flushes of its own, to another partition of the source's disk does not wait for itself."
REQUIRES="cmd:jq cmd:mdadm cmd:mkfs.ext4"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/flush.sh"
. "$BLKI_ROOT/tests/lib/load.sh"

# md writes its superblock, with PREFLUSH and FUA, before the first write after
# a pause; the commit record of ext4 has these, too, and waits for it. Both are
# held back for targets: that of the superblock while that of the record is being
# submitted.
test_run() {
	local disk parts source below target dir

	disk=$(new_cached)
	parts=$(new_partitions "$disk" size=24MiB size=24MiB)
	source=${parts%%$'\n'*}
	below=${parts##*$'\n'}
	must bioctl attach "$below" redirect --target "0=$(new_cached)" \
		--set ranges=45056-45063:0:0
	must dd if="$below" of=/dev/null bs=4k count=1 skip=5632 iflag=direct \
		status=none
	target=$(new_md 1 "$below" "$(new_cached)")
	must bioctl attach "$source" redirect --target "0=$target" \
		--set ranges=0-131071:0:0
	must timeout "$(scaled 60)" mkfs.ext4 -q "$source" 16384
	dir=$(new_mount "$source")
	for _ in 1 2 3; do
		sleep 1
		ok "fsync of a file after a pause" timeout "$(scaled 20)" \
			dd if=/dev/zero of="$dir/file" bs=4k count=4 \
			conv=fsync,notrunc status=none
		ok "fsync of the disk" fsync "$disk"
	done
	must umount "$dir"
	must bioctl detach "$source"
	must bioctl detach "$below"
	ok "the filesystem is clean" e2fsck -fn "$target"
	expect_keys_off "in the end"
}
