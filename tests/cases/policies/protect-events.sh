# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2016

DESCRIPTION="Each refusal of the protect policy is an event that names task, cgroup, partition, operation and sectors."
REQUIRES="cmd:jq cmd:blkdiscard"
TIMEOUT=120

events() {
	bioctl -j events "$1" protect | jq -r \
		'"\(.comm) \(.pid) \(.operation) \(.sector) \(.nr_sectors) \(.partition) \(.error) \(.cgroup_id)"'
}

test_run() {
	local disk part group id pid

	disk=$(disk 0)
	part=$(new_partitions "$disk" start=2048)
	group=$(new_cgroup guarded)
	id=$(stat -c %i "$group")
	must bioctl attach "$disk" protect --set ranges=2048-2055,4096-4103
	expect_eq "no refusal, no event" "$(events "$disk")" ""

	expect_fail "a write through the partition" bash -c '
		echo $$ >"$1/cgroup.procs"
		echo $$ >"$2"
		exec dd if=/dev/zero of="$0" bs=8k count=1 oflag=direct' \
		"$part" "$group" "$TMP/pid"
	pid=$(cat "$TMP/pid")
	# the front half fails, the rest passes
	expect_eq "its event" "$(events "$disk")" \
		"dd $pid write 2048 8 1 EIO $id"

	expect_fail "a discard on the disk" \
		blkdiscard -f -o 2M -l 4k "$disk"
	expect_match "its event" "$(events "$disk")" \
		"^blkdiscard [0-9]+ discard 4096 8 0 EIO [0-9]+$"
	must bioctl detach "$disk" protect
}
