# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A bio that is larger than its redirect target takes, or laid out as it does not take it, is divided by the block layer after it has met the program."
REQUIRES="cmd:dmsetup cmd:mdadm"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/load.sh"
. "$BLKI_ROOT/tests/lib/rule.sh"

# 4 MiB to a place 4 KiB further on
THERE="first=0,last=8191,verdict=redirect,offset=8"

# moved NAME SOURCE TARGET [DISK LEAST]: a MiB goes there and comes back, and
# DISK is asked at least that often.
moved() {
	local name=$1 source=$2 target=$3 disk=${4-$3} least=${5-1} before

	rule_attach limits "$source" "target=0:$target" "$THERE"
	before=$(ios "$disk")
	ok "$name: write" dd if="$TMP/data" of="$source" bs=1M count=1 \
		oflag=direct status=none
	expect_num "$name: in as many parts as it takes" \
		$(($(ios "$disk") - before)) -ge "$least"
	ok "$name: read" cmp "$TMP/data" \
		<(dd if="$source" bs=1M count=1 iflag=direct status=none)
	expect_eq "$name: the program was asked once for each" \
		"$(rule stats limits)" "redirect=2/4096 "
	rule_detach limits
	ok "$name: it is where it was sent" cmp "$TMP/data" <(dd if="$target" \
		bs=1M count=1 iflag=direct,skip_bytes skip=4096 status=none)
}

small_virtio() {
	local queue=/sys/block/${1##*/}/queue/max_sectors_kb before

	before=$(cat "$queue")
	at_exit bash -c "echo $before >$queue"
	echo 4 >"$queue"
}

# Two halves of pages: the target wants that only the first and the last piece
# do not fill their page.
check_gaps() {
	local source=$1 target

	target=$(new_null_blk virt_boundary=1)
	rule_attach limits "$source" "target=0:$target" "$THERE"
	ok "virtual boundary: a write with a gap" \
		"$TEST_BIN/path_io" -h write "$source" 0 4096
	ok "virtual boundary: a read into one" \
		"$TEST_BIN/path_io" -h read "$source" 0 4096
	expect_eq "virtual boundary: asked once for each" \
		"$(rule stats limits)" "redirect=2/16 "
	rule_detach limits
	expect_num "virtual boundary: the block layer has divided both" \
		"$(ios "$target")" -ge 4
	ok "virtual boundary: all is there" cmp \
		<(head -c 4096 /dev/zero | tr '\0' '\245') \
		<(dd if="$target" bs=4k skip=1 count=1 iflag=direct \
		status=none)
}

# The same, where the target could divide only within a block of its own.
check_gap_in_block() {
	local source=$1 target

	target=$(new_null_blk blocksize=4096 virt_boundary=1)
	rule_attach limits "$source" "target=0:$target" "$THERE"
	expect_error "gap in a block: the write is refused" "Invalid argument" \
		"$TEST_BIN/path_io" -h write "$source" 0 4096
	expect_eq "gap in a block: and counted" "$(stat_of limits refused.align)" 1
	ok "gap in a block: without one it is not" \
		"$TEST_BIN/path_io" write "$source" 0 4096
	ok "gap in a block: nor where two pages meet" \
		"$TEST_BIN/path_io" -o 512 write "$source" 0 4096
	expect_eq "gap in a block: no more is counted" \
		"$(stat_of limits refused.align)" 1
	rule_detach limits
}

# The source may discard more at once than the target.
check_discard() {
	local source target

	source=$(new_null_blk discard=1)
	target=$(new_null_blk discard=1)
	echo 65536 >"/sys/block/${target##*/}/queue/discard_max_bytes"
	must dd if="$TMP/data" of="$target" bs=1M count=2 oflag=direct \
		status=none
	rule_attach limits "$source" "target=0:$target" "$THERE"
	ok "discard: a MiB" blkdiscard -f -l 1M "$source"
	expect_eq "discard: the program was asked once" \
		"$(stat_of limits redirect)" 1/2048
	rule_detach limits
	expect_eq "discard: in parts of 64 KiB" "$(block_stat "$target" 12)" 16
	ok "discard: they are gone" cmp -n 1048576 -i 4096:0 "$target" /dev/zero
	ok "discard: what is before them is not" \
		cmp -n 4096 "$target" "$TMP/data"
}

test_run() {
	local source virtio null

	must dd if=/dev/urandom of="$TMP/data" bs=1M count=1 status=none
	source=$(new_null_blk)
	moved "4 KiB at once" "$source" "$(new_null_blk max_sectors=8)" \
		/dev/nullb1 256
	virtio=$(disk 0)
	small_virtio "$virtio"
	moved "virtio with 4 KiB at once" "$source" "$virtio" "$virtio" 256
	null=$(new_null_blk)
	moved "stripes of 4 KiB" "$source" \
		"$(new_dm stripes "0 65536 striped 2 8 $null 0 $virtio 0")" \
		"$null" 128
	moved "md raid5" "$source" \
		"$(new_md 5 "$(new_null_blk)" "$(new_null_blk)" "$(new_null_blk)")"
	moved "larger blocks" "$source" "$(new_null_blk blocksize=4096)"
	moved "smaller blocks" "$(new_null_blk blocksize=4096)" "$null"
	check_gaps "$source"
	check_gap_in_block "$source"
	check_discard
}
