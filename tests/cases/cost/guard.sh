# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="No bio pays more than when bench/baseline was written."
FLAVOURS="base"
TIMEOUT=300
ICOUNT=1

. "$BLKI_ROOT/tests/lib/bioctl.sh"
. "$BLKI_ROOT/tests/lib/bench.sh"

# What all others are made of
rows() {
	row bare
	row_other
	row_of_chain 1 8
	row_of remap remap
	row_redirected redirect redirect one_target 0
	row_of split split
	row_of split-apart split_apart
	row_lower
	row_stacked dm-linear "linear DISK 0"
	row_inserted inserted-dm-linear "linear @lower 0"
	# By its index, not range by range
	row_of_policy protect-1000 protect --set "ranges=$(ranges 1000)"
}

# figure NAME OP
figure() {
	awk -v n="$1" -v o="$2" '$1 == "row:" && $2 == n && $4 == o &&
		$5 == "pread" { printf "%d\n", $6 + 0.5 }' "$TMP/rows"
}

# What was promised, whatever the baseline says
bounds() {
	local op

	for op in read write; do
		expect_num "a lower device, $op" \
			$(($(figure lower "$op") - $(figure bare "$op"))) -le 60
		expect_num "a stack that is inserted, $op" \
			$(($(figure inserted-dm-linear "$op") - \
				$(figure dm-linear "$op"))) -le 350
	done
}

test_run() {
	KINDS=null_blk
	bench_disks
	rows >"$TMP/rows"
	cat "$TMP/rows"
	ok "nothing has grown by more than 3 %" "$BLKI_ROOT/bench/report" \
		--guard "$BLKI_ROOT/bench/baseline" "$TMP/rows"
	bounds
	sed '/^row: pass-1 /s/[0-9.]* \([0-9.]*\)$/99999 \1/' \
		"$TMP/rows" >"$TMP/worse"
	expect_fail "and it would be seen" "$BLKI_ROOT/bench/report" \
		--guard "$BLKI_ROOT/bench/baseline" "$TMP/worse"
}
