# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="What is redirected to a disk with a coarser DMA alignment arrives there only if its pages are aligned so."
REQUIRES="cmd:dmsetup config:DM_CRYPT config:CRYPTO_XTS config:SCSI_DEBUG"
TIMEOUT=120

. "$BLKI_ROOT/tests/lib/load.sh"
. "$BLKI_ROOT/tests/lib/rule.sh"

dma_alignment() {
	cat "$(sys_dir "$1")/queue/dma_alignment"
}

io() {
	"$TEST_BIN/path_io" "$@"
}

# holds DEVICE SECTOR BYTE: 4 KiB of it
holds() {
	cmp <(dd if="$1" bs=4k iflag=direct,skip_bytes skip=$(($2 * 512)) \
		count=1 status=none) \
		<(head -c 4096 /dev/zero | tr '\0' "$3")
}

# refused_align N: so many, and nothing for any other reason.
refused_align() {
	expect_match "counted for its alignment" "$(rule stats align)" \
		"^redirect=[0-9]+/[0-9]+ refused.align=$1 \$"
}

# Blocks are the same: that is not what it is refused for.
check_scsi() {
	local dev=$1 scsi

	scsi=$(new_scsi_debug)
	expect_eq "alignment of a SCSI disk" "$(dma_alignment "$scsi")" 3
	ok "it takes a buffer aligned to 4" io -o 4 write "$scsi" 8 4096
	rule_attach align "$scsi" "target=0:$dev" \
		"first=0,last=63,verdict=redirect"
	ok "a buffer that is aligned" io write "$scsi" 16 4096
	expect_error "one that is not" "Invalid argument" \
		io -o 4 write "$scsi" 8 4096
	refused_align 1
	rule_detach align
}

test_run() {
	local dev base crypt key

	dev=$(new_null_blk discard=1)
	base=$(new_null_blk discard=1)
	key=$(printf '%064d%064d' 1 2)
	crypt=$(new_dm coarse "0 65536 crypt aes-xts-plain64 $key 0 $base 0 2 sector_size:4096 allow_discards")
	must blkdiscard -f -z -l 64k "$crypt"
	expect_eq "alignment of the source" "$(dma_alignment "$dev")" 511
	expect_eq "alignment of the target" "$(dma_alignment "$crypt")" 4095

	ok "the source takes a buffer aligned to 512" \
		io -o 512 write "$dev" 8 4096
	ok "and one of two halves of a page" io -h write "$dev" 8 4096
	rule_attach align "$dev" "target=0:$crypt" \
		"first=0,last=63,verdict=redirect"
	expect_error "the target does not take the first" "Invalid argument" \
		io -o 512 write "$dev" 8 4096
	refused_align 1
	expect_error "nor into such a buffer" "Invalid argument" \
		io -o 512 read "$dev" 8 4096
	refused_align 2
	expect_error "nor halves, though each begins a page" \
		"Invalid argument" io -h write "$dev" 8 4096
	refused_align 3
	ok "none was written" holds "$crypt" 8 '\0'
	ok "a write of whole pages arrives" io write "$dev" 16 4096
	ok "of several, too" io write "$dev" 32 16384
	ok "a discard has no pages" blkdiscard -f -l 4096 -o 24576 "$dev"
	refused_align 3
	rule_detach align
	check_scsi "$dev"
	ok "one page is there" holds "$crypt" 16 '\245'
	ok "the first of several" holds "$crypt" 32 '\245'
	ok "the last of them" holds "$crypt" 56 '\245'
	expect_fail "what was discarded is not" holds "$crypt" 48 '\245'
}
