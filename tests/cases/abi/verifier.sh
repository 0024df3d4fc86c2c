# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="The verifier accepts and refuses what it should: context accesses, verdicts, helpers, maps, kfuncs."
TIMEOUT=120

test_run() {
	run_bin abi_verifier
}
