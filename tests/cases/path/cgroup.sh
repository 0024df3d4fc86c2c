# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A program learns the cgroup that a bio is charged to, also of what is written back later and on stacked devices."
REQUIRES="config:CGROUP_WRITEBACK"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/rule.sh"

in_cgroup() {
	local group=$1

	shift
	# shellcheck disable=SC2016
	bash -c 'echo $$ >"$0/cgroup.procs"; exec "$@"' "$group" "$@"
}

# A cgroup dirties pages of the disk; somebody else has them written. The disk
# is held open: the last to close it would write them, and that is the writer.
check_writeback() {
	local dev=$1 group=$2 id=$3 hold

	exec {hold}<"$dev"
	must in_cgroup "$group" dd if=/dev/zero of="$dev" bs=4k count=6 \
		conv=notrunc status=none
	expect_eq "nothing is written yet" "$(rule_count cg "op=write")" 0
	must in_cgroup /sys/fs/cgroup sync "$dev"
	exec {hold}<&-
	rule log cg >"$TMP/log"
	expect_num "the cache is written on behalf of who filled it" \
		"$(grep -c "op=write .*cgroup=$id " "$TMP/log")" -ge 1
	expect_eq "and for nobody else" \
		"$(grep "op=write " "$TMP/log" | grep -cv "cgroup=$id ")" 0
}

# The parts of a bio that is divided are charged to its cgroup and have its
# priority, as the target's program sees.
check_parts() {
	local source=$1 group=$2 id=$3 target

	target=$(new_null_blk)
	rule_attach parts "$source" "verdict=redirect,op=write,accept=2" \
		"target=0:$target"
	rule_attach seen "$target"
	must in_cgroup "$group" ionice -c 2 -n 6 dd if=/dev/zero of="$source" \
		bs=4k count=1 oflag=direct status=none
	rule log seen >"$TMP/log"
	sed 's/^/# /' "$TMP/log"
	expect_eq "four parts of the cgroup" \
		"$(grep -c "op=write .*cgroup=$id " "$TMP/log")" 4
	expect_eq "four parts of its priority" \
		"$(grep -c "ioprio=0x4006 " "$TMP/log")" 4
	rule_detach parts
	rule_detach seen
}

test_run() {
	local null dm one two inner root id1 id2

	null=$(new_null_blk)
	dm=$(new_dm cg "0 16384 linear $null 0")
	one=$(new_cgroup one)
	two=$(new_cgroup two)
	id1=$(stat -c %i "$one")
	id2=$(stat -c %i "$two")
	rule_attach cg "$null"
	must in_cgroup "$one" dd if=/dev/zero of="$null" bs=4k count=3 \
		oflag=direct status=none
	must in_cgroup "$two" dd if="$null" of=/dev/null bs=4k count=2 \
		iflag=direct status=none
	rule log cg >"$TMP/log"
	expect_eq "writes of one cgroup" \
		"$(grep -c "op=write .*cgroup=$id1 " "$TMP/log")" 3
	expect_eq "reads of the other" \
		"$(grep -c "op=read .*cgroup=$id2 " "$TMP/log")" 2

	must in_cgroup "$two" dd if=/dev/zero of="$dm" bs=4k count=4 \
		oflag=direct status=none
	expect_eq "through dm" \
		"$(rule_count cg "op=write .*cgroup=$id2 ")" 4

	# Without the io controller the nearest ancestor that has it counts.
	inner=$one/inner
	must mkdir "$inner"
	at_exit undo_cgroup "$inner"
	must in_cgroup "$inner" dd if=/dev/zero of="$null" bs=4k count=5 \
		oflag=direct status=none
	expect_eq "of a cgroup below without the io controller" \
		"$(rule_count cg "op=write .*cgroup=$id1 ")" 5

	root=$(stat -c %i /sys/fs/cgroup)
	must in_cgroup /sys/fs/cgroup dd if=/dev/zero of="$null" bs=4k count=1 \
		oflag=direct status=none
	expect_eq "of the root" "$(rule_count cg "op=write .*cgroup=$root ")" 1
	check_writeback "$null" "$two" "$id2"
	rule_detach cg
	check_parts "$null" "$one" "$id1"
}
