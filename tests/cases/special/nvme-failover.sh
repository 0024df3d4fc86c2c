# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A bio that loses its NVMe path is sent another way by the head disk, and has met the head's programs once."
REQUIRES="cmd:fio cmd:dmsetup config:NVME_MULTIPATH config:NVME_TARGET_LOOP config:KPROBE_EVENTS"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/load.sh"
. "$BLKI_ROOT/tests/lib/rule.sh"
. "$BLKI_ROOT/tests/lib/nvme.sh"
. "$BLKI_ROOT/tests/lib/calls.sh"

# 8 MiB on
MOVE="first=0,last=4095,op=read+write,verdict=remap,offset=16384"

# hold, go_on: what is below the namespace, to look at bios in flight. A path is
# not lost meanwhile: nvme-loop would end requests that the target still has.
hold() {
	must dmsetup suspend --noudevsync --noflush nvmebase
}

go_on() {
	must dmsetup resume --noudevsync nvmebase
}

# start_fio DEVICE RW BYTE: 16 blocks at once
start_fio() {
	fio --name=nvme --filename="$1" --rw="$2" --bs=4k --size=64k \
		--direct=1 --ioengine=libaio --iodepth=16 \
		--iodepth_batch_submit=16 --verify=pattern \
		--verify_pattern="$3" --verify_fatal=1 --do_verify=0 \
		--output="$TMP/fio.out" >"$TMP/fio.err" 2>&1 &
	IO=$!
}

start_dd() {
	dd if="$TMP/data" of="$1" bs=1M count=1 oflag=direct status=none &
	IO=$!
}

expect_io() {
	local rc=0

	expect_within "$1: I/O ends" 60 dead "$IO"
	wait "$IO" || rc=$?
	[ "$rc" -eq 0 ] || sed 's/^/# fio: /' "$TMP"/fio.*
	expect_eq "$1: I/O succeeds" "$rc" 0
}

# has_met NAME COUNT: as many bios have met the program.
has_met() {
	[ "$(stat_of "$1" remap)" = "$2" ]
}


all_live() {
	local path

	nvme_has_paths 2 || return 1
	for path in $(nvme_paths); do
		nvme_path_is "$path" optimized || return 1
	done
}

failovers() {
	calls nvme_failover_req
}

# The next requests go to a path that sends them back.
lose() {
	BEFORE=$(failovers)
	LOST=$(nvme_current_path "$HEAD")
	note "without ${LOST##*/}"
	must nvme_lose_path "$LOST"
}

# expect_failover NAME: they did come back, and the path is mended.
expect_failover() {
	expect_num "$1: requests went back to the head" \
		"$(failovers)" -gt "$BEFORE"
	must nvme_restore_path "$LOST"
}

# pattern_at BYTE SECTOR: 64 KiB of it are there
pattern_at() {
	cmp <(head -c 65536 /dev/zero | tr '\0' "$1") \
		<(dd if="$BASE" bs=64k iflag=direct,skip_bytes \
		skip=$(($2 * 512)) count=1 status=none)
}

check_writes() {
	lose
	rule_attach head "$HEAD" "$MOVE"
	start_fio "$HEAD" write 0x61
	expect_io "writes"
	expect_failover "writes"
	expect_eq "writes: each met the program once" \
		"$(rule_count head "op=write ")" 16
	expect_eq "writes: counted once" "$(stat_of head remap)" 16/128
	rule_detach head
	ok "writes: moved once" pattern_at a 16384
	ok "writes: not left where they were" pattern_at '\0' 0
	ok "writes: not moved twice" pattern_at '\0' 32768
}

# They find what the writes left where one move leads.
check_reads() {
	lose
	rule_attach head "$HEAD" "$MOVE"
	start_fio "$HEAD" read 0x61
	expect_io "reads"
	expect_failover "reads"
	expect_eq "reads: each met the program once" \
		"$(rule_count head "op=read ")" 16
	expect_eq "reads: counted once" "$(stat_of head remap)" 16/128
	rule_detach head
}

# Requests that the paths have ended.
path_writes() {
	local path sum=0

	for path in $(nvme_paths); do
		sum=$((sum + $(block_stat "$path" 5)))
	done
	echo "$sum"
}

