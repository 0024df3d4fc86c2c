# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A barrier returns when no bio of the old programs is in flight: on mq and bio-based disks, here and at targets."
REQUIRES="cmd:jq"
TIMEOUT=300

. "$BLKI_ROOT/tests/lib/load.sh"
. "$BLKI_ROOT/tests/lib/bioctl.sh"

# One write that takes long, under way when this returns. Nothing follows it.
slow_write() {
	dd if=/dev/zero of="$1" bs=4k count=1 oflag=direct status=none &
	WRITER=$!
	must wait_for 5 load_flows "$2"
}

# expect_idle_after NAME BUSY COMMAND...: no write is in flight to BUSY.
expect_idle_after() {
	local name=$1 busy=$2

	shift 2
	ok "$name" "$@"
	expect_eq "$name: nothing in flight after" "$(inflight "$busy")" 0
	must wait "$WRITER"
}

# expect_waits NAME BUSY COMMAND...: the same, right after slow_write.
expect_waits() {
	expect_num "$1: in flight before" "$(inflight "$2")" -gt 0
	expect_idle_after "$@"
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

# It covers what went to a target that is no target any more, and what an
# earlier barrier still waits for. On a host that is busy the write may end
# before the second command.
more_bios() {
	local source=$1 slow=$2 first

	must bioctl attach "$source" redirect --target "0=$slow" \
		--set ranges=0-131071:0:0
	slow_write "$source" "$slow"
	must bioctl target del "$source" redirect 0
	expect_idle_after "deleted target" "$slow" \
		bioctl detach "$source" --barrier

	must bioctl attach "$source" redirect --target "0=$slow" \
		--set ranges=0-131071:0:0
	slow_write "$source" "$slow"
	bioctl attach "$source" count --barrier &
	first=$!
	sleep 0.3
	expect_idle_after "a second barrier" "$slow" \
		bioctl detach "$source" redirect --barrier
	must wait "$first"
	must bioctl detach "$source" count
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
	more_bios "$(new_null_blk)" "$slow"
	through_another "$(new_null_blk)" "$(new_null_blk)" "$slow"
	expect_keys_off "in the end"
}
