# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="bioctl fills, shows and changes device maps, and explains each refusal."
REQUIRES="cmd:jq"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/bioctl.sh"

changes() {
	local dev=$1 one=$2 two=$3

	must bioctl attach "$dev" redirect --set ranges=0-7:0:0 \
		--target "0=$one" --target "targets:1=$two:ro"
	expect_eq "filled on attach" "$(targets "$dev")" "0=$one 1=$two:ro"
	ok "a bio goes to the target" write_sector "$dev" 0
	expect_num "which counts it" "$(block_stat "$one" 5)" -eq 1
	ok "exchange" bioctl target add "$dev" redirect "0=$two"
	ok "the next one goes to the other" write_sector "$dev" 0
	expect_num "which counts it" "$(block_stat "$two" 5)" -eq 1
	expect_num "and the first has no more" "$(block_stat "$one" 5)" -eq 1
	ok "delete" bioctl target del "$dev" redirect 0 targets:1
	expect_eq "gone" "$(targets "$dev" redirect)" ""
	expect_fail "a bio without a target fails" write_sector "$dev" 0
	ok "add two" bioctl target add "$dev" redirect "0=$one" "0x1=${two#/dev/}"
	expect_eq "both are there" "$(targets "$dev")" "0=$one 1=$two"
	ok "add by the map's pin" bioctl target add \
		--map "/sys/fs/bpf/bioctl/${dev##*/}/redirect/maps/targets" \
		"1=$one"
	expect_eq "list by the map's id" \
		"$(targets --map "$(query '.maps[0].id' target list "$dev")")" \
		"0=$one 1=$one"
}

changes_in_json() {
	local dev=$1 one=$2

	expect_eq "what add did, in JSON" "$(bioctl -j target add "$dev" \
		redirect "2=$one" "targets:3=$one:ro" | jq -c .)" \
		'{"action":"added","keys":[2,3]}'
	expect_eq "what del did, in JSON" \
		"$(bioctl -j target del "$dev" redirect 3 2 | jq -c .)" \
		'{"action":"deleted","keys":[3,2]}'
	expect_eq "both are gone" "$(targets "$dev")" "0=$one 1=$one"
}

refusals() {
	local dev=$1 one=$2 above

	expect_refused "no such target" ENOENT "no such device" \
		target add "$dev" redirect 0=/dev/nothing
	expect_refused "not a block device" ENOTBLK "not a block device" \
		target add "$dev" redirect 0=/dev/null
	expect_refused "a key beyond the end" E2BIG "beyond the end" \
		target add "$dev" redirect "100000=$one"
	expect_refused "a key that is taken" EEXIST "has a target already" \
		target add --new "$dev" redirect "0=$one"
	expect_refused "delete what is not there" ENOENT "has no target" \
		target del "$dev" redirect 7
	expect_refused "another map" null "no device map of that name" \
		target add "$dev" redirect "other:0=$one"
	expect_refused "no such program" ENOENT "no such program" \
		target add "$dev" count "0=$one"
	expect_refused "not a map" null "not a device map" \
		target list --map "/sys/fs/bpf/bioctl/${dev##*/}/redirect/link"
	expect_status "not a target" 2 bioctl target add "$dev" redirect 0
	expect_status "not a key" 2 bioctl target del "$dev" redirect x

	above=$(new_dm above "0 2048 linear $dev 0")
	expect_refused "a target on top of the device" ELOOP "stacks on" \
		target add "$dev" redirect "0=$above"
	expect_eq "nothing changed" "$(targets "$dev")" "0=$one 1=$one"
	must bioctl detach "$dev"
	expect_refused "nor on attach" ELOOP "stacks on" \
		attach "$dev" redirect --target "0=$above"
	expect_refused "a policy without a map" null "no device map" \
		attach "$dev" count --target "0=$one"
	expect_refused "a map that it does not have" null "targets" \
		attach "$dev" redirect --target "other:0=$one"
	expect_eq "nothing is pinned" "$(find /sys/fs/bpf -mindepth 1)" ""
}

removed_target() {
	local dev=$1 one=$2

	must bioctl attach "$dev" redirect --target "3=$one"
	echo 0 >"$(null_blk_dir "$one")/power"
	expect_eq "a removed target is shown as gone" \
		"$(query '.maps[0].targets[0].gone' target list "$dev")" true
	ok "and can be deleted" bioctl target del "$dev" redirect 3
	must bioctl detach "$dev"
}

test_run() {
	local dev one two

	dev=$(new_null_blk)
	one=$(new_null_blk)
	two=$(new_null_blk)
	changes "$dev" "$one" "$two"
	changes_in_json "$dev" "$one"
	refusals "$dev" "$one"
	removed_target "$dev" "$one"
}
