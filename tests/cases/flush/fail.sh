# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="While a target cannot flush, each fsync of the source fails; it is clean only after a flush that succeeded."
REQUIRES="cmd:jq"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/flush.sh"

refused_flush() {
	bioctl -j list "$1" | jq '.devices[0].programs[0].refused.flush'
}

test_run() {
	local dev base good bad

	dev=$(new_cached)
	base=$(new_cached)
	good=$(new_cached)
	bad=$(new_flakey bad "$base")
	redirect_blocks "$dev" "$bad" "$good"

	write_block "$dev" 0
	write_block "$dev" 1
	make_flakey bad "$base" down
	count_flushes "$dev" "$good" "$base"
	expect_error "fsync fails" "Input/output error" fsync "$dev"
	expect_flushed "the others are flushed" "$dev=1" "$good=1" "$base=0"
	expect_error "the next one, too" "Input/output error" fsync "$dev"
	expect_flushed "what is clean is left alone" "$dev=2" "$good=1" "$base=0"
	expect_eq "both are counted" "$(refused_flush "$dev")" 2

	make_flakey bad "$base" up
	count_flushes "$dev" "$good" "$base"
	ok "fsync when it can flush again" fsync "$dev"
	expect_flushed "it still was dirty" "$dev=1" "$good=0" "$base=1"
	make_flakey bad "$base" down
	ok "now it is clean, so nothing fails" fsync "$dev"
	expect_eq "nothing more is counted" "$(refused_flush "$dev")" 2
	make_flakey bad "$base" up
	must bioctl detach "$dev"
}
