# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="The remap policy exchanges its ranges and nothing else, for every border and on random bios."
TIMEOUT=240

test_run() {
	run_bin policy_remap
}
