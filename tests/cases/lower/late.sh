# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="What fails late, or is killed with its guard, loses nothing and leaves nothing that stands still."
REQUIRES="cmd:jq cmd:dmsetup cmd:mkfs.ext4 cmd:fsfreeze cmd:losetup"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/lower.sh"

has_top() {
	[ "$(stack_says .top "$1")" != null ]
}

gave_up() {
	dmesg | grep -q "${1##*/}: blk_interposer: barrier gave up"
}

# Of two writes the first is stuck below the device, so that the barrier gives up,
# and the second is in a cache by then.
cache_in_use() {
	local dev lower cache writer late

	new_ext4 96
	must dd if=/dev/zero of="$DIR/file" bs=1M count=32 conv=fsync status=none
	dev=$(new_loop "$DIR/file")
	lower=$(new_lower "$dev")
	cache=$(new_null_blk size=16)
	zero_head "$cache"
	new_dm late "0 $(blockdev --getsz "$dev") writecache s $lower $cache 512 0" \
		>/dev/null
	must dd if=/dev/urandom of="$TMP/data" bs=64k count=1 status=none

	must fsfreeze --freeze "$DIR"
	undo_with fsfreeze --unfreeze "$DIR"
	dd if=/dev/zero of="$dev" bs=4k count=1 oflag=direct status=none &
	writer=$!
	must wait_for 20 in_flight "$dev"
	bioctl -j stack insert "$dev" --device /dev/mapper/late >"$TMP/late" &
	late=$!
	must wait_for 30 has_top "$dev"
	must dd if="$TMP/data" of="$dev" bs=64k seek=16 oflag=direct status=none
	must wait_for 60 gave_up "$dev"
	must fsfreeze --unfreeze "$DIR"
	expect_end "too late: it fails" "$late" 1
	expect_match "too late: it says why" \
		"$(jq -r .error.cause "$TMP/late")" "did not end in time"
	must wait "$writer"
	ok "too late: what the cache had taken in is there" cmp -n 65536 \
		-i 1048576:0 "$dev" "$TMP/data"
	expect_eq "too late: nothing is in use" "$(listed "$dev")" empty
	must wait_for 20 remove_dm late
	must bioctl stack remove "$dev"
	must losetup -d "$dev"
	must umount "$DIR"
	expect_no_stack "too late" "$dev"
}

in_flight() {
	[ "$(($(awk '{ print $1 "+" $2 }' "$(sys_dir "$1")/inflight")))" -gt 0 ]
}

# What programs send elsewhere is on the other disk, whatever is mounted.
goes_elsewhere() {
	local other

	new_ext4 64
	other=$(new_null_blk size=64)
	must bioctl attach "$DEV" redirect --target "0=$other" \
		--set "ranges=65536-131071:65536:0"
	expect_refused "redirected: a store that is partly on the device" null \
		"of which blocks are kept" \
		snapshot create "$other" --store "$DIR/store" --size 8
	undo_with bioctl stack remove "$other"
	covers "redirected: the filesystem is frozen" ".mounts == [\"$DIR\"]" \
		stack insert "$other" --table "linear @lower 0"
	must bioctl stack remove "$other"
	must bioctl detach "$DEV" redirect
	must umount "$DIR"
}

# As who stops a service does
killed_with_cgroup() {
	local group pid

	new_ext4 64
	group=$(new_cgroup service)
	# shellcheck disable=SC2016
	bash -c 'echo $$ >"$0/cgroup.procs"
		BIOCTL_PAUSE_AT=frozen exec bioctl stack insert "$1" \
			--table "linear @lower 0"' "$group" "$DEV" \
		>/dev/null 2>&1 &
	pid=$!
	undo_with bioctl stack remove "$DEV"
	must wait_for 60 is_stopped "$pid"
	echo 1 >"$group/cgroup.kill"
	expect_end "its control group is killed" "$pid" 137
	expect_within "its control group is killed: the filesystem works" 30 \
		writes "$DIR"
	ok "its control group is killed: repair" bioctl stack repair "$DEV"
	must wait_for 10 is_empty "$group"
	expect_no_stack "its control group is killed" "$DEV"
	must umount "$DIR"
}

is_empty() {
	[ -z "$(<"$1/cgroup.procs")" ]
}

