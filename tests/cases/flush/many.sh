# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Many threads write and fsync while targets come and go: everything ends, verified, and nothing is left dirty."
REQUIRES="cmd:fio cmd:jq"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/flush.sh"
. "$BLKI_ROOT/tests/lib/load.sh"

# Data differs with the target, so that is not to change: where it goes is
# exchanged between two names of one disk.
test_run() {
	local base source view0 view1 other

	base=$(new_cached)
	source=$(new_view source "$base")
	view0=$(new_view view0 "$base")
	view1=$(new_view view1 "$base")
	other=$(new_cached)
	redirect_blocks "$other" "$view0"

	count_flushes "$base"
	start_load "$source" 6 --numjobs=4 --size=1M --offset=8M \
		--offset_increment=1M --fsync=4 --iodepth=4 --group_reporting \
		--thread
	start_storm map "$source" "$view0" "$view1"
	while load_runs; do
		must write_block "$other" 0
		must fsync "$other"
	done
	expect_verified "fio verifies"
	expect_storm "slots" 8
	expect_num "the disk was flushed" "$(flushes "$base")" -gt \
		"$((FLUSHES[0] + 20))"
	ok "fsync" fsync "$source"
	count_flushes "$base"
	must bioctl detach "$other"
	expect_within "the targets are closed" 15 keys_are_off
	expect_flushed "and were clean" "$base=0"
}
