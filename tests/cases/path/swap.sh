# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Swapping to a disk that is redirected and divided gives memory back as it was."
REQUIRES="config:SWAP config:MEMCG"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/rule.sh"

swap_in_cgroup() {
	echo "$BASHPID" >"$GROUP/cgroup.procs"
	exec "$TEST_BIN/path_swap" 16
}

test_run() {
	local dev brd status=0

	dev=$(new_null_blk)
	brd=$(new_brd)
	must mkswap "$dev" >/dev/null
	rule_attach swap "$dev" "target=0:$brd" \
		"first=8192,last=32767,verdict=redirect,accept=24" \
		"first=32768,last=65535,verdict=remap,offset=65528"
	must swapon "$dev"
	at_exit bash -c "! grep -q '^$dev ' /proc/swaps || swapoff $dev"
	GROUP=$(new_cgroup swapping)
	echo 8M >"$GROUP/memory.max"
	(swap_in_cgroup) >"$TMP/swap.tap" || status=$?
	sed 's/^/# /' "$TMP/swap.tap"
	expect_eq "memory comes back as it went" "$status" 0
	rule log swap >"$TMP/rule-log"
	expect_num "pages were written to the target" \
		"$(grep -c "op=write .*verdict=redirect" "$TMP/rule-log")" -ge 1
	expect_num "and read from there" \
		"$(grep -c "op=read .*verdict=redirect" "$TMP/rule-log")" -ge 1
	expect_num "bios of swap say so" \
		"$(grep -cE "op=write .*flags=0x[2367abef][0-9a-f]{3} " "$TMP/rule-log")" -ge 1
	ok "swapoff" swapoff "$dev"
	rule_detach swap
}
