# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A circle of redirects that goes through a stacking driver is refused, whatever would close it: an attach, a map update, a new dm table, a disk added to an md array."
REQUIRES="cmd:dmsetup cmd:mdadm"
TIMEOUT=120

. "$BLKI_ROOT/tests/lib/rule.sh"

ALL="verdict=redirect,op=read+write"

read_one() {
	timeout "$(scaled 20)" dd if="$1" of=/dev/null bs=4k count=1 \
		iflag=direct status=none
}

sync_one() {
	timeout "$(scaled 20)" sync "$1"
}

# refused NAME SOURCE TARGET: a program that is attached, a target that its map
# gets afterwards.
refused() {
	expect_error "$1: attach" ELOOP rule attach refused "$2" "$ALL" \
		"target=0:$3"
	rule_attach later "$2" "$ALL,fallback=0"
	expect_error "$1: map update" ELOOP rule target later 0 "$3"
	ok "$1: the device still works" read_one "$2"
	rule_detach later
}

# taken NAME SOURCE TARGET
taken() {
	rule_attach taken "$2" "$ALL" "target=0:$3"
	ok "$1: read" read_one "$2"
	ok "$1: flush" sync_one "$2"
	rule_detach taken
}

# A to B, B to dm on A; then with one more disk in between, and two dm devices.
check_far() {
	local a=$1 b=$2 c=$3 dm high

	dm=$(new_dm low "0 16384 linear $a 0")
	high=$(new_dm high "0 8192 linear $dm 0")
	rule_attach ab "$a" "$ALL" "target=0:$b"
	refused "A to B, B to dm on A" "$b" "$dm"
	refused "A to B, B to dm on dm on A" "$b" "$high"
	rule_attach bc "$b" "$ALL" "target=0:$c"
	refused "A to B to C to dm on A" "$c" "$dm"
	# That circle the hops bound.
	rule_attach ca "$c" "$ALL" "target=0:$a"
	expect_error "A to B to C to A: read" "Input/output error" read_one "$a"
	ok "A to B to C to A: flush" sync_one "$a"
	rule_detach ca
	rule_detach bc

	# In the other order: what is far is there first.
	rule_detach ab
	rule_attach far "$b" "$ALL" "target=0:$dm"
	refused "B to dm on A, A to B" "$a" "$b"
	rule_attach cb "$c" "$ALL" "target=0:$b"
	refused "C to B to dm on A, A to C" "$a" "$c"
	rule_detach cb
	rule_detach far
	taken "the circle was left" "$a" "$b"
}

# I/O to the whole disk is not I/O to a partition, but its flush is.
check_partitions() {
	local disk=$1 other=$2 b=$3 parts on_part on_disk

	mapfile -t parts < <(new_partitions "$disk" size=8MiB size=8MiB)
	on_part=$(new_dm onpart "0 8192 linear ${parts[1]} 0")
	rule_attach pb "${parts[0]}" "$ALL" "target=0:$b"
	taken "part 1 to B to dm on part 2" "$b" "$on_part"
	rule_attach back "$b" "$ALL" "target=0:$on_part"
	ok "part 1, B, dm on part 2: read" read_one "${parts[0]}"
	ok "part 1, B, dm on part 2: flush" sync_one "${parts[0]}"
	rule_detach back
	rule_detach pb
	rule_attach disk_b "$disk" "$ALL" "target=0:$b"
	refused "disk to B to dm on part 2" "$b" "$on_part"
	rule_detach disk_b

	mapfile -t parts < <(new_partitions "$other" size=8MiB)
	on_disk=$(new_dm ondisk "0 8192 linear $other 8192")
	rule_attach pb "${parts[0]}" "$ALL" "target=0:$b"
	refused "part 1 to B to dm on the disk" "$b" "$on_disk"
	rule_detach pb
}

# The redirects are there, then a stack is put on the source.
check_dm_later() {
	local a=$1 b=$2 other=$3 dm

	dm=$(new_dm late "0 16384 linear $other 0")
	rule_attach ab "$a" "$ALL" "target=0:$b"
	rule_attach later "$b" "$ALL" "target=0:$dm"
	dmesg -C
	expect_error "a table that closes the circle" "Too many levels" \
		dmsetup reload late --table "0 16384 linear $a 0"
	expect_match "the kernel says why" "$(dmesg)" \
		"dm-[0-9]+: blk_interposer: refused on top of ${a##*/}, which redirects to what is stacked on dm-"
	ok "the table before still works" read_one "$b"
	ok "so do flushes" sync_one "$a"
	expect_eq "no holder is left" \
		"$(find "/sys/block/${a##*/}/holders" -type l)" ""
	rule_detach ab
	ok "without the redirect it is taken" \
		dmsetup reload late --table "0 16384 linear $a 0"
	must dmsetup clear late
	rule_detach later
}

# Not the superblock: md reads it from the new disk while the array is suspended,
# and would wait for itself, as for a loop device whose file is on the array.
check_md_later() {
	local a=$1 b=$2 one=$3 two=$4 md
	local some="verdict=redirect,op=read+write,first=20480,last=20495"

	md=$(new_md 1 "$one" "$two")
	rule_attach ab "$a" "$some" "target=0:$b"
	rule_attach later "$b" "$ALL" "target=0:$md"
	dmesg -C
	expect_fail "a disk of an array that closes the circle" \
		mdadm "$md" --add "$a"
	expect_match "the kernel says why" "$(dmesg)" \
		"md[0-9]+: blk_interposer: refused on top of ${a##*/}, which"
	ok "the array still works" read_one "$b"
	ok "so do flushes" sync_one "$a"
	rule_detach ab
	ok "without the redirect it is added" mdadm "$md" --add "$a"
	expect_error "then the redirect is refused" ELOOP \
		rule attach refused "$a" "$some" "target=0:$b"
	must mdadm "$md" --remove "$a"
	rule_detach later
}

is_redirected() {
	[ "$(stat_of "$1" redirect)" = 1/8 ]
}

# A target whose slot is empty counts until it is closed: bios are still there,
# and a flush goes there.
check_closing() {
	local a=$1 b=$2 dm reader

	dm=$(new_dm closing "0 16384 linear $a 0")
	rule_attach ab "$a" "$ALL,fallback=0" "target=0:$b"
	must dmsetup suspend --noudevsync --noflush --nolockfs "$b"
	read_one "$a" &
	reader=$!
	wait_for "$(scaled 10)" is_redirected ab
	must rule untarget ab 0
	expect_error "B to dm on A, bios of A in B" ELOOP \
		rule attach refused "$b" "$ALL" "target=0:$dm"
	must dmsetup resume --noudevsync "$b"
	must wait "$reader"
	at_exit rm -rf /sys/fs/bpf/ba
	expect_within "when they have ended it is taken" "$(scaled 10)" \
		rule attach ba "$b" "$ALL" "target=0:$dm"
	rule_detach ba
	rule_detach ab
}

test_run() {
	local disks=() i

	for ((i = 0; i < 10; i++)); do
		disks+=("$(new_null_blk size=16 cache_size=4)")
	done
	check_far "${disks[@]:0:3}"
	check_partitions "$(disk 0)" "$(disk 1)" "${disks[2]}"
	check_dm_later "${disks[@]:3:3}"
	check_md_later "${disks[@]:6:4}"
	check_closing "${disks[0]}" \
		"$(new_dm slow "0 16384 linear ${disks[1]} 0")"
}
