# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A case that takes the machine down has failed, and the machine's end is noticed."
EXPECT=lost
FLAVOURS=base

test_run() {
	pass "so far"
	echo c >/proc/sysrq-trigger
}
