# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A bio with an inline encryption context is passed, remapped, or divided between its data units; it does not go to a disk that cannot encrypt."
FLAVOURS="debug"
REQUIRES="cmd:mkfs.ext4 config:FS_ENCRYPTION_INLINE_CRYPT config:BLK_INLINE_ENCRYPTION_FALLBACK config:CRYPTO_CTS config:CRYPTO_SHA512 config:CRYPTO_HMAC"
TIMEOUT=120

. "$BLKI_ROOT/tests/lib/rule.sh"

# BPF_BIO_F_CRYPT, whatever else is set
CRYPT="flags=0x[13][0-9a-f]{3} "

# write_blocks FILE BLOCK COUNT: that much of the data, in one write
write_blocks() {
	dd if="$TMP/data" of="$1" bs=$(($3 * 4096)) count=1 conv=notrunc \
		iflag=skip_bytes oflag=direct,seek_bytes \
		skip=$(($2 * 4096)) seek=$(($2 * 4096)) status=none
}

# cp_blocks DEVICE FROM TO: a block from sector to sector, below the file system
cp_blocks() {
	dd if="$1" of="$1" bs=512 count=8 skip="$2" seek="$3" conv=notrunc \
		iflag=direct oflag=direct status=none
}

read_block() {
	dd if="$1" of=/dev/null bs=4k skip="$2" count=1 iflag=direct \
		status=none
}

# The key goes with the mount.
mount_again() {
	must umount "$2"
	must mount -o inlinecrypt "$1" "$2"
	must "$TEST_BIN/path_fscrypt" key "$2"
}

# Direct I/O, so that it is the bio's own error that is seen. What is remapped
# is encrypted for its place in the file, wherever it lies.
check_moves() {
	local file=$1

	rule log crypt >/dev/null
	ok "a write is remapped" write_blocks "$file" 0 1
	ok "and read from there" cmp <(dd if="$file" bs=4k count=1 \
		iflag=direct status=none) <(head -c 4096 "$TMP/data")
	expect_eq "each met the program once" "$(stat_of crypt remap)" 2/16
	expect_error "a write is not redirected" "Operation not supported" \
		write_blocks "$file" 1 1
	expect_error "nor a read" "Operation not supported" \
		read_block "$file" 1
	expect_eq "both are counted" "$(stat_of crypt refused.op)" 2
}

# A data unit of 4 KiB is encrypted as one, though blocks of the disk are of
# 512 bytes.
check_parts() {
	local file=$1 sector=$2

	rule log crypt >/dev/null
	ok "no part of a data unit is accepted" write_blocks "$file" 2 1
	expect_eq "as the program was told: -EINVAL" \
		"$(rule_count crypt "op=write sector=$((sector + 16)) nr=8 $CRYPT.*accepted=-22 after=8 ")" 1
	ok "a write of four data units" write_blocks "$file" 4 4
	expect_eq "is divided into them" \
		"$(rule_count crypt "op=write .*$CRYPT.*after=8 ")" 4
	expect_eq "nothing else was refused" \
		"$(rule stats crypt | grep -o "refused.*")" "refused.op=2 "
}

test_run() {
	local dev target dir file sector

	must dd if=/dev/urandom of="$TMP/data" bs=4k count=16 status=none
	dev=$(disk 0)
	target=$(disk 1)
	must mkfs.ext4 -q -b 4096 -O encrypt "$dev" 64M
	dir=$(new_mount "$dev" -o inlinecrypt)
	must mkdir "$dir/secret"
	must "$TEST_BIN/path_fscrypt" policy "$dir/secret"
	file=$dir/secret/file

	rule_attach crypt "$dev"
	must cp "$TMP/data" "$file"
	must sync "$file"
	expect_num "a file is written with an encryption context" \
		"$(rule_count crypt "op=write .*$CRYPT")" -ge 1
	mount_again "$dev" "$dir"
	rule log crypt >/dev/null
	ok "what was written is read" cmp "$file" "$TMP/data"
	expect_num "with a context as well" \
		"$(rule_count crypt "op=read .*$CRYPT")" -ge 1
	ok "a direct write passes" write_blocks "$file" 0 16
	rule log crypt >"$TMP/log"
	sector=$(sed -nE "s/^op=write sector=([0-9]+) nr=128 $CRYPT.*/\1/p" \
		"$TMP/log")
	rule_detach crypt
	# The file lies in one piece, which tells where its blocks are.
	expect_match "it is one bio" "$sector" "^[0-9]+\$"

	rule_attach crypt "$dev" "target=0:$target" \
		"first=$sector,last=$((sector + 7)),verdict=remap,offset=$((100000 - sector))" \
		"first=$((sector + 8)),last=$((sector + 15)),verdict=redirect" \
		"first=$((sector + 16)),last=$((sector + 23)),verdict=pass,accept=4,exact=1" \
		"first=$((sector + 32)),last=$((sector + 63)),verdict=pass,accept=8"
	check_moves "$file"
	check_parts "$file" "$sector"
	rule_detach crypt
	expect_fail "what was remapped is not encrypted by its sector" \
		cmp -s -n 4096 -i $((100000 * 512)):0 "$dev" "$TMP/data"
	must cp_blocks "$dev" 100000 "$sector"
	mount_again "$dev" "$dir"
	ok "the file is as it was written" cmp "$file" "$TMP/data"
	ok "nothing is on the target" cmp -n 65536 -i $((sector * 512)):0 \
		"$target" /dev/zero
	must umount "$dir"
	expect_fail "and the disk holds no plain text" \
		cmp -s -n 65536 -i $((sector * 512)):0 "$dev" "$TMP/data"
}
