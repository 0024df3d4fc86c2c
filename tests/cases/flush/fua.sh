# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Writes from a source without a write cache reach a target with one as FUA, because nobody will flush it."
REQUIRES="cmd:jq"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/flush.sh"

# seen DEVICE MAP KEY: bios that the count policy counted there
seen() {
	"$BPFTOOL" -j map dump pinned \
		"/sys/fs/bpf/bioctl/${1##*/}/count/maps/$2" |
		jq --argjson key "$3" '[.[].formatted | select(.key == $key) |
			.values[].value.bios] | add'
}

# expect_writes NAME SOURCE TARGET FUA-OF-4: four writes of four ways
expect_writes() {
	local name=$1 source=$2 target=$3 fua=$4 writes before

	writes=$(seen "$target" ops 2)
	before=$(seen "$target" flags 6)
	write_block "$source" 0
	write_block "$source" 0 dsync
	dd if=/dev/zero of="$source" bs=4k count=1 conv=notrunc,fsync \
		status=none
	dd if=/dev/zero of="$source" bs=4k count=1 oflag=sync conv=notrunc \
		status=none
	expect_eq "$name: writes that arrived" \
		$(($(seen "$target" ops 2) - writes)) 4
	expect_eq "$name: with FUA" \
		$(($(seen "$target" flags 6) - before)) "$fua"
}

check() {
	local source=$1 target=$2

	note "source $source, target $target"
	must bioctl attach "$target" count
	redirect_blocks "$source" "$target"
	expect_writes "no write cache" "$source" "$target" 4
	dd if="$source" of=/dev/null bs=4k count=1 iflag=direct status=none
	expect_eq "reads have none" "$(seen "$target" flags 6)" 4
	must bioctl detach "$source"
	must bioctl detach "$target"
}

# A null_blk with a cache, which can be declared to be none and back.
changing() {
	local source=$1 target=$2 mode=/sys/block/${1##*/}/queue/write_cache

	must bioctl attach "$target" count
	redirect_blocks "$source" "$target"
	# The one with O_DSYNC, to a device that can do FUA.
	expect_writes "write back" "$source" "$target" 1
	echo "write through" >"$mode"
	expect_writes "write through" "$source" "$target" 4
	echo "write back" >"$mode"
	expect_writes "write back again" "$source" "$target" 1
	must bioctl detach "$source"
	must bioctl detach "$target"
}

test_run() {
	local plain cached

	plain=$(new_null_blk)
	cached=$(new_cached)
	check "$plain" "$cached"
	check "$(new_brd)" "$(disk 0)"
	changing "$(new_cached)" "$cached"
}
