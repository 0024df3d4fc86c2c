# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Sources and targets that are stacks (dm, md) or take bios: fsync reaches the disks below them."
REQUIRES="cmd:jq cmd:mdadm"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/flush.sh"
. "$BLKI_ROOT/tests/lib/load.sh"

# check NAME SOURCE TARGET DISK...: those below the target that are flushed
check() {
	local name=$1 source=$2 target=$3 disk

	shift 3
	redirect_blocks "$source" "$target"
	write_block "$source" 0
	count_flushes "$@"
	ok "$name: fsync" fsync "$source"
	expect_flushed "$name" "${@/%/=1}"
	count_flushes "$@"
	ok "$name: fsync again" fsync "$source"
	expect_flushed "$name, clean" "${@/%/=0}"
	must bioctl detach "$source"
}

test_run() {
	local one two three md

	one=$(new_cached)
	two=$(new_cached)
	three=$(new_cached)
	check "dm target" "$three" "$(new_view below "$one")" "$one"
	check "dm source" "$(new_view above "$three")" "$one" "$one"
	check "dm to dm" /dev/mapper/above /dev/mapper/below "$one"
	must wait_for 10 remove_dm below
	check "striped" "$three" "$(new_dm stripes \
		"0 65536 striped 2 8 $one 0 $two 0")" "$one" "$two"
	must wait_for 10 remove_dm stripes
	md=$(new_md 1 "$one" "$two")
	# No superblock, with a flush of its own, when nobody wrote for a while.
	echo 0 >"/sys/block/${md##*/}/md/safe_mode_delay"
	check "raid1 target" "$three" "$md" "$one" "$two"
}
