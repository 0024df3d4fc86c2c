# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Snapshots of a mounted device mount, equal what was there at the cut, and leave the device alone, also when their store is full."
REQUIRES="cmd:jq cmd:fio cmd:dmsetup cmd:mkfs.ext4 cmd:mkfs.xfs cmd:mkfs.btrfs"
TIMEOUT=500

. "$BLKI_ROOT/tests/lib/lower.sh"

# snapshot NAME STORE DEVICE [OPTION...]
snapshot() {
	undo_with bioctl snapshot remove "$3" --name "$1"
	bioctl snapshot create "$3" --store "$2" --name "$1" "${@:4}"
}

# at_cut NAME STORE DEVICE DIR [OPTION...]: the same; sets SUMS to what DIR, which
# stands still, holds at the cut
at_cut() {
	local rc=0

	undo_with bioctl snapshot remove "$3" --name "$1"
	BIOCTL_PAUSE_AT="cut" bioctl snapshot create "$3" --store "$2" \
		--name "$1" "${@:5}" >"$TMP/create" 2>&1 &
	must wait_for 60 is_stopped "$!"
	SUMS=$(sums "$4" '*')
	kill -CONT "$!"
	wait "$!" || rc=$?
	note "$(<"$TMP/create")"
	expect_eq "a snapshot: $1" "$rc" 0
}

# snapshot_is NAME: its state
snapshot_is() {
	query ".snapshots[] | select(.name == \"$1\") | .state" snapshot list
}

# sums DIR PATTERN: contents of its files, in a line
sums() {
	(cd "$1" && find . -name "$2" -type f -print0 | sort -z |
		xargs -0 md5sum | md5sum)
}

# fill DIR SEED: the same files for the same seed, in the same blocks
fill() {
	local n

	for n in 1 2 3 4; do
		head -c 1M /dev/zero | openssl enc -aes-128-ctr -nosalt \
			-pass "pass:$2$n" -pbkdf2 |
			dd of="$1/data$n" bs=64k conv=notrunc status=none
	done
	echo "$2" >"$1/data-only-$2"
}

# equals NAME DEVICE SUMS [OPTIONS]
equals() {
	local dir

	dir=$(new_mount "$2" -o "${4:-ro}")
	expect_eq "$1: the snapshot is as it was" "$(sums "$dir" '*')" "$3"
	must umount "$dir"
}

# status tells what list tells, of the devices that are named.
told() {
	local dev=$1 used

	expect_eq "list: first" "$(snapshot_is first)" valid
	used=$(query '.snapshots[] | select(.name == "first") | .used_sectors' \
		snapshot list)
	expect_num "list: the store is used" "$used" -gt 2048
	expect_eq "status: of the device" "$(query \
		'[.snapshots[].name] | sort | join(" ")' \
		snapshot status "$dev")" "first second"
	expect_eq "status: of another" "$(query '.snapshots | length' \
		snapshot status "$TAKEN")" 0
	expect_output "status: how much is used" \
		"$KEY-first, [0-9.]*% of the store is used \([0-9]+ of 256 MiB" \
		bioctl snapshot status "$dev"
}

of_one_device() {
	local dev=$1 dir=$2 control=$3 first second

	fill "$dir" one
	fill "$control" one
	sync -f "$dir"
	at_cut first "$STORE" "$dev" "$dir"
	first=$SUMS
	expect_refused "a store on what has a snapshot" null "on the device" \
		snapshot create "$TAKEN" --store "$dir/store" --size 16
	fill "$dir" two
	fill "$control" two
	sync -f "$dir"
	at_cut second "$TMP/store" "$dev" "$dir" --size 64
	second=$SUMS
	expect_ne "they differ" "$second" "$first"
	fill "$dir" three
	fill "$control" three
	sync -f "$dir"
	ok "fio runs" load_runs
	equals "first" "/dev/mapper/$KEY-first" "$first"
	equals "second" "/dev/mapper/$KEY-second" "$second"
	ok "its filesystem is clean" e2fsck -fn "/dev/mapper/$KEY-second"
	expect_fail "a snapshot is read-only" \
		write_sector "/dev/mapper/$KEY-first" 0
	told "$dev"
	ok "remove the first" bioctl snapshot remove "$dev" --name first
	equals "second, alone" "/dev/mapper/$KEY-second" "$second"
	ok "remove the other" bioctl snapshot remove "$dev" --name second
	expect_no_stack "removed" "$dev"
	expect_verified_now "fio verifies"
	must umount "$dir"
	dir=$(new_mount "$dev" -o ro)
	expect_eq "the device equals the control copy" "$(sums "$dir" 'data*')" \
		"$(sums "$control" 'data*')"
	must umount "$dir"
}

# of_fs FS OPTIONS: how to mount its snapshot beside it
of_fs() {
	local fs=$1 dev store dir

	dev=$(new_null_blk size=256)
	store=$(new_null_blk size=64)
	must make_fs "$fs" "$dev"
	dir=$(new_mount "$dev")
	fill "$dir" one
	start_load "$dir/file" 300 --fsync=8 --size=8M
	must wait_for 30 test -s "$dir/file"
	at_cut "$fs" "$store" "$dev" "$dir"
	fill "$dir" two
	sync -f "$dir"
	equals "$fs" "/dev/mapper/${dev##*/}-$fs" "$SUMS" "$2"
	ok "$fs: remove" bioctl snapshot remove "$dev" --name "$fs"
	expect_verified_now "$fs: fio verifies"
	must umount "$dir"
	ok "$fs: the filesystem is clean" check_fs "$fs" "$dev"
}

