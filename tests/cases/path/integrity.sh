# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="On a disk that checks protection information bios can be moved: the tags are made behind the hook, for where they end up."
FLAVOURS="debug"
REQUIRES="config:BLK_DEV_INTEGRITY"
CMDLINE="scsi_debug.dif=1 scsi_debug.dix=1"
TIMEOUT=120

. "$BLKI_ROOT/tests/lib/rule.sh"

write_4k() {
	dd if="$TMP/data" of="$1" bs=4k seek="$2" count=1 oflag=direct \
		status=none
}

holds() {
	dd if="$1" bs=4k skip="$2" count=1 iflag=direct status=none |
		cmp - "$TMP/data"
}

# The reference tag of type 1 is the sector: one that was made for another
# fails the read.
test_run() {
	local dev target

	must dd if=/dev/urandom of="$TMP/data" bs=4k count=1 status=none
	dev=$(new_scsi_debug)
	target=$(new_scsi_debug)
	expect_match "the disk checks tags of type 1" \
		"$(cat "/sys/block/${dev##*/}/integrity/format")" \
		"^T10-DIF-TYPE1-"
	rule_attach tags "$dev" "target=0:$target" \
		"first=8,last=15,verdict=remap,offset=64" \
		"first=16,last=23,verdict=redirect,offset=64" \
		"first=24,last=31,verdict=pass,accept=1" \
		"first=32,last=39,verdict=done"
	ok "a write that passes" write_4k "$dev" 0
	ok "is read back" holds "$dev" 0
	ok "a write that is remapped" write_4k "$dev" 1
	ok "is read back" holds "$dev" 1
	ok "a write that is redirected" write_4k "$dev" 2
	ok "is read back" holds "$dev" 2
	ok "a write of single sectors" write_4k "$dev" 3
	ok "is read back" holds "$dev" 3
	ok "a write that is done" write_4k "$dev" 4
	ok "reads zeroes" cmp -n 4096 /dev/zero \
		<(dd if="$dev" bs=4k skip=4 count=1 iflag=direct status=none)
	expect_eq "none carries tags when it is asked about" \
		"$(rule_count tags "flags=0x[0-9a-f]*[2367abef][0-9a-f] ")" 0
	expect_eq "nothing was refused" \
		"$(rule stats tags | grep -c refused)" 0
	rule_detach tags
	ok "the disk reads it where it was moved to" holds "$dev" 9
	ok "so does the target" holds "$target" 10
	ok "and the single sectors in one" holds "$dev" 3
}
