# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A program is replaced under load, of a link or without: each bio meets one of the two, and the counters account for all."
REQUIRES="cmd:fio cmd:jq"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/load.sh"
. "$BLKI_ROOT/tests/lib/bioctl.sh"

verdicts() {
	awk '$1 == "bios" { for (i = 2; i < NF; i++) n += $i; print n }' \
		"$TMP/storm.out"
}

link() {
	must bioctl attach "$SOURCE" count
	start_storm update "$SOURCE" "$TARGET0" "$TARGET1"
	start_load "$SOURCE" 4
	expect_verified "$1, link: fio verifies"
	expect_storm "$1, link" 20
	expect_eq "$1, link: a verdict for each bio" "$(verdicts)" \
		"$(verdict_bios "$SOURCE" count pass)"
	expect_eq "$1, link: all redirected" "$(storm_says bios 6)" "$(verdicts)"
	expect_eq "$1, link: nothing refused" "$(storm_says bios 7)" 0
	expect_num "$1, link: no bio of fio's was missed" "$(verdicts)" -ge \
		"$(load_ios)"
	must bioctl detach "$SOURCE"
}

# Without a link the counters of a program go with it, so there is one more
# policy in front, and one behind, which must see nothing.
program() {
	local before

	must bioctl attach "$SOURCE" count --name front
	start_storm replace "$SOURCE" "$TARGET0" "$TARGET1"
	must bioctl attach "$SOURCE" count --name behind
	before=$(($(ios "$TARGET0") + $(ios "$TARGET1")))
	start_load "$SOURCE" 4
	expect_verified "$1, program: fio verifies"
	expect_eq "$1, program: no bio met neither" \
		"$(verdict_bios "$SOURCE" behind pass)" 0
	expect_eq "$1, program: all went to the targets" \
		$(($(ios "$TARGET0") + $(ios "$TARGET1") - before)) \
		"$(verdict_bios "$SOURCE" front pass)"
	expect_num "$1, program: no bio of fio's was missed" \
		"$(verdict_bios "$SOURCE" front pass)" -ge "$(load_ios)"
	expect_storm "$1, program" 20
	must dd if="$SOURCE" of=/dev/null bs=4k count=1 iflag=direct status=none
	expect_num "$1, program: without it all are seen behind" \
		"$(verdict_bios "$SOURCE" behind pass)" -gt 0
	must bioctl detach "$SOURCE" --all
}

test_run() {
	local stack

	for stack in $STACKS; do
		make_stack "$stack"
		link "$stack"
		case $stack in mq | delay) program "$stack" ;; esac
	done
	expect_keys_off "in the end"
}
