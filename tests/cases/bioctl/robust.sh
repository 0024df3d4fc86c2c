# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="bioctl does all of what it was asked or says what it did; it keeps maps that nobody pinned, and leaves nothing frozen and no stray directory."
REQUIRES="cmd:jq cmd:mkfs.ext4 cmd:dmsetup"
TIMEOUT=120

. "$BLKI_ROOT/tests/lib/bioctl.sh"

end_hold() {
	kill "$HOLDER"
	expect_end "who holds a program takes it off" "$HOLDER" 0
}

# What is attached by another tool has maps, too.
keeps_maps() {
	local dev=$1 one=$2

	must bpftool prog load "$POLICIES/redirect.bpf.o" /sys/fs/bpf/prog
	at_exit rm -f /sys/fs/bpf/prog
	must bpftool prog attach pinned /sys/fs/bpf/prog blk_submit dev "$dev"
	must rm /sys/fs/bpf/prog
	must bioctl target add "$dev" redirect "3=$one"
	ok "replace what is pinned nowhere" bioctl replace "$dev" redirect \
		redirect
	expect_eq "its target is still there" "$(targets "$dev")" "3=$one"
	ok "replace it, with fresh maps" bioctl replace "$dev" redirect \
		redirect --fresh-maps
	expect_eq "now it is not" "$(targets "$dev")" ""
	must bioctl detach "$dev"
}

settings() {
	local dev=$1

	expect_error "half a range" "is one value, but struct .* has 2 members" \
		bioctl attach "$dev" protect --set ranges=100
	expect_error "no member, no element" "begins neither with" \
		bioctl attach "$dev" protect --set "ranges[0]Xfirst=5"
	must bioctl attach "$dev" protect --set ranges=010-011
	ok "010 is ten: sector 9 can be written" dd if=/dev/zero of="$dev" \
		bs=512 seek=9 count=1 oflag=direct status=none
	expect_fail "sector 10 cannot" dd if=/dev/zero of="$dev" bs=512 \
		seek=10 count=1 oflag=direct status=none
	must bioctl detach "$dev"
}

pins() {
	local dev=$1 other=$TMP/bpffs

	ok "a pin with a slash at the end" bioctl attach "$dev" count \
		--pin /sys/fs/bpf/mine/
	ok "is found" bioctl detach "$dev" mine
	expect_fail "a pin that cannot be" bioctl attach "$dev" count \
		--pin /sys/fs/bpf/some/where/a.b
	expect_eq "leaves nothing" "$(find /sys/fs/bpf -mindepth 1)" ""
	must mkdir "$other"
	must mount -t bpf bpf "$other"
	at_exit umount "$other"
	expect_error "a pin that would not be found again" EINVAL \
		bioctl attach "$dev" count --pin "$other/mine"
	expect_eq "leaves nothing either" "$(find "$other" -mindepth 1)" ""
}

partly() {
	local dev=$1 one=$2

	must bioctl attach "$dev" redirect --target "0=$one"
	expect_status "a target that makes no sense" 2 bioctl target add \
		"$dev" redirect "1=$one" "2:$one"
	expect_eq "the one before it was not added" "$(targets "$dev")" "0=$one"
	bioctl -j target add "$dev" redirect "1=$one" "2=/dev/none" \
		>"$TMP/out" && fail "a target that is not there"
	expect_eq "what was added is said" "$(jq -sc 'map(.keys // empty)' \
		"$TMP/out")" "[[1]]"
	hold "$dev" count
	bioctl -j detach "$dev" --all >"$TMP/out" && fail "one is held"
	expect_eq "what was detached is said" \
		"$(jq -sc 'map(.detached // empty | map(.name))' "$TMP/out")" \
		'[["redirect"]]'
	end_hold
	expect_eq "all are gone" "$(names "$dev")" ""
}

# An error is not written to what is frozen.
error_while_frozen() {
	local disk=$1 dir=$2

	hold "$disk" count
	expect_status "an error while the filesystem is frozen" 1 \
		timeout "$(scaled 20)" bash -c \
		"bioctl detach $disk count --freeze 2>$dir/errors"
	expect_match "is in a file of it" "$(cat "$dir/errors")" "is not pinned"
	end_hold
}

detach_waits() {
	[ "$(names "$1")" = "" ]
}

# A signal comes while bios that will not end keep the filesystem frozen.
signal_while_frozen() {
	local disk=$1 dir=$2 target reader waiter rc=0

	target=$(new_dm slow "0 2048 zero")
	must bioctl attach "$disk" redirect --target "0=$target" \
		--set ranges=65536-65543:0:0
	must dmsetup suspend --noudevsync slow
	dd if="$disk" of=/dev/null bs=4k skip=8192 count=1 iflag=direct \
		status=none &
	reader=$!
	must wait_for "$(scaled 10)" has_redirected "$disk"
	bioctl detach "$disk" redirect --barrier --freeze &
	waiter=$!
	must wait_for "$(scaled 10)" detach_waits "$disk"
	kill -INT "$waiter"
	sleep 0.5
	ok "a signal does not end it" kill -0 "$waiter"
	must dmsetup resume --noudevsync slow
	wait "$waiter" || rc=$?
	expect_eq "it ends as it should" "$rc" 0
	must wait "$reader"
	ok "the filesystem can be written" timeout "$(scaled 20)" \
		touch "$dir/file"
}

has_redirected() {
	[ "$(verdict_bios "$1" redirect redirect)" -gt 0 ]
}

test_run() {
	local dev one disk parts dir

	dev=$(new_null_blk)
	one=$(new_null_blk)
	keeps_maps "$dev" "$one"
	settings "$dev"
	pins "$dev"
	partly "$dev" "$one"

	disk=$(disk 0)
	mapfile -t parts < <(new_partitions "$disk" size=16MiB)
	must mkfs.ext4 -q "${parts[0]}"
	dir=$(new_mount "${parts[0]}")
	error_while_frozen "$disk" "$dir"
	signal_while_frozen "$disk" "$dir"
}
