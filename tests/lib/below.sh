# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2153
# Stacks that get below a filesystem, or a raw device, under a load.

. "$BLKI_ROOT/tests/lib/lower.sh"

# A file that is there says that fio listens to what is to end it.
load_below() {
	rm -f "$BELOW_DIR/file"
	start_load "$BELOW_DIR/file" 300 --fsync=8 --size=8M
	must wait_for 30 test -s "$BELOW_DIR/file"
}

# has_done N: so many I/Os
has_done() {
	[ "$(ios "$DEV")" -ge "$1" ]
}

# fio_goes_on NAME: for as long as it takes to do something
fio_goes_on() {
	local before

	before=$(ios "$DEV")
	# brd does not count.
	if [ "$before" -eq 0 ]; then
		sleep 3
	else
		expect_within "$1: fio goes on" 60 has_done $((before + 300))
	fi
}

# still_clean NAME: what was written is right, and so is the filesystem
still_clean() {
	ok "$1: fio runs" load_runs
	[ -n "${BELOW_FS:-}" ] || return 0
	fio_goes_on "$1"
	expect_verified_now "$1: fio verifies"
	must umount "$BELOW_DIR"
	ok "$1: the filesystem is clean" check_fs "$BELOW_FS" "$DEV"
	must mount "$DEV" "$BELOW_DIR"
	load_below
}

