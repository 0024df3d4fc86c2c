# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="bpftool blk lists the devices that have programs, and what each program has decided."
REQUIRES="cmd:jq"
TIMEOUT=120

. "$BLKI_ROOT/tests/lib/bpftool.sh"

listed() {
	bpft -j blk | jq -r '[.[].devname] | sort | join(" ")'
}

write_4k() {
	dd if=/dev/zero of="$1" bs=4k count=1 seek="$2" oflag=direct status=none
}

counters() {
	local json

	json=$(bpft -j blk show dev "$1")
	of_json() {
		jq -r "$1" <<<"$json"
	}
	expect_eq "bios of the first program" \
		"$(of_json '.progs[0].verdicts.pass | [.bios, .sectors] | @csv')" \
		"12,96"
	expect_eq "bios that the second passed" \
		"$(of_json '.progs[1].verdicts.pass | [.bios, .sectors] | @csv')" \
		"10,80"
	expect_eq "bios that it failed" \
		"$(of_json '.progs[1].verdicts.fail | [.bios, .sectors] | @csv')" \
		"2,16"
	expect_eq "refusals" \
		"$(of_json '.progs[1].refused | to_entries |
			map(select(.value > 0) | "\(.key) \(.value)") | join(" ")')" \
		"errno 1"
	expect_eq "all verdicts are named" \
		"$(of_json '.progs[0].verdicts | keys | join(" ")')" \
		"done fail pass redirect remap"
	expect_eq "programs without a link have no link id" \
		"$(of_json '[.progs[].link_id // empty] | length')" 0
}

plain() {
	local text

	text=$(bpft blk show dev "$1")
	expect_match "plain: device" "$text" \
		"^${1#/dev/}\($2\)  revision [0-9]+$"
	expect_match "plain: program" "$text" '^	prog [0-9]+  name tools_fail  $'
	expect_match "plain: verdicts" "$text" \
		'^		pass 10 bios 80 sectors  fail 2 bios 16 sectors$'
	expect_match "plain: refusals" "$text" '^		refused errno 1$'
}

test_run() {
	local one two num

	load_prog tools_pass
	load_prog tools_fail
	one=$(new_null_blk)
	two=$(new_null_blk)
	num=$(($(stat -c 0x%t "$one"))):$(($(stat -c 0x%T "$one")))

	expect_eq "no device has a program" "$(bpft -j blk show)" "[]"
	expect_output "which in plain text is nothing" '^$' bpft blk list
	must bpft prog attach name tools_pass blk_submit dev "$one"
	must bpft prog attach name tools_fail blk_submit dev "$one"
	expect_eq "the one that has" "$(listed)" "${one#/dev/}"
	must bpft prog attach name tools_pass blk_submit dev "$two"
	expect_eq "both" "$(listed)" "${one#/dev/} ${two#/dev/}"

	read_4k "$one" 10
	expect_error "the policy's error" "No space left" write_4k "$one" 0
	expect_fail "an errno that does not survive" write_4k "$one" 1
	counters "$one"
	plain "$one" "$num"
	expect_eq "the other device's program has counted nothing" \
		"$(blk_json "$two" '[.progs[0].verdicts[].bios] | add')" 0

	must bpft prog detach name tools_pass blk_submit dev "$two"
	expect_eq "a device that is asked for is shown without programs" \
		"$(blk_json "$two" '.progs | length')" 0
	must bpft prog detach name tools_pass blk_submit dev "$one"
	must bpft prog detach name tools_fail blk_submit dev "$one"
	expect_eq "and not listed" "$(listed)" ""
	expect_error "not a block device" "Block device required" \
		bpft blk show dev /dev/null
	expect_error "too many words" "what is 'more'" \
		bpft blk show dev "$one" more
	expect_output "help" 'dev DEVICE' bpft blk help
}
