# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What a bio costs, in instructions. A case that sources it sets ICOUNT and
# sources bioctl.sh before. What was measured goes into lines `row: NAME DEVICE
# OP ENGINE COST SPREAD` of the log, for scripts/bench.

KINDS="null_blk brd"

# bench_disks: BENCH, what is measured, and SPARE, another one, of each kind.
# They do as little as possible themselves. With one tag only, as looking for a
# free one among several takes now more, now less.
bench_disks() {
	local options=(memory_backed=0 irqmode=0 hw_queue_depth=1)

	declare -gA BENCH SPARE
	BENCH[null_blk]=$(new_null_blk "${options[@]}")
	SPARE[null_blk]=$(new_null_blk "${options[@]}")
	BENCH[brd]=$(new_brd)
	SPARE[brd]=$(new_brd)
}

# row_on NAME KIND DEVICE: OPTIONS are bench_io's.
row_on() {
	local name=$1 kind=$2 dev=$3

	# Where memory lies makes a difference of six.
	# shellcheck disable=SC2086  # words
	ok "$name: $kind" setarch -R "$TEST_BIN/bench_io" -g ${OPTIONS:-} "$dev"
	sed -nE "s/^(read|write) /row: $name $kind &/p" <<<"$OUTPUT"
}

# row NAME: on each kind
row() {
	local name=$1 kind

	for kind in $KINDS; do
		row_on "$name" "$kind" "${BENCH[$kind]}"
	done
}

# bench_attach PROGRAM [OPTION...]: to what is measured; a program of bench.bpf.c
bench_attach() {
	local kind

	for kind in $KINDS; do
		must bioctl attach "${BENCH[$kind]}" "$TEST_BPF/bench.bpf.o" \
			--prog "$@" >/dev/null
	done
}

bench_detach() {
	local kind

	for kind in $KINDS; do
		must bioctl detach "${BENCH[$kind]}" --all >/dev/null
	done
}

# row_other: something is attached, but elsewhere
row_other() {
	local kind

	for kind in $KINDS; do
		must bioctl attach "${SPARE[$kind]}" "$TEST_BPF/bench.bpf.o" \
			--prog pass >/dev/null
	done
	row other
	for kind in $KINDS; do
		must bioctl detach "${SPARE[$kind]}" --all >/dev/null
	done
}

# row_of NAME PROGRAM [OPTION...]: with that program
row_of() {
	local name=$1

	shift
	bench_attach "$@"
	row "$name"
	bench_detach
}

# ranges N: none of which is hit
ranges() {
	local i list=''

	for ((i = 0; i < $1; i++)); do
		list+=,$((100000 + 16 * i))-$((100007 + 16 * i))
	done
	echo "${list#,}"
}

# row_of_policy NAME POLICY [OPTION...]
row_of_policy() {
	local name=$1 kind

	shift
	for kind in $KINDS; do
		must bioctl attach "${BENCH[$kind]}" "$@" >/dev/null
	done
	row "$name"
	bench_detach
}

# row_of_chain N...: of so many programs, in ascending order
row_of_chain() {
	local have=0 n

	for n; do
		while [ "$have" -lt "$n" ]; do
			have=$((have + 1))
			bench_attach pass --name "pass$have"
		done
		row "pass-$n"
	done
	bench_detach
}

# row_redirected NAME PROGRAM MAP KEY...: to the spare disk, with it in these
# slots
row_redirected() {
	local name=$1 prog=$2 map=$3 kind key dir

	shift 3
	bench_attach "$prog"
	for kind in $KINDS; do
		dir=/sys/fs/bpf/bioctl/${BENCH[$kind]##*/}/bench
		for key; do
			echo "map update pinned $dir/maps/$map key" \
				"$((key & 255)) $((key >> 8)) 0 0" \
				"value dev ${SPARE[$kind]}"
		done
	done >"$TMP/batch"
	must bpftool batch file "$TMP/batch" >/dev/null
	row "$name"
	bench_detach
}

# row_stacked NAME TABLE: of dmsetup, of the whole DISK; META is another one
row_stacked() {
	local name=$1 kind size line dm

	for kind in $KINDS; do
		size=$(blockdev --getsz "${BENCH[$kind]}")
		line=${2//DISK/${BENCH[$kind]}}
		# null_blk keeps nothing here.
		line=${line//META/${SPARE[brd]}}
		must blkdiscard -z -l 1M "${SPARE[brd]}"
		dm=$(new_dm "$name-$kind" "0 $size $line")
		row_on "$name" "$kind" "$dm"
		must dmsetup remove --noudevsync --verifyudev "$name-$kind"
	done
}

# row_lower: of the lower device itself, beside a program
row_lower() {
	local kind dev

	for kind in $KINDS; do
		dev=${BENCH[$kind]}
		must bioctl attach "$dev" stack --lower >/dev/null
		wait_device "$dev-lower"
		row_on lower "$kind" "$dev-lower"
		must bioctl detach "$dev" stack >/dev/null
	done
}

# row_inserted NAME TABLE [OPTION...]: of the device, with a stack below it
row_inserted() {
	local name=$1 table=$2 kind

	shift 2
	for kind in $KINDS; do
		must bioctl stack insert "${BENCH[$kind]}" --table "$table" \
			"$@" >/dev/null
		row_on "$name" "$kind" "${BENCH[$kind]}"
		must bioctl stack remove "${BENCH[$kind]}" >/dev/null
	done
}

bench_trace_is_ready() {
	grep -q ready "$TMP/trace.out"
}

# row_traced PROGRAM: of bench_trace.bpf.c
row_traced() {
	local pid

	"$TEST_BIN/bench_trace" "$TEST_BPF/bench_trace.bpf.o" "$1" \
		>"$TMP/trace.out" 2>&1 &
	pid=$!
	must wait_for 20 bench_trace_is_ready
	row "$1"
	kill "$pid"
	wait "$pid" || true
}
