# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Redirects that go in circles end after a bounded number of hops, and targets that stack on their source are refused."
REQUIRES="cmd:dmsetup cmd:mdadm"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/rule.sh"

ALL="verdict=redirect,op=read+write"

read_one() {
	dd if="$1" of=/dev/null bs=4k count=1 iflag=direct status=none
}

write_one() {
	dd if=/dev/zero of="$1" bs=4k count=1 oflag=direct status=none
}

# hops PROGRAM...: redirects that were carried out or refused, of all.
hops() {
	local name sum=0 n

	for name; do
		n=$(stat_of "$name" redirect)
		sum=$((sum + ${n%/*}))
	done
	echo "$sum"
}

check_self() {
	local dev=$1

	rule_attach self "$dev" "target=0:$dev" "$ALL"
	expect_error "A to A: the read fails" "Input/output error" read_one "$dev"
	expect_eq "after 8 hops and one refused" "$(hops self)" 9
	expect_eq "counted as a loop" "$(stat_of self refused.loop)" 1
	expect_error "so does a write" "Input/output error" write_one "$dev"
	expect_eq "counted as well" "$(stat_of self refused.loop)" 2
	rule_detach self
	ok "afterwards it can be read" read_one "$dev"
}

check_mutual() {
	local a=$1 b=$2

	rule_attach there "$a" "target=0:$b" "$ALL"
	rule_attach back "$b" "target=0:$a" "$ALL"
	dmesg -C
	expect_error "A to B to A: the read fails" "Input/output error" \
		read_one "$a"
	expect_eq "after 8 hops and one refused" "$(hops there back)" 9
	expect_eq "half of them each, the last by A" \
		"$(stat_of there redirect) $(stat_of back redirect)" "5/40 4/32"
	expect_eq "counted as a loop where it ended" \
		"$(stat_of there refused.loop)" 1
	expect_match "the message names the device" "$(dmesg)" \
		"${a##*/}: blk_interposer: program [0-9]+: .*redirected too often"
	expect_match "and both that redirect" "$(dmesg)" \
		"${a##*/}: blk_interposer: redirect to ${b##*/} is one of a loop"
	expect_error "so does a write to B" "Input/output error" write_one "$b"
	expect_eq "counted there" "$(stat_of back refused.loop)" 1
	rule_detach there
	rule_detach back
}

# One disk hands on to the next. With 8 hops in a row the data gets there.
check_chain() {
	local disks=("$@") i last=$(($# - 1))

	for ((i = 0; i < last; i++)); do
		rule_attach "hop$i" "${disks[i]}" "target=0:${disks[i + 1]}" "$ALL"
	done
	must dd if=/dev/urandom of="$TMP/block" bs=4k count=1 status=none
	ok "8 hops succeed" dd if="$TMP/block" of="${disks[1]}" bs=4k \
		oflag=direct status=none
	ok "at the end is the data" cmp "$TMP/block" \
		<(dd if="${disks[last]}" bs=4k count=1 iflag=direct status=none)
	expect_error "the 9th fails" "Input/output error" read_one "${disks[0]}"
	expect_eq "and is counted where it failed" \
		"$(stat_of "hop$((last - 1))" refused.loop)" 1
	for ((i = 0; i < last; i++)); do
		rule_detach "hop$i"
	done
}

# dm clones the bio; the clone knows how far it has come.
check_through_dm() {
	local disks=("$@") i last=$(($# - 1)) above=() flushes

	for ((i = 1; i <= last; i++)); do
		above+=("$(new_dm "above$i" "0 16384 linear ${disks[i]} 0")")
	done
	for ((i = 0; i < last; i++)); do
		rule_attach "hop$i" "${disks[i]}" "target=0:${above[i]}" "$ALL"
	done
	ok "8 hops, each to a dm device" write_one "${disks[1]}"
	flushes=$(block_stat "${disks[last]}" 16)
	ok "a flush has no bound" sync "${disks[1]}"
	expect_num "it gets to the last disk" \
		"$(block_stat "${disks[last]}" 16)" -gt "$flushes"
	expect_error "the 9th fails" "Input/output error" read_one "${disks[0]}"
	expect_eq "and is counted where it failed" \
		"$(stat_of "hop$((last - 1))" refused.loop)" 1
	for ((i = 0; i < last; i++)); do
		rule_detach "hop$i"
	done
}

refused() {
	expect_error "$1" ELOOP "$TEST_BIN/rule" attach refused "$2" "$ALL" \
		"target=0:$3"
}

# refused_later NAME SOURCE TARGET: the program is there, then the target.
refused_later() {
	rule_attach later "$2" "$ALL,fallback=0"
	expect_error "$1" ELOOP rule target later 0 "$3"
	ok "$1: the device still works" read_one "$2"
	rule_detach later
}

check_stacks() {
	local a=$1 b=$2 dm above

	dm=$(new_dm over "0 32768 linear $a 0")
	above=$(new_dm overover "0 16384 linear $dm 0")
	refused "attach: dm on the source" "$a" "$dm"
	refused "attach: dm on dm on the source" "$a" "$above"
	refused_later "map update: dm on the source" "$a" "$dm"
	refused_later "map update: dm on dm on the source" "$a" "$above"
	rule_attach fine "$dm" "target=0:$b" "$ALL"
	pass "a disk that is not below is taken"
	rule_detach fine
	rule_attach down "$dm" "target=0:$a" "$ALL"
	ok "so is the disk below" read_one "$dm"
	rule_detach down
}

check_md() {
	local a=$1 b=$2 md

	md=$(new_md 1 "$a" "$b")
	refused "attach: md on the source" "$a" "$md"
	refused_later "map update: md on the source" "$b" "$md"
}

check_partitions() {
	local disk=$1 parts dm

	mapfile -t parts < <(new_partitions "$disk" size=8MiB size=8MiB)
	dm=$(new_dm onpart "0 8192 linear ${parts[0]} 0")
	refused "dm on a partition of the source" "$disk" "$dm"
	refused "dm on the partition" "${parts[0]}" "$dm"
	rule_attach other "${parts[1]}" "target=0:$dm" "$ALL"
	ok "dm on another partition is taken" read_one "${parts[1]}"
	rule_detach other
}

test_run() {
	local disks=() i

	for ((i = 0; i < 14; i++)); do
		disks+=("$(new_null_blk size=16 cache_size=4)")
	done
	check_self "${disks[0]}"
	check_mutual "${disks[0]}" "$(new_brd)"
	check_chain "${disks[@]:0:10}"
	check_through_dm "${disks[@]:0:10}"
	check_stacks "${disks[10]}" "${disks[11]}"
	check_md "${disks[12]}" "${disks[13]}"
	check_partitions "$(disk 0)"
}
