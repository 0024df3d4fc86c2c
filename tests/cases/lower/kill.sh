# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A bioctl that is killed at any step of insert and remove leaves the device working, tells where it was, and can be followed by another."
REQUIRES="cmd:jq cmd:fio cmd:dmsetup cmd:mkfs.ext4"
TIMEOUT=400

. "$BLKI_ROOT/tests/lib/lower.sh"

# STEP:STATE: where insert is killed, and what is there then
INSERT=(attached:empty built:built switched:built frozen:built
	suspended:inserted swapped:inserted inserted:inserted)
REMOVE=(freezing-out:inserted frozen-out:inserted loaded-out:inserted
	suspended-out:inserted swapped-out:inserted switched-out:built
	removed:empty detached:defunct)
# The same of one that exists already
INSERT_TOP=(frozen:empty switched:inserted inserted:inserted)
REMOVE_TOP=(frozen-out:inserted switched-out:empty removed:empty)
# What has to be written back first is loaded when nothing is taken in any more.
REMOVE_CACHE=(frozen-out suspended-out loaded-out swapped-out)

# killed STEP ARG...
killed() {
	killed_at "$1" stack "${@:2}"
}

# tells STEP STATE
tells() {
	expect_eq "$1: status tells" "$(stack_says .state "$DEV")" "$2"
	# Without its link nobody knows any more what it was.
	[ "$2" = defunct ] || expect_eq "$1: list tells" "$(listed "$DEV")" "$2"
}

inserts() {
	local entry step state

	for entry in "${INSERT[@]}"; do
		step=${entry%:*}
		state=${entry#*:}
		ok "insert is killed when $step" killed "$step" insert "$DEV" \
			--table "dust @lower 0 512"
		expect_within "$step: the filesystem works" 30 writes "$DIR"
		tells "$step" "$state"
		if [ "$state" != inserted ]; then
			ok "$step: repair" bioctl stack repair "$DEV"
		else
			ok "$step: remove" bioctl stack remove "$DEV"
		fi
		expect_no_stack "$step" "$DEV"
	done
}

removes() {
	local entry step state

	for entry in "${REMOVE[@]}"; do
		step=${entry%:*}
		state=${entry#*:}
		must insert "$DEV" --table "dust @lower 0 512"
		ok "remove is killed when $step" killed "$step" remove "$DEV"
		expect_within "$step: the filesystem works" 30 writes "$DIR"
		tells "$step" "$state"
		# Only pins are left.
		[ "$state" != defunct ] || ok "$step: insert" bioctl stack \
			insert "$DEV" --table "dust @lower 0 512"
		ok "$step: remove" bioctl stack remove "$DEV"
		expect_no_stack "$step" "$DEV"
	done
}

existing() {
	local entry lower top

	lower=$(new_lower "$DEV")
	top=$(new_dm existing "0 $(blockdev --getsz "$DEV") linear $lower 0")
	for entry in "${INSERT_TOP[@]}"; do
		ok "existing: insert is killed when ${entry%:*}" \
			killed "${entry%:*}" insert "$DEV" --device "$top"
		expect_within "existing, ${entry%:*}: the filesystem works" 30 \
			writes "$DIR"
		tells "existing, ${entry%:*}" "${entry#*:}"
		[ "${entry#*:}" = empty ] || must bioctl stack remove "$DEV"
	done
	for entry in "${REMOVE_TOP[@]}"; do
		must bioctl stack insert "$DEV" --device "$top"
		ok "existing: remove is killed when ${entry%:*}" \
			killed "${entry%:*}" remove "$DEV"
		expect_within "existing, ${entry%:*}: the filesystem works" 30 \
			writes "$DIR"
		tells "existing, ${entry%:*}" "${entry#*:}"
		[ "${entry#*:}" = empty ] || must bioctl stack remove "$DEV"
	done
	must wait_for 20 remove_dm existing
	ok "existing: remove" bioctl stack remove "$DEV"
	expect_no_stack "existing" "$DEV"
}

caches() {
	local step cache

	cache=$(new_null_blk size=64)
	for step in "${REMOVE_CACHE[@]}"; do
		zero_head "$cache"
		must insert "$DEV" --table "writecache s @lower $cache 512 0"
		ok "a cache: remove is killed when $step" killed "$step" \
			remove "$DEV"
		expect_within "a cache, $step: the filesystem works" 30 \
			writes "$DIR"
		ok "a cache, $step: remove" bioctl stack remove "$DEV"
		expect_no_stack "a cache, $step" "$DEV"
	done
}

# Each step that bioctl has is in a table of this case or of lower/kill-moved.
all_steps() {
	expect_eq "steps at which nobody is killed" "$(comm -23 \
		<(grep -ho 'at_step([^;]*;' "$BLKI_ROOT"/loader/*.c |
			grep -o '"[a-z-]*"' | tr -d '"' | sort -u) \
		<(tr -c 'a-z-' '\n' <"$BLKI_ROOT/tests/cases/lower/kill.sh" |
			cat - <(tr -c 'a-z-' '\n' \
				<"$BLKI_ROOT/tests/cases/lower/kill-moved.sh") |
			sort -u) | tr '\n' ' ')" ""
}

test_run() {
	hold_gate
	all_steps
	DEV=$(disk 0)
	must mkfs.ext4 -q "$DEV"
	DIR=$(new_mount "$DEV")
	start_load "$DIR/file" 300 --fsync=8 --size=8M
	undo_with bioctl stack remove "$DEV"
	inserts
	removes
	existing
	caches
	expect_verified_now "fio verifies"
	must umount "$DIR"
	ok "the filesystem is clean" e2fsck -fn "$DEV"
}
