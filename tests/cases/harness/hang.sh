# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A machine that says nothing more, not even that the time limit has passed, is ended by the host."
EXPECT=hang
FLAVOURS=base
TIMEOUT=2
GRACE=5

test_run() {
	pass "so far"
	# tests/vm/guest. What it has started for the time limit goes on.
	kill -STOP "$PPID"
	sleep 1000
}
