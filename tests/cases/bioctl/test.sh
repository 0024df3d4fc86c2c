# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="bioctl test asks a policy about a described bio and shows what it answers."
REQUIRES="cmd:jq"
TIMEOUT=180

. "$BLKI_ROOT/tests/lib/bioctl.sh"

answer() {
	query '[.verdict, .partial, .bio.sector, .bio.nr_sectors] | join(" ")' \
		test "$@"
}

test_run() {
	local dev

	expect_eq "a read passes" \
		"$(answer protect --set ranges=8-15 --sector 8 --length 8)" \
		"pass false 8 8"
	expect_eq "the part before the range passes" \
		"$(answer protect --set ranges=8-15 --op write --length 16)" \
		"pass true 0 8"
	expect_eq "the range does not" \
		"$(answer protect --set ranges=8-15 --op discard --sector 8 \
			--length 8)" "fail false 8 8"
	expect_eq "an error that was set" \
		"$(query .bio.error test protect --set error=-ENODATA \
			--op write)" ENODATA
	expect_output "the text says so, too" '^fail with ENODATA$' \
		bioctl test protect --set error=-ENODATA --op write
	expect_eq "a flush has no sectors" "$(answer protect --op flush)" \
		"pass false 0 0"
	expect_eq "a remap" "$(answer remap --set a_first=0 --set b_first=64 \
		--set nr=8 --op write --sector 2 --length 4)" \
		"remap false 66 4"
	dev=$(new_null_blk)
	expect_output "a redirect" "^redirect to $dev at sector 100\$" \
		bioctl test redirect --set ranges=0-7:100:3 --target "3=$dev" \
		--op write --length 8
	expect_eq "no I/O took place" "$(block_stat "$dev" 5)" 0
	expect_refused "a payload that is not there" ENOENT "no such file" \
		test protect --op write --data "$TMP/nothing"
	expect_names "nothing is attached" "$dev" ""
}
