# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Only what the policy chooses pays for a stack: a hot range, one cgroup's writes; all else goes to the device as if there were none."
REQUIRES="cmd:jq cmd:dmsetup"

. "$BLKI_ROOT/tests/lib/lower.sh"
. "$BLKI_ROOT/tests/lib/rule.sh"

# dd_in GROUP ARG...
dd_in() {
	bash -c 'echo $$ >"$0/cgroup.procs"; exec dd status=none "$@"' "$@"
}

# through DEVICE: sectors read and written that went through the stack
went() {
	echo "$(block_stat "$1" 3)/$(block_stat "$1" 7)"
}

hot_range() {
	local dev top

	dev=$(new_null_blk)
	must insert "$dev" --table "linear @lower 0" --set first=2048 \
		--set last=4095 >/dev/null
	top=$(stack_says .top "$dev")
	must dd if=/dev/zero of="$dev" bs=64k count=16 oflag=direct status=none
	expect_eq "range: what is before it goes to the device" \
		"$(went "$top")" 0/0
	must dd if=/dev/zero of="$dev" bs=64k seek=16 count=16 oflag=direct \
		status=none
	expect_eq "range: it goes through the stack" "$(went "$top")" 0/2048
	# 32 KiB on each side
	must dd if=/dev/zero of="$dev" bs=64k seek=$((31 * 65536 + 32768)) \
		count=1 oflag=direct,seek_bytes status=none
	expect_eq "range: of a bio at its end, the part within" \
		"$(went "$top")" 0/2112
	must dd if="$dev" of=/dev/null bs=1M count=4 iflag=direct status=none
	expect_eq "range: reads likewise" "$(went "$top")" 2048/2112
	expect_eq "range: and the counters say so" "$(stack_says \
		'.counters.verdicts | "\(.redirect.sectors) \(.pass.sectors)"' \
		"$dev")" "4160 $((2048 + 64 + 6144))"
	ok "range: remove" bioctl stack remove "$dev"
}

of_cgroup() {
	local dev top one other

	dev=$(new_null_blk)
	one=$(new_cgroup chosen)
	other=$(new_cgroup other)
	must insert "$dev" --table "linear @lower 0" --set writes=1 \
		--set "cgroup=$(stat -c %i "$one")" >/dev/null
	top=$(stack_says .top "$dev")
	must dd_in "$other" if=/dev/zero of="$dev" bs=64k count=4 oflag=direct
	expect_eq "cgroup: writes of another go to the device" \
		"$(went "$top")" 0/0
	must dd_in "$one" if=/dev/zero of="$dev" bs=64k count=4 oflag=direct
	expect_eq "cgroup: its writes go through the stack" \
		"$(went "$top")" 0/512
	must dd_in "$one" if="$dev" of=/dev/null bs=64k count=4 iflag=direct
	expect_eq "cgroup: its reads do not" "$(went "$top")" 0/512
	# Written back by somebody else
	must dd_in "$one" if=/dev/zero of="$dev" bs=64k count=2
	must sync "$dev"
	expect_eq "cgroup: also what is written back later" \
		"$(went "$top")" 0/768
	expect_eq "cgroup: and the counters say so" "$(stack_says \
		'.counters.verdicts.redirect.sectors' "$dev")" 768
	ok "cgroup: remove" bioctl stack remove "$dev"
}

test_run() {
	hold_gate
	hot_range
	of_cgroup
}
