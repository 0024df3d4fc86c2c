# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="fsync flushes the source and each target that has unflushed writes, once, and no other."
REQUIRES="cmd:jq"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/flush.sh"

check() {
	local dev=$1 one=$2 two=$3 three=$4

	note "source $dev, targets $one $two $three"
	redirect_blocks "$dev" "$one" "$two" "$three"

	count_flushes "$dev" "$one" "$two" "$three"
	ok "fsync without a write" fsync "$dev"
	expect_flushed "clean" "$dev=1" "$one=0" "$two=0" "$three=0"

	write_block "$dev" 0
	count_flushes "$dev" "$one" "$two" "$three"
	ok "fsync after a write to the first" fsync "$dev"
	expect_flushed "one dirty" "$dev=1" "$one=1" "$two=0" "$three=0"
	ok "fsync again" fsync "$dev"
	expect_flushed "clean again" "$dev=2" "$one=1" "$two=0" "$three=0"

	write_block "$dev" 1
	write_block "$dev" 2
	write_block "$dev" 2
	count_flushes "$dev" "$one" "$two" "$three"
	ok "fsync after writes to the others" fsync "$dev"
	expect_flushed "two dirty" "$dev=1" "$one=0" "$two=1" "$three=1"

	dd if="$dev" of=/dev/null bs=4k count=3 iflag=direct status=none
	write_block "$dev" 3
	count_flushes "$dev" "$one" "$two" "$three"
	ok "fsync after reads from targets and a write that passed" fsync "$dev"
	expect_flushed "reads do not dirty" "$dev=1" "$one=0" "$two=0" "$three=0"

	must blkdiscard -z -f -o 0 -l 4096 "$dev"
	count_flushes "$dev" "$one"
	ok "fsync after zeroing" fsync "$dev"
	expect_flushed "zeroing dirties" "$dev=1" "$one=1"
	must bioctl detach "$dev"
}

test_run() {
	check "$(new_cached)" "$(new_cached)" "$(new_cached)" "$(new_cached)"
	check "$(disk 0)" "$(new_cached)" "$(disk 1)" "$(disk 2)"
}
