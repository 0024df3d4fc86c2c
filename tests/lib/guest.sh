# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What tests/vm/guest needs around a case: telling the host, judging the
# outcome, undoing, and comparing the machine with what it was before.

. "$BLKI_ROOT/tests/lib/wait.sh"

# Ports appear, and get their names, a moment after init starts.
find_result_port() {
	local name

	name=$(grep -lx blki.result /sys/class/virtio-ports/*/name 2>/dev/null) ||
		return 1
	RESULT_PORT=/dev/$(basename "$(dirname "$name")")
}

tell() {
	printf '%s\n' "$*" >"$RESULT_PORT"
}

kmsg() {
	printf '<5>blki: %s\n' "$*" >/dev/kmsg
}

rmdir_quiet() {
	[ ! -e "$1" ] || rmdir "$1" 2>/dev/null
}

# Sets VERDICT and CAUSE from the exit status and the assertions' results.
judge() {
	local name=$1 rc=$2 good bad

	good=$(grep -c '^ok' "$TMP/.results" || true)
	bad=$(grep -c '^not ok' "$TMP/.results" || true)
	VERDICT=failed
	if [ -e "$TMP/.timeout" ]; then
		CAUSE=timeout
	elif [ -e "$TMP/.skip" ] && [ "$bad" -eq 0 ]; then
		VERDICT=skipped CAUSE=none
	elif [ "$bad" -gt 0 ]; then
		CAUSE=assertion
	elif [ "$rc" -ne 0 ]; then
		CAUSE=status
		echo "# $name ended with status $rc"
	elif [ "$good" -eq 0 ]; then
		CAUSE=empty
		echo "# $name made no assertion"
	else
		VERDICT=passed CAUSE=none
	fi
	echo "# $name: $VERDICT ($good ok, $bad not ok)"
}

blame() {
	if [ "$VERDICT" != failed ]; then
		VERDICT=failed CAUSE=$1
	fi
}

# The undo list is a file because devices are made in command substitutions,
# whose variables are lost.
undo_all() {
	local line

	[ -s "$TMP/.undo" ] || return 0
	while read -r line; do
		if ! timeout -k 5 "$(scaled 60)" bash -c "
			set -euo pipefail
			. \"\$BLKI_ROOT/tests/lib/case.sh\"
			$line"; then
			echo "not ok - undo: $line"
			blame undo
			LEFT=1
		fi
	done < <(tac "$TMP/.undo")
}

state_snapshot() {
	"$OUT/bin/blki-objects"
	find /sys/fs/bpf -mindepth 1 -printf 'pin %p\n' | sort
	find /sys/block -mindepth 1 -maxdepth 1 -printf 'disk %f\n' | sort
	awk '{ print "mount", $5, $9 }' /proc/self/mountinfo | sort
}

state_is_back() {
	state_snapshot >/run/test/after
	diff /run/test/before /run/test/after >/run/test/left
}

# Programs and maps are freed after a grace period or two: wait for that.
check_leaks() {
	if ! wait_for 10 state_is_back; then
		echo "not ok - the machine is as it was before"
		sed -n 's/^> /# left: /p; s/^< /# gone: /p' /run/test/left
		blame leak
		# shellcheck disable=SC2034  # tests/vm/guest asks
		LEFT=1
	fi
}

# kmemleak takes only objects older than 5 s, and reports what two scans agree
# on. Counted as a case of its own.
leak_scan() {
	local name="${BLKI_BATCH}/kmemleak" start=$SECONDS log

	log=$BLKI_SHARE/log/$name.log
	mkdir -p "$(dirname "$log")"
	tell "start $name"
	kmsg "start $name"
	sleep 6
	echo scan >/sys/kernel/debug/kmemleak
	echo scan >/sys/kernel/debug/kmemleak
	cat /sys/kernel/debug/kmemleak >"$log"
	VERDICT=passed CAUSE=none
	if [ -s "$log" ]; then
		VERDICT=failed CAUSE=kmemleak
	fi
	kmsg "end $name"
	tell "end $name $VERDICT $CAUSE $((SECONDS - start))"
}

open_shell() {
	# shellcheck disable=SC2016
	TERM=${BLKI_TERM:-linux} setsid -c -w bash -c \
		'stty sane rows "$BLKI_ROWS" cols "$BLKI_COLS"
		exec bash --rcfile tests/vm/shellrc -i' \
		<>/dev/hvc0 >&0 2>&1 || echo "shell ended with status $?"
}

keep_shell() {
	echo "Case $1 failed; everything is still as it left it. Exit goes on." \
		>/dev/hvc0
	open_shell
}
