# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="bpftool link shows device, cookie and counters of a block link, detaches it, and shows when its device is gone."
REQUIRES="cmd:jq"
TIMEOUT=120

. "$BLKI_ROOT/tests/lib/bpftool.sh"

PIN=/sys/fs/bpf/tools_link

# make_link DEV [COOKIE]
make_link() {
	at_exit rm -f "$PIN"
	must "$TEST_BIN/libbpf_link" "$TEST_BPF/tools_fail.bpf.o" "$1" "$PIN" \
		"${2:-0}"
}

link_json() {
	bpft -j link show | jq -r ".[] | select(.type == \"blk\") | $1"
}

shown() {
	local dev=$1 maj min json text

	maj=$(($(stat -c 0x%t "$dev")))
	min=$(($(stat -c 0x%T "$dev")))
	json=$(link_json .)
	of_json() {
		jq -r "$1" <<<"$json"
	}
	expect_eq "device, by name and number" \
		"$(of_json '[.devname, .major, .minor] | @csv')" \
		"\"${dev#/dev/}\",$maj,$min"
	expect_eq "attach type" "$(of_json .attach_type)" blk_submit
	expect_eq "cookie" "$(of_json .cookie)" 4503599627370497
	expect_eq "not defunct" "$(of_json .defunct)" false
	expect_eq "counters" "$(of_json '[.verdicts.pass.bios,
		.verdicts.pass.sectors, .verdicts.fail.bios] | @csv')" "5,40,1"
	expect_eq "the device's list names the link" \
		"$(blk_json "$dev" '.progs[0].link_id')" "$(of_json .id)"

	text=$(bpft link show)
	expect_match "plain: header" "$text" '^[0-9]+: blk  prog [0-9]+'
	expect_match "plain: device" "$text" \
		"dev ${dev#/dev/}\($maj:$min\)  cookie 4503599627370497"
	expect_match "plain: counters" "$text" \
		'pass 5 bios 40 sectors  fail 1 bios 8 sectors'
}

test_run() {
	local dev num

	dev=$(new_null_blk)
	make_link "$dev" 4503599627370497
	read_4k "$dev" 5
	expect_fail "the policy is in charge" \
		dd if=/dev/zero of="$dev" bs=4k count=1 oflag=direct status=none
	shown "$dev"

	expect_error "a program of a link is not detached by itself" \
		'Device or resource busy .it is attached by a link' \
		bpft prog detach name tools_fail blk_submit dev "$dev"
	expect_fail "unknown word" \
		bpft link detach pinned "$PIN" barriers
	ok "detach with barrier" bpft link detach pinned "$PIN" barrier
	expect_eq "it has left the device" "$(chain "$dev")" ""
	expect_eq "and says so" "$(link_json '[.devname, .defunct] | join(" ")')" \
		"(detached) true"
	ok "the policy is no longer in charge" \
		dd if=/dev/zero of="$dev" bs=4k count=1 oflag=direct status=none
	must rm "$PIN"

	make_link "$dev"
	num=$(($(stat -c 0x%t "$dev"))):$(($(stat -c 0x%T "$dev")))
	ok "the device goes away" undo_null_blk "$(null_blk_dir "$dev")"
	expect_eq "the link is defunct" "$(link_json .defunct)" true
	expect_eq "and names no other device" "$(link_json .devname)" "(detached)"
	expect_output "plain: defunct" "dev \(detached\)\($num\)  defunct" \
		bpft link show
	ok "it can still be detached" bpft link detach pinned "$PIN"
}
