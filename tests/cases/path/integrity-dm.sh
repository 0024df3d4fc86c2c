# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A bio that comes with integrity data is passed, failed or divided with it; it is not moved, and no read of it is done."
FLAVOURS="debug"
REQUIRES="cmd:dmsetup config:BLK_DEV_INTEGRITY config:DM_INTEGRITY config:CRYPTO_XTS"
TIMEOUT=120

. "$BLKI_ROOT/tests/lib/rule.sh"

# write_4k DEVICE BLOCK [FILE]
write_4k() {
	dd if="${3:-$TMP/data}" of="$1" bs=4k seek="$2" count=1 oflag=direct \
		status=none
}

read_4k() {
	dd if="$1" bs=4k skip="$2" count=1 iflag=direct status=none
}

holds() {
	read_4k "$1" "$2" | cmp - "$TMP/data"
}

# dm-crypt submits bios with integrity data: it keeps the random IV of each
# sector there. What is read is right only if the IV went along with the data.
test_run() {
	local below tags crypt target n

	must dd if=/dev/urandom of="$TMP/data" bs=4k count=1 status=none
	must dd if=/dev/urandom of="$TMP/other" bs=4k count=1 status=none
	below=$(new_null_blk)
	target=$(new_null_blk)
	# The null_blk is zeroed, which makes dm-integrity format it.
	tags=$(new_dm tags "0 32768 integrity $below 0 16 D 0")
	crypt=$(new_dm crypt "0 32768 crypt aes-xts-random $(printf '%064d%064d' 1 2) 0 $tags 0 1 integrity:16:none")
	for n in 2 3 5; do
		must write_4k "$crypt" "$n"
	done
	rule_attach tags "$tags" "target=0:$target" \
		"first=8,last=15,verdict=pass" \
		"first=16,last=23,verdict=remap,offset=256" \
		"first=24,last=31,verdict=redirect" \
		"first=32,last=39,verdict=pass,accept=3" \
		"first=40,last=47,verdict=done" \
		"first=48,last=55,verdict=remap,offset=0"

	ok "a write passes" write_4k "$crypt" 1
	expect_eq "the program saw the flag" \
		"$(rule_count tags "op=write sector=8 nr=8 flags=0x[13][0-9a-f]{3} ")" 1
	ok "a read passes" holds "$crypt" 1
	expect_eq "the program saw the flag there, too" \
		"$(rule_count tags "op=read sector=8 nr=8 flags=0x[13][0-9a-f]{3} ")" 1
	ok "a write in three parts" write_4k "$crypt" 4
	expect_eq "of the length that was accepted" \
		"$(rule_count tags "op=write .*after=[32] ")" 3
	ok "and a read in three parts" holds "$crypt" 4
	ok "what is remapped to where it is stays there" write_4k "$crypt" 6
	expect_eq "none of it was refused" \
		"$(rule stats tags | grep -c refused)" 0

	expect_error "a write is not remapped" "Operation not supported" \
		write_4k "$crypt" 2 "$TMP/other"
	expect_error "nor is a read" "Operation not supported" \
		read_4k "$crypt" 2
	expect_eq "both are counted" "$(stat_of tags refused.op)" 2
	expect_error "a write is not redirected" "Operation not supported" \
		write_4k "$crypt" 3 "$TMP/other"
	expect_error "nor a read" "Operation not supported" read_4k "$crypt" 3
	expect_eq "both are counted" "$(stat_of tags refused.op)" 4
	expect_error "a read is not done" "Operation not supported" \
		read_4k "$crypt" 5
	expect_eq "which is counted" "$(stat_of tags refused.op)" 5
	ok "a write is" write_4k "$crypt" 5 "$TMP/other"
	expect_eq "nothing else was refused" \
		"$(rule stats tags | grep -o "refused.*")" "refused.op=5 "
	rule_detach tags

	for n in 1 2 3 4 5 6; do
		ok "block $n is as it was written" holds "$crypt" "$n"
	done
	ok "nothing is on the target" cmp -n 65536 /dev/zero "$target"
}
