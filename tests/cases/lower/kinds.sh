# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Faults, thin copies and caches that others made come and go with their stack, raw and below a filesystem; stacks get below disks of every kind."
REQUIRES="cmd:jq cmd:fio cmd:dmsetup cmd:mkfs.ext4 cmd:losetup cmd:filefrag"
TIMEOUT=400

. "$BLKI_ROOT/tests/lib/below.sh"

# Faults appear with the stack and vanish with it.
faults() {
	local size

	size=$(blockdev --getsz "$DEV")
	ok "error: insert" insert "$DEV" --table \
		"0 2048 linear @lower 0"$'\n'"2048 $((size - 2048)) error"
	ok "error: what is not in the range works" write_sector "$DEV" 2047
	expect_fail "error: a sector of the range" read_sector "$DEV" 2048
	ok "error: remove" bioctl stack remove "$DEV"
	ok "error: it works again" read_sector "$DEV" 2048
	ok "flakey: insert" insert "$DEV" --table "flakey @lower 0 0 3600"
	expect_fail "flakey: a read" read_sector "$DEV" 0
	ok "flakey: remove" bioctl stack remove "$DEV"
	ok "flakey: it works again" read_sector "$DEV" 0
	ok "dust: insert" insert "$DEV" --table "dust @lower 0 512"
	must dmsetup message "$(basename "$DEV")-stack" 0 addbadblock 7
	must dmsetup message "$(basename "$DEV")-stack" 0 enable
	expect_fail "dust: a bad block" read_sector "$DEV" 7
	ok "dust: a good one" read_sector "$DEV" 8
	ok "dust: remove" bioctl stack remove "$DEV"
	ok "dust: it works again" read_sector "$DEV" 7
	expect_no_stack "faults" "$DEV"
}

# Reads come from the device, writes go elsewhere: the device stays as it is.
thin() {
	local meta data before

	meta=$(new_null_blk size=8)
	data=$(new_null_blk size=64)
	new_dm pool "0 $(blockdev --getsz "$data") thin-pool $meta $data 128 0" \
		>/dev/null
	must dmsetup message pool 0 "create_thin 0"
	must dd if=/dev/urandom of="$DEV" bs=64k count=4 oflag=direct status=none
	before=$(md5sum_of "$DEV")
	ok "thin: insert" insert "$DEV" --table "thin /dev/mapper/pool 0 @lower"
	expect_eq "thin: reads what the device has" "$(md5sum_of "$DEV")" \
		"$before"
	must dd if=/dev/zero of="$DEV" bs=64k count=2 oflag=direct status=none
	expect_ne "thin: reads what was written" "$(md5sum_of "$DEV")" "$before"
	ok "thin: remove" bioctl stack remove "$DEV"
	expect_eq "thin: the device is as it was" "$(md5sum_of "$DEV")" "$before"
}

md5sum_of() {
	dd if="$1" bs=64k count=4 iflag=direct status=none | md5sum
}

# One behind the other: what the second has goes back to another disk.
two_caches() {
	local one=$1 two=$2 other=$3 size half sums

	size=$(blockdev --getsz "$DEV")
	half=$(((size / 2) & ~7))
	must dd if=/dev/urandom of="$TMP/blocks" bs=64k count=4 status=none
	sums=$(md5sum <"$TMP/blocks")
	ok "two caches: insert" insert "$DEV" --table \
		"0 $half writecache s @lower $one 512 0
$half $((size - half)) writecache s $other $two 512 0"
	must dd if="$TMP/blocks" of="$DEV" bs=64k oflag=direct status=none
	must dd if="$TMP/blocks" of="$DEV" bs=4k oflag=direct \
		seek=$((half / 8)) status=none
	expect_ne "two caches: the second keeps it" "$(md5sum_of "$other")" \
		"$sums"
	ok "two caches: remove" bioctl stack remove "$DEV"
	expect_eq "two caches: what the first had" "$(md5sum_of "$DEV")" "$sums"
	expect_eq "two caches: what the second had" "$(md5sum_of "$other")" \
		"$sums"
}

# What others have built on the lower device, and not written back
caches_of_others() {
	local one=$1 meta=$2 lower size top sums

	size=$(blockdev --getsz "$DEV")
	lower=$(new_lower "$DEV")
	zero_head "$one"
	top=$(new_dm others "0 $size writecache s $lower $one 512 0")
	ok "others' writecache: insert" bioctl stack insert "$DEV" --device "$top"
	must dd if=/dev/urandom of="$DEV" bs=64k count=4 oflag=direct status=none
	sums=$(md5sum_of "$DEV")
	expect_ne "others' writecache: keeps it" "$(md5sum_of "$lower")" "$sums"
	ok "others' writecache: remove" bioctl stack remove "$DEV"
	expect_eq "others' writecache: the device has it" "$(md5sum_of "$DEV")" \
		"$sums"
	must wait_for 20 remove_dm others

	zero_head "$one"
	zero_head "$meta"
	top=$(new_dm others "0 $size cache $meta $one $lower 64 1 writeback default 0")
	ok "others' cache: insert" bioctl stack insert "$DEV" --device "$top"
	dd_until_dirty
	expect_error "others' cache: it is not lost" "not written back" \
		bioctl stack remove "$DEV"
	expect_eq "others' cache: it is still in use" "$(listed "$DEV")" inserted
	ok "others' cache: it can be given up" bioctl stack remove "$DEV" --force
	must wait_for 20 remove_dm others
	ok "others: the lower device goes" bioctl stack remove "$DEV"
	expect_no_stack "others" "$DEV"
}

