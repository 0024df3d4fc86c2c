# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A bioctl that is killed at any step of a snapshot or a migration leaves the device working, and another one can end it; no data are left behind."
REQUIRES="cmd:jq cmd:fio cmd:dmsetup cmd:mkfs.ext4 cmd:wipefs"
TIMEOUT=400

. "$BLKI_ROOT/tests/lib/lower.sh"

CREATE=(snapshot-in prepared snapshot-loaded cut origin-suspended snapshot-made)
# STEP:STATE: where a migration is killed, and what is there then
MIGRATE=(built:built switched:built swapped:inserted copying:inserted
	verifying:inserted copied:inserted)

create() {
	killed_at "$1" snapshot create "$DEV" --store "$STORE" --name snap \
		--force
}

snapshots() {
	ok "a snapshot is killed when $1" create "$1"
	expect_within "$1: the filesystem works" 30 writes "$DIR"
	expect_eq "$1: list tells" "$(listed "$DEV" snapshot)" inserted
	ok "$1: remove" bioctl snapshot remove "$DEV" --name snap
	expect_no_stack "$1" "$DEV"
}

snapshot_out() {
	local step=origin-suspended-out

	must bioctl snapshot create "$DEV" --store "$STORE" --name snap --force
	ok "its removal is killed when $step" killed_at "$step" \
		snapshot remove "$DEV" --name snap
	expect_within "$step: the filesystem works" 30 writes "$DIR"
	ok "$step: remove" bioctl snapshot remove "$DEV" --name snap
	expect_no_stack "$step" "$DEV"
}

migrations() {
	local step=${1%:*} state=${1#*:}

	ok "a migration is killed when $step" killed_at "$step" \
		migrate "$DEV" "$TARGET" --force --verify
	expect_within "$step: the filesystem works" 30 writes "$DIR"
	expect_eq "$step: list tells" "$(listed "$DEV" migrate)" "$state"
	ok "$step: cancel" bioctl migrate "$DEV" --cancel
	expect_no_stack "$step" "$DEV"
}

# What is written from now on is not on the source.
moved() {
	ok "a migration is killed when migrated" killed_at migrated \
		migrate "$DEV" "$TARGET" --force
	must dd if=/dev/urandom of="$DIR/late" bs=1M count=2 conv=fsync \
		status=none
	LATE=$(md5sum <"$DIR/late")
	expect_eq "migrated: list tells" "$(listed "$DEV" migrate)" moved
	expect_refused "migrated: it cannot be taken out" null "changed there" \
		stack remove "$DEV" --name migrate
	expect_refused "migrated: nor cancelled" null "changed there" \
		migrate "$DEV" --cancel
	expect_refused "migrated: nor moved to another" null "its data are on" \
		migrate "$DEV" "$STORE" --force
	expect_refused "migrated: nor detached" null "changed there" \
		detach "$DEV" migrate
	expect_refused "migrated: nor with all others" null "changed there" \
		detach "$DEV" --all
	expect_refused "migrated: nor replaced" null "changed there" \
		replace "$DEV" migrate count
	expect_refused "migrated: nor its target taken away" null \
		"changed there" target del "$DEV" migrate 0
	ok "migrated: the same again ends it" bioctl migrate "$DEV" "$TARGET"
	expect_output "migrated: the mirror is gone" " linear " \
		dmsetup table "$(basename "$DEV")-migrate"
	expect_fail "migrated: nobody mounts the target beside it" \
		mount "$TARGET" /mnt
	ok "migrated: and again" bioctl migrate "$DEV" "$TARGET"
	expect_eq "migrated: all data are there" "$(md5sum <"$DIR/late")" \
		"$LATE"
	ok "migrated: repair has nothing to do" bioctl stack repair "$DEV" \
		--name migrate
}

test_run() {
	local entry

	hold_gate
	DEV=$(disk 0)
	STORE=$(disk 1)
	TARGET=$(new_null_blk size=300)
	must mkfs.ext4 -q "$DEV"
	DIR=$(new_mount "$DEV")
	start_load "$DIR/file" 300 --fsync=8 --size=8M
	undo_with bioctl snapshot remove "$DEV" --name snap
	undo_with bioctl stack remove "$DEV" --name migrate --force
	for entry in "${CREATE[@]}"; do
		snapshots "$entry"
	done
	snapshot_out
	for entry in "${MIGRATE[@]}"; do
		migrations "$entry"
	done
	moved
	expect_verified_now "fio verifies"
	ok "the old filesystem is wiped" wipefs --all "$(lower_of "$DEV")"
	must umount "$DIR"
	# Not before: what others have read of it is in its page cache.
	ok "take it out" bioctl stack remove "$DEV" --name migrate --force
	ok "the target is clean" e2fsck -fn "$TARGET"
	expect_no_stack "taken out" "$DEV"
	expect_fail "no filesystem on the source" blkid -p "$DEV"
	DIR=$(new_mount "$TARGET")
	expect_eq "the target has what was written last" \
		"$(md5sum <"$DIR/late")" "$LATE"
}
