# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# For cases that change things while bios are in flight.

# start_load DEVICE SECONDS [FIO_OPTION...]: writes and verifies, in the
# background. Where the blocks lie must not depend on what is changed.
start_load() {
	local dev=$1 seconds=$2

	shift 2
	# So long only if expect_verified_now() ends it: a slow machine needs longer.
	[ "$seconds" -lt 300 ] || seconds=$((seconds * 10))
	rm -f "$TMP/load.json"
	fio --name=load --filename="$dev" --size=4M --direct=1 \
		--rw=randwrite --bs=4k --ioengine=libaio --iodepth=16 \
		--verify=crc32c --verify_fatal=1 --verify_backlog=64 \
		--time_based --runtime="$seconds" --output-format=json \
		--output="$TMP/load.json" "$@" >"$TMP/load.err" 2>&1 &
	LOAD=$!
}

load_runs() {
	kill -0 "$LOAD" 2>/dev/null
}

# sys_dir DEVICE: also for /dev/mapper/NAME
sys_dir() {
	local numbers

	read -ra numbers <<<"$(stat -L -c '0x%t 0x%T' "$1")"
	printf '/sys/dev/block/%d:%d\n' "${numbers[@]}"
}

# inflight DEVICE: how many bios or requests
inflight() {
	awk '{ print $1 + $2 }' "$(sys_dir "$1")/inflight"
}

# ios DEVICE: reads and writes that it has completed
ios() {
	awk '{ print $1 + $5 }' "$(sys_dir "$1")/stat"
}

# load_flows DEVICE: something is in flight there.
load_flows() {
	[ "$(inflight "$1")" -gt 0 ]
}

# end_load: sets LOAD_STATUS.
end_load() {
	LOAD_STATUS=0
	wait "$LOAD" || LOAD_STATUS=$?
	[ "$LOAD_STATUS" -eq 0 ] || sed 's/^/# fio: /' "$TMP/load.err"
}

expect_verified() {
	end_load
	expect_eq "$1" "$LOAD_STATUS" 0
	expect_num "$1: it did something" "$(load_ios)" -gt 0
}

# What stopped the job, if anything did; fio says something before the JSON when it
# was interrupted.
load_error() {
	sed -n '/^{/,$p' "$TMP/load.json" | jq '.jobs[0].error'
}

# expect_verified_now NAME: the same of a load that is stopped here. It has looked
# at all that it wrote but for the last.
expect_verified_now() {
	ok "$1: the load runs" load_runs
	kill -INT "$LOAD" 2>/dev/null || true
	# Which fio calls a failure, but not an error of the job.
	end_load
	expect_eq "$1" "$(load_error)" 0
	expect_num "$1: it did something" "$(load_ios)" -gt 100
}

# write_in_background DEVICE: 4 KiB
write_in_background() {
	dd if=/dev/zero of="$1" bs=4k count=1 oflag=direct status=none &
	WRITER=$!
}

dead() {
	! kill -0 "$1"
}

# start_io DEVICE: in the background until there is an error; see
# tests/progs/life_io.c.
start_io() {
	"$TEST_BIN/life_io" "$1" >"$TMP/io.out" 2>"$TMP/io.err" &
	IO=$!
	must wait_for 60 grep -q ready "$TMP/io.out"
}

# It ended by itself, and never read anything wrong.
expect_io_ended() {
	local rc=0

	expect_within "$1: I/O ends" 60 dead "$IO"
	kill -TERM "$IO" 2>/dev/null || true
	wait "$IO" || rc=$?
	sed 's/^/# io: /' "$TMP/io.out" "$TMP/io.err"
	expect_eq "$1: nothing wrong was read" "$rc" 0
	expect_num "$1: blocks" \
		"$(awk '$1 == "ios" { print $2 }' "$TMP/io.out")" -gt 256
}

# What fio has to say besides stands before the JSON.
load_ios() {
	sed -n '/^{/,$p' "$TMP/load.json" |
		jq '.jobs[0] | .read.total_ios + .write.total_ios'
}

storm_is_ready() {
	grep -q ready "$TMP/storm.out"
}

# start_storm [-b] MODE DEVICE TARGET...: see tests/progs/life_storm.c.
start_storm() {
	local barrier=()

	if [ "$1" = -b ]; then
		barrier=(-b)
		shift
	fi
	: >"$TMP/storm.out"
	"$TEST_BIN/life_storm" "${barrier[@]}" "$1" \
		"$TEST_BPF/life_redirect.bpf.o" "${@:2}" \
		>"$TMP/storm.out" 2>"$TMP/storm.err" &
	STORM=$!
	must wait_for 20 storm_is_ready
}

# expect_storm NAME LEAST: it ends without an error, after so many changes.
expect_storm() {
	local rc=0

	kill -TERM "$STORM" 2>/dev/null || true
	wait "$STORM" || rc=$?
	sed 's/^/# storm: /' "$TMP/storm.out" "$TMP/storm.err"
	expect_eq "$1: no change failed" "$rc" 0
	expect_num "$1: changes" "$(storm_says changes 2)" -ge "$2"
}

# storm_says WORD FIELD
storm_says() {
	awk -v w="$1" -v n="$2" '$1 == w { print $n }' "$TMP/storm.out"
}

# make_stack KIND: SOURCE, TARGET0 and TARGET1 are three ways to the same
# sectors, so that what is read does not depend on where a bio was sent, and
# no way leads through another. Bios take their time.
make_stack() {
	local base view0 view1 size

	case $1 in
	mq)
		base=$(new_null_blk irqmode=2 completion_nsec=20000000)
		SOURCE=$(new_loop "$base" --direct-io=on)
		;;
	virtio)
		base=$(disk 0)
		SOURCE=$(new_loop "$base" --direct-io=on)
		;;
	delay)
		base=$(new_null_blk)
		SOURCE=$(new_view "delay-source" "$base")
		;;
	brd)
		base=$(new_brd)
		SOURCE=$(new_view "brd-source" "$base")
		;;
	*)
		fail "make_stack" "no stack $1"
		exit 1
		;;
	esac
	size=$(blockdev --getsz "$base")
	view0=linear view1=linear
	if [ "$1" = delay ]; then
		view0="delay" view1="delay"
	fi
	TARGET0=$(new_dm "$1-view0" "0 $size $(view "$view0" "$base" 20)")
	TARGET1=$(new_dm "$1-view1" "0 $size $(view "$view1" "$base" 70)")
}

# view TARGET DEVICE MILLISECONDS: the end of a line of a dm table
view() {
	case $1 in
	linear) echo "linear $2 0" ;;
	delay) echo "delay $2 0 $3" ;;
	esac
}

new_view() {
	new_dm "$1" "0 $(blockdev --getsz "$2") linear $2 0"
}

# The node goes, too, without udev.
remove_dm() {
	dmsetup remove --noudevsync --verifyudev "$1"
}

STACKS="mq virtio delay brd"

# keys: devices with a gate, targets that are open; see tests/progs/life_keys.c.
keys() {
	"$TEST_BIN/life_keys" "$TEST_BPF/life_keys.bpf.o"
}

# Nothing is attached and no target is open anywhere: both static keys are off.
keys_are_off() {
	[ "$(keys)" = "0 0" ]
}

# All but that of hold_gate
targets_are_closed() {
	[[ $(keys) == *" ${TARGETS_HELD:-0}" ]]
}

# expect_keys_off NAME
expect_keys_off() {
	expect_within "$1: gate and targets are closed" 15 keys_are_off
}
