# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A bio meets the programs of a device once, however often a driver splits, delays, resubmits or requeues it."
REQUIRES="cmd:dmsetup cmd:mdadm"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/rule.sh"

MOVE="first=0,last=2047,op=read+write,verdict=remap,offset=4096"

write_1m() {
	dd if="$TMP/data" of="$1" bs=1M count=1 oflag=direct status=none
}

# moved DEVICE: the data lies where one remap leads, 2 MiB further on.
moved() {
	cmp <(dd if="$1" bs=1M skip=2 count=1 iflag=direct status=none) \
		"$TMP/data"
}

# A MiB through a program that moves it: one run, one move.
try() {
	local name=$1 dev=$2

	rule_attach once "$dev" "$MOVE"
	ok "$name: write" write_1m "$dev"
	expect_eq "$name: seen once" \
		"$(rule_count once "op=write sector=0 nr=2048 ")" 1
	ok "$name: read" cmp "$TMP/data" \
		<(dd if="$dev" bs=1M count=1 iflag=direct status=none)
	expect_eq "$name: read once" "$(rule_count once "op=read sector=")" 1
	expect_eq "$name: counted once" "$(stat_of once remap)" 2/4096
	rule_detach once
	ok "$name: moved once" moved "$dev"
}

small_requests() {
	must blockdev --getsz "$1"
	echo 4 >"/sys/block/${1##*/}/queue/max_sectors_kb"
}

check_splits() {
	local null virtio

	null=$(new_null_blk max_sectors=8)
	try "null_blk splits into 4 KiB" "$null"
	virtio=$(disk 0)
	small_requests "$virtio"
	try "virtio splits into 4 KiB" "$virtio"
	echo 1280 >"/sys/block/${virtio##*/}/queue/max_sectors_kb"
	try "dm splits at every 4 KiB" "$(new_dm split "0 16384 striped 2 8 $null 0 $virtio 0")"
	try "md raid0 splits at every 64 KiB" "$(new_md 0 "$(new_null_blk)" "$(new_null_blk)")"
	try "md raid1 writes twice" "$(new_md 1 "$(new_null_blk)" "$(new_null_blk)")"
}

# Programs on a dm device and below it: the sectors differ, each is seen once.
check_stack() {
	local null dm

	null=$(new_null_blk max_sectors=8)
	dm=$(new_dm stack "0 16384 linear $null 32768")
	rule_attach upper "$dm" "$MOVE"
	rule_attach lower "$null" \
		"first=36864,last=38911,op=write,verdict=remap,offset=8"
	ok "a program on dm and one below it" write_1m "$dm"
	expect_eq "dm's sees it once" \
		"$(rule_count upper "op=write sector=0 nr=2048 ")" 1
	expect_eq "the lower one once, with the sector dm made" \
		"$(rule_count lower "op=write sector=36864 nr=2048 ")" 1
	expect_eq "and no other" "$(stat_of lower remap)" 1/2048
	rule_detach upper
	rule_detach lower
	ok "it is where both moves lead" cmp "$TMP/data" <(dd if="$null" bs=4k \
		iflag=direct,skip_bytes skip=$(((36864 + 8) * 512)) count=256 \
		status=none)
}

check_throttle() {
	local null group start=$SECONDS

	# No disk that is removed: blk_throtl_exit() leaks then, in 6.12, as the
	# policy is off already.
	null=$(disk 2)
	group=$(new_cgroup throttled)
	echo "$(lsblk -dno MAJ:MIN "$null" | tr -d ' ') wbps=262144" \
		>"$group/io.max"
	rule_attach once "$null" "$MOVE"
	# shellcheck disable=SC2016
	ok "a throttled write" bash -c 'echo $$ >"$0/cgroup.procs"
		exec dd if="$1" of="$2" bs=1M count=1 oflag=direct status=none' \
		"$group" "$TMP/data" "$null"
	expect_num "took its time" $((SECONDS - start)) -ge 2
	expect_eq "is seen once" "$(rule_count once "op=write")" 1
	rule_detach once
	ok "moved once" moved "$null"
}

# The bio waits within dm and is submitted again by dm's worker.
check_suspend() {
	local null dm pid rc=0

	null=$(new_null_blk max_sectors=8)
	dm=$(new_dm slow "0 16384 linear $null 0")
	rule_attach once "$dm" "$MOVE"
	must dmsetup suspend --noudevsync slow
	write_1m "$dm" &
	pid=$!
	sleep 1
	ok "the write waits" kill -0 "$pid"
	must dmsetup resume --noudevsync slow
	wait "$pid" || rc=$?
	expect_eq "the write ends after dm has resumed" "$rc" 0
	expect_eq "and was seen once" "$(rule_count once "op=write")" 1
	rule_detach once
	ok "moved once" moved "$dm"
}

# Every third command is sent back as busy and comes again.
check_requeue() {
	local scsi event=/sys/kernel/tracing/events/block/block_rq_requeue

	scsi=$(new_scsi_debug)
	small_requests "$scsi"
	rule_attach once "$scsi" "$MOVE"
	echo 0x8000 >"$SCSI_DEBUG/opts"
	echo 3 >"$SCSI_DEBUG/every_nth"
	at_exit bash -c "echo 0 >$SCSI_DEBUG/every_nth; echo 0 >$SCSI_DEBUG/opts"
	at_exit bash -c "echo 0 >$event/enable; echo >/sys/kernel/tracing/trace"
	echo 1 >$event/enable
	ok "a write of requests that come back" write_1m "$scsi"
	echo 0 >"$SCSI_DEBUG/every_nth"
	echo 0 >"$SCSI_DEBUG/opts"
	expect_num "requests did come back" \
		"$(grep -c block_rq_requeue: /sys/kernel/tracing/trace)" -ge 10
	expect_eq "is seen once" "$(rule_count once "op=write")" 1
	rule_detach once
	ok "moved once" moved "$scsi"
}

test_run() {
	must dd if=/dev/urandom of="$TMP/data" bs=1M count=1 status=none
	check_splits
	check_stack
	check_throttle
	check_suspend
	check_requeue
}
