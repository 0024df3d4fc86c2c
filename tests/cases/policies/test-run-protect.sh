# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="The protect policy agrees with a plain model on every border, operation and on random bios."
TIMEOUT=240

test_run() {
	run_bin policy_protect
}
