# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A barrier returns when no bio of the old programs is in flight: on mq and bio-based disks, here and at targets."
REQUIRES="cmd:jq"
TIMEOUT=300

. "$BLKI_ROOT/tests/lib/load.sh"
. "$BLKI_ROOT/tests/lib/bioctl.sh"
. "$BLKI_ROOT/tests/lib/bpftool.sh"

# One write that takes long, under way when this returns. Nothing follows it. On
# a slow kernel it may have ended before anybody has looked.
slow_write() {
	local try

	for try in 1 2 3 4 5; do
		dd if=/dev/zero of="$1" bs=4k count=1 oflag=direct \
			status=none &
		WRITER=$!
		must wait_for 5 load_flows "$2"
		! load_flows "$2" || return 0
		must wait "$WRITER"
	done
	fail "a slow write is seen in flight" "not in $try tries"
}

# expect_waits NAME BUSY COMMAND...: right after slow_write; when the command
# returns no write is in flight to BUSY.
expect_waits() {
	local name=$1 busy=$2

	shift 2
	ok "$name" "$@"
	expect_eq "$name: nothing in flight after" "$(inflight "$busy")" 0
	must wait "$WRITER"
}

# to_target NAME SOURCE TARGET [BUSY]: BUSY is where bios to the target wait
to_target() {
	local kind=$1 source=$2 target=$3 slow=${4-$3}
	local set=(--set ranges=0-131071:0:0)

	must bioctl attach "$source" redirect --target "0=$target" "${set[@]}"
	slow_write "$source" "$slow"
	expect_waits "$kind: attach one more" "$slow" \
		bioctl attach "$source" count --barrier
	slow_write "$source" "$slow"
	expect_waits "$kind: replace" "$slow" \
		bioctl replace "$source" count count --barrier
	slow_write "$source" "$slow"
	expect_waits "$kind: detach" "$slow" \
		bioctl detach "$source" redirect --barrier
	must bioctl detach "$source"
}

# hold_write SOURCE TARGET: it is in flight until the target, a dm device, is
# resumed.
hold_write() {
	must dmsetup suspend --noudevsync --noflush "${2##*/}"
	write_in_background "$1"
	must wait_for 10 redirected "$1" 1
}

# expect_held NAME TARGET PID...: commands return when the target is resumed,
# not before. They have done all but waiting for it.
expect_held() {
	local name=$1 target=$2 pid

	shift 2
	sleep "$(scaled 1)"
	for pid; do
		ok "$name: waits" kill -0 "$pid"
	done
	ok "$name: the write is in flight" kill -0 "$WRITER"
	must dmsetup resume --noudevsync "${target##*/}"
	for pid; do
		expect_within "$name: returns" 10 dead "$pid"
		expect_end "$name: succeeds" "$pid" 0
	done
	expect_end "$name: the write succeeds" "$WRITER" 0
}

deleted_target() {
	local source=$1 held=$2

	must bioctl attach "$source" redirect --target "0=$held" \
		--set ranges=0-131071:0:0
	hold_write "$source" "$held"
	must bioctl target del "$source" redirect 0
	bioctl detach "$source" --barrier &
	must wait_for 10 has_programs "$source" 0
	expect_held "deleted target" "$held" $!
}

# The two are different commands because a bioctl waits for the one before it.
second_barrier() {
	local source=$1 held=$2 first

	load_prog tools_pass
	must bioctl attach "$source" redirect --target "0=$held" \
		--set ranges=0-131071:0:0
	hold_write "$source" "$held"
	bpft prog attach pinned /sys/fs/bpf/tools_pass blk_submit \
		dev "$source" barrier &
	first=$!
	must wait_for 10 has_programs "$source" 2
	bioctl detach "$source" redirect --barrier &
	must wait_for 10 has_programs "$source" 1
	expect_held "a second barrier" "$held" "$first" $!
	must bpft prog detach pinned /sys/fs/bpf/tools_pass blk_submit \
		dev "$source"
}

# It covers what went to a target that is no target any more, and what an
# earlier barrier still waits for.
more_bios() {
	local source held

	source=$(new_null_blk)
	held=$(new_view held "$(new_null_blk)")
	deleted_target "$source" "$held"
	second_barrier "$source" "$held"
}

through_another() {
	local source=$1 middle=$2 slow=$3

	must bioctl attach "$source" redirect --target "0=$middle" \
		--set ranges=0-131071:0:0
	must bioctl attach "$middle" redirect --target "0=$slow" \
		--set ranges=0-131071:0:0
	slow_write "$source" "$slow"
	expect_waits "through another" "$slow" \
		bioctl detach "$source" --barrier
	must bioctl detach "$middle"
}

# Bios that passed are in the source's own queue.
to_queue() {
	local source=$1

	must bioctl attach "$source" count
	slow_write "$source" "$source"
	expect_waits "queue: detach" "$source" \
		bioctl detach "$source" --barrier
}

test_run() {
	local ms slow

	# Longer than bioctl takes; after 5 s null_blk calls it a timeout.
	ms=4000
	slow=$(new_null_blk irqmode=2 completion_nsec=$((ms * 1000000)))
	to_queue "$slow"
	to_target "mq to mq" "$(new_null_blk)" "$slow"
	to_target "bio to mq" "$(new_brd)" "$slow"
	to_target "mq to dm" "$(new_null_blk)" "$(new_view slow "$slow")" \
		"$slow"
	more_bios
	through_another "$(new_null_blk)" "$(new_null_blk)" "$slow"
	expect_keys_off "in the end"
}
