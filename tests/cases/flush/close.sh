# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A dirty target is flushed before it is closed; if that fails the next fsync of the source fails, once."
REQUIRES="cmd:jq"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/flush.sh"
. "$BLKI_ROOT/tests/lib/load.sh"

good_close() {
	local dev=$1 base=$2 target=$3

	redirect_blocks "$dev" "$target"
	write_block "$dev" 0
	count_flushes "$base"
	must bioctl target del "$dev" redirect 0
	expect_within "deleted: closed" 10 dm_is_closed "$target"
	expect_flushed "deleted while dirty" "$base=1"
	ok "fsync" fsync "$dev"
	must bioctl detach "$dev"

	redirect_blocks "$dev" "$target"
	write_block "$dev" 0
	ok "fsync" fsync "$dev"
	count_flushes "$base"
	must bioctl target del "$dev" redirect 0
	expect_within "deleted: closed" 10 dm_is_closed "$target"
	expect_flushed "deleted while clean" "$base=0"
	must bioctl detach "$dev"

	redirect_blocks "$dev" "$target"
	write_block "$dev" 0
	count_flushes "$base"
	must bioctl detach "$dev"
	expect_within "detached: closed" 10 dm_is_closed "$target"
	expect_flushed "detached while dirty" "$base=1"
}

failing_close() {
	local dev=$1 base=$2 target=$3

	redirect_blocks "$dev" "$target"
	write_block "$dev" 0
	make_flakey flaky "$base" down
	must bioctl target del "$dev" redirect 0
	expect_within "it is closed nevertheless" 10 dm_is_closed "$target"
	expect_error "the next fsync says so" "Input/output error" fsync "$dev"
	ok "once" fsync "$dev"
	must bioctl detach "$dev"
	make_flakey flaky "$base" up

	redirect_blocks "$dev" "$target"
	write_block "$dev" 0
	make_flakey flaky "$base" down
	must bioctl detach "$dev"
	expect_within "detached: closed" 10 dm_is_closed "$target"
	expect_error "fsync fails, and no program is there" \
		"Input/output error" fsync "$dev"
	ok "once" fsync "$dev"
	make_flakey flaky "$base" up
}

# The error is kept for each disk that had used the target.
shared() {
	local dev=$1 other=$2 unused=$3 base=$4 target=$5

	redirect_blocks "$dev" "$target"
	redirect_blocks "$other" "$target"
	redirect_blocks "$unused" "$target"
	write_block "$dev" 0
	write_block "$other" 0
	make_flakey flaky "$base" down
	must bioctl detach "$dev"
	must bioctl detach "$unused"
	must bioctl detach "$other"
	expect_within "closed with the last of three" 10 dm_is_closed "$target"
	expect_fail "the first's fsync fails" fsync "$dev"
	expect_fail "the second's fsync fails" fsync "$other"
	ok "one that sent nothing there is not concerned" fsync "$unused"
	ok "the first's does not fail again" fsync "$dev"
	ok "nor the second's" fsync "$other"
	make_flakey flaky "$base" up
}

test_run() {
	local dev base target

	dev=$(new_cached)
	base=$(new_cached)
	target=$(new_flakey flaky "$base")
	good_close "$dev" "$base" "$target"
	failing_close "$dev" "$base" "$target"
	shared "$dev" "$(new_cached)" "$(new_cached)" "$base" "$target"
	expect_keys_off "in the end"
}
