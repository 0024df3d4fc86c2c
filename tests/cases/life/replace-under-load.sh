# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A link's program is replaced under load: each bio meets one of the two, and the counters account for all."
REQUIRES="cmd:fio cmd:jq"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/load.sh"
. "$BLKI_ROOT/tests/lib/bioctl.sh"

verdicts() {
	awk '$1 == "bios" { for (i = 2; i < NF; i++) n += $i; print n }' \
		"$TMP/storm.out"
}

check() {
	make_stack "$1"
	must bioctl attach "$SOURCE" count
	start_storm update "$SOURCE" "$TARGET0" "$TARGET1"
	start_load "$SOURCE" 4
	expect_verified "$1: fio verifies"
	expect_storm "$1" 20
	expect_eq "$1: a verdict for each bio" "$(verdicts)" \
		"$(verdict_bios "$SOURCE" count pass)"
	expect_eq "$1: all redirected" "$(storm_says bios 6)" "$(verdicts)"
	expect_eq "$1: nothing refused" "$(storm_says bios 7)" 0
	expect_num "$1: no bio of fio's was missed" "$(verdicts)" -ge \
		"$(load_ios)"
	must bioctl detach "$SOURCE"
}

test_run() {
	local stack

	for stack in $STACKS; do
		check "$stack"
	done
	expect_keys_off "in the end"
}
