# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# For cases in which many change something at once, under load. SECONDS_OF_STORM
# is how long.

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

query_all() {
	cat /proc/[0-9]*/fdinfo/* >"$TMP/fdinfo" 2>/dev/null
	# Gives up when a link goes while it is being shown.
	bpftool -j link show >"$TMP/links"
	bpftool -j blk show >"$TMP/blk" && bioctl --json list >"$TMP/list"
}

export -f freeze_queue suspend_dm query_all

# expect_storm_ends: nobody failed, and everybody did something
expect_storm_ends() {
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
