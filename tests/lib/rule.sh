# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# For cases with the rule program (progs/rule.c): rules under a name.

# rule_attach NAME DEVICE [WORD...]
rule_attach() {
	at_exit rm -rf "/sys/fs/bpf/$1"
	must "$TEST_BIN/rule" attach "$@"
}

rule_detach() {
	must rm -r "/sys/fs/bpf/$1"
}

rule() {
	"$TEST_BIN/rule" "$@"
}

# rule_count NAME REGEX: bios since the last look at its log that match.
rule_count() {
	rule log "$1" >"$TMP/rule-log"
	sed 's/^/# /' "$TMP/rule-log" >&2
	grep -cE -- "$2" "$TMP/rule-log" || [ $? -eq 1 ]
}

# stat_of NAME KEY: pass, fail, ... as BIOS/SECTORS, refused.WHY as BIOS.
stat_of() {
	rule stats "$1" | tr ' ' '\n' | sed -n "s/^$2=//p"
}
