# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="bioctl attach puts policies where they are told to, pins them with their maps, and says what it did."
REQUIRES="cmd:jq"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/bioctl.sh"

reported() {
	local dev=$1 json

	json=$(bioctl -j attach "$dev" count --cookie 77)
	expect_eq "name" "$(jq -r .name <<<"$json")" count
	expect_eq "device" "$(jq -r .device <<<"$json")" "$dev"
	expect_eq "position" "$(jq -r .position <<<"$json")" 1
	expect_eq "cookie" "$(jq -r .cookie <<<"$json")" 77
	expect_eq "pin" "$(jq -r .pin <<<"$json")" \
		"/sys/fs/bpf/bioctl/${dev##*/}/count"
	expect_eq "the link is the kernel's" \
		"$("$BPFTOOL" -j link show id "$(jq .link_id <<<"$json")" |
			jq .prog_id)" "$(jq .id <<<"$json")"
	expect_eq "list has the cookie" \
		"$(query '.devices[0].programs[0].cookie' list "$dev")" 77
	expect_eq "each map is pinned under its name" \
		"$(find "$(jq -r .pin <<<"$json")/maps" -type f -printf '%f\n' |
			sort)" "$(jq -r '.maps[].name' <<<"$json" | sort)"
}

order() {
	local dev=$1 id

	ok "last is the default" bioctl attach "$dev" protect \
		--set ranges=100-107
	expect_names "so it is second" "$dev" "count protect"
	ok "first" bioctl attach "$dev" count --name one --first
	ok "after a name" bioctl attach "$dev" count --name two --after one
	ok "before a pin" bioctl attach "$dev" count --name three \
		--before "/sys/fs/bpf/bioctl/${dev##*/}/two"
	expect_names "in this order" "$dev" "one three two count protect"
	id=$(query '.devices[0].programs[3].id' list "$dev")
	ok "after an id, by device name" bioctl attach "${dev#/dev/}" count \
		--name four --after "$id"
	ok "last" bioctl attach "$dev" count --name five --last
	expect_names "in that order" "$dev" "one three two count four protect five"
}

refusals() {
	local dev=$1 revision

	revision=$(query '.devices[0].revision' list "$dev")
	expect_refused "the same name again" EEXIST "pinned there already" \
		attach "$dev" count
	expect_refused "an unexpected revision" ESTALE "revision" \
		attach "$dev" count --name x --expect-revision $((revision - 1))
	expect_refused "beside what is not attached" ENOENT "no such program" \
		attach "$dev" count --name x --before nothing
	expect_refused "a pin outside of bpffs" EINVAL "not in a bpffs" \
		attach "$dev" count --pin "$TMP/pin"
	expect_eq "nothing of that is left" \
		"$(find /sys/fs/bpf/bioctl "$TMP" -name x -o -name pin)" ""
	ok "the expected revision" bioctl attach "$dev" count --name x \
		--expect-revision "$revision"
	expect_eq "the list is one longer" \
		"$(query '.devices[0].programs | length' list "$dev")" 8
}

own_pin() {
	local dev=$1

	ok "a pin of the user's" bioctl attach "$dev" count \
		--pin /sys/fs/bpf/mine
	expect_names "is the name" "$dev" "mine"
	expect_refused "is taken" EEXIST "pinned there already" \
		attach "$dev" count --pin /sys/fs/bpf/mine
	ok "detach by pin" bioctl detach "$dev" /sys/fs/bpf/mine
	expect_eq "the pin is gone" "$(find /sys/fs/bpf -mindepth 1)" ""
}

nothing_attached() {
	[ -z "$(query '.devices[].programs[].id' list "$1")" ]
}

transient() {
	local dev=$1

	hold "$dev" protect
	expect_eq "transient says so" \
		"$(jq -c '[.transient, .pin]' "$TMP/held")" "[true,null]"
	expect_fail "and is in charge" write_sector "$dev" 0
	expect_refused "and is not ours to detach" null "belongs to a process" \
		detach "$dev" protect
	kill -TERM "$HOLDER"
	expect_end "ends when it is told to" "$HOLDER" 0
	ok "and took the program along" nothing_attached "$dev"

	hold "$dev" protect
	kill -KILL "$HOLDER"
	expect_end "killed" "$HOLDER" 137
	expect_within "killed, it is gone, too" 10 nothing_attached "$dev"
}

test_run() {
	local dev

	dev=$(new_null_blk)
	reported "$dev"
	order "$dev"
	refusals "$dev"
	ok "detach all" bioctl detach "$dev" --all
	expect_eq "nothing is pinned" "$(find /sys/fs/bpf -mindepth 1)" ""
	own_pin "$dev"
	transient "$dev"

	must blockdev --setro "$dev"
	ok "a read-only device" bioctl attach "$dev" count
	ok "detach" bioctl detach "$dev"
}
