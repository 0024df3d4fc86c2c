# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Assertions. Results go to a file as well as to the log, because assertions
# may run in subshells.

# Processes are expensive under emulation: builtins where they do.
result() {
	echo "$1" >>"$TMP/.results"
	echo "$1 - $2"
}

note() {
	echo "# $*"
}

pass() {
	result "ok" "$1"
}

fail() {
	result "not ok" "$1"
	[ $# -lt 2 ] || note "${@:2}"
}

skip() {
	note "SKIP: $*"
	echo "$*" >"$TMP/.skip"
	exit 0
}

must() {
	local rc=0

	"$@" || rc=$?
	[ "$rc" -eq 0 ] || {
		fail "preparation: $*" "status $rc"
		exit 1
	}
}

# run_logged COMMAND...: sets RC and OUTPUT, and logs both.
run_logged() {
	RC=0
	note "\$ $*"
	OUTPUT=$("$@" 2>&1) || RC=$?
	[ -z "$OUTPUT" ] || printf '#   %s\n' "${OUTPUT//$'\n'/$'\n#   '}"
}

verdict() {
	local name=$1

	shift
	if "$@"; then pass "$name"; else fail "$name" "status $RC"; fi
}

ok() {
	local name=$1

	shift
	run_logged "$@"
	verdict "$name" test "$RC" -eq 0
}

failed_properly() {
	[ "$RC" -ge 1 ] && [ "$RC" -le 125 ]
}

output_matches() {
	grep -qE -- "$1" <<<"$OUTPUT"
}

expect_fail() {
	local name=$1

	shift
	run_logged "$@"
	verdict "$name" failed_properly
}

expect_status() {
	local name=$1 want=$2

	shift 2
	run_logged "$@"
	verdict "$name" test "$RC" -eq "$want"
}

expect_error() {
	local name=$1 regex=$2

	shift 2
	run_logged "$@"
	if failed_properly && output_matches "$regex"; then
		pass "$name"
	else
		fail "$name" "status $RC, wanted an error that matches '$regex'"
	fi
}

expect_output() {
	local name=$1 regex=$2

	shift 2
	run_logged "$@"
	if [ "$RC" -eq 0 ] && output_matches "$regex"; then
		pass "$name"
	else
		fail "$name" "status $RC, wanted success and output that matches '$regex'"
	fi
}

expect_eq() {
	if [ "$2" = "$3" ]; then
		pass "$1"
	else
		fail "$1" "got '$2', wanted '$3'"
	fi
}

expect_ne() {
	if [ "$2" != "$3" ]; then
		pass "$1"
	else
		fail "$1" "got '$2', wanted anything else"
	fi
}

expect_num() {
	local name=$1

	shift
	if test "$@"; then
		pass "$name ($*)"
	else
		fail "$name" "not true: $*"
	fi
}

expect_match() {
	if grep -qE -- "$3" <<<"$2"; then
		pass "$1"
	else
		fail "$1" "'$2' does not match '$3'"
	fi
}

expect_within() {
	local name=$1 seconds=$2

	shift 2
	if wait_for "$seconds" "$@"; then
		pass "$name"
	else
		fail "$name" "not within $(scaled "$seconds") s: $*"
	fi
}

# run_bin NAME [ARG...]: a C test program; its TAP lines become ours.
run_bin() {
	local name=$1 rc=0 line plan='' seen=0

	shift
	"$TEST_BIN/$name" "$@" >"$TMP/.tap" 2>"$TMP/.tap-err" || rc=$?
	while IFS= read -r line; do
		case $line in
		ok*)
			seen=$((seen + 1))
			pass "$name: ${line#ok }"
			;;
		"not ok"*)
			seen=$((seen + 1))
			fail "$name: ${line#not ok }"
			;;
		1..*)
			plan=${line#1..}
			plan=${plan%% *}
			;;
		*)
			echo "$line"
			;;
		esac
	done <"$TMP/.tap"
	[ ! -s "$TMP/.tap-err" ] || sed 's/^/# stderr: /' "$TMP/.tap-err"
	[ "$rc" -eq 0 ] || fail "$name: exit status" "status $rc"
	if [ -z "$plan" ] || [ "$plan" -ne "$seen" ]; then
		fail "$name: plan" "planned '$plan', saw $seen"
	fi
}

have_config() {
	# No pipe: grep -q ends early, and zcat would fail for that.
	grep -qE "^CONFIG_$1=[ym]" <(zcat /proc/config.gz)
}

check_requirements() {
	local word

	for word in $REQUIRES; do
		case $word in
		cmd:*)
			# No function of that name
			type -P "${word#*:}" >/dev/null ||
				skip "no command ${word#*:}"
			;;
		config:*)
			have_config "${word#*:}" ||
				skip "the kernel lacks CONFIG_${word#*:}"
			;;
		file:*)
			[ -e "${word#*:}" ] || skip "no ${word#*:}"
			;;
		*)
			fail "REQUIRES" "unknown word '$word'"
			exit 1
			;;
		esac
	done
}
