# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What sits on disks: device mapper, md, partitions, mounts; and cgroups.

undo_dm() {
	[ -e "/dev/mapper/$1" ] || return 0
	dmsetup resume --noudevsync "$1"
	dmsetup remove --noudevsync --retry "$1"
}

# No udev here: dmsetup itself makes the node.
new_dm() {
	printf '%s\n' "$2" | dmsetup create --noudevsync --verifyudev "$1"
	at_exit undo_dm "$1"
	wait_device "/dev/mapper/$1"
	echo "/dev/mapper/$1"
}

undo_md() {
	[ -e "/sys/block/${1##*/}" ] || return 0
	mdadm --quiet --stop "$1"
}

new_md() {
	local level=$1 dev

	shift
	dev=/dev/md$(next_number md)
	mdadm --quiet --create "$dev" --run --force --assume-clean \
		--metadata=1.2 --level="$level" --raid-devices=$# "$@" >&2
	at_exit undo_md "$dev"
	wait_device "$dev"
	echo "$dev"
}

undo_partitions() {
	if [ -b "$1" ]; then
		wipefs -qaf "$1"
		blockdev --rereadpt "$1"
	fi
}

partitions_of() {
	find "/sys/block/${1##*/}/" -mindepth 1 -maxdepth 1 \
		-name "${1##*/}*" -printf '/dev/%f\n' | sort -V
}

partitions_ready() {
	[ "$(partitions_of "$1" | wc -l)" -eq "$2" ] &&
		[ -b "$(partitions_of "$1" | tail -n 1)" ]
}

new_partitions() {
	local dev=$1

	shift
	printf '%s\n' "label: gpt" "$@" | sfdisk -q --no-tell-kernel "$dev" >&2
	at_exit undo_partitions "$dev"
	blockdev --rereadpt "$dev"
	wait_for 5 partitions_ready "$dev" $# || missing "partitions of $dev"
	partitions_of "$dev"
}

# make_fs FS DEVICE|FILE: small, so that pieces and journal are. xfs wants to be told that it is.
make_fs() {
	case $1 in
	ext4) mkfs.ext4 -q -b 4096 -J size=4 -E lazy_itable_init=0 "$2" ;;
	xfs) mkfs.xfs -q -f --unsupported -d agcount=2 -l size=8m "$2" ;;
	btrfs) mkfs.btrfs -q -f -K -m single -d single "$2" ;;
	esac
}

check_fs() {
	case $1 in
	ext4) e2fsck -fn "$2" ;;
	xfs) xfs_repair -n "$2" ;;
	btrfs) btrfs check --readonly "$2" ;;
	esac
}

undo_mount() {
	if mountpoint -q "$1"; then
		umount "$1"
	fi
}

new_mount() {
	local dev=$1 dir

	shift
	dir=$TMP/mnt$(next_number mnt)
	mkdir "$dir"
	mount "$@" "$dev" "$dir"
	at_exit undo_mount "$dir"
	echo "$dir"
}

undo_cgroup() {
	[ -d "$1" ] || return 0
	echo 1 >"$1/cgroup.kill"
	wait_for 10 rmdir "$1"
}

new_cgroup() {
	mkdir "/sys/fs/cgroup/$1"
	at_exit undo_cgroup "/sys/fs/cgroup/$1"
	echo "/sys/fs/cgroup/$1"
}
