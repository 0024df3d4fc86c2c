# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A filesystem lives on a disk of which parts are redirected, remapped and divided, and survives taking that away."
REQUIRES="cmd:mkfs.ext4 cmd:e2fsck"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/rule.sh"

copy() {
	dd if="$1" of="$2" bs=1M skip="$3" seek="$4" count="$5" iflag=direct \
		oflag=direct conv=notrunc status=none
}

# Sectors in MiB: 8 to 24 go to the target's start, 32 to 40 change places
# with 40 to 48; on the way all is divided into pieces of 24 KiB.
RULES=(
	"first=16384,last=49151,verdict=redirect,offset=-16384,accept=48"
	"first=65536,last=81919,verdict=remap,offset=16384,accept=48"
	"first=81920,last=98303,verdict=remap,offset=-16384,accept=48"
)

exchange() {
	must copy "$1" "$TMP/half" 32 0 8
	must copy "$1" "$1" 40 32 8
	must copy "$TMP/half" "$1" 0 40 8
}

# Copies of what is to move, so that the filesystem finds all as it was.
move_away() {
	must copy "$1" "$2" 8 0 16
	exchange "$1"
}

move_back() {
	must copy "$2" "$1" 0 8 16
	exchange "$1"
}

small_files() {
	must mkdir "$1"
	must split -b 20k "$TMP/small" "$1/part-"
}

still_there() {
	cat "$1"/part-* | cmp - "$TMP/small"
}

test_run() {
	local dev target dir

	must dd if=/dev/urandom of="$TMP/small" bs=1M count=2 status=none
	dev=$(disk 0)
	target=$(new_null_blk cache_size=8 discard=1)
	must mkfs.ext4 -q -b 4096 "$dev" 96M
	dir=$(new_mount "$dev")
	small_files "$dir/before"
	must umount "$dir"

	move_away "$dev" "$target"
	rule_attach fs "$dev" "target=0:$target" "${RULES[@]}"
	ok "it is mounted through the rules" mount "$dev" "$dir"
	ok "what was there is there" still_there "$dir/before"
	small_files "$dir/during"
	must dd if=/dev/urandom of="$TMP/large" bs=1M count=24 status=none
	must cp "$TMP/large" "$dir/large"
	ok "fsync" sync "$dir/large"
	must rm -r "$dir/before"
	ok "trim" fstrim "$dir"
	must umount "$dir"
	ok "e2fsck through the rules" e2fsck -fn "$dev"
	expect_num "writes were redirected" \
		"$(rule_count fs "op=write .*verdict=redirect")" -ge 1
	rule_detach fs
	expect_fail "and are not on the disk itself" \
		cmp -n 16777216 -i 8388608:0 "$dev" "$target"

	move_back "$dev" "$target"
	ok "e2fsck after moving everything back" e2fsck -fn "$dev"
	must mount "$dev" "$dir"
	ok "small files" still_there "$dir/during"
	ok "a large file" cmp "$TMP/large" "$dir/large"
	must umount "$dir"
}
