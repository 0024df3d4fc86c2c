# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2153
# For cases about lower devices and what is stacked on them.

. "$BLKI_ROOT/tests/lib/bioctl.sh"
. "$BLKI_ROOT/tests/lib/load.sh"

# lower_of DEVICE: the lower device of what a dm device or a partition is, too
lower_of() {
	local name

	name=$(basename "$(readlink -f "$(sys_dir "$1")")")
	case $name in
	dm-*) echo "/dev/lower-$name" ;;
	*) echo "/dev/$name-lower" ;;
	esac
}

# undo_with COMMAND...: in the end, if it has not been done by then
undo_with() {
	at_exit bash -c "$(printf '%q ' "$@") >/dev/null 2>&1 || true"
}

# is_attached DEVICE
is_attached() {
	bioctl list "$1" 2>/dev/null | grep -q redirect
}

# hold_gate: something is attached elsewhere all the time, with a target. Each
# first and last attachment patches submit_bio_noacct(), each first and last
# target bio_endio(), which QEMU before 8.1 does not survive now and then while
# other processors run there: a stray int3.
hold_gate() {
	local other pid

	other=$(new_null_blk size=16)
	bioctl attach "$other" redirect --target "0=$(new_null_blk size=16)" \
		--transient >/dev/null 2>&1 &
	pid=$!
	TARGETS_HELD=1
	undo_with bash -c \
		"kill $pid; while [ -e /proc/$pid/exe ]; do sleep 0.1; done"
	must wait_for 20 is_attached "$other"
}

# new_lower DEVICE: attaches the policy 'stack', whose map is empty
new_lower() {
	must bioctl attach "$1" stack --lower >/dev/null
	undo_with bioctl detach "$1" stack
	wait_device "$(lower_of "$1")"
	lower_of "$1"
}

# insert DEVICE ARG...: with --table or --device
insert() {
	undo_with bioctl stack remove "$1"
	bioctl stack insert "$@"
}

# stack_says FILTER DEVICE
stack_says() {
	query ".stacks[0]$1" stack status "$2"
}

# listed DEVICE [NAME]: the state that the list of all stacks has for it
listed() {
	query ".stacks[] | select(.device == \"$1\" and .name == \"${2:-stack}\") | .state" \
		stack list
}

# covers NAME FILTER COMMAND...: what stood still for a change of 'bioctl stack'
covers() {
	expect_eq "$1" "$(bioctl -j "${@:3}" | jq -c ".covered | $2")" true
}

# Of all bioctl has: nothing is left of a stack.
expect_no_stack() {
	local dev=$2

	expect_eq "$1: no stack" "$(query '.stacks | length' stack list)" 0
	expect_eq "$1: no pins" \
		"$(find /sys/fs/bpf/bioctl -name link 2>/dev/null | wc -l)" 0
	expect_fail "$1: no lower device" test -e \
		"/sys/block/$(basename "$(lower_of "$dev")")"
	expect_eq "$1: no dm device" \
		"$(dmsetup info -c --noheadings -o uuid,name | grep ^BIOCTL)" ""
}

# zero_head DEVICE: what has its superblock there begins anew
zero_head() {
	must dd if=/dev/zero of="$1" bs=1M count=1 oflag=direct status=none
}

# in_no_cgroup COMMAND...: what it writes goes the short way, see
# blk_interposer_to_original(). A case is in a cgroup.
in_no_cgroup() {
	sh -c 'echo $$ >/sys/fs/cgroup/cgroup.procs && exec "$@"' sh "$@"
}

# is_written DEVICE N: so many writes were there
is_written() {
	[ "$(awk '{ print $5 }' "$(sys_dir "$1")/stat")" -ge "$2" ]
}

# new_breakable NAME MIB: a device of device mapper, for breaks
new_breakable() {
	local base

	base=$(new_null_blk size="$2")
	new_dm "$1" "0 $(blockdev --getsz "$base") linear $base 0"
}

# breaks DEVICE: all I/O fails from now on
breaks() {
	becomes "$1" error
}

# becomes DEVICE TABLE: of device mapper, whatever is under way
becomes() {
	echo "0 $(blockdev --getsz "$1") $2" | must dmsetup reload "${1##*/}"
	must dmsetup suspend --noudevsync --noflush "${1##*/}"
	must dmsetup resume --noudevsync "${1##*/}"
}

is_stopped() {
	grep -q '^State:.T' "/proc/$1/status" 2>/dev/null
}

# killed_at STEP ARG...: bioctl, at that step
killed_at() {
	local rc=0

	BIOCTL_STOP_AT=$1 bioctl "${@:2}" >/dev/null 2>&1 || rc=$?
	[ "$rc" -eq 137 ]
}

# writes DIR: it takes no longer than it should
writes() {
	timeout "$(scaled 20)" dd if=/dev/zero of="$1/probe" bs=4k count=4 \
		conv=fsync status=none
}

# of_dir DIR FILE: sets OF
of_dir() {
	local dir=$1

	# A partition has the queue of its disk.
	[ -e "$dir/$2" ] || dir+=/..
	read -r OF <"$dir/$2"
}

# of DEVICE FILE: in sysfs
of() {
	of_dir "$(sys_dir "$1")" "$2"
	echo "$OF"
}

# same NAME FILE...: DEV's and LOWER's. Without a process for each: they are many.
same() {
	local file dev lower one

	dev=$(sys_dir "$DEV")
	lower=$(sys_dir "$LOWER")
	for file in "${@:2}"; do
		of_dir "$dev" "$file"
		one=$OF
		of_dir "$lower" "$file"
		[ "$one" = "$OF" ] || {
			echo "# $1 $file: $one, $OF"
			return 1
		}
	done
}

LIMITS=(queue/{logical_block_size,physical_block_size,max_sectors_kb}
	queue/{max_hw_sectors_kb,discard_max_bytes,discard_granularity}
	queue/{write_zeroes_max_bytes,write_cache,fua,rotational,dma_alignment}
	queue/{max_segments,zoned,stable_writes,atomic_write_max_bytes}
	queue/{minimum_io_size,optimal_io_size,chunk_sectors}
	queue/{zone_append_max_bytes,nr_zones})

same_limits() {
	same "$1" "${LIMITS[@]}"
}

# new_ext4 MIB: sets DEV, a fresh disk, and DIR, where it is mounted
new_ext4() {
	DEV=$(new_null_blk size="$1")
	must mkfs.ext4 -q "$DEV"
	DIR=$(new_mount "$DEV")
}

is_copying() {
	[ "$(query '.stacks[0].state' stack status "$DEV" \
		--name migrate 2>/dev/null)" = inserted ]
}

waits_in_kernel() {
	grep -q '^State:.D' "/proc/$1/status"
}

# guard_of PID: the process that thaws what it has frozen
guard_of() {
	pgrep -P "$1"
}
