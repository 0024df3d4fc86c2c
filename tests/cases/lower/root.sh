# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="bioctl changes what is below the filesystem that it is on itself, while none of it stays in the page cache: as on a machine whose root that is."
REQUIRES="cmd:jq cmd:dmsetup cmd:ldd cmd:mkfs.ext4"
TIMEOUT=300

. "$BLKI_ROOT/tests/lib/lower.sh"

ROUNDS=4

# All that it reads, but for the dynamic linker
copy_bioctl() {
	local dir=$1 bioctl

	bioctl=$(command -v bioctl)
	mkdir "$dir/lib"
	must cp "$bioctl" "$dir/bioctl"
	ldd "$bioctl" | awk '$2 == "=>" { print $3 }' |
		xargs -I{} cp -L {} "$dir/lib/"
	must cp -r "$POLICIES" "$dir/policies"
	sync -f "$dir"
}

# there ARG...: its bioctl
there() {
	timeout -s KILL "$(scaled 60)" env "LD_LIBRARY_PATH=$DIR/lib" \
		"BIOCTL_POLICY_PATH=$DIR/policies" "$DIR/bioctl" "$@"
}

# What is mapped stays when caches are dropped, but not when memory is wanted. There
# is never as much as that, which is an error.
forget_caches() {
	while :; do
		echo 3 >/proc/sys/vm/drop_caches
		echo 64M >/sys/fs/cgroup/case/memory.reclaim || true
		sleep 0.01
	done 2>/dev/null
}

changes() {
	local dev=$1 n

	for ((n = 0; n < ROUNDS; n++)); do
		ok "insert, $n" there stack insert "$dev" --table \
			"linear @lower 0"
		ok "remove, $n" there stack remove "$dev"
	done
	ok "snapshot" there snapshot create "$dev" --store "$(disk 1)" --force
	ok "remove the snapshot" there snapshot remove "$dev"
	expect_no_stack "in the end" "$dev"
}

test_run() {
	local base dev pid

	hold_gate
	base=$(new_null_blk)
	dev=$(new_dm root "0 $(blockdev --getsz "$base") linear $base 0")
	undo_with dmsetup resume --noudevsync root
	must mkfs.ext4 -q "$dev"
	DIR=$(new_mount "$dev")
	undo_with bioctl stack remove "$dev"
	undo_with bioctl snapshot remove "$dev"
	copy_bioctl "$DIR"
	must test -w /sys/fs/cgroup/case/memory.reclaim
	forget_caches &
	pid=$!
	undo_with kill "$pid"
	changes "$dev"
	kill "$pid"
	wait "$pid" || true
	must umount "$DIR"
	ok "the filesystem is clean" e2fsck -fn "$dev"
}