# Nothing is frozen when a snapshot is removed, but what is below is suspended.
# guardless NAME COMMAND...: is what brings it back
guardless() {
	local name=$1 pid guard

	must bioctl snapshot create "$DEV" --store "$TMP/store" --size 8 --force
	undo_with bioctl snapshot remove "$DEV"
	BIOCTL_PAUSE_AT=origin-suspended-out bioctl snapshot remove "$DEV" \
		>/dev/null 2>&1 &
	pid=$!
	must wait_for 60 is_stopped "$pid"
	guard=$(guard_of "$pid")
	dd if=/dev/zero of="$DIR/new" bs=64k count=8 conv=fsync status=none &
	WRITER=$!
	kill -KILL "$guard"
	kill -KILL "$pid"
	expect_end "without a guard, $name" "$pid" 137
	ok "without a guard: $name" timeout "$(scaled 60)" "${@:2}"
	expect_end "without a guard, $name: who writes ends" "$WRITER" 0
}

killed_with_guard() {
	new_ext4 64
	guardless "repair" bioctl stack repair "$DEV" --name snapshot
	must bioctl snapshot remove "$DEV"
	guardless "another one" bioctl snapshot create "$DEV" --name other \
		--store "$TMP/other" --size 8
	must bioctl snapshot remove "$DEV" --name other
	must bioctl snapshot remove "$DEV"
	guardless "remove" bioctl snapshot remove "$DEV"
	expect_no_stack "without a guard" "$DEV"
	must umount "$DIR"
}

# By somebody who does not come back, or will
frozen_before() {
	new_ext4 64
	must fsfreeze --freeze "$DIR"
	expect_eq "frozen before: it says so" "$(bioctl -j stack insert "$DEV" \
		--table "linear @lower 0" | jq -c .covered.frozen_before)" \
		"[\"$DIR\"]"
	undo_with bioctl stack remove "$DEV"
	expect_output "frozen before: and what to do" \
		"still is: fsfreeze --unfreeze $DIR" bioctl stack remove "$DEV"
	must fsfreeze --unfreeze "$DIR"
	must umount "$DIR"
}

tables() {
	dmsetup info -c --noheadings -o tables_loaded "$1"
}

# What somebody has loaded is not put in by the way.
loaded() {
	local dev base meta fast pid

	base=$(new_null_blk size=64)
	dev=$(new_dm loaded "0 131072 linear $base 0")
	echo "0 131072 error" | must dmsetup reload loaded
	expect_refused "loaded: a device that is being changed" EBUSY \
		"loaded a table" stack insert "$dev" --table "linear @lower 0"
	expect_eq "loaded: it is not" "$(dmsetup table loaded |
		awk '{ print $3 }')" linear
	must dmsetup clear loaded
	expect_no_stack "loaded" "$dev"

	DEV=$(new_null_blk size=64)
	meta=$(new_null_blk size=16)
	fast=$(new_null_blk size=16)
	zero_head "$meta"
	must insert "$DEV" --table \
		"cache $meta $fast @lower 64 1 writeback default 0"
	must killed_at loaded-out stack remove "$DEV" --force
	expect_eq "loaded: by one who was killed" \
		"$(tables "${DEV##*/}-stack")" Both
	BIOCTL_PAUSE_AT=suspended-out bioctl stack remove "$DEV" >/dev/null 2>&1 &
	pid=$!
	must wait_for 60 is_stopped "$pid"
	expect_eq "loaded: not while it is being checked" \
		"$(tables "${DEV##*/}-stack")" Live
	kill -CONT "$pid"
	expect_end "loaded: it is removed" "$pid" 0
	expect_no_stack "loaded" "$DEV"
}

# Killed when it had made the directory of its pins
half_a_pin() {
	DEV=$(new_null_blk size=64)
	must mkdir -p "/sys/fs/bpf/bioctl/${DEV##*/}/stack/maps"
	ok "half a pin: insert" insert "$DEV" --table "linear @lower 0"
	ok "half a pin: remove" bioctl stack remove "$DEV"
	expect_no_stack "half a pin" "$DEV"
}

test_run() {
	hold_gate
	half_a_pin
	loaded
	goes_elsewhere
	cache_in_use
	frozen_before
	killed_with_guard
	killed_with_cgroup
}
