# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Programs are attached while the disk is removed and added, and links updated while their partition is deleted: they go in, or find it gone."
REQUIRES="cmd:jq cmd:partx"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/load.sh"

power() {
	echo "$2" >"$(null_blk_dir "$1")/power"
}

# What was written to a null_blk, as the partition table, outlives this.
disk_again() {
	must power "$1" 0
	sleep "0.0$((RANDOM % 10))"
	must power "$1" 1
}

# Refused while somebody has it open.
partition_again() {
	if delpart "$1" 1 2>/dev/null; then
		must addpart "$1" 1 2048 2048
	fi
	sleep "0.0$((RANDOM % 10))"
}

# race NAME OPTIONS DEVICE TARGET COMMAND...: see tests/progs/life_race.c.
race() {
	local name=$1 options=$2 dev=$3 target=$4 race rc=0
	local end=$((SECONDS + $(scaled 30)))

	shift 4
	# shellcheck disable=SC2086
	"$TEST_BIN/life_race" $options "$TEST_BPF/life_redirect.bpf.o" "$dev" \
		"$target" 1 >"$TMP/race.out" 2>"$TMP/race.err" &
	race=$!
	while kill -0 "$race" 2>/dev/null && [ "$SECONDS" -lt "$end" ]; do
		"$@"
	done
	kill -TERM "$race" 2>/dev/null || true
	wait "$race" || rc=$?
	sed 's/^/# race: /' "$TMP/race.out" "$TMP/race.err"
	expect_eq "$name: all that may happen has, and nothing else" "$rc" 0
	must wait_device "$dev"
}

test_run() {
	local disk target part

	disk=$(new_null_blk)
	target=$(new_null_blk irqmode=2 completion_nsec=2000000)
	part=$(new_partitions "$disk" size=1MiB)
	race "disk" -k "$disk" "$target" disk_again "$disk"
	race "disk, with barrier" "-k -b" "$disk" "$target" disk_again "$disk"
	race "partition of a disk" -k "$part" "$target" disk_again "$disk"
	race "partition" "" "$part" "$target" partition_again "$disk"
	race "partition, with barrier" -b "$part" "$target" \
		partition_again "$disk"
	expect_keys_off "in the end"
}
