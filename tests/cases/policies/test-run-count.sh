# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="The count policy counts every described bio by operation, flag and cgroup."
TIMEOUT=240

test_run() {
	run_bin policy_count
}
