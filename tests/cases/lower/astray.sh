# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="What would leave data where nobody looks for them is refused: a stack that does not fit, that is elsewhere, that snapshots need, that writes may go past."
REQUIRES="cmd:jq cmd:dmsetup cmd:mkfs.ext4 config:NVME_MULTIPATH config:NVME_TARGET_LOOP"
TIMEOUT=200

. "$BLKI_ROOT/tests/lib/lower.sh"
. "$BLKI_ROOT/tests/lib/nvme.sh"

# Before anything goes through it: what it had taken in would be lost.
unfit() {
	local key

	key=$(printf '%032x' 0x123456)
	undo_with bioctl stack remove "$DEV"
	expect_fail "blocks that are too large: before it is built" killed_at \
		built stack insert "$DEV" --table \
		"crypt aes-ctr-plain64 $key 0 @lower 0 1 sector_size:4096"
	expect_refused "blocks that are too large" null "logical blocks are 4096" \
		stack insert "$DEV" --table \
		"crypt aes-ctr-plain64 $key 0 @lower 0 1 sector_size:4096"
	expect_fail "too short: before it is built" killed_at built stack \
		insert "$DEV" --table "0 2048 linear @lower 0"
	expect_refused "too short" null "it has 2048 sectors" \
		stack insert "$DEV" --table "0 2048 linear @lower 0"
	expect_no_stack "unfit" "$DEV"
}

