# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# For cases that make thousands of changes.

# Each change of a list waits for a grace period.
fast_grace_periods() {
	local knob=/sys/kernel/rcu_expedited

	at_exit bash -c "echo $(cat $knob) >$knob"
	echo 1 >$knob
}

FAULTS="failslab fail_page_alloc"

# set_faults FILE VALUE
set_faults() {
	local kind

	for kind in $FAULTS; do
		echo "$2" >"/sys/kernel/debug/$kind/$1"
	done
}

# undo_faults FILE VALUE: what is undone knows the functions of tests/lib/case.sh
# only.
undo_faults() {
	local kind

	for kind in $FAULTS; do
		at_exit bash -c "echo $2 >/sys/kernel/debug/$kind/$1"
	done
}

# prepare_faults: every allocation may fail that is not __GFP_NOFAIL, quietly;
# none does yet, but for tasks with fail-nth.
prepare_faults() {
	undo_faults probability 0
	set_faults probability 0
	set_faults verbose 0
	set_faults interval 1
	set_faults ignore-gfp-wait N
	echo N >/sys/kernel/debug/fail_page_alloc/ignore-gfp-highmem
	echo 0 >/sys/kernel/debug/fail_page_alloc/min-order
	set_faults task-filter N
	set_faults times -1
}

# Only in what block/interposer calls: its functions stand side by side.
faults_of_interposer() {
	local start end

	read -r start end < <(awk '
		$2 == "T" && $3 == "blk_interposer_enabled" { on = 1; print $1 }
		$2 == "T" && on && $3 ~ /^(__)?blk_interposer_/ { end = $1 }
		END { print end }' /proc/kallsyms | paste -sd' ')
	note "block/interposer is from $start to $end"
	[ -n "$end" ] || return 1
	undo_faults require-start 0
	undo_faults require-end 0xffffffffffffffff
	set_faults require-start "0x$start"
	set_faults require-end "0x$end"
}

# count_faults: from now on, see stop_faults
count_faults() {
	set_faults times 1000000
}

# start_faults PERCENT
start_faults() {
	count_faults
	set_faults probability "$1"
}

# stop_faults: sets INJECTED, how many there were.
stop_faults() {
	local kind left

	set_faults probability 0
	INJECTED=0
	for kind in $FAULTS; do
		left=$(cat "/sys/kernel/debug/$kind/times")
		INJECTED=$((INJECTED + 1000000 - left))
	done
}
