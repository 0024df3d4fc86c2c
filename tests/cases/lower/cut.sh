# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Snapshots of several devices are one cut: what was written to one after the other is never there without it."
REQUIRES="cmd:jq cmd:fio cmd:dmsetup cmd:mkfs.ext4 cmd:losetup"
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

# number_in DEVICE: the one that cut_writer has written
number_in() {
	dd if="$1" bs=512 count=1 iflag=direct status=none | tr -d '\0'
}

# has_number DEVICE
has_number() {
	[ "$(number_in "$1")" -ge 1 ] 2>/dev/null
}

raw() {
	local a=$1 b=$2 writer round x y

	"$TEST_BIN/cut_writer" "$a" "$b" &
	writer=$!
	undo_with kill "$writer"
	must wait_for 30 has_number "$b"
	for round in 1 2 3 4 5; do
		ok "raw $round" bioctl snapshot create "$a" "$b" \
			--store "$TMP/a" --store "$TMP/b" --size 32
		x=$(number_in "/dev/mapper/${a##*/}-snap")
		y=$(number_in "/dev/mapper/${b##*/}-snap")
		note "raw $round: $x and $y"
		expect_num "raw $round: nothing is there too early" "$x" -ge "$y"
		expect_num "raw $round: nothing is missing" "$((x - y))" -le 1
		must bioctl snapshot remove "$a" "$b"
		must rm "$TMP/a" "$TMP/b"
	done
	ok "it was written all the time" kill "$writer"
	wait "$writer" 2>/dev/null || true
}

# What goes through one of them to another: whichever is named first
on_each_other() {
	local a=$1 b=$2 one two loop inner

	must mkfs.ext4 -qF "$b"
	two=$(new_mount "$b")
	must truncate -s 24M "$two/image"
	loop=$(new_loop "$two/image")
	must mkfs.ext4 -q "$loop"
	inner=$(new_mount "$loop")
	start_load "$inner/file" 300 --fsync=8 --size=4M
	undo_with bioctl snapshot remove "$b" "$loop"
	ok "a loop on the other" timeout "$(scaled 60)" bioctl snapshot \
		create "$b" "$loop" --store "$TMP/b" --store "$TMP/l" --size 32
	ok "fio runs" load_runs
	ok "remove" timeout "$(scaled 60)" bioctl snapshot remove "$b" "$loop"
	expect_verified_now "fio verifies"
	must umount "$inner"
	must losetup -d "$loop"
	must rm "$TMP/b" "$TMP/l"

	must mkfs.ext4 -qF "$a"
	one=$(new_mount "$a")
	start_load "$one/file" 300 --fsync=8 --size=4M
	undo_with bioctl snapshot remove "$a" --name before
	must bioctl snapshot create "$a" --store "$two/store" --size 32 \
		--name before
	ok "one with its store on the other" timeout "$(scaled 60)" bioctl \
		snapshot create "$b" "$a" --store "$TMP/b" --store "$TMP/a" \
		--size 32
	ok "fio runs" load_runs
	ok "remove both" bioctl snapshot remove "$a" "$b"
	ok "remove the store's" bioctl snapshot remove "$a" --name before
	expect_verified_now "fio verifies"
	must umount "$one"
	must umount "$two"
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
	ok "it was written all the time" kill "$writer"
	wait "$writer" 2>/dev/null || true
	must umount "$one"
	must umount "$two"
	ok "clean" e2fsck -fn "$a"
	ok "clean, too" e2fsck -fn "$b"
	a=$(new_null_blk size=64)
	b=$(new_null_blk size=64)
	raw "$a" "$b"
	on_each_other "$a" "$b"
}
