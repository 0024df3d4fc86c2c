# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Assertions that should fail do fail; those that should pass do pass."

# inverted ASSERTION...: passes if the assertion adds a failure, and takes that
# failure back.
inverted() {
	local before after

	before=$(grep -c '^not ok' "$TMP/.results" || true)
	"$@" >/dev/null
	after=$(grep -c '^not ok' "$TMP/.results" || true)
	if [ "$after" -eq $((before + 1)) ]; then
		sed -i '$d' "$TMP/.results"
		pass "fails as it should: $*"
	else
		fail "should have failed: $*"
	fi
}

program() {
	printf '%s\n' '#!/bin/sh' "$1" >"$TMP/program"
	chmod +x "$TMP/program"
}

test_run() {
	local TEST_BIN=$TMP

	ok "ok" true
	inverted ok "ok" false
	expect_fail "expect_fail" false
	inverted expect_fail "success" true
	inverted expect_fail "no such command" no-such-command
	expect_status "expect_status" 3 sh -c 'exit 3'
	inverted expect_status "other status" 3 sh -c 'exit 4'
	expect_error "expect_error" "bad thing" sh -c 'echo a bad thing >&2; exit 1'
	inverted expect_error "other message" "bad thing" sh -c 'echo fine; exit 1'
	inverted expect_error "success" "bad" sh -c 'echo bad'
	expect_output "expect_output" "^fine$" echo fine
	inverted expect_output "other output" "^fine$" echo bad
	inverted expect_output "failure" "fine" sh -c 'echo fine; exit 1'
	expect_eq "expect_eq" a a
	inverted expect_eq "different" a b
	expect_ne "expect_ne" a b
	inverted expect_ne "same" a a
	expect_num "expect_num" 1 -lt 2
	inverted expect_num "greater" 2 -lt 1
	expect_match "expect_match" abc '^a.c$'
	inverted expect_match "no match" abc '^b'
	expect_within "expect_within" 1 true
	inverted expect_within "never" 0 false

	program 'echo 1..1; echo ok 1 - fine'
	run_bin program
	program 'echo 1..1; echo not ok 1 - bad'
	inverted run_bin program
	program 'echo 1..0; exit 4'
	inverted run_bin program
	program 'echo 1..2; echo ok 1 - fine'
	sed -i '$d' "$TMP/.results"
	pass "result of a program"
	inverted_plan
}

# A program that stops early adds one pass and one failure.
inverted_plan() {
	local before

	before=$(wc -l <"$TMP/.results")
	run_bin program >/dev/null
	if tail -n 1 "$TMP/.results" | grep -q '^not ok'; then
		sed -i "$((before + 1)),\$d" "$TMP/.results"
		pass "a plan that is not kept fails"
	else
		fail "a plan that is not kept fails"
	fi
}
