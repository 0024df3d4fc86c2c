# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Those of the kernel's own test_progs about links, multi-program hooks, libbpf and the verifier come to their end."
FLAVOURS="peers peers-unpatched"
TIMEOUT=900
VM_MEM=4096
# It switches static keys all the time. With two processors the emulator now and
# then runs an old translation of one, see tests/README.md.
VM_CPUS=1

. "$BLKI_ROOT/tests/lib/bioctl.sh"
. "$BLKI_ROOT/tests/lib/peers.sh"

# `#12/3 TEST/SUBTEST:OK` and `#12 TEST:OK (SKIP: 1/3)`
test_results() {
	sed -nE 's/^#[0-9]+(\/[0-9]+)? +([^:]+):(OK|FAIL|SKIP)( .*)?$/\2:\3/p' \
		"$1" | tr ' ' '_' | sed 's/:\([A-Z]*\)$/ \1/'
}

test_run() {
	run_suite test_progs 1000
}
