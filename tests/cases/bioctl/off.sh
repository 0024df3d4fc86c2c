# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Booted with blk_interposer=off, attaching is refused and bioctl says why."
REQUIRES="cmd:jq"
TIMEOUT=180
CMDLINE="blk_interposer=off"

. "$BLKI_ROOT/tests/lib/bioctl.sh"

test_run() {
	local dev

	dev=$(new_null_blk)
	expect_refused "attach" EOPNOTSUPP "blk_interposer=off" \
		attach "$dev" protect
	expect_eq "features knows" \
		"$(query '[.usable, .booted_off] | @csv' features)" "false,true"
	ok "policies can be verified" bioctl verify protect
	ok "the device works" write_sector "$dev" 0
	expect_names "nothing is attached" "$dev" ""
}
