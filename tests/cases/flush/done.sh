# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A write that a program completes without I/O is not written, but the flush it asked for is done, by DONE and on empty flushes."
REQUIRES="cmd:jq cmd:fio"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/flush.sh"
. "$BLKI_ROOT/tests/lib/rule.sh"

verdicts() {
	bioctl -j list "$1" | jq ".devices[0].programs[-1].verdicts.$2.bios"
}

# flush_verdict VERDICT DEVICE TARGET: there is no sector to move, and the
# source has to be flushed.
flush_verdict() {
	local verdict=$1 dev=$2 target=$3

	rule_attach flush "$dev" "op=flush,verdict=$verdict,offset=8" \
		"target=0:$target"
	count_flushes "$dev" "$target"
	ok "$verdict: an empty flush" fsync "$dev"
	expect_flushed "$verdict: it is done where it was sent" "$dev=1" \
		"$target=0"
	expect_eq "$verdict: it counts as passed" "$(rule stats flush)" \
		"pass=1/0 "
	rule_detach flush
}

# Whoever writes polls as soon as it is submitted: for one that waits for flushes
# there is nothing to poll.
polled() {
	local dev

	dev=$(new_null_blk cache_size=4 submit_queues=2 poll_queues=1)
	rule_attach polled "$dev" "op=write,verdict=done"
	ok "polled writes with FUA are dropped" fio --name=polled \
		"--filename=$dev" --rw=write --bs=4k --size=1M --iodepth=4 \
		--number_ios=64 --ioengine=io_uring --hipri=1 --direct=1 \
		--sync=dsync --output=/dev/null
	expect_num "the program saw both flags" \
		"$(rule_count polled "op=write .*flags=0x[8c]4[01] ")" -ge 64
	expect_num "all were dropped" "$(stat_of polled "done" |
		cut -d/ -f1)" -ge 64
	rule_detach polled
}

test_run() {
	local dev target

	dev=$(new_cached)
	target=$(new_cached)
	redirect_blocks "$dev" "$target"
	must bioctl attach "$dev" "$TEST_BPF/flush_done.bpf.o"

	count_flushes "$dev" "$target"
	ok "a write is dropped" write_block "$dev" 1
	expect_flushed "plain" "$dev=0" "$target=0"
	# O_DSYNC is FUA, and the kernel sends an empty flush after it.
	ok "a write with FUA is dropped" write_block "$dev" 1 dsync
	expect_flushed "FUA" "$dev=2" "$target=0"
	write_block "$dev" 0
	count_flushes "$dev" "$target"
	ok "a write with FUA, and the target is dirty" write_block "$dev" 1 dsync
	expect_flushed "FUA flushes all" "$dev=2" "$target=1"
	expect_eq "three were dropped" "$(verdicts "$dev" "done")" 3

	write_block "$dev" 0
	count_flushes "$dev" "$target"
	ok "an empty flush" fsync "$dev"
	expect_flushed "it is not swallowed" "$dev=1" "$target=1"
	expect_eq "and counts as passed" "$(verdicts "$dev" pass)" 3
	expect_eq "not as done" "$(verdicts "$dev" "done")" 3
	must bioctl detach "$dev" --all

	flush_verdict remap "$dev" "$target"
	flush_verdict redirect "$dev" "$target"
	polled
}
