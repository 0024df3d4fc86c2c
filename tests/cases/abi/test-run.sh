# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="BPF_PROG_TEST_RUN: what it refuses, what programs see, what comes back."

test_run() {
	run_bin abi_test_run
}
