# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A barrier gives up after 30 s if a target is suspended, and may be killed; the change stands unless it is a new link, and I/O goes on."
REQUIRES="cmd:jq"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/load.sh"
. "$BLKI_ROOT/tests/lib/bioctl.sh"

# start_attach SOURCE: its barrier times out beside what the case itself waits for.
# Nothing is pinned, so it does not have to wait for another bioctl, nor that
# for it.
start_attach() {
	local source=$1 target

	target=$(new_view also "$(new_null_blk)")
	must bioctl attach "$source" redirect --set ranges=0-7:0:0 \
		--target "0=$target"
	must dmsetup suspend --noudevsync also
	write_in_background "$source"
	must wait_for 10 redirected "$source" 1
	bioctl -j attach "$source" count --barrier --transient \
		>"$TMP/undone" 2>&1 &
	ATTACH=$!
	expect_within "attach: the program is there while it waits" 10 \
		has_programs "$source" 2
}

expect_undone() {
	local source=$1

	expect_within "attach: it gives up, too" 30 dead "$ATTACH"
	expect_end "attach: it fails" "$ATTACH" 1
	sed 's/^/# /' "$TMP/undone"
	expect_eq "attach: of the timeout" \
		"$(jq -r .error.errno "$TMP/undone")" ETIMEDOUT
	expect_match "attach: it says what became of it" \
		"$(jq -r .error.cause "$TMP/undone")" "was taken off again"
	expect_eq "attach: the program is off again" "$(names "$source")" \
		redirect
	must dmsetup resume --noudevsync also
}

test_run() {
	local source other base pid start writer

	source=$(new_null_blk)
	other=$(new_null_blk)
	base=$(new_null_blk)
	new_view suspended "$base" >/dev/null
	must bioctl attach "$source" redirect --set ranges=0-7:0:0 \
		--target 0=/dev/mapper/suspended
	must dmsetup suspend --noudevsync suspended
	write_in_background "$source"
	writer=$WRITER
	must wait_for 10 redirected "$source" 1

	bioctl attach "$source" count --barrier >"$TMP/killed" 2>&1 &
	pid=$!
	sleep 3
	ok "the barrier waits" kill -0 "$pid"
	kill -KILL "$pid"
	expect_within "it can be killed" 5 dead "$pid"
	ok "the queue is not left frozen" timeout "$(scaled 10)" \
		dd if=/dev/zero of="$source" bs=4k seek=1 count=1 \
		oflag=direct status=none
	must rm -rf "/sys/fs/bpf/bioctl/${source##*/}/count"

	start_attach "$other"
	start=$SECONDS
	expect_error "it gives up" "ETIMEDOUT" \
		bioctl -j detach "$source" redirect --barrier
	expect_num "after 30 s" $((SECONDS - start)) -ge 29
	expect_num "not later" $((SECONDS - start)) -le 60
	expect_eq "the program is off" "$(names "$source")" ""
	expect_undone "$other"
	ok "other bios pass" timeout "$(scaled 10)" \
		dd if=/dev/zero of="$source" bs=4k count=1 oflag=direct \
		status=none
	ok "the one in flight is still there" kill -0 "$writer"
	must dmsetup resume --noudevsync suspended
	expect_within "and ends when the target is resumed" 10 dead "$writer"
	ok "the target can be removed" wait_for 10 \
		remove_dm suspended
	must bioctl detach "$other"
	expect_keys_off "in the end"
}
