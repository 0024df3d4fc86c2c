# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Where the barrier of an attach, a detach, a replacement gives up the change stands, with a link and without, and nothing is lost or kept: all of it can be undone."
REQUIRES="cmd:jq"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/load.sh"
. "$BLKI_ROOT/tests/lib/bioctl.sh"

# A disk whose bio to a suspended target keeps every barrier waiting: sets
# SOURCE.
stuck_source() {
	local name=$1

	SOURCE=$(new_null_blk)
	new_view "$name" "$(new_null_blk)" >/dev/null
	must bioctl attach "$SOURCE" redirect --set ranges=0-7:0:0 \
		--target "0=/dev/mapper/$name"
	must dmsetup suspend --noudevsync "$name"
	write_in_background "$SOURCE"
	must wait_for 10 redirected "$SOURCE" 1
}

# Loaded and pinned: its id
load_pass() {
	must bpftool prog load "$TEST_BPF/tools_pass.bpf.o" "/sys/fs/bpf/$1"
	at_exit rm -f "/sys/fs/bpf/$1"
	bpftool -j prog show pinned "/sys/fs/bpf/$1" | jq .id
}

ids() {
	query '[.devices[0].programs[].id] | join(" ")' list "$1"
}

expect_gives_up() {
	local name=$1 pid=$2 rc=0

	expect_within "$name: it gives up" "$(scaled 60)" dead "$pid"
	wait "$pid" || rc=$?
	expect_ne "$name: and says so" "$rc" 0
	sed 's/^/# /' "$TMP/$name.out"
	expect_match "$name: why" "$(cat "$TMP/$name.out")" \
		"ETIMEDOUT|timed out"
}

test_run() {
	local attached replaced with pid_attach pid_detach pid_link a b c

	stuck_source attach
	attached=$SOURCE
	a=$(load_pass a)
	bpftool prog attach id "$a" blk_submit dev "$attached" barrier \
		>"$TMP/attach.out" 2>&1 &
	pid_attach=$!

	stuck_source replace
	replaced=$SOURCE
	b=$(load_pass b)
	must bpftool prog attach id "$b" blk_submit dev "$replaced"
	bpftool prog detach id "$b" blk_submit dev "$replaced" barrier \
		>"$TMP/detach.out" 2>&1 &
	pid_detach=$!

	stuck_source link
	with=$SOURCE
	must bioctl attach "$with" count
	c=$(query '.devices[0].programs[1].id' list "$with")
	bioctl -j replace "$with" count count --barrier >"$TMP/link.out" 2>&1 &
	pid_link=$!

	expect_gives_up attach "$pid_attach"
	expect_gives_up detach "$pid_detach"
	expect_gives_up link "$pid_link"
	expect_eq "attach: the program is there" "$(ids "$attached" |
		grep -cw "$a")" 1
	expect_eq "detach: the program is gone" "$(ids "$replaced" |
		grep -cw "$b")" 0
	expect_eq "link: the program is another" "$(ids "$with" |
		grep -cw "$c")" 0
	expect_eq "link: there are two" "$(ids "$with" | wc -w)" 2

	# Without a link, one in the place of another.
	must rm /sys/fs/bpf/a
	bioctl -j replace "$attached" "$a" count --barrier \
		>"$TMP/place.out" 2>&1 &
	expect_gives_up place $!
	expect_eq "place: the program is another" "$(ids "$attached" |
		grep -cw "$a")" 0
	expect_eq "place: there are two" "$(ids "$attached" | wc -w)" 2

	for a in attach replace link; do
		must dmsetup resume --noudevsync "$a"
	done
	wait
	for a in "$attached" "$replaced" "$with"; do
		must bioctl detach "$a" --all
	done
	expect_keys_off "in the end"
}
