# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Every kind of fresh device can be made, written and read back."

written_and_read() {
	local dev=$1

	echo "blki $dev" | dd of="$dev" bs=4096 conv=sync,fsync status=none
	dd if="$dev" bs=4096 count=1 iflag=direct status=none | grep -qa "blki $dev"
}

test_run() {
	local dev image mnt a b parts

	dev=$(disk 0)
	ok "virtio disk" written_and_read "$dev"
	image=$BLKI_IMAGES/vda.img
	expect_match "the image shows it" "$(head -c 64 "$image" | tr -d '\0')" "blki $dev"
	mapfile -t parts < <(new_partitions "$dev" "size=32M" "size=64M")
	expect_eq "two partitions" "${#parts[@]}" 2
	ok "partition" written_and_read "${parts[1]}"
	a=$(new_null_blk)
	ok "null_blk" written_and_read "$a"
	b=$(new_null_blk size=32)
	ok "second null_blk" written_and_read "$b"
	ok "brd" written_and_read "$(new_brd)"
	ok "zram" written_and_read "$(new_zram 32)"
	ok "loop" written_and_read "$(new_loop 16)"
	ok "scsi_debug" written_and_read "$(new_scsi_debug)"
	ok "dm-linear" written_and_read "$(new_dm lin "0 65536 linear $b 0")"
	ok "md raid1" written_and_read "$(new_md 1 "$a" "$(new_loop 64)")"
	mkfs.ext4 -q "$(disk 1)"
	mnt=$(new_mount /dev/vdb)
	ok "ext4" touch "$mnt/file"
	ok "cgroup" test -e "$(new_cgroup one)/cgroup.procs"
}
