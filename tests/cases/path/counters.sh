# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Counters of a link tell bios and sectors of each verdict, as they were decided."
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/rule.sh"

read_blocks() {
	dd if="$1" of=/dev/null bs=4k iflag=direct status=none "${@:2}" ||
		[ $? -eq 1 ]
}

test_run() {
	local null brd

	null=$(new_null_blk cache_size=8)
	brd=$(new_brd)
	rule_attach count "$null" "target=0:$brd" \
		"first=0,last=7,verdict=fail" \
		"first=8,last=31,verdict=remap,offset=800" \
		"first=32,last=47,verdict=done,accept=1" \
		"first=48,last=63,verdict=redirect" \
		"op=flush,verdict=pass"
	expect_eq "nothing yet" "$(rule stats count | tr -d ' ')" ""
	read_blocks "$null" count=1
	expect_eq "fail" "$(rule stats count)" "fail=1/8 "
	read_blocks "$null" skip=1 count=3
	expect_eq "remap" "$(rule stats count)" "fail=1/8 remap=3/24 "
	read_blocks "$null" skip=4 count=2
	expect_eq "done, in parts" "$(stat_of count "done")" 16/16
	read_blocks "$null" skip=6 count=2
	expect_eq "redirect" "$(stat_of count redirect)" 2/16
	read_blocks "$null" skip=8 count=10
	expect_eq "pass, of no rule" "$(stat_of count pass)" 10/80
	must sync "$null"
	expect_eq "a flush has no sectors" "$(stat_of count pass)" 11/80
	must dd if="$null" of=/dev/null bs=4k count=8 iflag=direct status=none \
		skip=1
	expect_eq "all in all" "$(rule stats count)" \
		"pass=12/88 fail=1/8 remap=6/48 done=32/32 redirect=4/32 "
	rule_detach count
}
