# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="I/O priority and write hint that a program sets go on with the bio; invalid ones are refused and change nothing."
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/rule.sh"

write_4k() {
	dd if=/dev/zero of="$1" bs=4k count=1 seek="${2:-0}" oflag=direct \
		status=none
}

# seen_with NAME TEXT: the one write that NAME's log has.
seen_with() {
	expect_eq "$1" "$(rule_count "$2" "op=write .*$3 ")" 1
}

# 0x4000 is class 2 (best effort), level 0; 0x6000 class 3 (idle). What a
# submitter does not ask for is 0x4004.
check_valid() {
	local dev=$1 target=$2

	rule_attach first "$dev" "target=0:$target" \
		"first=0,last=7,verdict=pass,ioprio=0x4003,hint=2" \
		"first=8,last=15,verdict=remap,offset=8,ioprio=0x6000" \
		"first=24,last=31,verdict=redirect,hint=5"
	rule_attach second "$dev"
	rule_attach there "$target"
	write_4k "$dev" 0
	seen_with "both, with PASS" second "ioprio=0x4003 hint=2"
	write_4k "$dev" 1
	seen_with "the priority, with REMAP" second \
		"sector=16 .*ioprio=0x6000 hint=0"
	write_4k "$dev" 3
	seen_with "the hint, with REDIRECT, at the target" there \
		"sector=24 .*ioprio=0x4004 hint=5"
	write_4k "$dev" 5
	seen_with "neither on another bio" second "ioprio=0x4004 hint=0"
	expect_eq "nothing was refused" "$(stat_of first refused.hint)" ""
	rule_detach first
	rule_detach second
	rule_detach there
}

check_invalid() {
	local dev=$1

	rule_attach first "$dev" \
		"first=0,last=7,verdict=pass,ioprio=0x8000" \
		"first=8,last=15,verdict=pass,ioprio=0xffff,hint=1" \
		"first=16,last=23,verdict=remap,offset=8,hint=6" \
		"first=32,last=39,verdict=fail,hint=6,error=-28"
	rule_attach second "$dev"
	ok "a class that does not exist" write_4k "$dev" 0
	seen_with "the bio goes on as it was" second "ioprio=0x4004 hint=0"
	ok "a bad priority and a good hint" write_4k "$dev" 1
	seen_with "both are dropped" second "ioprio=0x4004 hint=0"
	ok "a hint that does not exist" write_4k "$dev" 2
	seen_with "the verdict counts" second "sector=24 .*hint=0"
	expect_eq "each was counted" "$(stat_of first refused.hint)" 3
	expect_error "with FAIL the bio fails" "No space" write_4k "$dev" 4
	expect_eq "and the hint is counted all the same" \
		"$(stat_of first refused.hint)" 4
	rule_detach first
	rule_detach second
}

# What is set for an accepted part is not for the rest.
check_partial() {
	local dev=$1

	rule_attach first "$dev" "first=0,last=3,verdict=pass,ioprio=0x4003,hint=2"
	rule_attach second "$dev"
	write_4k "$dev" 0
	rule log second >"$TMP/parts"
	expect_match "the part has it" "$(head -n 1 "$TMP/parts")" \
		"sector=0 nr=4 .*ioprio=0x4003 hint=2 "
	expect_match "the rest has not" "$(tail -n +2 "$TMP/parts")" \
		"sector=4 nr=4 .*ioprio=0x4004 hint=0 "
	rule_detach first
	rule_detach second
}

# A program sees what the submitter asked for.
check_input() {
	local dev=$1

	rule_attach first "$dev"
	must ionice -c 2 -n 6 dd if=/dev/zero of="$dev" bs=4k count=1 \
		oflag=direct status=none
	expect_eq "ionice is seen" "$(rule_count first "ioprio=0x4006 ")" 1
	rule_detach first
}

# mq-deadline sorts by class: what a program asks for gets there.
check_scheduler() {
	local dev=$1 queue=/sys/block/${1##*/}/queue

	echo mq-deadline >"$queue/scheduler"
	rule_attach first "$dev" "first=0,last=7,verdict=pass,ioprio=0x8000" \
		"first=8,last=15,verdict=pass,ioprio=0xffff" \
		"first=16,last=23,verdict=pass,ioprio=0x6007"
	ok "a bad class with mq-deadline" write_4k "$dev" 0
	ok "the worst of them" write_4k "$dev" 1
	ok "the idle class" write_4k "$dev" 2
	rule_detach first
	echo none >"$queue/scheduler"
}

test_run() {
	local null brd

	null=$(new_null_blk)
	brd=$(new_brd)
	check_valid "$null" "$brd"
	check_valid "$brd" "$null"
	check_invalid "$null"
	check_partial "$null"
	check_input "$null"
	check_scheduler "$null"
}
