# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="The count policy's tables agree with what was done to a disk, also by whom."
REQUIRES="cmd:jq cmd:blkdiscard"
TIMEOUT=180

# dump MAP: [{key, values}] with the values of all CPUs as BTF shows them.
dump() {
	"$BPFTOOL" -j map dump pinned \
		"/sys/fs/bpf/bioctl/${DEV##*/}/count/maps/$1" |
		jq -c '[.[].formatted]'
}

# of_key MAP KEY FIELD: summed over the CPUs.
of_key() {
	dump "$1" | jq --argjson key "$2" --arg field "$3" \
		'[.[] | select(.key == $key) | .values[].value[$field]] | add // 0'
}

# of_cgroup ID OP FIELD
of_cgroup() {
	dump cgroups | jq --argjson id "$1" --argjson op "$2" --arg field "$3" \
		'[.[] | select(.key.cgroup_id == $id and .key.op == $op)
		  | .values[].value[$field]] | add // 0'
}

in_cgroup() {
	local group=$1

	shift
	# shellcheck disable=SC2016
	bash -c 'echo $$ >"$0/cgroup.procs"; exec "$@"' "$group" "$@"
}

test_run() {
	local group id

	DEV=$(disk 0)
	must bioctl attach "$DEV" count
	must dd if=/dev/zero of="$DEV" bs=4k count=10 oflag=direct status=none
	must dd if="$DEV" of=/dev/null bs=8k count=3 iflag=direct status=none
	must blkdiscard -f -o 1M -l 1M "$DEV"
	must blkdiscard -f -z -o 2M -l 512k "$DEV"

	# enum bpf_bio_op: 1 read, 2 write, 3 flush, 4 discard, 6 write zeroes
	expect_eq "writes" "$(of_key ops 2 bios)" 10
	expect_eq "sectors written" "$(of_key ops 2 sectors)" 80
	expect_eq "reads" "$(of_key ops 1 bios)" 3
	expect_eq "sectors read" "$(of_key ops 1 sectors)" 48
	expect_eq "discards" "$(of_key ops 4 bios)" 1
	expect_eq "sectors discarded" "$(of_key ops 4 sectors)" 2048
	expect_eq "sectors zeroed" "$(of_key ops 6 sectors)" 1024
	# enum bpf_bio_flags: bit 0 is SYNC, which direct writes carry
	expect_num "sync writes" "$(of_key flags 0 bios)" -ge 10

	expect_eq "no flush so far" "$(of_key ops 3 bios)" 0
	must dd if=/dev/zero of="$DEV" bs=4k count=1 oflag=direct conv=fsync \
		status=none
	expect_num "fsync flushes" "$(of_key ops 3 bios)" -ge 1

	group=$(new_cgroup counted)
	id=$(stat -c %i "$group")
	expect_eq "nothing of the cgroup yet" "$(of_cgroup "$id" 2 bios)" 0
	must in_cgroup "$group" dd if=/dev/zero of="$DEV" bs=4k count=5 \
		oflag=direct status=none
	expect_eq "writes of the cgroup" "$(of_cgroup "$id" 2 bios)" 5
	expect_eq "sectors of the cgroup" "$(of_cgroup "$id" 2 sectors)" 40
	expect_eq "writes of all" "$(of_key ops 2 bios)" 16
	must bioctl detach "$DEV" count
}
