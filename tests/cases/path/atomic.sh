# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="An atomic write is passed, failed, done or moved whole, if the new place can do it; it is never divided."
CMDLINE="scsi_debug.atomic_wr=1"
TIMEOUT=120

. "$BLKI_ROOT/tests/lib/rule.sh"

# write_atomic DEVICE SECTOR: 4 KiB of 0xa5
write_atomic() {
	"$TEST_BIN/path_io" -a write "$1" "$2" 4096
}

# holds DEVICE SECTOR BYTE: 4 KiB of it
holds() {
	cmp <(dd if="$1" bs=4k iflag=direct,skip_bytes skip=$(($2 * 512)) \
		count=1 status=none) \
		<(head -c 4096 /dev/zero | tr '\0' "$3")
}

test_run() {
	local dev target

	dev=$(new_scsi_debug)
	target=$(new_scsi_debug)
	ok "the disk can do it" write_atomic "$dev" 0
	ok "the target, too" write_atomic "$target" 0
	rule_attach atomic "$dev" "target=0:$target" \
		"target=1:$(new_null_blk)" \
		"first=8,last=15,verdict=pass" \
		"first=16,last=23,verdict=remap,offset=64,op=write" \
		"first=24,last=31,verdict=redirect,op=write" \
		"first=32,last=39,verdict=pass,accept=4,exact=1" \
		"first=40,last=47,verdict=done" \
		"first=48,last=55,verdict=fail,error=-28" \
		"first=56,last=63,verdict=remap,offset=0" \
		"first=64,last=71,verdict=remap,offset=68,op=write" \
		"first=72,last=79,verdict=redirect,offset=4,op=write" \
		"first=80,last=87,verdict=redirect,key=1,op=write"

	ok "it passes" write_atomic "$dev" 8
	expect_eq "the program saw the flag" \
		"$(rule_count atomic "op=write sector=8 nr=8 flags=0x9 ")" 1
	ok "it was written" holds "$dev" 8 '\245'

	ok "it is remapped" write_atomic "$dev" 16
	ok "and written where it was to go" holds "$dev" 80 '\245'
	ok "not where it was" holds "$dev" 16 '\0'
	ok "remapped to where it is it stays" write_atomic "$dev" 56
	ok "and is written" holds "$dev" 56 '\245'

	ok "it is redirected" write_atomic "$dev" 24
	ok "to the target" holds "$target" 24 '\245'
	ok "and not written to the source" holds "$dev" 24 '\0'
	expect_eq "nothing was refused" "$(stat_of atomic refused.op)" ""

	expect_error "it is not remapped to where it could be torn" \
		"Invalid argument" write_atomic "$dev" 64
	expect_eq "which is counted" "$(stat_of atomic refused.align)" 1
	ok "not written there" holds "$dev" 132 '\0'
	ok "nor where it was" holds "$dev" 64 '\0'
	expect_error "nor redirected there" "Invalid argument" \
		write_atomic "$dev" 72
	expect_eq "which is counted, too" "$(stat_of atomic refused.align)" 2
	ok "not written to the target" holds "$target" 76 '\0'
	expect_error "nor to a disk that knows no atomic writes" \
		"Operation not supported" write_atomic "$dev" 80
	expect_eq "that is counted" "$(stat_of atomic refused.op)" 1

	rule log atomic >/dev/null
	ok "it is not divided" write_atomic "$dev" 32
	expect_eq "as the program was told: -EINVAL" \
		"$(rule_count atomic "op=write sector=32 nr=8 .*accepted=-22 after=8 ")" 1
	ok "all of it was written" holds "$dev" 32 '\245'

	ok "it can be done" write_atomic "$dev" 40
	ok "without being written" holds "$dev" 40 '\0'
	expect_error "it can fail" "No space" write_atomic "$dev" 48
	expect_eq "nothing else was refused" \
		"$(rule stats atomic | grep -o "refused.*")" \
		"refused.align=2 refused.op=1 "
	rule_detach atomic
}
