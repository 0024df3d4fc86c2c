# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="What scripts/install installs works where it is, and has the pages that it refers to."
REQUIRES="cmd:dpkg-query"
TIMEOUT=120

# Below a directory of its own, and with no other policies in reach.
installed() {
	env -u BIOCTL_POLICY_PATH "$TMP/root/opt/sbin/$1" "${@:2}"
}

test_run() {
	local dev file page man=$TMP/root/opt/share/man/man8

	ok "install" env DESTDIR="$TMP/root" PREFIX=/opt \
		"$BLKI_ROOT/scripts/install"
	expect_eq "only below PREFIX" "$(ls "$TMP/root")" opt
	for file in "$BLKI_ROOT"/bpf-progs/*.bpf.c; do
		file=${file##*/}
		expect_output "policy ${file%.bpf.c} is found and loads" \
			"^$TMP/root/opt/sbin/../lib/blk_interposer/${file%.c}.o:" \
			installed bioctl verify "${file%.bpf.c}"
	done

	dev=$(new_null_blk)
	ok "attach" installed bioctl attach "$dev" protect
	expect_output "the installed bpftool shows it" protect \
		installed bpftool blk show dev "$dev"
	expect_fail "it protects" \
		dd if=/dev/zero of="$dev" bs=4k count=1 oflag=direct
	ok "detach" installed bioctl detach "$dev"

	expect_eq "the header of the ABI" \
		"$(cat "$TMP/root/opt/include/linux/blk_interposer.h")" \
		"$(cat "$OUT/include/uapi/linux/blk_interposer.h")"
	ok "bioctl has a page" test -s "$man/bioctl.8"
	ok "bpftool blk has a page" test -s "$man/bpftool-blk.8"
	while read -r page; do
		ok "there is a page $page(8)" test -s "$man/$page.8"
	done < <(grep -ohE 'bpftool(\\-[a-z_]+)?\\fP\(8\)' "$man"/*.8 |
		sed 's/\\fP.*//; s/\\//g' | sort -u)
}
