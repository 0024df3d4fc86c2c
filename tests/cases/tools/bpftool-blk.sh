# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="bpftool blk lists the devices that have programs, and what each program has decided."
REQUIRES="cmd:jq"

. "$BLKI_ROOT/tests/lib/bpftool.sh"

listed() {
	"$BPFTOOL" -j blk | jq -r '[.[].devname] | sort | join(" ")'
}

write_4k() {
	dd if=/dev/zero of="$1" bs=4k count=1 seek="$2" oflag=direct status=none
}

test_run() {
	local one two num

	load_prog tools_pass
	load_prog tools_fail
	one=$(new_null_blk)
	two=$(new_null_blk)
	num=$(($(stat -c 0x%t "$one"))):$(($(stat -c 0x%T "$one")))

	expect_eq "no device has a program" "$("$BPFTOOL" -j blk show)" "[]"
	expect_output "which in plain text is nothing" '^$' "$BPFTOOL" blk list
	must "$BPFTOOL" prog attach name tools_pass blk_submit dev "$one"
	must "$BPFTOOL" prog attach name tools_fail blk_submit dev "$one"
	expect_eq "the one that has" "$(listed)" "${one#/dev/}"
	must "$BPFTOOL" prog attach name tools_pass blk_submit dev "$two"
	expect_eq "both" "$(listed)" "${one#/dev/} ${two#/dev/}"

	read_4k "$one" 10
	expect_error "the policy's error" "No space left" write_4k "$one" 0
	expect_fail "an errno that does not survive" write_4k "$one" 1
	expect_eq "bios of the first program" \
		"$(blk_json "$one" '.progs[0].verdicts.pass | [.bios, .sectors] | @csv')" \
		"12,96"
	expect_eq "bios that the second passed" \
		"$(blk_json "$one" '.progs[1].verdicts.pass | [.bios, .sectors] | @csv')" \
		"10,80"
	expect_eq "bios that it failed" \
		"$(blk_json "$one" '.progs[1].verdicts.fail | [.bios, .sectors] | @csv')" \
		"2,16"
	expect_eq "refusals" \
		"$(blk_json "$one" '.progs[1].refused | to_entries |
			map(select(.value > 0) | "\(.key) \(.value)") | join(" ")')" \
		"errno 1"
	expect_eq "the other device's program has counted nothing" \
		"$(blk_json "$two" '[.progs[0].verdicts[].bios] | add')" 0
	expect_eq "all verdicts are named" \
		"$(blk_json "$one" '.progs[0].verdicts | keys_unsorted | join(" ")')" \
		"pass fail remap done redirect"
	expect_eq "programs without a link have no link id" \
		"$(blk_json "$one" '[.progs[].link_id // empty] | length')" 0

	expect_output "plain: device" "^${one#/dev/}\($num\)  revision [0-9]+$" \
		"$BPFTOOL" blk show dev "$one"
	expect_output "plain: program" '^	prog [0-9]+  name tools_fail  $' \
		"$BPFTOOL" blk show dev "$one"
	expect_output "plain: verdicts" \
		'^		pass 10 bios 80 sectors  fail 2 bios 16 sectors$' \
		"$BPFTOOL" blk show dev "$one"
	expect_output "plain: refusals" '^		refused errno 1$' \
		"$BPFTOOL" blk show dev "$one"

	must "$BPFTOOL" prog detach name tools_pass blk_submit dev "$two"
	expect_eq "a device that is asked for is shown without programs" \
		"$(blk_json "$two" '.progs | length')" 0
	must "$BPFTOOL" prog detach name tools_pass blk_submit dev "$one"
	must "$BPFTOOL" prog detach name tools_fail blk_submit dev "$one"
	expect_eq "and not listed" "$(listed)" ""
	expect_error "not a block device" "Block device required" \
		"$BPFTOOL" blk show dev /dev/null
	expect_error "too many words" "what is 'more'" \
		"$BPFTOOL" blk show dev "$one" more
	expect_output "help" 'dev DEVICE' "$BPFTOOL" blk help
}
