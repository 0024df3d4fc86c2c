# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A machine out of memory swaps to a disk whose bios are all divided and half of them redirected: no hang, nothing lost."
REQUIRES="config:SWAP"
VM_MEM=512
VM_DISKS="384 384"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/hostile.sh"

# How many MiB more than is available, and how often. Available is a guess of
# the kernel's on the high side: with 0 it swaps, too.
EXCESS=64
ROUNDS=2
if [ "$FLAVOUR" = debug ]; then
	EXCESS=0
	ROUNDS=1
fi

# vmstat NAME
vmstat() {
	awk -v n="$1" '$1 == n { print $2 }' /proc/vmstat
}

undo_swap() {
	at_exit bash -c "! grep -q '^$1 ' /proc/swaps || swapoff $1"
}

# Where the kernel can, memory for dividing and flushing is also refused.
faults_if_any() {
	have_config FAILSLAB || return 0
	prepare_faults
	faults_of_interposer
	start_faults 20
}

test_run() {
	local dev target size before out

	dev=$(disk 0)
	target=$(disk 1)
	undo_swap "$dev"
	must bioctl attach "$dev" "$TEST_BPF/hostile_swap.bpf.o" \
		--target "0=$target"
	must mkswap "$dev" >/dev/null
	must swapon "$dev"
	size=$(awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo)
	note "$size MiB of memory"
	before=$(vmstat pswpout)
	faults_if_any
	run_bin hostile_hog $((size + EXCESS)) "$ROUNDS"
	out=$(($(vmstat pswpout) - before))
	if have_config FAILSLAB; then
		stop_faults
		expect_num "allocations that failed" "$INJECTED" -gt 100
	fi
	expect_num "pages that went out" "$out" -ge 4096
	expect_num "half pages that went to the target" \
		"$(block_stat "$target" 7)" -ge $((out * 4))
	ok "swapoff" swapoff "$dev"
	must bioctl detach "$dev" hostile_swap
}
