# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A lower device has the alignment, the atomic writes and the protection information of its disk or partition, and so has a stack on it."
CMDLINE="scsi_debug.dif=1 scsi_debug.dix=1 scsi_debug.atomic_wr=1 scsi_debug.physblk_exp=3 scsi_debug.lowest_aligned=7"
REQUIRES="cmd:dmsetup cmd:sfdisk"
TIMEOUT=120

. "$BLKI_ROOT/tests/lib/lower.sh"

# atomic DEVICE: 4 KiB that are written whole
atomic() {
	"$TEST_BIN/path_io" -a write "$1" 8 4096
}

moves() {
	must dd if=/dev/urandom of="$TMP/data" bs=4k count=1 status=none
	ok "$1: write" dd if="$TMP/data" of="$2" bs=4k seek=3 oflag=direct \
		status=none
	ok "$1: it is there" cmp -n 4096 "$TMP/data" \
		<(dd if="$3" bs=4k skip=3 count=1 iflag=direct status=none)
}

# On one that checks tags, for each sector's place on the disk
integrity() {
	local files=(integrity/{format,tag_size,protection_interval_bytes})

	if ! have_config BLK_DEV_INTEGRITY; then
		note "$1: no protection information in this kernel"
		return 0
	fi
	expect_match "$1: type 1" "$(of "$LOWER" integrity/format)" \
		"^T10-DIF-TYPE1-"
	ok "$1: protection information" same "$1" "${files[@]}"
}

# check NAME DEVICE ATOMIC: 0 or 1, can it write 4 KiB at sector 8 whole?
check() {
	local name=$1 can=$3 top what

	DEV=$2
	LOWER=$(new_lower "$DEV")
	top=$(new_dm "on-$name" "0 $(blockdev --getsz "$DEV") linear $LOWER 0")
	for what in "$LOWER" "$top"; do
		moves "$name, by $what" "$what" "$DEV"
		moves "$name, to $what" "$DEV" "$what"
	done
	# Not that of discards: disk_discard_alignment_show() shows this one, too.
	ok "$name: alignment" same "$name" alignment_offset
	note "$name: aligned by $(of "$LOWER" alignment_offset)"
	integrity "$name"
	if [ "$can" = 1 ]; then
		ok "$name: it can write atomically" atomic "$DEV"
		ok "$name: so can the lower device" atomic "$LOWER"
	else
		expect_error "$name: it cannot write atomically" \
			"Operation not supported" atomic "$DEV"
		expect_error "$name: nor can the lower device" \
			"Operation not supported" atomic "$LOWER"
	fi
	LOWER=$top
	integrity "$name, dm"
	must remove_dm "on-$name"
	must bioctl detach "$DEV" stack
}

test_run() {
	local disk parts

	hold_gate
	disk=$(new_scsi_debug)
	expect_ne "the disk is not aligned" "$(of "$disk" alignment_offset)" 0
	check disk "$disk" 1
	mapfile -t parts < <(new_partitions "$disk" "start=2048, size=8192" \
		"start=16391, size=8192")
	check even "${parts[0]}" 1
	check odd "${parts[1]}" 0
}
