# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2153
# `make bench` runs it and makes a table of what it says.

DESCRIPTION="What a bio pays, in instructions: for the hook, for each verdict, and for what could be used instead."
FLAVOURS="base bench-off bench-mitigations"
REQUIRES="cmd:dmsetup"
BY_NAME=1
TIMEOUT=1800
ICOUNT=1

. "$BLKI_ROOT/tests/lib/bioctl.sh"
. "$BLKI_ROOT/tests/lib/bench.sh"

trace_verdicts() {
	echo "$1" >/sys/kernel/tracing/events/blk_interposer/enable
}

main_rows() {
	row_other
	row_of_chain 1 2
	row_of remap remap
	row_redirected redirect redirect one_target 0
	row_of split split
	row_of split-apart split_apart
	row_stacked dm-linear "linear DISK 0"
	row_lower
	row_inserted inserted-dm-linear "linear @lower 0"
	# What the policy lets pass beside a stack
	row_inserted beside-a-stack "linear @lower 0" --set first=0xffffffff
	row_traced tp_btf
}

more_rows() {
	row_of look look
	row_of_policy count count
	row_of_policy protect-1 protect --set "ranges=$(ranges 1)"
	row_of_policy protect-1000 protect --set "ranges=$(ranges 1000)"
	row_of_chain 4 8 16 63
	row_redirected redirect-4096 redirect_many many_targets {0..4095}
	row_of "done" "done"
	OPTIONS=-e row_of fail fail
	trace_verdicts 1
	row_of remap-traced remap
	trace_verdicts 0
	row_stacked dm-flakey "flakey DISK 0 3600 0"
	row_stacked dm-delay "delay DISK 0 0"
	row_stacked dm-era "era META DISK 8"
	row_traced fentry
	row_traced kprobe
	row_traced fmod_ret
}

# row_of_devices N: one program here, and one on each of N others
row_of_devices() {
	local i disk others=()

	for ((i = 0; i < $1; i++)); do
		disk=$(new_null_blk memory_backed=0 size=1)
		others+=("$disk")
		must bioctl attach "$disk" "$TEST_BPF/bench.bpf.o" --prog pass \
			>/dev/null
	done
	row_of "devices-$1" pass
	for disk in "${others[@]}"; do
		must bioctl detach "$disk" --all >/dev/null
	done
}

# row_of_targets N: different ones, in the last slots of the map
row_of_targets() {
	local i disk dir=/sys/fs/bpf/bioctl/${BENCH[null_blk]##*/}/bench

	bench_attach redirect_many
	for ((i = 4096 - $1; i < 4096; i++)); do
		disk=${SPARE[null_blk]}
		[ "$i" -eq 4095 ] || disk=$(new_null_blk memory_backed=0)
		must bpftool map update pinned "$dir/maps/many_targets" key \
			$((i & 255)) $((i >> 8)) 0 0 value dev "$disk"
	done
	row "targets-$1"
	bench_detach
}

# Of each kind, more of what has nothing to do with the bio
curves() {
	local n

	KINDS=null_blk
	OPTIONS=-p
	for n in 1 4 16 32; do
		row_of_devices "$n"
		row_of_targets "$n"
	done
	for n in 10 100; do
		row_of_policy "protect-$n" protect --set "ranges=$(ranges "$n")"
	done
}

test_run() {
	bench_disks
	row bare
	[ "$FLAVOUR" != bench-off ] || return 0
	main_rows
	[ "$FLAVOUR" = base ] || return 0
	more_rows
	row bare-again
	curves
}
