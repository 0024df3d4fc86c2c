# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Where nothing is attached the hook is not entered, and where nothing is attached anywhere its static keys are off."
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/load.sh"

TRACING=/sys/kernel/tracing

# How often the hook is entered by ten reads of the device.
entered() {
	echo >$TRACING/trace
	dd if="$1" of=/dev/null bs=4k count=10 iflag=direct status=none
	grep -c '__blk_interposer_submit' $TRACING/trace || true
}

test_run() {
	local dev other target part parts

	dev=$(disk 0)
	other=$(new_null_blk)
	target=$(new_null_blk)
	parts=$(new_partitions "$dev" size=8MiB size=8MiB)
	part=${parts%%$'\n'*}
	expect_within "both keys are off before" 15 keys_are_off

	echo __blk_interposer_submit >$TRACING/set_ftrace_filter
	at_exit bash -c "echo nop >$TRACING/current_tracer; echo >$TRACING/set_ftrace_filter"
	echo function >$TRACING/current_tracer
	expect_eq "nothing attached: not entered" "$(entered "$dev")" 0

	must bioctl attach "$dev" count
	expect_eq "one disk has a program: submission is on" "$(keys)" "1 0"
	expect_num "attached: entered" "$(entered "$dev")" -ge 10
	expect_num "by bios of its partitions, too" "$(entered "$part")" -ge 10
	expect_eq "not by bios of other disks" "$(entered "$other")" 0
	must bioctl attach "$other" redirect --target "0=$target"
	expect_eq "another, with a target" "$(keys)" "2 1"
	must bioctl detach "$dev"
	expect_eq "detached: not entered" "$(entered "$dev")" 0
	expect_eq "nor by its partitions" "$(entered "$part")" 0
	must bioctl attach "$part" count
	expect_num "only a partition: entered by its bios" \
		"$(entered "$part")" -ge 10
	must bioctl detach "$part"
	must bioctl detach "$other"
	expect_within "both keys are off after" 15 keys_are_off
	expect_eq "not entered" "$(entered "$other")" 0
}
