# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A bioctl that is killed at any step of insert and remove leaves the device working, tells where it was, and can be followed by another."
REQUIRES="cmd:jq cmd:fio cmd:dmsetup cmd:mkfs.ext4"
TIMEOUT=400

. "$BLKI_ROOT/tests/lib/lower.sh"

# STEP:STATE: where insert is killed, and what is there then
INSERT=(attached:empty built:built switched:built frozen:built
	suspended:inserted swapped:inserted inserted:inserted)
REMOVE=(frozen-out:inserted suspended-out:inserted loaded-out:inserted
	swapped-out:inserted switched-out:built removed:empty
	detached:defunct)

# killed STEP ARG...
killed() {
	killed_at "$1" stack "${@:2}"
}

test_run() {
	local dev dir entry step state

	hold_gate
	dev=$(disk 0)
	must mkfs.ext4 -q "$dev"
	dir=$(new_mount "$dev")
	start_load "$dir/file" 300 --fsync=8 --size=8M
	undo_with bioctl stack remove "$dev"
	for entry in "${INSERT[@]}"; do
		step=${entry%:*}
		state=${entry#*:}
		ok "insert is killed when $step" killed "$step" insert "$dev" \
			--table "dust @lower 0 512"
		expect_within "$step: the filesystem works" 30 writes "$dir"
		expect_eq "$step: list tells" "$(stack_says .state "$dev")" \
			"$state"
		if [ "$state" != inserted ]; then
			ok "$step: repair" bioctl stack repair "$dev"
		else
			ok "$step: remove" bioctl stack remove "$dev"
		fi
		expect_no_stack "$step" "$dev"
	done
	for entry in "${REMOVE[@]}"; do
		step=${entry%:*}
		state=${entry#*:}
		must insert "$dev" --table "dust @lower 0 512"
		ok "remove is killed when $step" killed "$step" remove "$dev"
		expect_within "$step: the filesystem works" 30 writes "$dir"
		expect_eq "$step: list tells" "$(stack_says .state "$dev")" \
			"$state"
		ok "$step: remove" bioctl stack remove "$dev"
		expect_no_stack "$step" "$dev"
	done
	expect_verified_now "fio verifies"
	must umount "$dir"
	ok "the filesystem is clean" e2fsck -fn "$dev"
}
