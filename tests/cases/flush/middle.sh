# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A target that bios went through stays open until they have ended: flushes and barriers find them, and parts of its disk are not gone."
REQUIRES="cmd:jq cmd:dmsetup"
TIMEOUT=120

. "$BLKI_ROOT/tests/lib/bioctl.sh"
. "$BLKI_ROOT/tests/lib/flush.sh"
. "$BLKI_ROOT/tests/lib/load.sh"

# through FIRST MIDDLE LAST: blocks of FIRST get to LAST by way of MIDDLE, one by
# one there. One of 8 KiB hangs in LAST when this returns.
through() {
	must bioctl attach "$1" redirect --target "0=$2" --set ranges=0-15:0:0
	must bioctl attach "$2" redirect --target "0=$3" \
		--set ranges=0-7:0:0,8-15:8:0
	must dmsetup suspend --noudevsync --noflush "${3##*/}"
	dd if=/dev/zero of="$1" bs=8k count=1 oflag=direct status=none &
	WRITER=$!
	must wait_for 10 redirected "$2" 2
}

resume() {
	must dmsetup resume --noudevsync "${1##*/}"
}

# Whoever waits for nothing is done by then.
some_time() {
	sleep "$(scaled 1)"
}

# out NAME DEVICE MIDDLE LAST BASE COMMAND...: that takes the middle out. Barrier and
# flush have nothing else to go by.
out() {
	local name=$1 dev=$2 middle=$3 last=$4 base=$5 barrier

	through "$dev" "$middle" "$last"
	must "${@:6}"
	some_time
	expect_fail "$name: it is closed" dm_is_closed "$middle"
	bioctl detach "$dev" redirect --barrier &
	barrier=$!
	some_time
	ok "$name: a barrier waits" kill -0 "$barrier"
	count_flushes "$base"
	resume "$last"
	expect_within "$name: the barrier returns" 10 dead "$barrier"
	expect_end "$name: it succeeds" "$barrier" 0
	expect_end "$name: the write succeeds" "$WRITER" 0
	ok "$name: fsync" fsync "$dev"
	expect_num "$name: flushed" "$(flushes "$base")" -gt "${FLUSHES[0]}"
	expect_within "$name: closed" 10 dm_is_closed "$middle"
	must bioctl detach "$middle"
}

fsync_fails() {
	! fsync "$1"
}

# Parts are allocated from what belongs to the disk in the middle.
removed() {
	local dev=$1 last=$2 middle

	middle=$(new_null_blk)
	through "$dev" "$middle" "$last"
	must bioctl target del "$dev" redirect 0
	must bioctl detach "$middle"
	some_time
	echo 0 >"$(null_blk_dir "$middle")/power"
	some_time
	resume "$last"
	expect_end "removed: the write succeeds" "$WRITER" 0
	# Nobody can flush what it went through.
	expect_within "removed: fsync fails" 10 fsync_fails "$dev"
	must bioctl detach "$dev"
}

test_run() {
	local dev base middle last

	dev=$(new_cached)
	base=$(new_cached)
	middle=$(new_view middle "$(new_cached)")
	last=$(new_view last "$base")
	out "taken out" "$dev" "$middle" "$last" "$base" \
		bioctl target del "$dev" redirect 0
	out "exchanged" "$dev" "$middle" "$last" "$base" \
		bioctl target add "$dev" redirect "0=$last"
	removed "$dev" "$last"
	expect_keys_off "in the end"
}
