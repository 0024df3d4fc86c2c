# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="bioctl replace exchanges a policy in its place; link, name and counters stay, maps as wanted."
REQUIRES="cmd:jq"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/bioctl.sh"
. "$BLKI_ROOT/tests/lib/bpftool.sh"

first() {
	query ".devices[0].programs[0].$2" list "$1"
}

map_id() {
	"$BPFTOOL" -j map show pinned "$1" | jq .id
}

settings() {
	local dev=$1 link refused

	must bioctl attach "$dev" protect --set ranges=0-7
	must bioctl attach "$dev" count
	link=$(first "$dev" link_id)
	expect_fail "the old range is protected" write_sector "$dev" 0
	refused=$(verdict_bios "$dev" protect fail)
	expect_eq "the result names the old one" \
		"$(query .attachment replace "$dev" protect protect \
			--set ranges=8-15)" protect
	ok "the old range is free" write_sector "$dev" 0
	expect_fail "the new range is protected" write_sector "$dev" 8
	expect_eq "the link stays" "$(first "$dev" link_id)" "$link"
	expect_eq "the counters stay" "$(verdict_bios "$dev" protect fail)" \
		$((refused + 1))
	expect_names "the place and the name stay" "$dev" "protect count"
}

other_policy() {
	local dev=$1 dir=/sys/fs/bpf/bioctl/${1##*/}/protect

	ok "another policy, with barrier" bioctl replace "$dev" protect count \
		--barrier
	expect_eq "is in charge" "$(first "$dev" program)" count
	ok "of everything" write_sector "$dev" 8
	ok "its maps are pinned" test -e "$dir/maps/ops"
}

maps() {
	local dev=$1 dir=/sys/fs/bpf/bioctl/${1##*/}/count id

	id=$(map_id "$dir/maps/ops")
	ok "replace by pin" bioctl replace "$dev" "$dir" count
	expect_eq "the maps are kept" "$(map_id "$dir/maps/ops")" "$id"
	ok "replace with fresh maps" bioctl replace "$dev" count count \
		--fresh-maps
	expect_ne "the maps are new" "$(map_id "$dir/maps/ops")" "$id"
}

refusals() {
	local dev=$1 revision

	revision=$(query '.devices[0].revision' list "$dev")
	expect_refused "what is not attached" ENOENT "no such program" \
		replace "$dev" remap count
	expect_refused "with a policy that is not there" ENOENT "no such file" \
		replace "$dev" count nothing
	expect_refused "with an unknown setting" null "no setting 'x'" \
		replace "$dev" count count --set x=1
	expect_refused "an unexpected revision" ESTALE "revision" \
		replace "$dev" count count --expect-revision $((revision + 1))
	expect_eq "nothing changed" \
		"$(query '.devices[0].revision' list "$dev")" "$revision"
	ok "the expected revision" bioctl replace "$dev" count count \
		--expect-revision "$revision"
}

without_link() {
	local dev=$1

	load_prog tools_fail
	must "$BPFTOOL" prog attach name tools_fail blk_submit dev "$dev"
	expect_fail "a plain attachment" write_sector "$dev" 0
	ok "is replaced as well" bioctl replace "$dev" tools_fail count
	ok "and the new one passes" write_sector "$dev" 0
	expect_eq "without a link" \
		"$(query '.devices[0].programs[-1].link_id' list "$dev")" 0
}

test_run() {
	local dev

	dev=$(new_null_blk)
	settings "$dev"
	other_policy "$dev"
	maps "$dev"
	refusals "$dev"
	without_link "$dev"
	ok "detach all" bioctl detach "$dev" --all
}
