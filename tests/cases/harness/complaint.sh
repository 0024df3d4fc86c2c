# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A warning on the kernel's console fails the case although all else is well."
EXPECT=complaint
FLAVOURS=base

test_run() {
	echo "<4>WARNING: CPU: 0 PID: 1 at harness self-test" >/dev/kmsg
	pass "all else is well"
}
