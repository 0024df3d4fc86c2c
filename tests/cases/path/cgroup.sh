# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A program learns the cgroup that a bio is charged to, also of what is written back later and on stacked devices."
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/rule.sh"

in_cgroup() {
	local group=$1

	shift
	# shellcheck disable=SC2016
	bash -c 'echo $$ >"$0/cgroup.procs"; exec "$@"' "$group" "$@"
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
	rule_detach cg
}
