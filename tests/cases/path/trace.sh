# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Each verdict that is not PASS, and each refusal, is traced; refusals are reported, naming the device, but not without end."
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/rule.sh"

TRACE=/sys/kernel/tracing

read_4k() {
	dd if="$1" of=/dev/null bs=4k count=1 skip="$2" iflag=direct \
		status=none 2>/dev/null || [ $? -eq 1 ]
}

# traced NAME TEXT: one line of the trace is exactly that.
traced() {
	expect_eq "$1 is traced" \
		"$(grep -cE "blk_interposer_$2" "$TRACE/trace")" 1
}

check_events() {
	local dev=$1 target=$2 from to id i

	from=$(lsblk -dno MAJ:MIN "$dev" | tr -d ' ' | tr : ,)
	to=$(lsblk -dno MAJ:MIN "$target" | tr -d ' ' | tr : ,)
	rule_attach traced "$dev" "target=0:$target" \
		"first=0,last=7,verdict=fail,error=-28" \
		"first=8,last=15,verdict=remap,offset=104" \
		"first=16,last=23,verdict=done" \
		"first=24,last=31,verdict=redirect,offset=40" \
		"first=32,last=39,verdict=redirect,bare=1" \
		"first=40,last=47,verdict=pass" \
		"first=48,last=55,verdict=redirect,offset=8" \
		"first=56,last=63,verdict=remap,offset=100"
	id=$(blk_prog_id "$dev")
	echo >"$TRACE/trace"
	echo 1 >"$TRACE/events/blk_interposer/enable"
	for i in 0 1 2 3 4 5 6 7; do
		read_4k "$dev" "$i"
	done
	echo 0 >"$TRACE/events/blk_interposer/enable"
	sed 's/^/# /' "$TRACE/trace"
	traced "fail" "fail: $from RS? 0 \+ 8 prog $id \(-28\)"
	traced "remap" "remap: $from RS? 8 \+ 8 prog $id -> \($from\) 112"
	traced "another" "remap: $from RS? 56 \+ 8 prog $id -> \($from\) 156"
	traced "done" "done: $from RS? 16 \+ 8 prog $id \(0\)"
	traced "redirect" "redirect: $from RS? 24 \+ 8 prog $id -> \($to\) 64"
	# The target is known by now.
	traced "another" "redirect: $from RS? 48 \+ 8 prog $id -> \($to\) 56"
	# 4: BPF_BIO_REFUSED_NO_TARGET
	traced "a refusal" "refused: $from RS? 32 \+ 8 prog $id \(4\)"
	expect_eq "and PASS is not" \
		"$(grep -c "blk_interposer_.*:" "$TRACE/trace")" 7
	rule_detach traced
}

blk_prog_id() {
	"$BPFTOOL" -j blk show dev "$1" | jq -r '.progs[0].prog_id'
}

check_messages() {
	local dev=$1 n

	# One read in a hundred parts, which is faster than any limit.
	rule_attach loud "$dev" "verdict=redirect,bare=1,accept=8"
	dmesg -C
	read_4k "$dev" 3
	expect_match "a refusal is reported with device, place and reason" \
		"$(dmesg)" \
		"${dev##*/}: blk_interposer: program $(blk_prog_id "$dev"): op 0, sector 24 \+ 8 refused: no target was chosen"
	expect_error "a read of a hundred parts" "Input/output error" \
		dd if="$dev" of=/dev/null bs=400k count=1 iflag=direct \
		status=none
	n=$(dmesg | grep -c "blk_interposer: program")
	expect_num "101 refusals are not 101 messages" "$n" -le 60
	expect_eq "but they are counted" "$(stat_of loud refused.no_target)" 101
	rule_detach loud
}

test_run() {
	local null

	at_exit bash -c "echo 0 >$TRACE/events/blk_interposer/enable"
	at_exit bash -c "echo >$TRACE/trace"
	null=$(new_null_blk)
	check_events "$null" "$(new_brd)"
	check_messages "$null"
}
