# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="On a machine with udev, LVM and mdadm nobody takes a lower device for the device: no links, no volumes, no members, no partitions."
REQUIRES="cmd:jq cmd:fio cmd:lvm cmd:mdadm cmd:udevadm cmd:mkfs.ext4 cmd:sfdisk"
TIMEOUT=300

. "$BLKI_ROOT/tests/lib/lower.sh"

# As bioctl(8) has it
FILTER='devices { global_filter = [ "r|-lower$|", "r|/lower-dm-|", "r|/dev/mapper/.*-(stack|snapshot|snap|migrate)$|" ] }'

udev_runs() {
	udevadm control --ping --timeout=5 >/dev/null 2>&1
}

start_udev() {
	must cp "$BLKI_ROOT"/loader/udev/*.rules /etc/udev/rules.d/
	/lib/systemd/systemd-udevd --daemon >/dev/null 2>&1
	undo_with udevadm control --exit --timeout=30
	must wait_for 20 udev_runs
	settle
}

# settle [DEVICE]: udev has done what there is to do, also if it looks at DEVICE
settle() {
	[ $# -eq 0 ] || must udevadm trigger --action=change "$1"
	must udevadm settle --timeout="$(scaled 60)"
}

# lvm_does COMMAND...: quietly
lvm_does() {
	lvm "$1" --config "$FILTER" "${@:2}" 2>&1
}

# leads NAME LINK DEVICE
leads() {
	expect_eq "$1" "$(readlink -f "$2")" "$3"
}

# unseen NAME DEVICE: udev has looked at the lower device, and found nothing
unseen() {
	local lower info

	lower=$(lower_of "$2")
	info=$(udevadm info --query=property "$lower")
	expect_match "$1: udev knows the lower device" "$info" "DEVNAME=$lower"
	expect_eq "$1: and has not looked what is on it" \
		"$(grep -c '^ID_FS_\|^ID_PART_TABLE_\|^DEVLINKS=' <<<"$info")" 0
}

filesystem() {
	local dev uuid

	dev=$(disk 0)
	must mkfs.ext4 -q "$dev"
	uuid=$(blkid -p -o value -s UUID "$dev")
	settle "$dev"
	leads "filesystem: by-uuid" "/dev/disk/by-uuid/$uuid" "$dev"
	new_lower "$dev" >/dev/null
	settle "$(lower_of "$dev")"
	unseen "filesystem" "$dev"
	leads "filesystem: by-uuid leads to the device" \
		"/dev/disk/by-uuid/$uuid" "$dev"
	ok "filesystem: detach" bioctl detach "$dev" stack
	settle
	leads "filesystem: still" "/dev/disk/by-uuid/$uuid" "$dev"
	undo_with bioctl snapshot remove "$dev"
	ok "filesystem: a snapshot" bioctl snapshot create "$dev" \
		--store "$TMP/store" --size 16
	settle "/dev/mapper/${dev##*/}-snap"
	leads "filesystem: nor to its snapshot" "/dev/disk/by-uuid/$uuid" "$dev"
	ok "filesystem: the snapshot goes" bioctl snapshot remove "$dev"
	settle
	leads "filesystem: still the device" "/dev/disk/by-uuid/$uuid" "$dev"
}

