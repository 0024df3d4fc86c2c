# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Partitions are rescanned, deleted and added while the disk redirects under load; programs of a partition go with it."
REQUIRES="cmd:fio cmd:jq cmd:partx"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/load.sh"
. "$BLKI_ROOT/tests/lib/bioctl.sh"

# The load is behind the partitions.
under_load() {
	local name=$1 disk=$2 target=$3 rounds=0

	must bioctl attach "$disk" redirect --target "0=$target" \
		--set ranges=65536-98303:0:0
	start_load "$disk" "$(scaled 5)" --offset=32M
	must wait_for 10 load_flows "$target"
	while load_runs; do
		must blockdev --rereadpt "$disk"
		must delpart "$disk" 1
		must addpart "$disk" 1 2048 2048
		rounds=$((rounds + 1))
	done
	expect_verified "$name: fio verifies"
	expect_num "$name: rescans" "$rounds" -ge 3
	expect_eq "$name: the program is still there" "$(names "$disk")" redirect
	must bioctl detach "$disk"
	must blockdev --rereadpt "$disk"
	must partitions_ready "$disk" 2
}

defunct() {
	query '[.defunct[].name] | sort | join(" ")' list
}

of_partitions() {
	local name=$1 disk=$2 target=$3 one=$4 two=$5

	must bioctl attach "$disk" count
	must bioctl attach "$one" redirect --target "0=$target" \
		--set ranges=0-2047:0:0
	must bioctl attach "$two" count --name two
	must dd if=/dev/zero of="$one" bs=64k count=4 oflag=direct status=none
	must delpart "$disk" 1
	expect_eq "$name: delete one: its link is defunct" "$(defunct)" redirect
	expect_eq "$name: the other's is not" "$(names "$two")" two
	expect_eq "$name: the disk's is not" "$(names "$disk")" count
	must addpart "$disk" 1 2048 2048
	expect_eq "$name: add it again: it has no programs" "$(names "$one")" ""
	must bioctl attach "$one" count --name new
	ok "$name: rescan" blockdev --rereadpt "$disk"
	expect_eq "$name: links of all partitions are defunct" "$(defunct)" \
		"new redirect two"
	expect_eq "$name: the disk's is not" "$(names "$disk")" count
	ok "$name: clean up" bioctl detach --defunct
	must bioctl detach "$disk"
}

check() {
	local name=$1 disk=$2 target=$3 parts

	parts=$(new_partitions "$disk" size=1MiB size=1MiB)
	under_load "$name" "$disk" "$target"
	of_partitions "$name" "$disk" "$target" "${parts%%$'\n'*}" \
		"${parts##*$'\n'}"
}

test_run() {
	local target

	target=$(new_null_blk irqmode=2 completion_nsec=20000000)
	check mq "$(new_null_blk)" "$target"
	check bio-based "$(new_md 0 "$(new_null_blk)" "$(new_null_blk)")" \
		"$target"
	expect_keys_off "in the end"
}
