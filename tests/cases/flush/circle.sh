# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Redirects in a circle through dm or md: data that leaves the circle is written, and a flush, which goes round it, ends, with a message."
REQUIRES="cmd:dmsetup cmd:mdadm"
TIMEOUT=120

. "$BLKI_ROOT/tests/lib/flush.sh"
. "$BLKI_ROOT/tests/lib/rule.sh"

# check_circle NAME A B STACK: A redirects to B, B to a stack on A, at a sector
# that A does not redirect again. Nor what md writes of its own: that would go
# round for ever.
check_circle() {
	local name=$1 a=$2 b=$3 stack=$4

	rule_attach there "$a" "target=0:$b" \
		"first=20480,last=20495,verdict=redirect"
	rule_attach back "$b" "target=0:$stack" \
		"first=20488,last=20495,verdict=redirect,offset=64"
	dmesg -C
	ok "$name: a write goes round and ends" write_block "$a" 2561
	expect_eq "$name: A redirected it" "$(stat_of there redirect)" 1/8
	expect_eq "$name: so did B" "$(stat_of back redirect)" 1/8
	# md does not tell its owner of an error (md_end_flush()).
	if [ "$name" = md ]; then
		ok "$name: a flush ends" fsync "$a"
	else
		expect_error "$name: a flush fails" "Input/output error" \
			fsync "$a"
	fi
	expect_match "$name: the kernel says why" "$(dmesg)" \
		"blk_interposer: flush is one of a loop through a redirect target"
	expect_num "$name: it is counted" "$(stat_of there refused.flush)" -ge 1
	rule_detach back
	rule_detach there
	# What the circle had left dirty was flushed when its targets were
	# closed: the first flush after that may tell of an error.
	fsync "$a" || true
	ok "$name: without it a flush succeeds" fsync "$a"
}

test_run() {
	local a b dm

	a=$(new_cached)
	b=$(new_cached)
	dm=$(new_dm onto "0 16384 linear $a 0
16384 16384 linear $a 16384")
	check_circle dm "$a" "$b" "$dm"

	a=$(new_cached)
	b=$(new_cached)
	check_circle md "$a" "$b" "$(new_md 1 "$a" "$(new_cached)")"
}
