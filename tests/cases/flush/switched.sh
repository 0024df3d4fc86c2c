# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="The write cache of source and target may be declared on or off while writes are redirected: FUA and flushes follow, and nothing that was written before is forgotten."
REQUIRES="cmd:fio cmd:jq"
TIMEOUT=120

. "$BLKI_ROOT/tests/lib/flush.sh"
. "$BLKI_ROOT/tests/lib/load.sh"
. "$BLKI_ROOT/tests/lib/rule.sh"

# cache DEVICE back|through
cache() {
	echo "write $2" >"/sys/block/${1##*/}/queue/write_cache"
}

# A write of which the program at the target is told FUA or not
FUA="op=write .*flags=0x[0-9a-f]*[4-7c-f][0-9a-f] "
PLAIN="op=write .*flags=0x([0-9a-f]*[0-389ab])?[0-9a-f] "

# expect_follows NAME FUA SOURCE TARGET: a plain write arrives with or without
# FUA; fsync then flushes so often.
expect_follows() {
	rule log there >/dev/null
	write_block "$SOURCE" 0
	expect_eq "$1: writes with FUA" "$(rule_count there "$FUA")" "$2"
	count_flushes "$SOURCE" "$TARGET"
	must fsync "$SOURCE"
	expect_flushed "$1" "$SOURCE=$3" "$TARGET=$4"
}

# In each state of both.
check_states() {
	expect_follows "both write back" 0 1 1
	cache "$SOURCE" through
	expect_follows "source write through" 1 0 1
	cache "$TARGET" through
	# submit_bio_noacct() would take it away there.
	expect_follows "both write through" 0 0 0
	cache "$SOURCE" back
	expect_follows "target write through" 0 1 0
	cache "$TARGET" back
	expect_follows "both write back again" 0 1 1
}

# What was written without FUA, because a flush would follow, gets its flush
# although the source has no cache any more.
check_before() {
	write_block "$SOURCE" 0
	cache "$SOURCE" through
	count_flushes "$SOURCE" "$TARGET"
	must fsync "$SOURCE"
	expect_flushed "written before the source changed" \
		"$SOURCE=0" "$TARGET=1"
	cache "$SOURCE" back
}

# A target is asked in the state it is in then.
check_target() {
	cache "$TARGET" through
	write_block "$SOURCE" 0
	cache "$TARGET" back
	count_flushes "$SOURCE" "$TARGET"
	must fsync "$SOURCE"
	expect_flushed "written before the target changed" \
		"$SOURCE=1" "$TARGET=1"
}

# saw COUNT REGEX: as many more bios were logged at the target.
saw() {
	rule log there >>"$TMP/log"
	[ "$(grep -cE -- "$2" "$TMP/log")" -ge "$1" ]
}

check_load() {
	local round

	: >"$TMP/log"
	rule log there >/dev/null
	start_load "$SOURCE" "$(scaled 60)" --rate_iops=400
	for round in 1 2 3; do
		expect_within "under load: writes without FUA" 20 \
			saw $((round * 20)) "$PLAIN"
		cache "$SOURCE" through
		expect_within "under load: writes with FUA" 20 \
			saw $((round * 20)) "$FUA"
		cache "$TARGET" through
		cache "$SOURCE" back
		cache "$TARGET" back
	done
	# Which fio calls a failure, but not an error of the job.
	kill -INT "$LOAD"
	end_load
	expect_eq "under load: fio verifies" "$(load_error)" 0
	expect_num "under load: it did something" "$(load_ios)" -gt 100
	expect_follows "after the load" 0 1 1
}

test_run() {
	SOURCE=$(new_cached)
	TARGET=$(new_cached)
	rule_attach there "$TARGET"
	redirect_blocks "$SOURCE" "$TARGET"
	check_states
	check_before
	check_target
	must bioctl detach "$SOURCE"
	must bioctl attach "$SOURCE" redirect --target "0=$TARGET" \
		--set ranges=0-131071:0:0
	check_load
	must bioctl detach "$SOURCE"
	rule_detach there
}
