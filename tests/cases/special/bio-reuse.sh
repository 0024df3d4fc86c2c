# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A bio that its owner submits again when it has ended, without a reset, meets the program again."
FLAVOURS="debug"
REQUIRES="cmd:dmsetup config:DM_INTEGRITY"
TIMEOUT=60

. "$BLKI_ROOT/tests/lib/rule.sh"

# dm-integrity reads up to what is still in its journal, takes that from there,
# then submits the rest with the same bio. Were the rest not moved, it would read
# zeroes, whose checksum is wrong.
reuse_on() {
	local kind=$1 disk=$2 name=reuse-$1 dm

	rule_attach "$name" "$disk" \
		"first=0,last=65535,op=read+write,verdict=remap,offset=65536"
	dm=$(new_dm "$name" \
		"0 32768 integrity $disk 0 - J 1 internal_hash:crc32c")
	must dd if="$TMP/data" of="$dm" bs=64k oflag=direct status=none
	# Which empties the journal.
	must dmsetup suspend --noudevsync --nolockfs "$name"
	must dmsetup resume --noudevsync "$name"
	must dd if="$TMP/data" of="$dm" bs=4k seek=1 skip=1 count=1 \
		oflag=direct status=none
	rule log "$name" >/dev/null
	ok "$kind: read through what is in the journal" cmp "$TMP/data" \
		<(dd if="$dm" bs=64k count=1 iflag=direct status=none)
	rule log "$name" >"$TMP/log"
	sed 's/^/# /' "$TMP/log"
	expect_eq "$kind: the first submission met the program" \
		"$(grep -c "op=read .* nr=8 .*verdict=remap" "$TMP/log")" 1
	expect_eq "$kind: so did the second" \
		"$(grep -c "op=read .* nr=112 .*verdict=remap" "$TMP/log")" 1
	must dmsetup remove --noudevsync --verifyudev "$name"
	expect_eq "$kind: nothing was refused" \
		"$(rule stats "$name" | grep -o refused || true)" ""
	rule_detach "$name"
	ok "$kind: all of it was moved" cmp -n $((32 << 20)) "$disk" /dev/zero
}

test_run() {
	must dd if=/dev/urandom of="$TMP/data" bs=64k count=1 status=none
	reuse_on mq "$(new_null_blk)"
	reuse_on bio-based "$(new_brd)"
}
