# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="bpftool map creates device maps, fills them by device name, and dumps what is in them."
REQUIRES="cmd:jq"
TIMEOUT=120

. "$BLKI_ROOT/tests/lib/bpftool.sh"

MAP=/sys/fs/bpf/tools_map

update() {
	bpft map update pinned $MAP key "$1" 0 0 0 value "${@:2}"
}

entry() {
	bpft -j map dump pinned "${2:-$MAP}" |
		jq -r ".[] | select(.key[0] == \"0x0$1\") |
			[.devname, .read_only, .gone] | join(\" \")"
}

own_map() {
	local one=$1 two=$2

	at_exit rm -f $MAP
	ok "create" bpft map create $MAP type blkdev key 4 value 8 \
		entries 4 name tools_map
	expect_output "an empty map" '^Found 0 elements$' \
		bpft map dump pinned $MAP
	ok "update" update 0 dev "$one"
	ok "update, read-only and only if free" \
		update 1 dev "${two#/dev/}" read_only noexist
	expect_error "not if it is taken" "File exists" \
		update 1 dev "$one" noexist
	expect_eq "a device" "$(entry 0)" "${one#/dev/} false false"
	expect_eq "a read-only one" "$(entry 1)" "${two#/dev/} true false"
	expect_output "plain" "^key: 00 00 00 00  dev: ${one#/dev/}\([0-9:]+\)  $" \
		bpft map dump pinned $MAP
	expect_output "plain, read-only" \
		"^key: 01 00 00 00  dev: ${two#/dev/}\([0-9:]+\)  read_only" \
		bpft map dump pinned $MAP
	expect_output "only what is there" '^Found 2 elements$' \
		bpft map dump pinned $MAP
	expect_error "not a block device" "Block device required" \
		update 2 dev /dev/null
	expect_error "a number is no device" "expected 'dev DEVICE'" \
		update 2 1 2 3 4 5 6 7 8
	ok "delete" bpft map delete pinned $MAP key 1 0 0 0
	expect_eq "deleted" "$(entry 1)" ""
	ok "the other device goes away" undo_null_blk "$(null_blk_dir "$one")"
	expect_eq "gone" "$(entry 0)" "(gone) false true"
}

# libbpf made this one, with the types of the program.
map_of_program() {
	local one=$1 two=$2 dir=/sys/fs/bpf/tools_maps

	at_exit rm -rf $dir
	load_prog tools_redirect pinmaps $dir
	must bpft map update pinned $dir/tools_targets key 0 0 0 0 \
		value dev "$two"
	expect_eq "JSON" "$(entry 0 $dir/tools_targets)" "${two#/dev/} false false"
	expect_output "plain" "${two#/dev/}" \
		bpft map dump pinned $dir/tools_targets
	must bpft prog attach name tools_redirect blk_submit dev "$one"
	must dd if=/dev/urandom of="$two" bs=4k count=1 oflag=direct status=none
	ok "bios go to the device" cmp -n 4096 "$one" "$two"
	expect_num "and are counted" \
		"$(blk_json "$one" '.progs[0].verdicts.redirect.bios')" -gt 0
	must bpft prog detach name tools_redirect blk_submit dev "$one"
}

test_run() {
	local dev two

	dev=$(new_null_blk)
	two=$(new_null_blk)
	own_map "$dev" "$two"
	map_of_program "$(new_null_blk)" "$two"
}
