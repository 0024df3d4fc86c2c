# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A flush reaches what was redirected also when nothing is attached any more, as long as a map holds the target."
REQUIRES="cmd:jq"
TIMEOUT=60

. "$BLKI_ROOT/tests/lib/bioctl.sh"
. "$BLKI_ROOT/tests/lib/flush.sh"
. "$BLKI_ROOT/tests/lib/load.sh"
. "$BLKI_ROOT/tests/lib/rule.sh"

test_run() {
	local dev target

	dev=$(new_cached)
	target=$(new_cached)
	rule_attach held "$dev" "verdict=redirect,op=write" "target=0:$target"
	write_block "$dev" 0
	# Maps and targets stay.
	must rm /sys/fs/bpf/held/link
	expect_within "nothing is attached" 10 has_programs "$dev" 0
	write_block "$dev" 1
	expect_eq "writes to the target" "$(block_stat "$target" 5)" 1
	count_flushes "$dev" "$target"
	ok "fsync" fsync "$dev"
	expect_flushed "dirty" "$dev=1" "$target=1"
	ok "fsync again" fsync "$dev"
	expect_flushed "clean" "$dev=2" "$target=1"
	rule_detach held
	expect_keys_off "in the end"
}
