# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="bioctl detach takes off what it is told to, whoever attached it, and cleans up after removed devices."
REQUIRES="cmd:jq"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/bioctl.sh"
. "$BLKI_ROOT/tests/lib/bpftool.sh"

by_reference() {
	local dev=$1 id link

	for id in a b c d; do
		must bioctl attach "$dev" count --name $id
	done
	expect_refused "one of several has to be named" null "several" \
		detach "$dev"
	expect_refused "a name that all have" null "more than one" \
		detach "$dev" count
	id=$(query '.devices[0].programs[1].id' list "$dev")
	link=$(query '.devices[0].programs[2].link_id' list "$dev")
	ok "by name" bioctl detach "$dev" a
	ok "by id" bioctl detach "$dev" "$id"
	ok "by link" bioctl detach "$dev" --link "$link"
	expect_names "d is left" "$dev" d
	expect_refused "what is not there" ENOENT "no such program" \
		detach "$dev" a
	expect_refused "a link that is not there" ENOENT "no such link" \
		detach "$dev" --link "$link"
	ok "the only one, with barrier" bioctl detach "$dev" --barrier
	expect_refused "nothing" ENOENT "nothing is attached" detach "$dev"
	expect_eq "all of nothing" \
		"$(query '.detached | length' detach "$dev" --all)" 0
	expect_eq "no pin is left" "$(find /sys/fs/bpf -mindepth 1)" ""
}

of_others() {
	local dev=$1

	load_prog tools_pass
	must "$BPFTOOL" prog attach name tools_pass blk_submit dev "$dev"
	must bioctl attach "$dev" count
	expect_eq "a program without a link" \
		"$(query '.devices[0].programs[0] | [.program, .name, .link_id]
			| @csv' list "$dev")" '"tools_pass",,0'
	ok "detach it by its function" bioctl detach "$dev" tools_pass
	expect_names "count is left" "$dev" count
	must "$BPFTOOL" prog attach name tools_pass blk_submit dev "$dev"
	expect_eq "all, with and without a link" \
		"$(query '[.detached[].program] | sort | join(" ")' \
			detach "$dev" --all)" "count tools_pass"
}

held_by_a_process() {
	local dev=$1

	hold "$dev" count
	expect_refused "its program stays" null "belongs to a process" \
		detach "$dev"
	ok "unless forced" bioctl detach "$dev" --force
	expect_names "gone" "$dev" ""
	kill -TERM "$HOLDER"
	expect_end "the process does not mind" "$HOLDER" 0
}

removed_device() {
	local dev=$1 dir

	dir=$(null_blk_dir "$dev")
	must bioctl attach "$dev" count
	must bioctl attach "$dev" protect
	echo 0 >"$dir/power"
	expect_eq "both links are defunct" \
		"$(query '[.defunct[].defunct] | @csv' list)" "true,true"
	expect_eq "and are found by the device's name" \
		"$(query '[.defunct[].name] | sort | join(" ")' list "$dev")" \
		"count protect"
	ok "detach one from the removed device" bioctl detach "$dev" protect
	expect_eq "one is left" "$(query '[.defunct[].name] | join(" ")' list)" \
		count
	echo 1 >"$dir/power"
	wait_device "$dev"
	ok "a new device takes the name and the pin" bioctl attach "$dev" count
	expect_names "it has the one" "$dev" count
	echo 0 >"$dir/power"
	ok "remove what is defunct" bioctl detach --defunct
	expect_eq "nothing is defunct" "$(query '.defunct | length' list)" 0
	expect_refused "no such device" ENOENT "no such device" detach "$dev"
	echo 1 >"$dir/power"
	wait_device "$dev"
}

test_run() {
	local dev

	dev=$(new_null_blk)
	by_reference "$dev"
	of_others "$dev"
	held_by_a_process "$dev"
	removed_device "$dev"
}
