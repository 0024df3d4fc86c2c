# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# For cases that work with bpftool; a case that needs it sources it.

# bpftool exits with -1 or -errno. Assertions take a status up to 125 for an
# error and the rest for a crash; those of signals are let through as they are.
bpft() {
	local rc=0

	"$BPFTOOL" "$@" || rc=$?
	[ "$rc" -le 192 ] || rc=1
	return "$rc"
}

# load_prog NAME [BPFTOOL_WORD...]: $TEST_BPF/NAME.bpf.o, pinned under its name.
load_prog() {
	local name=$1

	shift
	at_exit rm -f "/sys/fs/bpf/$name"
	must bpft prog load "$TEST_BPF/$name.bpf.o" \
		"/sys/fs/bpf/$name" "$@"
}

# blk_json DEV FILTER [JQ_OPTION...]: of what is attached to the device.
blk_json() {
	local dev=$1 filter=$2

	shift 2
	bpft -j blk show dev "$dev" | jq -r "$@" "$filter"
}

chain() {
	blk_json "$1" '[.progs[].name] | join(" ")'
}

read_4k() {
	must dd if="$1" of=/dev/null bs=4k count="$2" iflag=direct status=none
}
