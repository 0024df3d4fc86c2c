# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A target stays open for a redirected bio, or a part of one, that is throttled there, although slot and program are gone."
REQUIRES="config:BLK_DEV_THROTTLING"
TIMEOUT=120

. "$BLKI_ROOT/tests/lib/load.sh"
. "$BLKI_ROOT/tests/lib/rule.sh"

# redirected NAME BIOS/SECTORS
redirected() {
	[ "$(stat_of "$1" redirect)" = "$2" ]
}

# slow_write SOURCE: 1 MiB, by a process of which TARGET takes its time
slow_write() {
	echo "$NUMBER wbps=$((1048576 / $(scaled 60)))" >"$GROUP/io.max"
	# shellcheck disable=SC2016
	bash -c 'echo $$ >"$0/cgroup.procs"
		exec dd if="$1" of="$2" bs=1M count=1 oflag=direct status=none' \
		"$GROUP" "$TMP/data" "$1" &
	WRITER=$!
}

# expect_open NAME TARGETS: all that led there is gone, the bio is not.
expect_open() {
	# The worker that closes targets had its time.
	sleep "$(scaled 2)"
	ok "$1: the write still waits" kill -0 "$WRITER"
	# So is the gate: a flush of the source may have to go there.
	expect_match "$1: and so $2 are open" "$(keys)" "^[0-9]+ $2\$"
}

expect_written() {
	local rc=0

	echo "$NUMBER wbps=max" >"$GROUP/io.max"
	expect_within "$1: the write ends" 60 dead "$WRITER"
	wait "$WRITER" || rc=$?
	expect_eq "$1: without an error" "$rc" 0
	expect_keys_off "$1: then"
}

whole() {
	local source=$1

	rule_attach slow "$source" "verdict=redirect,op=write" \
		"target=0:$TARGET"
	slow_write "$source"
	must wait_for 20 redirected slow 1/2048
	must rule untarget slow 0
	rule_detach slow
	expect_open "whole" 1
	expect_written "whole"
	ok "whole: it is where the program sent it" \
		cmp -n 1048576 "$TARGET" "$TMP/data"
}

# The target's own program keeps the first half and sends the rest on: both
# halves are the target's, or not, by themselves.
part() {
	local source=$1 other=$2

	must blkdiscard -f -z -l 1M "$TARGET"
	rule_attach on "$TARGET" "target=0:$other" \
		"first=0,last=1023,verdict=pass,op=write" \
		"first=1024,last=2047,verdict=redirect,op=write"
	rule_attach slow "$source" "verdict=redirect,op=write" \
		"target=0:$TARGET"
	slow_write "$source"
	must wait_for 20 redirected on 1/1024
	must rule untarget slow 0
	rule_detach slow
	must rule untarget on 0
	rule_detach on
	expect_open "part" 2
	expect_written "part"
	ok "part: one half is here" cmp -n 524288 "$TARGET" "$TMP/data"
	ok "part: the other there" cmp -n 524288 -i 524288 "$other" "$TMP/data"
}

test_run() {
	# No disk that is removed: blk_throtl_exit() leaks then, in 6.12, as the
	# policy is off already.
	TARGET=$(disk 2)
	NUMBER=$(lsblk -dno MAJ:MIN "$TARGET" | tr -d ' ')
	GROUP=$(new_cgroup throttled)
	must dd if=/dev/urandom of="$TMP/data" bs=1M count=1 status=none
	whole "$(new_null_blk)"
	part "$(new_null_blk)" "$(new_null_blk)"
}
