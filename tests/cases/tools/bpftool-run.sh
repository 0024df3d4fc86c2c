# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="bpftool prog run asks a policy about a described bio, with no device at all."
REQUIRES="cmd:jq"

. "$BLKI_ROOT/tests/lib/bpftool.sh"

# describe OP SECTOR: a struct bpf_bio of 8 sectors; the numbers as octal digits.
describe() {
	printf '%b' "\\0$2" '\0\0\0\0\0\0\0' # sector
	printf '%b' '\010\0\0\0'               # nr_sectors
	printf '%b' "\\0$1" '\0\0\0'           # op
	printf '\0%.0s' {1..24}                # the rest
}

run() {
	bpft "$@" prog run pinned /sys/fs/bpf/tools_fail \
		ctx_in "$TMP/ctx" ctx_out -
}

test_run() {
	load_prog tools_fail

	describe 2 10 >"$TMP/ctx"
	expect_eq "a context has 40 bytes" "$(stat -c %s "$TMP/ctx")" 40
	expect_output "a write to sector 8 fails" 'Return value: 1' run
	expect_eq "with the policy's errno" \
		"$(run -j | jq -r '.ctx_out[28:32] | join(" ")')" \
		"255 255 255 255"
	describe 1 10 >"$TMP/ctx"
	expect_output "a read of it passes" 'Return value: 0' run
	describe 143 10 >"$TMP/ctx"
	expect_error "there is no operation 99" "Invalid argument" run
}
