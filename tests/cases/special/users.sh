# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="What loop, dm, md, a network server, swap and readahead submit to a disk meets its program once for each sector, and is moved once."
REQUIRES="cmd:dmsetup cmd:mdadm cmd:nbd-client cmd:nbd-server config:BLK_DEV_NBD config:SWAP config:MEMCG config:DM_CRYPT"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/rule.sh"
. "$BLKI_ROOT/tests/lib/nbd.sh"

# The first half of the disk to the second: moved twice it is beyond the end.
HALF=65536
MOVE="first=0,last=$((HALF - 1)),verdict=remap,offset=$HALF"

# Sectors that the disk was asked to read and write
disk_sectors() {
	echo $(($(block_stat "$DISK" 3) + $(block_stat "$DISK" 7)))
}

# and the program: as it let them pass or moved them
program_sectors() {
	rule stats users | tr ' ' '\n' |
		awk -F '[=/]' '/^(pass|remap)=/ { n += $3 } END { print n + 0 }'
}

# user NAME COMMAND...: it writes and reads through something on top of a disk
# that is empty, and has let go of that when it returns.
user() {
	local name=$1 before

	shift
	DISK=$(new_null_blk)
	rule_attach users "$DISK" "$MOVE"
	before=$(disk_sectors)
	"$@"
	# Whoever closes a disk last writes what is left.
	must blockdev --flushbufs "$DISK"
	expect_num "$name: sectors reached the program" \
		"$(program_sectors)" -gt 2048
	expect_eq "$name: as many as the disk, no more" \
		"$(program_sectors)" $(($(disk_sectors) - before))
	expect_eq "$name: nothing was refused" \
		"$(rule stats users | grep -o refused || true)" ""
	rule_detach users
	must blockdev --flushbufs "$DISK"
	ok "$name: nothing is left where it was meant to go" \
		cmp -n $((HALF * 512)) "$DISK" /dev/zero
	expect_fail "$name: something is where it was moved" \
		cmp -s -i $((HALF * 512)):0 -n $((HALF * 512)) "$DISK" /dev/zero
}

# through NAME DEVICE: 2 MiB, from the cache and then straight
through() {
	ok "$1: write" dd if="$TMP/data" of="$2" bs=1M count=2 conv=fsync \
		status=none
	must blockdev --flushbufs "$2"
	ok "$1: read" cmp -n $((2 << 20)) "$2" "$TMP/data"
	ok "$1: direct write" dd if="$TMP/data" of="$2" bs=1M count=2 seek=4 \
		oflag=direct status=none
	ok "$1: direct read" cmp "$TMP/data" <(dd if="$2" bs=1M skip=4 \
		count=2 iflag=direct status=none)
}

on_loop() {
	local name=$1 loop

	shift
	loop=$(losetup --show -f --sizelimit 24M "$@" "$DISK")
	at_exit undo_loop "$loop"
	through "$name" "$loop"
	must losetup -d "$loop"
}

on_dm() {
	new_dm users "0 49152 crypt aes-xts-plain64 $(printf '%064d%064d' 1 2) 0 $DISK 0" \
		>/dev/null
	through crypt /dev/mapper/users
	must dmsetup remove --noudevsync --verifyudev users
}

# With a resync, which is md's own I/O.
on_md() {
	local md=/dev/md9 other

	other=$(new_null_blk)
	must mdadm --quiet --create $md --run --level=1 --raid-devices=2 \
		--metadata=1.2 --size=16M "$DISK" "$other"
	at_exit undo_md $md
	must wait_for 60 grep -q idle /sys/block/md9/md/sync_action
	through raid1 $md
	must mdadm --quiet --stop $md
}

on_nbd() {
	nbd_export "$DISK"
	nbd_start_server
	must nbd_connect 60
	through "network" $NBD
	nbd_end_server
}

swap_in_cgroup() {
	echo "$BASHPID" >"$GROUP/cgroup.procs"
	exec "$TEST_BIN/path_swap" 16
}

on_swap() {
	local status=0

	must mkswap "$DISK" 28672 >/dev/null
	must swapon "$DISK"
	at_exit bash -c "! grep -q '^$DISK ' /proc/swaps || swapoff $DISK"
	GROUP=$(new_cgroup users)
	echo 8M >"$GROUP/memory.max"
	(swap_in_cgroup) >"$TMP/swap.tap" || status=$?
	expect_eq "swap: memory comes back as it went" "$status" 0
	must swapoff "$DISK"
}

# Reads that nobody asked for yet: ahead of what is read.
readahead() {
	must dd if="$TMP/data" of="$DISK" bs=1M count=2 oflag=direct status=none
	must blockdev --flushbufs "$DISK"
	must blockdev --setra 512 "$DISK"
	rule log users >/dev/null
	ok "readahead: read" cmp -n $((2 << 20)) "$DISK" "$TMP/data"
	# BPF_BIO_F_RAHEAD
	expect_num "readahead: most of it ahead" "$(rule log users |
		grep -cE "op=read .*flags=0x[0-9a-f]*[13579bdf][0-9a-f]{2} ")" -ge 2
}

test_run() {
	must dd if=/dev/urandom of="$TMP/data" bs=1M count=2 status=none
	user "loop" on_loop "loop"
	user "direct loop" on_loop "direct loop" --direct-io=on
	user "dm" on_dm
	user "md" on_md
	user "network" on_nbd
	user "swap" on_swap
	user "readahead" readahead
}