# One bio, which the head has split, into requests of their own.
check_split() {
	local path writes

	for path in $(nvme_paths); do
		echo 2 >"$path/queue/nomerges"
	done
	echo 64 >"/sys/block/${HEAD##*/}/queue/max_sectors_kb"
	lose
	writes=$(path_writes)
	rule_attach head "$HEAD" "$MOVE"
	start_dd "$HEAD"
	expect_io "parts"
	expect_num "parts: as many as the head makes of it" \
		$(($(path_writes) - writes)) -ge 16
	expect_failover "parts"
	expect_eq "parts: the bio met the program once" \
		"$(rule_count head "op=write sector=0 nr=2048 ")" 1
	expect_eq "parts: and no part of it did" "$(stat_of head remap)" 1/2048
	rule_detach head
	ok "parts: all are where one move leads" cmp "$TMP/data" <(dd \
		if="$BASE" bs=1M skip=8 count=1 iflag=direct status=none)
	ok "parts: not twice" cmp -n 1048576 -i $((16 << 20)):0 "$BASE" \
		/dev/zero
}

# Without a path the head keeps the bios and submits them again.
check_no_path() {
	local first

	lose
	first=$LOST
	for LOST in $(nvme_paths); do
		[ "$LOST" = "$first" ] || must nvme_lose_path "$LOST"
	done
	rule_attach head "$HEAD" "$MOVE"
	dmesg -C
	start_fio "$HEAD" write 0x62
	expect_within "no path: the head says so" 20 \
		bash -c 'dmesg | grep -q "no usable path"'
	ok "no path: I/O waits" kill -0 "$IO"
	for LOST in $(nvme_paths); do
		expect_failover "no path"
	done
	expect_io "no path"
	expect_eq "no path: each met the program once" \
		"$(rule_count head "op=write ")" 16
	expect_eq "no path: counted once" "$(stat_of head remap)" 16/128
	rule_detach head
	ok "no path: moved once" pattern_at b 16384
}

# A program of a partition and one of the disk: each once, each moves once.
check_partition() {
	local part start=2048

	part=$(new_partitions "$HEAD" start=$start,size=8MiB \
		start=20480,size=16MiB | head -n 1)
	lose
	rule_attach disk "$HEAD" \
		"first=$start,last=6143,op=write,verdict=remap,offset=32768"
	rule_attach part "$part" \
		"first=0,last=127,op=write,verdict=remap,offset=128"
	start_fio "$part" write 0x63
	expect_io "partition"
	expect_failover "partition"
	expect_eq "partition: each met its program once" \
		"$(stat_of part remap)" 16/128
	expect_eq "partition: and that of the disk" \
		"$(stat_of disk remap)" 16/128
	rule_detach part
	rule_detach disk
	ok "partition: it is where both moves lead" \
		pattern_at c $((start + 128 + 32768))
}

failed_over() {
	[ "$(failovers)" -gt "$BEFORE" ]
}

# The head as a target. It is let go of when the bios have ended, not when they
# were taken from the path.
check_redirect() {
	local source

	source=$(new_null_blk)
	lose
	rule_attach from "$source" "target=0:$HEAD" \
		"first=0,last=4095,op=write,verdict=redirect,offset=65536"
	rule_attach head "$HEAD" "op=write,verdict=remap,offset=128"
	hold
	start_fio "$source" write 0x64
	must wait_for 30 has_met head 16/128
	must wait_for 20 failed_over
	rule untarget from 0
	ok "redirect: the writes are in flight" kill -0 "$IO"
	sleep 1
	expect_fail "redirect: and keep the target open" keys_are_off
	go_on
	expect_io "redirect"
	expect_failover "redirect"
	expect_eq "redirect: each met the source's program once" \
		"$(stat_of from redirect)" 16/128
	expect_eq "redirect: and the head's" "$(stat_of head remap)" 16/128
	rule_detach from
	rule_detach head
	ok "redirect: it is where redirect and move lead" \
		pattern_at d $((65536 + 128))
	expect_keys_off "redirect"
}

test_run() {
	local null

	must dd if=/dev/urandom of="$TMP/data" bs=1M count=1 status=none
	BASE=$(new_null_blk)
	null=$(new_view nvmebase "$BASE")
	nvme_export "$null"
	nvme_connect 1
	nvme_connect 2
	must wait_for 20 all_live
	HEAD=$(nvme_head)
	wait_device "$HEAD"
	expect_match "one head for two paths" "$HEAD" "^/dev/nvme[0-9]+n1\$"
	count_calls nvme_failover_req
	check_writes
	check_reads
	check_partition
	check_redirect
	check_split
	check_no_path
}
