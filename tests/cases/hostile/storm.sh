# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# `make storm` lets it go on for 10 minutes.

DESCRIPTION="Everything root can do to programs, maps, targets, partitions, queues and dm tables, at once and on several disks under load: every job verifies, nothing hangs, nothing is left."
REQUIRES="cmd:fio cmd:jq cmd:partx cmd:dmsetup"
TIMEOUT=180
VM_MEM=1536

. "$BLKI_ROOT/tests/lib/load.sh"
. "$BLKI_ROOT/tests/lib/rule.sh"

declare -A PIDS

# in_background NAME COMMAND...: its output is $TMP/NAME.out
in_background() {
	local name=$1

	shift
	"$@" >"$TMP/$name.out" 2>&1 &
	PIDS[$name]=$!
}

# storm NAME MODE DEVICE TARGET...: see tests/progs/life_storm.c
storm() {
	local name=$1 barrier=()

	shift
	if [ "$1" = -b ]; then
		barrier=(-b)
		shift
	fi
	in_background "$name" "$TEST_BIN/life_storm" "${barrier[@]}" "$1" \
		"$TEST_BPF/life_redirect.bpf.o" "${@:2}"
}

job() {
	local name=$1 dev=$2

	shift 2
	in_background "$name" fio --name="$name" --filename="$dev" --size=4M \
		--direct=1 --rw=randwrite --bs=4k --ioengine=libaio \
		--iodepth=8 --verify=crc32c --verify_fatal=1 \
		--verify_backlog=64 --time_based --runtime="$SECONDS_OF_STORM" \
		--output-format=terse "$@"
}

# again NAME COMMAND...: until the storm is over; what it does may fail, as
# long as it succeeds now and then. $TMP/NAME.out says how often it did.
again() {
	local name=$1

	shift
	# shellcheck disable=SC2016  # for the other shell
	in_background "$name" bash -c '
		good=0
		until [ -e "$0/over" ]; do
			"$@" >/dev/null 2>&1 && good=$((good + 1))
			sleep 0.05
		done
		echo "changes $good"' "$TMP" "$@"
}

freeze_queue() {
	local queue=$1/queue

	echo mq-deadline >"$queue/scheduler"
	echo 32 >"$queue/nr_requests"
	echo none >"$queue/scheduler"
	echo 128 >"$queue/max_sectors_kb"
	echo 64 >"$queue/max_sectors_kb"
}

suspend_dm() {
	dmsetup suspend --noudevsync --nolockfs "$1"
	sleep 0.05
	dmsetup resume --noudevsync "$1"
}

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

query() {
	cat /proc/[0-9]*/fdinfo/* >"$TMP/fdinfo" 2>/dev/null
	# Gives up when a link goes while it is being shown.
	bpftool -j link show >"$TMP/links"
	bpftool -j blk show >"$TMP/blk" && bioctl --json list >"$TMP/list"
}

export -f freeze_queue suspend_dm rescan on_partition remove_target query

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

expect_end() {
	local rc name

	touch "$TMP/over"
	for name in "${!PIDS[@]}"; do
		case $name in
		storm-*) kill -TERM "${PIDS[$name]}" 2>/dev/null || true ;;
		esac
	done
	for name in "${!PIDS[@]}"; do
		rc=0
		wait "${PIDS[$name]}" || rc=$?
		[ "$rc" -eq 0 ] || sed "s/^/# $name: /" "$TMP/$name.out"
		expect_eq "$name: no error" "$rc" 0
		case $name in
		fio-*) ;;
		*)
			expect_num "$name: changes" \
				"$(awk '$1 == "changes" { print $2 }' \
					"$TMP/$name.out")" -ge 1
			;;
		esac
	done
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
	again query query

	sleep "$SECONDS_OF_STORM"
	expect_end
	rm -rf /sys/fs/bpf/onpart /sys/fs/bpf/gone
	# A target that was removed leaves an error to the next flush.
	sync "$gone" || note "the flush after the removal failed"
	[ -e "${parts[0]}" ] || must addpart "$disk" 1 2048 4096
	expect_within "in the end: gate and targets are closed" "$(scaled 30)" \
		keys_are_off
}