dd_same_blocks() {
	must dd if=/dev/zero of="$DEV" bs=4k count=64 oflag=direct status=none
}

others_dirty() {
	[ "$(dmsetup status --noflush others | awk '{ print $14 }')" != 0 ]
}

# The same blocks until the cache wants them. From then on it writes nothing back,
# which it would do as soon as it is idle.
dd_until_dirty() {
	local n

	for ((n = 0; n < 200; n++)); do
		dd_same_blocks
		! others_dirty || break
	done
	must dmsetup message others 0 migration_threshold 0
	dd_same_blocks
	must others_dirty
}

# A file of a mounted filesystem cannot be read as long as the stack is there;
# all others can.
faults_below() {
	local file=$BELOW_DIR/victim size first rest name

	must dd if=/dev/urandom of="$file" bs=64k count=1 conv=fsync status=none
	cp "$file" "$TMP/victim"
	size=$(blockdev --getsz "$DEV")
	first=$(filefrag -b512 -v "$file" |
		awk '$1 == "0:" && $6 == "128:" { print $4 + 0 }')
	must test "$first" -gt 0
	rest=$((first + 128))
	for name in error flakey dust; do
		case $name in
		error) set -- "error" ;;
		flakey) set -- "flakey @lower $first 0 3600 1 error_reads" ;;
		dust) set -- "dust @lower $first 512" ;;
		esac
		ok "$name below: insert" insert "$DEV" --table \
			"0 $first linear @lower 0
$first 128 $1
$rest $((size - rest)) linear @lower $rest"
		[ "$name" != dust ] || make_bad "$first"
		expect_fail "$name below: the file" read_direct "$file"
		ok "$name below: fio runs" load_runs
		ok "$name below: remove" bioctl stack remove "$DEV"
		ok "$name below: the file is there again" \
			cmp "$file" "$TMP/victim"
		must read_direct "$file"
	done
}

# make_bad SECTOR: of the lower device; the message goes to the target that is there
make_bad() {
	must dmsetup message "$(basename "$DEV")-stack" "$1" \
		addbadblock $(($1 + 8))
	must dmsetup message "$(basename "$DEV")-stack" "$1" enable
}

read_direct() {
	dd if="$1" of=/dev/null bs=64k iflag=direct status=none
}

# What is written to a thin device is gone with it: the filesystem is what it was
# when the stack was put in.
thin_below() {
	local meta data dir before

	meta=$(new_null_blk size=8)
	data=$(new_null_blk size=64)
	new_dm pool2 "0 $(blockdev --getsz "$data") thin-pool $meta $data 128 0" \
		>/dev/null
	must dmsetup message pool2 0 "create_thin 0"
	must mkfs.ext4 -qF "$DEV"
	dir=$(new_mount "$DEV")
	must dd if=/dev/urandom of="$dir/kept" bs=1M count=2 conv=fsync status=none
	before=$(md5sum <"$dir/kept")
	ok "thin below: insert" insert "$DEV" --table \
		"thin /dev/mapper/pool2 0 @lower"
	start_load "$dir/file" 300 --fsync=8 --size=4M
	must dd if=/dev/zero of="$dir/kept" bs=1M count=2 conv=fsync,notrunc \
		status=none
	expect_within "thin below: writes go there" 60 \
		is_written "$(stack_says .top "$DEV")" 100
	fio_goes_on "thin below"
	expect_verified_now "thin below: fio verifies"
	must umount "$dir"
	ok "thin below: the filesystem is clean" e2fsck -fn "$DEV"
	ok "thin below: remove" bioctl stack remove "$DEV"
	ok "thin below: and the one before is" e2fsck -fn "$DEV"
	dir=$(new_mount "$DEV")
	expect_eq "thin below: what was there before" "$(md5sum <"$dir/kept")" \
		"$before"
	expect_fail "thin below: nothing that came later" test -e "$dir/file"
	must umount "$dir"
}

of_kind() {
	through "$KIND" "linear @lower 0"
	through "$KIND, delay" "delay @lower 0 2"
	expect_no_stack "$KIND" "$DEV"
}

test_run() {
	hold_gate
	DEV=$(disk 0)
	faults
	thin
	caches_of_others "$(new_null_blk size=32)" "$(new_null_blk size=8)"
	two_caches "$(new_null_blk size=32)" "$(new_null_blk size=32)" \
		"$(new_null_blk size=300)"
	below_fs ext4 "$DEV" faults_below
	thin_below
	KIND="null_blk" below_fs ext4 "$(new_null_blk)" of_kind
	KIND="brd" below_fs ext4 "$(new_brd)" of_kind
	KIND="a loop over a file" below_fs ext4 "$(new_loop 32)" of_kind
	KIND="zram" below_fs ext4 "$(new_zram 64)" of_kind
}
