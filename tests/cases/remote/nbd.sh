# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A target on another machine is lost while writes are redirected to it: they fail within the timeout of NBD, nothing hangs, and a new connection serves again."
REQUIRES="cmd:jq cmd:nbd-client cmd:nbd-server config:BLK_DEV_NBD"
TIMEOUT=180

. "$BLKI_ROOT/tests/lib/flush.sh"
. "$BLKI_ROOT/tests/lib/load.sh"
. "$BLKI_ROOT/tests/lib/bioctl.sh"
. "$BLKI_ROOT/tests/lib/nbd.sh"

# Seconds; an emulated server may take one to answer.
NBD_SECONDS=4
NBD_TIMEOUT=$(scaled $NBD_SECONDS)

# pattern BYTE BLOCKS: blocks of 4 KiB
pattern() {
	head -c $((4096 * $2)) /dev/zero | tr '\0' "$1"
}

# write_pattern DEVICE BYTE BLOCK
write_pattern() {
	pattern "$2" 1 | dd of="$1" bs=4k seek="$3" iflag=fullblock \
		oflag=direct conv=notrunc status=none
}

# exported BYTE BLOCK: the server's file has it.
exported() {
	cmp <(pattern "$1" 1) <(dd if="$TMP/export" bs=4k skip="$2" count=1 \
		status=none)
}

# start_writers DEVICE: six of them, each to a block of its own
start_writers() {
	local block

	WRITERS=()
	for block in 1 2 3 4 5 6; do
		write_pattern "$1" x $block 2>"$TMP/writer$block" &
		WRITERS+=($!)
	done
}

all_dead() {
	local pid

	for pid in "${WRITERS[@]}"; do
		dead "$pid" || return 1
	done
}

# The timeout, and some seconds that an emulated machine takes to notice.
expect_writers_failed() {
	local name=$1 pid failed=0

	expect_within "$name: all writers end" $((NBD_SECONDS + 6)) \
		all_dead
	for pid in "${WRITERS[@]}"; do
		wait "$pid" || failed=$((failed + 1))
	done
	sed 's/^/# /' "$TMP"/writer*
	expect_eq "$name: all of them failed" "$failed" 6
	expect_eq "$name: with an error of I/O" \
		"$(cat "$TMP"/writer* | grep -c "Input/output error")" 6
}

refused_flush() {
	query '.devices[0].programs[0].refused.flush' list "$1"
}

# The server does not answer any more, but nobody has closed the connection.
silent() {
	local source=$1 before start elapsed

	before=$(verdict_bios "$source" redirect redirect)
	must kill -STOP "$NBD_SERVER"
	dmesg -C
	start=$SECONDS
	start_writers "$source"
	must wait_for 10 redirected "$source" $((before + 6))
	ok "silent: a writer waits" kill -0 "${WRITERS[0]}"
	ok "silent: other ranges of the source are written meanwhile" \
		timeout "$(scaled 10)" dd if=/dev/zero of="$source" bs=4k \
		seek=4096 count=1 oflag=direct status=none
	expect_writers_failed "silent"
	elapsed=$((SECONDS - start))
	expect_num "silent: not before the timeout" \
		$elapsed -ge $((NBD_TIMEOUT - 1))
	expect_match "silent: the target says so" "$(dmesg)" \
		"nbd0: Connection timed out"
	expect_eq "silent: they were counted as redirected" \
		"$(verdict_bios "$source" redirect redirect)" $((before + 6))
}

# Writes that went before were not flushed: whoever asks is told.
flush_fails() {
	local source=$1

	dmesg -C
	expect_error "lost: fsync of the source fails" "Input/output error" \
		fsync "$source"
	expect_eq "lost: and is counted" "$(refused_flush "$source")" 1
	expect_match "lost: the message names source and cause" "$(dmesg)" \
		"dm-[0-9]+: blk_interposer: .*flush of a target failed"
	expect_error "lost: a write fails at once" "Input/output error" \
		timeout "$(scaled 3)" dd if=/dev/zero of="$source" bs=4k \
		count=1 oflag=direct status=none
	expect_error "lost: so does a read" "Input/output error" \
		timeout "$(scaled 3)" dd if="$source" of=/dev/null bs=4k \
		count=1 iflag=direct status=none
}

fsync_fails() {
	! fsync "$1"
}

# The policy stays, its target is taken out and set again. A write that failed
# may have got there all the same, so a flush is due that cannot be done.
reconnect() {
	local source=$1

	must bioctl target del "$source" redirect 0
	expect_within "what was not flushed is lost, fsync says" 20 \
		fsync_fails "$source"
	expect_within "once" 20 fsync "$source"
	expect_error "without a target the policy fails writes" \
		"Input/output error" write_pattern "$source" y 0
	nbd_end_server
	nbd_start_server
	expect_within "connect again" 30 nbd_connect "$NBD_TIMEOUT"
	must bioctl target add "$source" redirect "0=$NBD"
}

works() {
	local name=$1 source=$2 byte=$3

	ok "$name: a write" write_pattern "$source" "$byte" 7
	ok "$name: fsync" fsync "$source"
	ok "$name: it is on the other machine" exported "$byte" 7
	expect_fail "$name: and not on the source" grep -q "$byte" \
		<(dd if="$(cat "$TMP/below")" bs=4k skip=7 count=1 status=none)
}

# The server dies, and the kernel closes the connection for it.
killed() {
	local source=$1 before

	before=$(verdict_bios "$source" redirect redirect)
	must kill -STOP "$NBD_SERVER"
	start_writers "$source"
	must wait_for 10 redirected "$source" $((before + 6))
	must kill -KILL "$NBD_SERVER"
	wait "$NBD_SERVER" || true
	expect_writers_failed "killed"
	expect_error "killed: the next write fails" "Input/output error" \
		write_pattern "$source" z 0
}

test_run() {
	local source below

	# Seen through a second device, to look behind the program.
	below=$(new_cached)
	echo "$below" >"$TMP/below"
	source=$(new_view source "$below")
	truncate -s 32M "$TMP/export"
	nbd_export "$TMP/export"
	nbd_start_server
	must nbd_connect "$NBD_TIMEOUT"
	must bioctl attach "$source" redirect --target "0=$NBD" \
		--set ranges=0-8191:0:0
	works "at first" "$source" a
	must write_pattern "$source" b 8
	silent "$source"
	flush_fails "$source"
	reconnect "$source"
	works "connected again" "$source" c
	killed "$source"
	reconnect "$source"
	works "after the second loss" "$source" d
	must bioctl detach "$source"
	nbd_end_server
	expect_keys_off "in the end"
}
