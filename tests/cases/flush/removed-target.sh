# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A dirty target was removed: fsync fails and does not hang, until the target is taken out."
REQUIRES="cmd:jq"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/flush.sh"
. "$BLKI_ROOT/tests/lib/load.sh"

fsync_fails() {
	! fsync "$1"
}

# The block layer answers a flush of a disk without a write cache by itself, also
# when the disk is gone.
without_cache() {
	local dev=$1 target=$2

	redirect_blocks "$dev" "$target"
	write_block "$dev" 0
	echo 0 >"$(null_blk_dir "$target")/power"
	expect_error "one without a cache was removed: fsync fails" \
		"Input/output error" fsync "$dev"
	must bioctl target del "$dev" redirect 0
	expect_within "that is told" 10 fsync_fails "$dev"
	expect_within "once, too" 10 fsync "$dev"
	must bioctl detach "$dev"
}

test_run() {
	local dev target clean

	dev=$(new_cached)
	target=$(new_cached)
	clean=$(new_cached)
	redirect_blocks "$dev" "$target" "$clean"
	write_block "$dev" 0
	echo 0 >"$(null_blk_dir "$clean")/power"
	ok "a clean target was removed: fsync succeeds" fsync "$dev"
	write_block "$dev" 0
	echo 0 >"$(null_blk_dir "$target")/power"
	expect_error "a dirty target was removed: fsync fails" \
		"Input/output error" fsync "$dev"
	expect_error "and again" "Input/output error" fsync "$dev"
	ok "the source takes writes" write_block "$dev" 5
	must bioctl target del "$dev" redirect 0 1
	expect_within "the failed last flush is told" 10 fsync_fails "$dev"
	expect_within "once" 10 fsync "$dev"
	ok "and all is well" fsync "$dev"
	must bioctl detach "$dev"
	without_cache "$dev" "$(new_null_blk)"
	expect_keys_off "in the end"
}
