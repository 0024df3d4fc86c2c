# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A write with PREFLUSH is not written before all that came before it is durable, wherever both go."
REQUIRES="cmd:jq cmd:mkfs.ext4"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/flush.sh"

TRACING=/sys/kernel/tracing

tracing() {
	echo "$1" >$TRACING/events/block/block_rq_issue/enable
	echo "$1" >$TRACING/events/block/block_rq_complete/enable
}

# when first|last EVENT DEVICE REGEX: in seconds, of requests whose operation
# and flags match
when() {
	local which=$1 event=$2 dev

	dev=$(tr : , <"/sys/class/block/${3##*/}/dev")
	awk -v e="block_rq_$event:" -v d="$dev" -v r="$4" '
		{ for (i = 1; i < NF; i++)
			if ($i == e && $(i + 1) == d && $(i + 2) ~ r)
				print substr($(i - 1), 1, length($(i - 1)) - 1)
		}' $TRACING/trace | if [ "$which" = first ]; then
		sed -n 1p
	else
		tail -n 1
	fi
}

# expect_order NAME A B: both happened, A not later
expect_order() {
	expect_match "$1: first" "$2" '^[0-9.]+$'
	expect_match "$1: second" "$3" '^[0-9.]+$'
	if awk -v a="$2" -v b="$3" 'BEGIN { exit !(a <= b) }'; then
		pass "$1"
	else
		fail "$1" "$2 is later than $3"
	fi
}

commit() {
	echo >$TRACING/trace
	tracing 1
	ok "fsync of a file" dd if=/dev/zero of="$1/file" bs=4k count=4 \
		conv=fsync,notrunc status=none
	tracing 0
	note "$(grep -c block_rq $TRACING/trace) events"
}

test_run() {
	local dev base slow commit dir written

	dev=$(new_cached)
	base=$(new_cached)
	commit=$(new_cached)
	slow=$(new_dm slow "0 $(blockdev --getsz "$base") \
		delay $base 0 0 $base 0 0 $base 0 700")
	must bioctl attach "$dev" "$TEST_BPF/flush_commit.bpf.o" \
		--target "0=$slow" --target "1=$commit"
	must mkfs.ext4 -q -E lazy_itable_init=0,lazy_journal_init=0 "$dev"
	dir=$(new_mount "$dev")
	at_exit bash -c "echo 0 >$TRACING/events/block/enable"

	commit "$dir"
	written=$(when first issue "$commit" 'W')
	expect_order "the target's flush has ended before the commit record" \
		"$(when first complete "$base" '^FF')" "$written"
	expect_order "the source's, too" \
		"$(when first complete "$dev" '^FF')" "$written"
	expect_order "the data came before the target's flush" \
		"$(when first complete "$base" '^W')" \
		"$(when first issue "$base" '^FF')"
	expect_match "the commit record still is FUA" \
		"$(when first issue "$commit" 'W.*F')" '^[0-9.]+$'
	expect_eq "and goes to its target only" "$(when first issue "$dev" W)" ""

	must bioctl replace "$dev" flush_commit \
		"$TEST_BPF/flush_commit.bpf.o" --set drop=1
	commit "$dir"
	expect_eq "dropped: nothing is written" \
		"$(when first issue "$commit" W)" ""
	expect_order "but what came before is flushed" \
		"$(when first complete "$base" '^W')" \
		"$(when last complete "$base" '^FF')"
	expect_match "also at the source" \
		"$(when first complete "$dev" '^FF')" '^[0-9.]+$'
	must umount "$dir"
	must bioctl detach "$dev"
}
