# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Source and target may shrink and grow while bios are moved: what lies beyond the end is refused and counted, and never written."
REQUIRES="cmd:fio cmd:dmsetup cmd:jq cmd:losetup cmd:resizepart"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/load.sh"
. "$BLKI_ROOT/tests/lib/rule.sh"

# In blocks of 4 KiB: 32 MiB and 16 MiB
FULL=8192
HALF=4096

# The ways to resize: HOW DEVICE BLOCKS
by_dm() {
	echo "0 $(($2 * 8)) linear $BASE 0" |
		must dmsetup load --noudevsync "${1##*/}"
	must dmsetup suspend --noudevsync --noflush --nolockfs "${1##*/}"
	must dmsetup resume --noudevsync "${1##*/}"
}

by_loop() {
	truncate -s $(($2 * 4))K "$TMP/image"
	must losetup -c "$1"
}

by_partition() {
	must resizepart "${1%?}" 1 $(($2 * 8))
}

# resize HOW DEVICE BLOCKS
resize() {
	"by_$1" "$2" "$3"
	expect_eq "$1: the size of ${2##*/}" \
		"$(blockdev --getsize64 "$2")" $(($3 * 4096))
}

# write_at DEVICE BLOCK [COUNT]
write_at() {
	dd if="$TMP/data" of="$1" bs=$((4096 * ${3-1})) count=1 seek="$2" \
		oflag=direct,seek_bytes conv=notrunc status=none
}

read_at() {
	dd if="$1" of=/dev/null bs=4k count=1 skip="$2" iflag=direct status=none
}

refused() {
	stat_of resize refused.sector
}

# check_target HOW SOURCE TARGET: the target shrinks below what is redirected.
check_target() {
	local how=$1 source=$2 target=$3 end=$((HALF * 4096))
	local last=$((end - 4096))

	rule_attach resize "$source" "target=0:$target" \
		"first=0,last=$((FULL * 8 - 1)),verdict=redirect"
	ok "$how: a write to the second half" write_at "$source" $end
	resize "$how" "$target" $HALF
	dmesg -C
	ok "$how: the last block" write_at "$source" $last
	expect_error "$how: the block behind the end" "Input/output error" \
		write_at "$source" $end
	expect_error "$how: one that ends there" "Input/output error" \
		write_at "$source" $last 2
	expect_error "$how: a read" "Input/output error" \
		read_at "$source" $HALF
	expect_eq "$how: each is counted" "$(refused)" 3
	expect_match "$how: and told" "$(dmesg)" \
		"${source##*/}: blk_interposer: .*beyond the end of the device"
	if [ "$how" = loop ]; then
		expect_eq "$how: nothing was written behind the end" \
			"$(stat -c %s "$TMP/image")" $end
	fi
	resize "$how" "$target" $FULL
	ok "$how: larger again, the block is written" write_at "$source" $end
	ok "$how: and read" read_at "$source" $HALF
	expect_eq "$how: nothing more is refused" "$(refused)" 3
	expect_eq "$how: nor was anything else" \
		"$(rule stats resize | grep -o "refused[^=]*" | sort -u)" \
		refused.sector
	rule_detach resize
	ok "$how: it is on the target" cmp -n 4096 -i $end:0 "$target" "$TMP/data"
}

# check_source HOW SOURCE: it shrinks below the place where a remap leads, its tail.
check_source() {
	local how=$1 source=$2 tail=$((FULL * 8 - 64))

	must dd if=/dev/zero of="$source" bs=4k count=8 seek=$((FULL - 8)) \
		oflag=direct status=none
	rule_attach resize "$source" \
		"first=0,last=63,verdict=remap,offset=$tail"
	resize "$how" "$source" $HALF
	expect_error "$how source: the tail is gone" "Input/output error" \
		write_at "$source" 0
	expect_error "$how source: also to read" "Input/output error" \
		read_at "$source" 0
	expect_eq "$how source: each is counted" "$(refused)" 2
	ok "$how source: elsewhere" write_at "$source" 65536
	resize "$how" "$source" $FULL
	ok "$how source: the tail is as it was" cmp -n 32768 \
		-i $((tail * 512)):0 "$source" /dev/zero
	ok "$how source: now it can be written" write_at "$source" 0
	expect_eq "$how source: nothing more is refused" "$(refused)" 2
	rule_detach resize
	ok "$how source: there it is" cmp -n 4096 -i $((tail * 512)):0 \
		"$source" "$TMP/data"
}

some_refused() {
	[ "$(refused || echo 0)" -gt "$1" ]
}

# fio writes all over the target while it shrinks and grows.
check_load() {
	local source=$1 target=$2 rc=0 errors seen=0 rounds=3 i

	rule_attach resize "$source" "target=0:$target" \
		"first=0,last=$((FULL * 8 - 1)),verdict=redirect"
	fio --name=load --filename="$source" --size=$((FULL * 4))K --direct=1 \
		--rw=randwrite --bs=4k --ioengine=libaio --iodepth=16 \
		--continue_on_error=io --time_based --runtime=600 \
		--output-format=json --output="$TMP/load.json" \
		>"$TMP/load.err" 2>&1 &
	LOAD=$!
	for ((i = 0; i < rounds; i++)); do
		must wait_for 20 load_flows "$target"
		by_dm "$target" $HALF
		expect_within "load: something is refused" 20 \
			some_refused "$seen"
		by_dm "$target" $FULL
		seen=$(refused)
	done
	kill -INT "$LOAD"
	wait "$LOAD" || rc=$?
	note "fio ended with $rc"
	errors=$(sed -n '/^{/,$p' "$TMP/load.json" | jq '.jobs[0].total_err')
	note "errors $errors, refused $(refused)"
	expect_num "load: each refusal is an error" "$errors" -ge "$(refused)"
	expect_eq "load: nothing is refused for another reason" \
		"$(rule stats resize | grep -o "refused[^=]*" | sort -u)" \
		refused.sector
	seen=$(refused)
	ok "load: at full size a write behind the middle" \
		write_at "$source" $((HALF * 4096))
	expect_eq "load: is not refused" "$(refused)" "$seen"
	rule_detach resize
}

test_run() {
	local null loop part

	must dd if=/dev/urandom of="$TMP/data" bs=8k count=1 status=none
	null=$(new_null_blk)
	truncate -s 32M "$TMP/image"
	loop=$(new_loop "$TMP/image")
	check_target loop "$null" "$loop"
	BASE=$(new_null_blk)
	new_dm resized "0 $((FULL * 8)) linear $BASE 0" >/dev/null
	check_target dm "$null" /dev/mapper/resized
	part=$(new_partitions "$(disk 0)" start=2048,size=32MiB)
	check_target partition "$null" "$part"
	check_source dm /dev/mapper/resized
	check_source partition "$part"
	check_load "$null" /dev/mapper/resized
}
