# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Redirected discards, zeroing, cached writes and polled I/O do what the target can do, or fail; none is silently lost."
REQUIRES="cmd:fio"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/rule.sh"

FIRST_MIB="first=0,last=2047,verdict=redirect"

fill_mib() {
	dd if="$TMP/data" of="$1" bs=1M count=1 oflag=direct status=none
}

# holds DEVICE FILE: in its first MiB.
holds() {
	dd if="$1" bs=1M count=1 iflag=direct status=none | cmp - "$2"
}

fill_both() {
	must fill_mib "$1"
	must fill_mib "$2"
}

# The source can discard and zero, the target can neither.
check_unable() {
	local dev=$1 target=$2

	fill_both "$dev" "$target"
	rule_attach able "$dev" "target=0:$target" "$FIRST_MIB"
	expect_error "zeroing without writing is not supported" \
		"not supported|unsupported" fallocate -n -p -l 1M "$dev"
	# BLKDISCARD calls it a success when a disk cannot: nobody is promised
	# anything. But it must not have hit the source.
	ok "a discard does no harm" blkdiscard -f -l 1M "$dev"
	expect_eq "both were redirected" "$(stat_of able redirect)" 2/4096
	ok "zeroing falls back to writing" blkdiscard -f -z -l 1M "$dev"
	rule_detach able
	ok "what was to be zeroed on the target is" holds "$target" "$TMP/zero"
	ok "the source is untouched" holds "$dev" "$TMP/data"
}

check_able() {
	local dev=$1 target=$2

	fill_both "$dev" "$target"
	rule_attach able "$dev" "target=0:$target" "$FIRST_MIB"
	ok "zeroing" fallocate -n -p -l 1M "$dev"
	rule_detach able
	ok "hits the target" holds "$target" "$TMP/zero"
	ok "and not the source" holds "$dev" "$TMP/data"
	must fill_mib "$target"
	rule_attach able "$dev" "target=0:$target" "$FIRST_MIB"
	ok "a discard" blkdiscard -f -l 1M "$dev"
	rule_detach able
	ok "hits the target, too" holds "$target" "$TMP/zero"
	ok "and not the source" holds "$dev" "$TMP/data"
}

# Who writes to a disk without a cache never flushes: the target must not keep
# in its cache what it was given. rwbs of such a write: FUA is the second F.
check_cacheless() {
	local dev=$1 target=$2

	rule_attach from "$dev" "target=0:$target" "$FIRST_MIB"
	rule_attach there "$target"
	must fill_mib "$dev"
	expect_eq "a write from a disk without a cache is FUA at the target" \
		"$(rule_count there "op=write sector=0 nr=2048 flags=0x41 ")" 1
	rule_detach from
	must fill_mib "$target"
	expect_eq "others are not" \
		"$(rule_count there "op=write sector=0 nr=2048 flags=0x1 ")" 1
	rule_detach there
}

write_cache() {
	echo "$2" >"/sys/block/${1##*/}/queue/write_cache"
}

# Nor does who zeroes it, and zeroing cannot be FUA. It is not supported then,
# so that who asked writes zeroes, and those can.
check_cacheless_zeroing() {
	local dev=$1 target=$2

	expect_eq "the target has a cache" \
		"$(cat "/sys/block/${target##*/}/queue/write_cache")" \
		"write back"
	at_exit bash -c \
		"echo write back >/sys/block/${dev##*/}/queue/write_cache"
	write_cache "$dev" "write through"
	fill_both "$dev" "$target"
	rule_attach from "$dev" "target=0:$target" "$FIRST_MIB"
	rule_attach there "$target"
	expect_error "zeroing from a disk without a cache is not supported" \
		"not supported|unsupported" fallocate -n -p -l 1M "$dev"
	expect_eq "which is counted" "$(stat_of from refused.op)" 1
	expect_eq "the target does not see it" "$(rule_count there "op=")" 0
	ok "zeroing falls back to writing there" blkdiscard -f -z -l 1M "$dev"
	expect_eq "refused once more before" "$(stat_of from refused.op)" 2
	rule log there >"$TMP/rule-log"
	expect_num "the writes are FUA at the target" \
		"$(grep -cE "op=write .*flags=0x4[01] " "$TMP/rule-log")" -ge 1
	expect_eq "and nothing else gets there" \
		"$(grep -cvE "op=write .*flags=0x4[01] " "$TMP/rule-log")" 0
	rule_detach from
	rule_detach there
	ok "what was to be zeroed is, with no cache" holds "$target" "$TMP/zero"
	ok "the source is untouched, with no cache" holds "$dev" "$TMP/data"
	write_cache "$dev" "write back"
}

# Polled reads of the first MiB are all there and right, wherever they end.
check_polled() {
	local dev=$1 polls=$2 waits=$3 fio

	fio=(fio --name=polled "--filename=$dev" --rw=randread --bs=4k
		--size=1M --number_ios=8 --ioengine=io_uring --hipri=1
		--direct=1 --output=/dev/null)
	rule_attach polled "$dev" "target=0:$polls" "first=4096,verdict=redirect"
	ok "polled reads that pass" "${fio[@]}"
	expect_num "the program saw the flag" \
		"$(rule_count polled "op=read .*flags=0x[8c]00 ")" -ge 8
	rule_detach polled
	rule_attach there "$polls"
	rule_attach polled "$dev" "target=0:$polls" "$FIRST_MIB"
	ok "polled reads from a disk that polls, too" "${fio[@]}"
	expect_num "are polled there" \
		"$(rule_count there "op=read .*flags=0x[8c]00 ")" -ge 8
	rule_detach polled
	rule_detach there
	rule_attach there "$waits"
	rule_attach polled "$dev" "target=0:$waits" "$FIRST_MIB"
	ok "polled reads from a disk that cannot poll" "${fio[@]}"
	expect_num "end by interrupt there" \
		"$(rule_count there "op=read .*flags=0x(4?[0-9a-f])?[0-9a-f] ")" -ge 8
	expect_eq "nothing was refused" \
		"$(rule stats polled | grep -c refused)" 0
	rule_detach polled
	rule_detach there
	rule_attach polled "$dev" \
		"first=0,last=2047,verdict=remap,offset=2048,accept=4"
	ok "polled reads can be remapped and divided" "${fio[@]}"
	rule_detach polled
	rule_attach there "$polls"
	rule_attach polled "$dev" "target=0:$polls" "$FIRST_MIB,accept=4"
	ok "polled reads can be divided, and their parts redirected" "${fio[@]}"
	rule log there >"$TMP/rule-log"
	expect_num "the parts arrive" \
		"$(grep -c "op=read .*nr=4 " "$TMP/rule-log")" -ge 16
	expect_eq "and none is polled: nobody could poll for all" \
		"$(grep -cE "flags=0x[8c]00 " "$TMP/rule-log")" 0
	rule_detach polled
	rule_detach there
}

test_run() {
	local virtio other null

	dd if=/dev/urandom of="$TMP/data" bs=1M count=1 status=none
	dd if=/dev/zero of="$TMP/zero" bs=1M count=1 status=none
	virtio=$(disk 0)
	other=$(disk 1)
	null=$(new_null_blk)
	check_unable "$virtio" "$null"
	check_able "$virtio" "$other"
	check_cacheless "$null" "$virtio"
	check_cacheless_zeroing "$virtio" "$other"
	check_polled "$(new_null_blk poll_queues=1)" \
		"$(new_null_blk poll_queues=1)" "$(new_brd)"
}
