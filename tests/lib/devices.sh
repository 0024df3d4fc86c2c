# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Single disks for cases. Each function prints the device and registers how to
# undo it; see tests/README.md.

# at_exit COMMAND...: run when the case has ended, last first.
at_exit() {
	printf '%q ' "$@" >>"$TMP/.undo"
	echo >>"$TMP/.undo"
}

block_ready() {
	[ -b "$1" ] && blockdev --getsize64 "$1" >/dev/null
}

missing() {
	echo "$1: not there in time" >&2
	return 1
}

wait_device() {
	wait_for 5 block_ready "$1" || missing "$1"
}

# A number that no earlier device of this case has.
next_number() {
	local n

	n=$(cat "$TMP/.next-$1" 2>/dev/null || echo 0)
	echo $((n + 1)) >"$TMP/.next-$1"
	echo "$n"
}

# The kernel names the disk after the configfs directory.
null_blk_dir() {
	echo "/sys/kernel/config/nullb/${1##*/}"
}

undo_null_blk() {
	[ -d "$1" ] || return 0
	echo 0 >"$1/power"
	rmdir "$1"
}

new_null_blk() {
	local name dir pair

	name=nullb$(next_number nullb)
	dir=$(null_blk_dir "$name")
	mkdir "$dir"
	at_exit undo_null_blk "$dir"
	for pair in size=64 memory_backed=1 "$@"; do
		echo "${pair#*=}" >"$dir/${pair%%=*}"
	done
	echo 1 >"$dir/power"
	wait_device "/dev/$name"
	echo "/dev/$name"
}

# brd cannot remove single disks; the kernel is booted with two.
new_brd() {
	local dev

	dev=/dev/ram$(next_number brd)
	wait_device "$dev"
	blkdiscard -z "$dev"
	echo "$dev"
}

undo_zram() {
	echo "$1" >/sys/class/zram-control/hot_remove
}

new_zram() {
	local n

	n=$(cat /sys/class/zram-control/hot_add)
	at_exit undo_zram "$n"
	echo "${1:-64}M" >"/sys/block/zram$n/disksize"
	wait_device "/dev/zram$n"
	echo "/dev/zram$n"
}

loop_is_free() {
	! losetup "$1"
}

undo_loop() {
	if losetup "$1" >/dev/null 2>&1; then
		losetup -d "$1"
	fi
	wait_for 10 loop_is_free "$1"
}

new_loop() {
	local file=$1 dev

	if [[ $file =~ ^[0-9]+$ ]]; then
		file=$TMP/loop$(next_number loop)
		truncate -s "$1M" "$file"
	fi
	shift
	dev=$(losetup --show -f "$@" "$file")
	at_exit undo_loop "$dev"
	echo "$dev"
}

SCSI_DEBUG=/sys/bus/pseudo/drivers/scsi_debug

scsi_disks() {
	find /sys/block -maxdepth 1 -name 'sd*' -printf '/dev/%f\n' | sort
}

# Hosts go last in, first out, which is the order of undoing.
undo_scsi_debug() {
	echo -1 >$SCSI_DEBUG/add_host
	wait_for 10 block_gone "$1"
}

block_gone() {
	[ ! -e "/sys/block/${1##*/}" ]
}

new_scsi_disk_seen() {
	scsi_disks | grep -qvxF "$1"
}

new_scsi_debug() {
	local before pair dev

	before=$(scsi_disks)
	for pair; do
		echo "${pair#*=}" >"$SCSI_DEBUG/${pair%%=*}"
	done
	echo 1 >$SCSI_DEBUG/add_host
	wait_for 10 new_scsi_disk_seen "${before:-none}" || missing "scsi_debug disk"
	dev=$(scsi_disks | grep -vxF "${before:-none}")
	at_exit undo_scsi_debug "$dev"
	wait_device "$dev"
	echo "$dev"
}

disk() {
	local letters=abcdefgh dev

	dev=/dev/vd${letters:$1:1}
	wait_device "$dev"
	wipe_disk "$dev"
	at_exit wipe_disk "$dev"
	echo "$dev"
}

# The images are sparse files and a discard makes holes, which read as zero.
wipe_disk() {
	blkdiscard -f "$1" 2>/dev/null
	blockdev --rereadpt "$1"
}

block_stat() {
	awk -v n="$2" '{ print $n }' "/sys/class/block/${1##*/}/stat"
}
