# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A flush follows writes that targets redirected on, through chains and cycles, and ends."
REQUIRES="cmd:jq"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/flush.sh"
. "$BLKI_ROOT/tests/lib/load.sh"

to_block() {
	must bioctl attach "$1" redirect --target "0=$2" --set "ranges=$3"
}

chain() {
	local a=$1 b=$2 c=$3 d=$4

	to_block "$a" "$b" 0-7:0:0
	to_block "$b" "$c" 0-7:0:0
	to_block "$c" "$d" 0-7:0:0
	write_block "$a" 0
	count_flushes "$a" "$d"
	ok "chain: fsync" fsync "$a"
	expect_flushed "chain" "$a=1" "$d=1"
	count_flushes "$a" "$d"
	ok "chain: fsync again" fsync "$a"
	expect_flushed "chain, clean" "$a=1" "$d=0"
	must bioctl detach "$c"
	must bioctl detach "$b"
	must bioctl detach "$a"
}

# Through partitions: the flush of the disk takes those of its partitions.
partition() {
	local a=$1 disk=$2 c=$3 part

	part=$(new_partitions "$disk" size=8MiB)
	to_block "$a" "$part" 0-7:0:0
	to_block "$disk" "$c" 2048-2055:0:0
	write_block "$a" 0
	count_flushes "$c"
	ok "partition: fsync" fsync "$a"
	expect_flushed "partition" "$c=1"
	must bioctl detach "$disk"
	must bioctl detach "$a"

	to_block "$part" "$c" 0-7:0:0
	write_block "$part" 0
	count_flushes "$c"
	ok "partition: fsync of it" fsync "$part"
	expect_flushed "its own target" "$c=1"
	write_block "$part" 0
	count_flushes "$c"
	ok "partition: fsync of its disk" fsync "$disk"
	expect_flushed "its target, from the disk" "$c=1"
	must bioctl detach "$part"
}

mutual() {
	local a=$1 b=$2

	to_block "$a" "$b" 0-7:0:0
	to_block "$b" "$a" 8-15:8:0
	write_block "$a" 0
	write_block "$b" 1
	count_flushes "$a" "$b"
	ok "mutual: fsync of one" fsync "$a"
	expect_num "mutual: flushes it" "$(flushes "$a")" -gt "${FLUSHES[0]}"
	expect_num "mutual: and the other" "$(flushes "$b")" -gt "${FLUSHES[1]}"
	write_block "$a" 0
	write_block "$b" 1
	ok "mutual: fsync of the other" fsync "$b"
	must bioctl detach "$a"
	must bioctl detach "$b"
}

# A disk as its own target.
itself() {
	local a=$1

	to_block "$a" "$a" 0-7:800:0
	ok "itself: one that lands elsewhere does not" write_block "$a" 0
	count_flushes "$a"
	ok "itself: fsync" fsync "$a"
	expect_num "itself: flushed" "$(flushes "$a")" -gt "${FLUSHES[0]}"
	must bioctl detach "$a"
}

test_run() {
	local a b c d

	a=$(new_cached)
	b=$(new_cached)
	c=$(new_cached)
	d=$(new_cached)
	chain "$a" "$b" "$c" "$d"
	partition "$a" "$b" "$c"
	mutual "$a" "$b"
	itself "$a"
	expect_keys_off "in the end"
}
