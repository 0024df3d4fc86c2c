# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# `make storm` lets it go on for 10 minutes.

DESCRIPTION="Everything root can do to programs, maps, targets, partitions, queues and dm tables, at once and on several disks under load: every job verifies, nothing hangs, nothing is left."
REQUIRES="cmd:fio cmd:jq cmd:partx cmd:dmsetup"
TIMEOUT=180
VM_MEM=1536

. "$BLKI_ROOT/tests/lib/load.sh"
. "$BLKI_ROOT/tests/lib/rule.sh"
. "$BLKI_ROOT/tests/lib/storm.sh"

rescan() {
	local disk=$1

	delpart "$disk" 1
	addpart "$disk" 1 2048 4096
	blockdev --rereadpt "$disk"
}

# A program for the partition that comes and goes.
on_partition() {
	local rc=0

	"$TEST_BIN/rule" attach onpart "$1" verdict=pass || rc=$?
	dd if="$1" of=/dev/null bs=4k count=1 iflag=direct status=none || true
	rm -rf /sys/fs/bpf/onpart
	return "$rc"
}

# A target that is removed under the bios that go there: they fail, and after
# it has come back they do not.
remove_target() {
	local dev=$1 dir=$2 target=$3 rc=0

	"$TEST_BIN/rule" attach gone "$dev" verdict=redirect,op=read+write \
		"target=0:$target" || rc=$?
	dd if=/dev/zero of="$dev" bs=4k count=512 oflag=direct status=none &
	sleep 0.02
	echo 0 >"$dir/power"
	wait $! && rc=1
	rm -rf /sys/fs/bpf/gone
	until echo 1 >"$dir/power"; do
		sleep 0.1
	done
	return "$rc"
}

export -f rescan on_partition remove_target

# storm_on KIND: one kind of disk, three ways to its sectors, see make_stack()
storm_on() {
	local kind=$1

	make_stack "$kind"
	job "fio-$kind" "$SOURCE"
	storm "storm-map-$kind" map "$SOURCE" "$TARGET0" "$TARGET1"
	storm "storm-link-$kind" link "$SOURCE" "$TARGET0" "$TARGET1"
	storm "storm-update-$kind" update "$SOURCE" "$TARGET0" "$TARGET1"
	storm "storm-prog-$kind" prog "$SOURCE" "$TARGET0" "$TARGET1"
	if [ "$kind" = mq ]; then
		storm "storm-barrier-$kind" -b storm "$SOURCE" "$TARGET0" "$TARGET1"
	else
		storm "storm-replace-$kind" replace "$SOURCE" "$TARGET0" "$TARGET1"
		again "suspend-$kind" bash -c "suspend_dm ${TARGET0##*/}"
	fi
}

test_run() {
	local kind base disk parts gone target

	SECONDS_OF_STORM=${STORM_SECONDS:-$(scaled 10)}
	for kind in mq delay brd; do
		storm_on "$kind"
	done
	base=$(new_null_blk irqmode=2 completion_nsec=1000000)
	job fio-queue "$base"
	again freeze freeze_queue "/sys/block/${base##*/}"
	storm storm-link-queue link "$base"

	disk=$(disk 1)
	mapfile -t parts < <(new_partitions "$disk" size=2MiB size=8MiB)
	job fio-disk "$disk" --offset=16M
	storm storm-link-disk link "$disk"
	again rescan rescan "$disk"
	again onpart on_partition "${parts[0]}"

	gone=$(new_null_blk)
	target=$(new_null_blk irqmode=2 completion_nsec=1000000)
	again remove remove_target "$gone" "$(null_blk_dir "$target")" "$target"
	again query query_all

	sleep "$SECONDS_OF_STORM"
	expect_storm_ends
	rm -rf /sys/fs/bpf/onpart /sys/fs/bpf/gone
	# A target that was removed leaves an error to the next flush.
	sync "$gone" || note "the flush after the removal failed"
	[ -e "${parts[0]}" ] || must addpart "$disk" 1 2048 4096
	expect_within "in the end: gate and targets are closed" "$(scaled 30)" \
		keys_are_off
}
