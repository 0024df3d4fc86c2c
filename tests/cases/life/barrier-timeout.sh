# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A barrier gives up after 30 s if a target is suspended, and may be killed; the change stands, and I/O goes on."
REQUIRES="cmd:jq"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/load.sh"
. "$BLKI_ROOT/tests/lib/bioctl.sh"

write_in_background() {
	dd if=/dev/zero of="$1" bs=4k count=1 oflag=direct status=none &
	WRITER=$!
}

dead() {
	! kill -0 "$1"
}

redirected() {
	[ "$(verdict_bios "$1" redirect redirect)" -ge "$2" ]
}

test_run() {
	local source base pid start

	source=$(new_null_blk)
	base=$(new_null_blk)
	new_view suspended "$base" >/dev/null
	must bioctl attach "$source" redirect --set ranges=0-7:0:0 \
		--target 0=/dev/mapper/suspended
	must dmsetup suspend --noudevsync suspended
	write_in_background "$source"
	must wait_for 10 redirected "$source" 1

	bioctl attach "$source" count --barrier >"$TMP/killed" 2>&1 &
	pid=$!
	sleep 3
	ok "the barrier waits" kill -0 "$pid"
	kill -KILL "$pid"
	expect_within "it can be killed" 5 dead "$pid"
	ok "the queue is not left frozen" timeout "$(scaled 10)" \
		dd if=/dev/zero of="$source" bs=4k seek=1 count=1 \
		oflag=direct status=none
	must rm -rf "/sys/fs/bpf/bioctl/${source##*/}/count"

	start=$SECONDS
	expect_error "it gives up" "ETIMEDOUT" \
		bioctl -j detach "$source" redirect --barrier
	expect_num "after 30 s" $((SECONDS - start)) -ge 29
	expect_num "not later" $((SECONDS - start)) -le 60
	expect_eq "the program is off" "$(names "$source")" ""
	ok "other bios pass" timeout "$(scaled 10)" \
		dd if=/dev/zero of="$source" bs=4k count=1 oflag=direct \
		status=none
	ok "the one in flight is still there" kill -0 "$WRITER"
	must dmsetup resume --noudevsync suspended
	expect_within "and ends when the target is resumed" 10 dead "$WRITER"
	ok "the target can be removed" wait_for 10 \
		remove_dm suspended
	expect_keys_off "in the end"
}