partitions() {
	local disk part lower

	disk=$(new_null_blk)
	part=$(new_partitions "$disk" size=16MiB)
	lower=$(new_lower "$disk")
	settle "$lower"
	unseen "partitions" "$disk"
	expect_fail "partitions: the lower device is not looked at for any" \
		blockdev --rereadpt "$lower"
	expect_eq "partitions: it has none" \
		"$(find "/sys/block/${lower##*/}" -name partition | wc -l)" 0
	ok "partitions: that of the device is there" read_sector "$part" 0
	must bioctl detach "$disk" stack
	new_lower "$part" >/dev/null
	expect_error "partitions: one with a lower device is in use" busy \
		blockdev --rereadpt "$disk"
	must bioctl detach "$part" stack
	ok "partitions: until that is gone" blockdev --rereadpt "$disk"
}

# links_of DEVICE: in no order of udev's
links_of() {
	udevadm info --query=symlink "$1" | tr ' ' '\n' | sort | tr '\n' ' '
}

# What udev knew of the volume it knows after a suspend that was not its owner's.
on_a_volume() {
	local uuid links

	uuid=$(blkid -p -o value -s UUID /dev/vg/lv)
	links=$(links_of /dev/vg/lv)
	expect_match "a volume: links before" "$links" "disk/by-uuid/$uuid"
	undo_with bioctl stack remove /dev/vg/lv
	ok "a volume: insert below it" insert /dev/vg/lv --table \
		"linear @lower 0"
	settle
	expect_eq "a volume: its links are the same" \
		"$(links_of /dev/vg/lv)" "$links"
	leads "a volume: by-uuid leads to it" "/dev/disk/by-uuid/$uuid" \
		"$(readlink -f /dev/vg/lv)"
	unseen "a volume" "$(readlink -f /dev/vg/lv)"
	ok "a volume: remove" bioctl stack remove /dev/vg/lv
	settle
	expect_eq "a volume: and after that" \
		"$(links_of /dev/vg/lv)" "$links"
}

# A volume as a part of a stack
cached_by() {
	local cache=$1 dev=$2 sums

	undo_with bioctl stack remove "$dev"
	ok "volumes: one is a cache" insert "$dev" --table \
		"writecache s @lower $cache 512 0"
	must dd if=/dev/urandom of="$dev" bs=64k count=4 oflag=direct status=none
	sums=$(dd if="$dev" bs=64k count=4 iflag=direct status=none | md5sum)
	ok "volumes: the cache goes" bioctl stack remove "$dev"
	expect_eq "volumes: the device has what it held" "$(dd if="$dev" bs=64k \
		count=4 iflag=direct status=none | md5sum)" "$sums"
}

volumes() {
	local dev dir

	dev=$(disk 1)
	must lvm_does pvcreate -qq "$dev"
	must lvm_does vgcreate -qq vg "$dev"
	undo_with lvm vgremove -ff -y vg
	must lvm_does lvcreate -qq -L 64M -n lv vg
	must mkfs.ext4 -q /dev/vg/lv
	dir=$(new_mount /dev/vg/lv)
	start_load "$dir/file" 300 --fsync=8 --size=8M
	undo_with bioctl stack remove "$dev"
	ok "volumes: insert below a physical volume" insert "$dev" --table \
		"linear @lower 0"
	settle "$(lower_of "$dev")"
	unseen "volumes" "$dev"
	expect_eq "volumes: one physical volume" \
		"$(lvm_does pvs --noheadings -o pv_name | tr -d ' ')" "$dev"
	ok "volumes: it can be changed" lvm_does lvextend -qq -L +16M vg/lv
	expect_output "volumes: without the filter LVM sees two" \
		"prefers device $dev because" lvm pvs
	on_a_volume
	ok "volumes: fio runs" load_runs
	expect_verified_now "volumes: fio verifies"
	ok "volumes: remove" bioctl stack remove "$dev"
	undo_with bioctl snapshot remove "$dev"
	ok "volumes: a snapshot of it" bioctl snapshot create "$dev" \
		--store "$TMP/volume" --size 64
	expect_eq "volumes: still one physical volume" \
		"$(lvm_does pvs --noheadings -o pv_name | tr -d ' ')" "$dev"
	ok "volumes: it can still be changed" lvm_does lvextend -qq -L +16M \
		vg/lv
	ok "volumes: no snapshot" bioctl snapshot remove "$dev"
	must umount "$dir"
	ok "volumes: the filesystem is clean" e2fsck -fn /dev/vg/lv
	must lvm_does lvcreate -qq -y -L 16M -n cache vg
	cached_by /dev/vg/cache "$(new_null_blk)"
	must lvm_does vgremove -ff -y vg
}

# members NAME MD DEVICE...: what the array is made of
members() {
	local dir

	dir=$(sys_dir "$2")/slaves
	expect_eq "$1" "$(find "$dir" -mindepth 1 -printf '%f\n' | sort |
		tr '\n' ' ')" "$(printf '%s ' "${@:3}")"
}

arrays() {
	local one two md

	one=$(new_null_blk)
	two=$(new_null_blk)
	md=$(new_md 1 "$one" "$two")
	new_lower "$one" >/dev/null
	settle "$(lower_of "$one")"
	unseen "arrays" "$one"
	must bioctl detach "$one" stack
	ok "arrays: insert below a member" insert "$one" --table \
		"linear @lower 0"
	settle "$(lower_of "$one")"
	mdadm --assemble --scan >"$TMP/out" 2>&1 || true
	expect_eq "arrays: there is one" "$(grep -c '^md' /proc/mdstat)" 1
	members "arrays: of the devices" "$md" "${one##*/}" "${two##*/}"
	# What is not in use any more mdadm looks for everywhere, unless it is told
	# where, as bioctl(8) says.
	must mdadm --quiet --stop "$md"
	echo "DEVICE /dev/nullb[0-9]" >"$TMP/mdadm.conf"
	ok "arrays: mdadm finds it" mdadm --assemble --scan \
		--config="$TMP/mdadm.conf"
	md=$(readlink -f /dev/md/*)
	at_exit undo_md "$md"
	expect_eq "arrays: there is one again" "$(grep -c '^md' /proc/mdstat)" 1
	members "arrays: of the devices again" "$md" "${one##*/}" "${two##*/}"
	ok "arrays: it is complete" mdadm --detail --test "$md"
	ok "arrays: remove" bioctl stack remove "$one"
}

# Not one semaphore is left to wait for udev with.
without_semaphores() {
	local dev=$1 before

	before=$(sysctl -n kernel.sem)
	undo_with sysctl -q -w "kernel.sem=$before"
	must mkfs.ext4 -qF "$dev"
	DIR=$(new_mount "$dev")
	must sysctl -q -w "kernel.sem=0 0 0 0"
	undo_with bioctl stack remove "$dev"
	ok "no semaphores: insert" insert "$dev" --table "linear @lower 0"
	ok "no semaphores: the filesystem works" writes "$DIR"
	ok "no semaphores: remove" bioctl stack remove "$dev"
	ok "no semaphores: it still works" writes "$DIR"
	must sysctl -q -w "kernel.sem=$before"
	must umount "$DIR"
}

test_run() {
	hold_gate
	start_udev
	without_semaphores "$(new_null_blk size=64)"
	filesystem
	partitions
	volumes
	arrays
}
