# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Snapshots of several devices are one cut: what was written to one after the other is never there without it."
REQUIRES="cmd:jq cmd:dmsetup cmd:mkfs.ext4"
TIMEOUT=300

. "$BLKI_ROOT/tests/lib/lower.sh"

# writer A B: a number goes to A, and when it is durable, to B
writer() {
	local n

	for ((n = 1; ; n++)); do
		echo "$n" >"$1/number.new"
		sync -d "$1/number.new"
		mv "$1/number.new" "$1/number"
		sync -f "$1"
		echo "$n" >"$2/number.new"
		sync -d "$2/number.new"
		mv "$2/number.new" "$2/number"
		sync -f "$2"
	done
}

# number_of SNAPSHOT
number_of() {
	local dir

	dir=$(new_mount "$1" -o ro)
	cat "$dir/number"
	umount "$dir"
}

# starts DIR: it has written something
starts() {
	[ -s "$1/number" ]
}

test_run() {
	local a b one two round writer

	hold_gate
	a=$(disk 0)
	b=$(disk 1)
	must mkfs.ext4 -q "$a"
	must mkfs.ext4 -q "$b"
	one=$(new_mount "$a")
	two=$(new_mount "$b")
	writer "$one" "$two" &
	writer=$!
	undo_with kill "$writer"
	must wait_for 30 starts "$two"
	for round in 1 2 3; do
		undo_with bioctl snapshot remove "$a" "$b"
		ok "cut $round" bioctl snapshot create "$a" "$b" \
			--store "$TMP/a$round" --store "$TMP/b$round" --size 32
		x=$(number_of "/dev/mapper/${a##*/}-snap")
		y=$(number_of "/dev/mapper/${b##*/}-snap")
		note "cut $round: $x and $y"
		expect_num "cut $round: nothing is there too early" "$x" -ge "$y"
		expect_num "cut $round: nothing is missing" "$((x - y))" -le 1
		expect_num "cut $round: there is something" "$y" -ge 1
		ok "cut $round: remove" bioctl snapshot remove "$a" "$b"
	done
	kill "$writer"
	wait "$writer" 2>/dev/null || true
	must umount "$one"
	must umount "$two"
	ok "clean" e2fsck -fn "$a"
	ok "clean, too" e2fsck -fn "$b"
}