# README's three commands, on a mounted /dev/vda1
as_in_readme() {
	local part dir image command sums

	part=$(new_partitions "$(disk 0)" size=64MiB)
	must mkfs.ext4 -q "$part"
	dir=$(new_mount "$part")
	fill "$dir" one
	sync -f "$dir"
	sums=$(sums "$dir" '*')
	undo_with bioctl snapshot remove "$part"
	# shellcheck disable=SC2016  # for eval
	sed -n '/^## A snapshot of/,/^## /s/#.*//; s/\/backup/$TMP/g;
		/^\(bioctl\|dd\) .*vda1/p' "$BLKI_ROOT/README.md" >"$TMP/readme"
	expect_eq "README: three commands" "$(wc -l <"$TMP/readme")" 3
	while read -r command; do
		ok "README: $command" eval "$command"
		fill "$dir" two
		sync -f "$dir"
	done <"$TMP/readme"
	image=$(new_mount "$TMP/vda1.img" -o ro,loop)
	expect_eq "README: the image is as it was" "$(sums "$image" '*')" "$sums"
	must umount "$image"
	must umount "$dir"
	expect_no_stack "README" "$part"
}

full_store() {
	local dev=$1 dir=$2

	ok "a small store" snapshot small "$TMP/small" "$dev" --size 2
	must dd if=/dev/urandom of="$dir/data1" bs=1M count=20 conv=fsync \
		status=none
	expect_eq "the snapshot is lost" "$(snapshot_is small)" invalid
	ok "and list says why" sh -c \
		"bioctl snapshot list | grep -q 'store was full'"
	ok "the device works" dd if=/dev/zero of="$dir/data2" bs=1M count=4 \
		conv=fsync status=none
	ok "remove it" bioctl snapshot remove "$dev" --name small
	expect_no_stack "lost one removed" "$dev"
}

refused() {
	local dev=$1 dir=$2

	expect_refused "a store on the device itself" null "on the device" \
		snapshot create "$dev" --store "$dir/store" --size 16
	ok "it is not made" test ! -e "$dir/store"
	expect_refused "a store with something on it" null "it holds ext4" \
		snapshot create "$dev" --store "$TAKEN"
	echo something >"$TMP/full"
	expect_refused "a file with something in it" null "it holds something" \
		snapshot create "$dev" --store "$TMP/full"
	refused_on "$dev" "$dir"
	expect_no_stack "refused" "$dev"
}

# Where the store would wait for what it is to keep
refused_on() {
	local dev=$1 dir=$2 disk part loop other

	disk=$(new_null_blk)
	part=$(new_partitions "$disk" size=16MiB)
	expect_refused "a part of the device" null "of which blocks are kept" \
		snapshot create "$disk" --store "$part"
	expect_refused "what the device is a part of" null \
		"of which blocks are kept" \
		snapshot create "$part" --store "$disk"
	expect_refused "one store for two" null "named twice" \
		snapshot create "$dev" "$part" --store "$STORE" \
		--store "$STORE"
	expect_refused "a file on another device of the cut" null \
		"on the device" snapshot create "$part" "$dev" \
		--store "$dir/store" --store "$STORE" --size 16
	must truncate -s 32M "$dir/image"
	loop=$(new_loop "$dir/image")
	must mkfs.ext4 -q "$loop"
	other=$(new_mount "$loop")
	expect_refused "a file in a file on the device" null "on the device" \
		snapshot create "$dev" --store "$other/store" --size 16
	must umount "$other"
	must losetup -d "$loop"
	must rm "$dir/image"
	disk=$(new_null_blk size=256)
	must mkfs.btrfs -q "$disk"
	other=$(new_mount "$disk")
	expect_refused "a file on btrfs on the device" null "on the device" \
		snapshot create "$disk" --store "$other/store" --size 16
	must umount "$other"
}

test_run() {
	local dev dir control

	hold_gate
	dev=$(disk 0)
	KEY=${dev##*/}
	STORE=$(disk 1)
	TAKEN=$(new_null_blk)
	must mkfs.ext4 -q "$TAKEN"
	must mkfs.ext4 -q "$dev"
	dir=$(new_mount "$dev")
	control=$TMP/control
	mkdir "$control"
	refused "$dev" "$dir"
	start_load "$dir/file" 300 --fsync=8 --size=8M
	must wait_for 30 test -s "$dir/file"
	of_one_device "$dev" "$dir" "$control"
	dir=$(new_mount "$dev")
	full_store "$dev" "$dir"
	must umount "$dir"
	ok "the filesystem is clean" e2fsck -fn "$dev"
	# Frozen, its log is not empty; and it refuses a UUID twice.
	of_fs xfs ro,norecovery,nouuid
	of_fs btrfs ro
	as_in_readme
}
