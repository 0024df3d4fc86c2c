# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="What the crypto fallback makes of a write, and the parts a driver divides that into, do not meet the program again."
FLAVOURS="debug"
REQUIRES="cmd:mkfs.ext4 config:FS_ENCRYPTION_INLINE_CRYPT config:BLK_INLINE_ENCRYPTION_FALLBACK config:CRYPTO_CTS config:CRYPTO_SHA512 config:CRYPTO_HMAC"
TIMEOUT=120

. "$BLKI_ROOT/tests/lib/rule.sh"

# BPF_BIO_F_CRYPT, whatever else is set
CRYPT="flags=0x[13][0-9a-f]{3} "

# io NAME OP COMMAND...: one bio of 64 KiB meets the program once.
io() {
	local name=$1 op=$2

	shift 2
	rule log crypt >/dev/null
	ok "$name" "$@"
	rule log crypt | grep "op=$op " >"$TMP/log"
	sed 's/^/# /' "$TMP/log"
	expect_eq "$name: asked once, about all of it" \
		"$(grep -cE "nr=128 $CRYPT" "$TMP/log")/$(wc -l <"$TMP/log")" \
		1/1
}

test_run() {
	local dev dir file before

	must dd if=/dev/urandom of="$TMP/data" bs=64k count=1 status=none
	# It takes 8 KiB at once, so what was encrypted is divided.
	dev=$(new_null_blk max_sectors=16)
	# The kernel would zero the inode tables while we look.
	must mkfs.ext4 -q -b 4096 -O encrypt -E lazy_itable_init=0 "$dev"
	dir=$(new_mount "$dev" -o inlinecrypt)
	must mkdir "$dir/secret"
	must "$TEST_BIN/path_fscrypt" policy "$dir/secret"
	file=$dir/secret/file
	must cp "$TMP/data" "$file"
	must sync -f "$dir"

	rule_attach crypt "$dev"
	before=$(block_stat "$dev" 5)
	io "write" write dd if="$TMP/data" of="$file" bs=64k count=1 \
		conv=notrunc oflag=direct status=none
	expect_num "write: the driver took it in parts" \
		$(($(block_stat "$dev" 5) - before)) -ge 8
	io "read" "read" dd if="$file" of="$TMP/read" bs=64k count=1 \
		iflag=direct status=none
	rule_detach crypt
	ok "what was written is read" cmp "$TMP/data" "$TMP/read"
	must umount "$dir"
}
