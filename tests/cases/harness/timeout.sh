# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A case that does not end in time is stopped, with its children, and failed."
EXPECT=timeout
FLAVOURS=base
TIMEOUT=2

test_run() {
	pass "so far"
	sleep 1000
}
