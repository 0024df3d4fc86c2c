# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2153

DESCRIPTION="For bench/trace: reads of the bare device, then with the program WITH of bench.bpf.c."
FLAVOURS="base"
REQUIRES="cmd:dmsetup"
BY_NAME=1
TIMEOUT=1200
ICOUNT=1

. "$BLKI_ROOT/tests/lib/bioctl.sh"
. "$BLKI_ROOT/tests/lib/bench.sh"

KINDS=${KIND:-null_blk}

# The host looks on from the first file to the second.
row_on() {
	local phase=bare pid

	[ "$1" = bare ] || phase=with
	setarch -R "$TEST_BIN/bench_io" -g -n 1,100000000,2 "$3" &
	pid=$!
	# Until it reads; the clock counts its instructions.
	sleep 1
	cp /proc/kallsyms "$BLKI_SHARE/$phase.syms"
	touch "$BLKI_SHARE/$phase.busy"
	ok "$phase was looked at" wait_for 1000 test -e "$BLKI_SHARE/$phase.seen"
	kill "$pid"
	wait "$pid" || true
}

test_run() {
	# So that programs have names in /proc/kallsyms
	must sysctl -qw net.core.bpf_jit_kallsyms=1
	bench_disks
	row bare
	case $WITH in
	redirect) row_redirected redirect redirect one_target 0 ;;
	dm-linear) row_stacked dm-linear "linear DISK 0" ;;
	pass-*) row_of_chain "${WITH#pass-}" ;;
	*) row_of "$WITH" "$WITH" ;;
	esac
}
