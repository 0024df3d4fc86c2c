# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A bio that comes with integrity data is passed, failed, divided or moved with it; it does not go where there is no room for it, and no read of it is done."
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
	local tags crypt other plain n

	must dd if=/dev/urandom of="$TMP/data" bs=4k count=1 status=none
	must dd if=/dev/urandom of="$TMP/other" bs=4k count=1 status=none
	plain=$(new_null_blk)
	# A null_blk is zeroed, which makes dm-integrity format it.
	tags=$(new_dm tags "0 32768 integrity $(new_null_blk) 0 16 D 0")
	other=$(new_dm other "0 32768 integrity $(new_null_blk) 0 16 D 0")
	crypt=$(new_dm crypt "0 32768 crypt aes-xts-random $(printf '%064d%064d' 1 2) 0 $tags 0 1 integrity:16:none")
	for n in 5 8; do
		must write_4k "$crypt" "$n"
	done
	rule_attach tags "$tags" "target=0:$other" "target=1:$plain" \
		"target=2:$(new_dm less "0 32768 integrity $(new_null_blk) 0 8 D 0")" \
		"first=8,last=15,verdict=pass" \
		"first=16,last=23,verdict=remap,offset=256" \
		"first=24,last=31,verdict=redirect" \
		"first=32,last=39,verdict=pass,accept=3" \
		"first=40,last=47,verdict=done" \
		"first=48,last=55,verdict=remap,offset=0" \
		"first=64,last=71,verdict=redirect,key=1" \
		"first=72,last=79,verdict=redirect,key=2"

	ok "a write passes" write_4k "$crypt" 1
	expect_eq "the program saw the flag" \
		"$(rule_count tags "op=write sector=8 nr=8 flags=0x[0-9a-f]*[2367abef][0-9a-f] ")" 1
	ok "a read passes" holds "$crypt" 1
	expect_eq "the program saw the flag there, too" \
		"$(rule_count tags "op=read sector=8 nr=8 flags=0x[0-9a-f]*[2367abef][0-9a-f] ")" 1
	ok "a write in three parts" write_4k "$crypt" 4
	expect_eq "of the length that was accepted" \
		"$(rule_count tags "op=write .*after=[32] ")" 3
	ok "and a read in three parts" holds "$crypt" 4
	ok "what is remapped to where it is stays there" write_4k "$crypt" 6
	ok "a write is remapped with it" write_4k "$crypt" 2
	ok "and read from there" holds "$crypt" 2
	ok "a write is redirected with it" write_4k "$crypt" 3
	ok "and read from there" holds "$crypt" 3
	expect_eq "none of it was refused" \
		"$(rule stats tags | grep -c refused)" 0

	expect_error "a write does not go to a disk without tags" \
		"Operation not supported" write_4k "$crypt" 8 "$TMP/other"
	expect_error "nor does a read" "Operation not supported" \
		read_4k "$crypt" 8
	expect_error "nor a write to one with shorter tags" \
		"Operation not supported" write_4k "$crypt" 9
	expect_eq "all are counted" "$(stat_of tags refused.op)" 3
	expect_error "a read is not done" "Operation not supported" \
		read_4k "$crypt" 5
	expect_eq "which is counted" "$(stat_of tags refused.op)" 4
	ok "a write is" write_4k "$crypt" 5 "$TMP/other"
	expect_eq "nothing else was refused" \
		"$(rule stats tags | grep -o "refused.*")" "refused.op=4 "
	rule_detach tags

	for n in 1 4 5 6 8; do
		ok "block $n is as it was written" holds "$crypt" "$n"
	done
	# The IV is random, so a block can be read wherever it lies.
	ok "what was remapped is where it went" holds "$crypt" 34
	must dmsetup suspend --noudevsync crypt
	echo "0 32768 crypt aes-xts-random $(printf '%064d%064d' 1 2) 0 $other 0 1 integrity:16:none" |
		must dmsetup load --noudevsync crypt
	must dmsetup resume --noudevsync crypt
	ok "what was redirected is on the other disk" holds "$crypt" 3
	ok "nothing is on the disk without tags" \
		cmp -n 65536 /dev/zero "$plain"
}
