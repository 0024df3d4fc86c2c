# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="bpftool prog attach and detach put programs where they are told to, and say why if they cannot."
REQUIRES="cmd:jq"
TIMEOUT=120

. "$BLKI_ROOT/tests/lib/bpftool.sh"

attach() {
	bpft prog attach "${@:1:2}" blk_submit dev "${@:3}"
}

detach() {
	bpft prog detach "${@:1:2}" blk_submit dev "${@:3}"
}

expect_chain() {
	expect_eq "$1" "$(chain "$2")" "$3"
}

order() {
	local dev=$1 revision

	revision=$(blk_json "$dev" .revision)
	ok "attach" attach name tools_pass "$dev"
	expect_chain "the first" "$dev" "tools_pass"
	ok "attach before, device by name" \
		attach name tools_cookie "${dev#/dev/}" before name tools_pass
	expect_chain "before" "$dev" "tools_cookie tools_pass"
	ok "attach after" attach name tools_fail "$dev" after \
		pinned /sys/fs/bpf/tools_cookie
	expect_chain "after" "$dev" "tools_cookie tools_fail tools_pass"
	expect_eq "each change is a revision" "$(blk_json "$dev" .revision)" \
		$((revision + 3))
	ok "detach from the middle" detach name tools_fail "$dev"
	expect_chain "the others stay" "$dev" "tools_cookie tools_pass"
	ok "attach with barrier" attach name tools_fail "$dev" barrier
	expect_chain "without a place it is the last" "$dev" \
		"tools_cookie tools_pass tools_fail"
	ok "detach with barrier" detach name tools_fail "$dev" barrier
}

refusals() {
	local dev=$1

	expect_error "attached twice" 'File exists .already attached' \
		attach name tools_pass "$dev"
	expect_error "next to a program that is not attached" \
		'No such file or directory .the program is not attached' \
		attach name tools_fail "$dev" before name tools_fail
	expect_error "detach what is not attached" \
		'No such file or directory .the program is not attached' \
		detach name tools_fail "$dev"
	expect_error "a program of another type" \
		'Invalid argument .not a blk/submit program' \
		attach name tools_socket "$dev"
	expect_error "not a block device" "/dev/null: Block device required" \
		attach name tools_fail /dev/null
	expect_error "no such device" "/dev/nope: No such file" \
		attach name tools_fail nope
	expect_error "no device" "expected 'dev DEVICE'" \
		bpft prog attach name tools_fail blk_submit "$dev"
	expect_error "two places" "specified multiple times" \
		attach name tools_fail "$dev" before name tools_pass \
		after name tools_pass
	expect_error "unknown word" "what is 'beside'" \
		attach name tools_fail "$dev" beside name tools_pass
	expect_error "errors are JSON with -j" '^\{"error":".*File exists' \
		bpft -j prog attach name tools_pass blk_submit dev "$dev"
	expect_chain "nothing changed" "$dev" "tools_cookie tools_pass"
}

partition() {
	local disk=$1 part

	part=$(new_partitions "$disk" size=16MiB)
	ok "attach to a partition" attach name tools_pass "$part"
	expect_chain "it is there" "$part" "tools_pass"
	expect_chain "and not at the disk" "$disk" ""
	ok "detach from the partition" detach name tools_pass "$part"
}

help() {
	local text

	run_logged bpft prog help
	text=$OUTPUT
	expect_match "help names the attach type" "$text" \
		'flow_dissector \| blk_submit'
	expect_match "help of attach names the device" "$text" \
		'attach PROG blk_submit dev DEVICE'
	expect_match "help of detach, too" "$text" \
		'detach PROG blk_submit dev DEVICE \[barrier\]'
}

test_run() {
	local dev name

	help
	for name in pass cookie fail socket; do
		load_prog "tools_$name"
	done
	dev=$(new_null_blk)
	order "$dev"
	refusals "$dev"

	must blockdev --setro "$dev"
	ok "detach, read-only device" detach name tools_cookie "$dev"
	ok "attach, read-only device" attach name tools_cookie "$dev"
	ok "detach" detach name tools_cookie "$dev"
	expect_eq "JSON of a success is null" \
		"$(bpft -j prog detach name tools_pass blk_submit dev "$dev")" \
		null
	expect_chain "nothing is left" "$dev" ""

	partition "$(disk 0)"
}
