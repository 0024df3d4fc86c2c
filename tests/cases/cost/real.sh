# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="In real time, on two processors: IOPS beside bare and dm-linear, how long attach, replace and detach take, and memory."
FLAVOURS="base"
REQUIRES="cmd:fio cmd:dmsetup"
BY_NAME=1
TIMEOUT=900

. "$BLKI_ROOT/tests/lib/bioctl.sh"
. "$BLKI_ROOT/tests/lib/load.sh"
. "$BLKI_ROOT/tests/lib/stacks.sh"

ROUNDS=9
RUNTIME=2
NR_DISKS=64

# iops DEVICE RW: of two jobs
iops() {
	must fio --name=iops --filename="$1" --rw="$2" --bs=4k --direct=1 \
		--ioengine=io_uring --iodepth=16 --numjobs=2 --group_reporting \
		--size=64M --time_based --runtime="$RUNTIME" \
		--output-format=terse --terse-version=3 |
		awk -F';' '{ print $8 + $49 }'
}

# Ratios within a round: what else the host does changes slowly.
compare_iops() {
	local rw=$1 round bare attached linear dm

	for ((round = 0; round < ROUNDS; round++)); do
		bare=$(iops "$DEV" "$rw")
		must bioctl attach "$DEV" "$TEST_BPF/bench.bpf.o" --prog pass \
			>/dev/null
		attached=$(iops "$DEV" "$rw")
		must bioctl detach "$DEV" --all >/dev/null
		dm=$(new_dm "real-$rw" \
			"0 $(blockdev --getsz "$DEV") linear $DEV 0")
		linear=$(iops "$dm" "$rw")
		must dmsetup remove --noudevsync --verifyudev "real-$rw"
		echo "$bare $attached $linear"
	done >"$TMP/rounds"
	echo "# $rw: IOPS bare, attached, dm-linear"
	sed 's/^/# /' "$TMP/rounds"
	median_ratio 2 "iops-$rw-attached"
	median_ratio 3 "iops-$rw-dm-linear"
	ok "$rw: $ROUNDS rounds" [ "$(wc -l <"$TMP/rounds")" -eq "$ROUNDS" ]
}

# median_ratio COLUMN NAME: to the first column
median_ratio() {
	awk -v col="$1" '{ printf "%.3f\n", $col / $1 }' "$TMP/rounds" |
		sort -n |
		awk -v name="$2" '{ r[NR] = $1 }
			END { print "real: " name, r[int((NR + 1) / 2)], "ratio" }'
}

latency() {
	local name median worst

	ok "latency, $1" "$TEST_BIN/bench_life" latency \
		"$TEST_BPF/bench.bpf.o" "$DEV"
	while read -r name median worst; do
		echo "real: $1-$name $median us"
		echo "real: $1-$name-worst $worst us"
	done <<<"$OUTPUT"
}

memory() {
	local disks=() i name bytes

	for ((i = 0; i < NR_DISKS; i++)); do
		disks+=("$(new_null_blk memory_backed=0 size=1)")
	done
	# Each link and each program has some.
	ulimit -n 8192
	ok "memory" "$TEST_BIN/bench_life" memory "$TEST_BPF/bench.bpf.o" \
		"${disks[@]}"
	while read -r name bytes; do
		echo "real: memory-$name $bytes bytes"
	done <<<"$OUTPUT"
}

test_run() {
	DEV=$(new_null_blk memory_backed=0)
	compare_iops randread
	compare_iops randwrite
	latency idle
	fio --name=load --filename="$DEV" --rw=randrw --bs=4k --direct=1 \
		--ioengine=libaio --iodepth=16 --numjobs=2 --size=64M \
		--time_based --runtime=600 >/dev/null 2>&1 &
	sleep 2
	latency load
	ok "there was a load" kill $!
	wait $! || true
	memory
}