# through NAME TABLE [COMMAND...]: in and out of DEV once, with what is written
# meanwhile; the command says whether the stack has done its part
through() {
	local name=$1 top

	if ! ok "$name: insert" insert "$DEV" --table "$2"; then
		return 0
	fi
	top=$(stack_says .top "$DEV")
	expect_within "$name: writes go through it" 60 is_written "$top" 20
	[ $# -eq 2 ] || expect_within "$name: it does its part" 60 "${@:3}"
	ok "$name: remove" bioctl stack remove "$DEV"
	still_clean "$name"
}

# below_fs FS DEVICE COMMAND...: what happens to DEVICE while fio writes and syncs
# on a filesystem there, verifies what it wrote, and the filesystem stays clean
below_fs() {
	local fs=$1

	BELOW_FS=$fs
	DEV=$2
	must make_fs "$fs" "$DEV"
	BELOW_DIR=$(new_mount "$DEV")
	load_below
	"${@:3}"
	fio_goes_on "$fs"
	expect_verified_now "$fs: fio verifies"
	must umount "$BELOW_DIR"
	ok "$fs: the filesystem is clean" check_fs "$fs" "$DEV"
	BELOW_FS=
}

# dm_word N: of the status of the stack
dm_word() {
	dmsetup status --noflush "$(basename "$DEV")-stack" |
		awk -v n="$1" '{ print $n }'
}

# has_logged: "0 N log-writes ALLOCATED/ALL LOGGED HIGHEST"
has_logged() {
	[ "$(dm_word 5)" -ge 20 ]
}

# An era has ended: "0 N era 8 USED/ALL ERA ROOT"
is_next_era() {
	dmsetup message "$(basename "$DEV")-stack" 0 checkpoint
	[ "$(dm_word 6)" -ge 2 ]
}

# through_dm NAME TWO THREE: DEV with one target of device mapper after the other;
# TWO is a disk as large, THREE another one
through_dm() {
	local name=$1 two=$2 three=$3 size

	size=$(blockdev --getsz "$DEV")
	through "$name, linear" "linear @lower 0"
	through "$name, two-parts" "0 4096 linear @lower 0"$'\n'"4096 $((size - 4096)) linear @lower 4096"
	through "$name, flakey" "flakey @lower 0 60 0"
	through "$name, delay" "delay @lower 0 5"
	through "$name, dust" "dust @lower 0 512"
	through "$name, log-writes" "log-writes @lower $three" has_logged
	zero_head "$three"
	through "$name, era" "era $three @lower 4096" is_next_era
	zero_head "$three"
	through "$name, writecache" "writecache s @lower $three 512 0"
	through "$name, mirror" "mirror core 2 1024 nosync 2 @lower 0 $two 0"
}

md_is_whole() {
	[ "$(<"/sys/block/${1##*/}/md/degraded")" = 0 ]
}

# through_raid1 NAME TWO: without a superblock, as what is mounted must not be
# written over. The second disk comes when all writes go through the array.
through_raid1() {
	local name=$1 two=$2 lower md=/dev/md9

	lower=$(new_lower "$DEV")
	ok "$name, raid1: build" mdadm --quiet --build "$md" --run --level=1 \
		--raid-devices=2 --assume-clean "$lower" missing
	at_exit undo_md "$md"
	ok "$name, raid1: insert" bioctl stack insert "$DEV" --device "$md"
	expect_within "$name, raid1: writes go through it" 60 \
		is_written "$md" 20
	ok "$name, raid1: a second disk" mdadm --quiet "$md" --add "$two"
	expect_within "$name, raid1: it has all" 90 md_is_whole "$md"
	must fsfreeze --freeze "$BELOW_DIR"
	ok "$name, raid1: both are the same" cmp \
		--bytes="$(blockdev --getsize64 "$md")" "$lower" "$two"
	must fsfreeze --unfreeze "$BELOW_DIR"
	ok "$name, raid1: take it out" bioctl stack remove "$DEV"
	must wait_for 20 mdadm --quiet --stop "$md"
	ok "$name, raid1: remove" bioctl stack remove "$DEV"
	still_clean "$name, raid1"
}

# through_crypt NAME: twice the same key stream is none, and what the device holds
# stays readable
through_crypt() {
	local name=$1 lower key inner outer size

	key=$(printf '%032x' 0x123456)
	lower=$(new_lower "$DEV")
	size=$(blockdev --getsz "$DEV")
	inner=$(new_dm inner "0 $size crypt aes-ctr-plain64 $key 0 $lower 0")
	outer=$(new_dm outer "0 $size crypt aes-ctr-plain64 $key 0 $inner 0")
	ok "$name, crypt: insert" bioctl stack insert "$DEV" --device "$outer"
	expect_within "$name, crypt: writes go through it" 60 \
		is_written "$outer" 20
	ok "$name, crypt: take it out" bioctl stack remove "$DEV"
	must wait_for 20 remove_dm outer
	must wait_for 20 remove_dm inner
	ok "$name, crypt: remove" bioctl stack remove "$DEV"
	still_clean "$name, crypt"
}

is_dirty() {
	[ "$(dm_word 14)" -gt 0 ]
}

is_clean() {
	[ "$(dm_word 14)" = 0 ]
}

# through_cache NAME META BLOCKS
through_cache() {
	local name=$1 meta=$2 blocks=$3 dm

	dm=$(basename "$DEV")-stack
	zero_head "$meta"
	through "$name, cache, write through" \
		"cache $meta $blocks @lower 64 1 writethrough default 0"
	zero_head "$meta"
	ok "$name, cache, write back: insert" insert "$DEV" --table \
		"cache $meta $blocks @lower 64 1 writeback default 0"
	expect_within "$name, cache, write back: some is dirty" 60 is_dirty
	expect_error "$name, cache, write back: it is not lost" \
		"not written back" bioctl stack remove "$DEV"
	dmsetup table "$dm" |
		sed 's/ writeback [a-z]* .*/ writethrough cleaner 0/' \
			>"$TMP/cleaner"
	must dmsetup reload "$dm" "$TMP/cleaner"
	must dmsetup suspend --noudevsync "$dm"
	must dmsetup resume --noudevsync "$dm"
	expect_within "$name, cache, write back: clean" 60 is_clean
	ok "$name, cache, write back: remove" bioctl stack remove "$DEV"
	still_clean "$name, cache, write back"
}
