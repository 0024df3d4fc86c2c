# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# For cases about flushes; a case that needs it sources it.

# flushes DEVICE: that its write cache was asked for, and has done.
flushes() {
	block_stat "$1" 16
}

# A null_blk with a write cache.
new_cached() {
	new_null_blk cache_size=16
}

# write_block DEVICE BLOCK [OFLAG]: 4 KiB
write_block() {
	dd if=/dev/zero of="$1" bs=4k seek="$2" count=1 \
		oflag="direct${3:+,$3}" status=none
}

# Nothing but a flush: the page cache holds nothing of the device.
fsync() {
	timeout "$(scaled 20)" sync "$1"
}

# redirect_blocks DEVICE TARGET...: block N of 4 KiB to the Nth target
redirect_blocks() {
	local dev=$1 target args=() ranges='' n=0

	shift
	for target; do
		args+=(--target "$n=$target")
		ranges+=,$((n * 8))-$((n * 8 + 7)):$((n * 8)):$n
		n=$((n + 1))
	done
	must bioctl attach "$dev" redirect "${args[@]}" \
		--set "ranges=${ranges#,}"
}

# count_flushes DEVICE...: to compare with expect_flushed
count_flushes() {
	local dev

	FLUSHES=()
	for dev; do
		FLUSHES+=("$(flushes "$dev")")
	done
}

# expect_flushed NAME DEVICE=N...: flushes since count_flushes, for the same
# devices in the same order
expect_flushed() {
	local name=$1 pair n=0

	shift
	for pair; do
		expect_eq "$name: flushes of ${pair%=*}" \
			$(($(flushes "${pair%=*}") - FLUSHES[n])) "${pair##*=}"
		n=$((n + 1))
	done
}

# flakey NAME DEVICE up|down: what dmsetup takes; down fails all writes
flakey_table() {
	local up=60 down=0

	[ "$3" = up ] || up=0 down=60
	echo "0 $(blockdev --getsz "$2") flakey $2 0 $up $down 1 error_writes"
}

new_flakey() {
	new_dm "$1" "$(flakey_table "$1" "$2" up)"
}

# make_flakey NAME DEVICE up|down
make_flakey() {
	flakey_table "$@" | must dmsetup load --noudevsync "$1"
	must dmsetup suspend --noudevsync --noflush --nolockfs "$1"
	must dmsetup resume --noudevsync "$1"
}

# Nobody holds a dm device open.
dm_is_closed() {
	[ "$(dmsetup info -c --noheadings -o open "${1##*/}" | tr -d ' ')" = 0 ]
}