elsewhere() {
	local top size lower

	size=$(blockdev --getsz "$DEV")
	top=$(new_dm elsewhere "0 $size linear $OTHER 0")
	expect_refused "on another disk" null "not stacked on" \
		stack insert "$DEV" --device "$top"
	expect_no_stack "elsewhere" "$DEV"
	ok "on another disk, by force" bioctl stack insert "$DEV" --device \
		"$top" --force
	must bioctl stack remove "$DEV"
	must wait_for 20 remove_dm elsewhere
	# Of a name that bioctl itself would choose
	lower=$(new_lower "$DEV")
	top=$(new_dm "${DEV##*/}-stack" "0 2048 linear $lower 0"$'\n'"2048 $((size - 2048)) linear $lower 2048")
	ok "on the lower device" bioctl stack insert "$DEV" --device "$top"
	expect_refused "in use: detached" null "in use" detach "$DEV" stack
	expect_refused "in use: replaced" null "in use" replace "$DEV" stack \
		count
	expect_refused "in use: its target deleted" null "in use" \
		target del "$DEV" stack 0
	expect_output "not used any more: who has to go first" \
		"is still on its lower device" bioctl stack remove "$DEV"
	expect_eq "what others made stays as it was" \
		"$(dmsetup table "${top##*/}" | wc -l)" 2
	expect_eq "list: empty" "$(listed "$DEV")" empty
	must wait_for 20 remove_dm "${top##*/}"
	ok "the lower device goes" bioctl stack remove "$DEV"
	expect_no_stack "elsewhere, in the end" "$DEV"
}

# What has a target, but nothing below the device
no_stack() {
	must bioctl attach "$DEV" redirect --target "0=$OTHER"
	undo_with bioctl detach "$DEV" redirect
	expect_eq "no stack: list" "$(query '.stacks | length' stack list)" 0
	expect_refused "no stack: remove" ENOENT "" stack remove "$DEV" \
		--name redirect
	expect_eq "no stack: it stays" "$(names "$DEV")" redirect
	must bioctl detach "$DEV" redirect
}

snapshots() {
	local dir before image

	must mkfs.ext4 -q "$DEV"
	dir=$(new_mount "$DEV")
	must dd if=/dev/urandom of="$dir/file" bs=64k count=4 conv=fsync \
		status=none
	before=$(md5sum <"$dir/file")
	undo_with bioctl snapshot remove "$DEV"
	must bioctl snapshot create "$DEV" --store "$OTHER" --force
	expect_refused "replaced by what keeps nothing" null "in use" \
		replace "$DEV" snapshot count
	expect_refused "its target deleted" null "in use" \
		target del "$DEV" snapshot 0
	expect_refused "detached" null "in use" detach "$DEV" snapshot
	expect_refused "what snapshots need" EBUSY "1 snapshots need it" \
		stack remove "$DEV" --name snapshot
	must dd if=/dev/urandom of="$dir/file" bs=64k count=4 \
		conv=fsync,notrunc status=none
	image=$(new_mount "/dev/mapper/${DEV##*/}-snap" -o ro)
	expect_eq "the snapshot is as it was" "$(md5sum <"$image/file")" \
		"$before"
	must umount "$image"
	ok "its removal is killed before all" killed_at loaded-out \
		snapshot remove "$DEV"
	before=$(md5sum <"$dir/file")
	ok "another one" bioctl snapshot create "$DEV" --store "$OTHER" --force
	must dd if=/dev/urandom of="$dir/file" bs=64k count=4 \
		conv=fsync,notrunc status=none
	image=$(new_mount "/dev/mapper/${DEV##*/}-snap" -o ro)
	expect_eq "it keeps what was there" "$(md5sum <"$image/file")" "$before"
	must umount "$image"
	ok "its removal is killed" killed_at swapped-out snapshot remove "$DEV"
	expect_refused "another one, on what keeps nothing" null \
		"was stopped halfway" snapshot create "$DEV" --store "$OTHER" \
		--force
	ok "what it says helps" bioctl stack remove "$DEV" --name snapshot
	ok "another one" bioctl snapshot create "$DEV" --store "$OTHER" --force
	ok "remove it" bioctl snapshot remove "$DEV"
	must umount "$dir"
	expect_no_stack "snapshots" "$DEV"
}

names_and_sizes() {
	local long

	long=$(printf 'n%.0s' {1..124})
	expect_refused "a name that is too long" null "too long" \
		snapshot create "$DEV" --store "$OTHER" --name "$long" --force
	expect_no_stack "too long" "$DEV"
	expect_status "a size that no file has" 2 bioctl snapshot create \
		"$DEV" --store "$TMP/store" --size $((1 << 44))
	must mkfs.ext4 -qF "$OTHER"
	expect_refused "the second store is taken" null "it holds ext4" \
		snapshot create "$DEV" "$THIRD" --store "$TMP/store" \
		--store "$OTHER" --size 8
	expect_fail "the file for the first is not left" test -e "$TMP/store"
	: >"$TMP/empty"
	expect_refused "a file without room" null "no room" snapshot create \
		"$DEV" --store "$TMP/empty"
	ok "it is made as large as one asks for" bioctl snapshot create "$DEV" \
		--store "$TMP/empty" --size 4
	expect_eq "and is" "$(stat -c %s "$TMP/empty")" 4194304
	must bioctl snapshot remove "$DEV"
	expect_no_stack "neither of both" "$DEV"
}

# Nothing is mounted: who is held back there would go past what is put in.
held_back() {
	local group md part head

	# No disk that is removed: blk_throtl_exit() leaks then, in 6.12, as the
	# policy is off already.
	DEV=$(disk 0)
	group=$(new_cgroup slow)
	echo "$(cat "$(sys_dir "$DEV")/dev") wbps=1048576" >"$group/io.max"
	expect_refused "a snapshot of what is limited" null "slow limits what" \
		snapshot create "$DEV" --store "$OTHER"
	expect_refused "a migration of what is limited" null "slow limits what" \
		migrate "$DEV" "$THIRD"
	expect_no_stack "limited" "$DEV"
	ok "a stack" insert "$DEV" --table "linear @lower 0"
	must bioctl stack remove "$DEV"
	expect_output "is put in, and it is said" "slow limits what" \
		bioctl stack insert "$DEV" --table "linear @lower 0"
	must bioctl stack remove "$DEV"
	must mkfs.ext4 -qF "$DEV"
	DIR=$(new_mount "$DEV")
	expect_eq "not where a filesystem is" "$(query .held_back stack insert \
		"$DEV" --table "linear @lower 0")" null
	must bioctl stack remove "$DEV"
	must dd if=/dev/zero of="$DIR/swap" bs=1M count=4 conv=fsync status=none
	must chmod 600 "$DIR/swap"
	must mkswap -q "$DIR/swap"
	must swapon "$DIR/swap"
	expect_refused "where a filesystem has a file to swap to" null \
		"slow limits what" migrate "$DEV" "$THIRD"
	must swapoff "$DIR/swap"
	must umount "$DIR"
	part=$(new_partitions "$DEV" size=32MiB size=32MiB | head -n 1)
	must mkfs.ext4 -q "$part"
	DIR=$(new_mount "$part")
	expect_refused "where a part of it is mounted" null "slow limits what" \
		snapshot create "$DEV" --store "$OTHER"
	must umount "$DIR"
	md=$(new_md 1 "$(new_null_blk size=300)" "$(new_null_blk size=300)")
	expect_refused "a migration of an array" null "no barrier waits" \
		migrate "$md" "$THIRD"
	nvme_export "$(new_null_blk size=200)"
	nvme_connect 1
	must wait_for 20 nvme_has_paths 1
	head=$(nvme_head)
	wait_device "$head"
	expect_refused "a migration of what has several paths" null \
		"no barrier waits" migrate "$head" "$THIRD"
}

one_on_the_other() {
	local part

	part=$(new_partitions "$(new_null_blk size=64)" size=16MiB)
	expect_refused "to the disk that it is a part of" null \
		"on the other" migrate "$part" "${part%p1}" --force
	expect_refused "to a part of it" null "on the other" \
		migrate "${part%p1}" "$part" --force
}

test_run() {
	hold_gate
	DEV=$(new_null_blk size=64)
	OTHER=$(new_null_blk size=64)
	THIRD=$(new_null_blk size=300)
	unfit
	elsewhere
	no_stack
	one_on_the_other
	snapshots
	names_and_sizes
	must wipefs -qa "$DEV" "$OTHER"
	held_back
}
