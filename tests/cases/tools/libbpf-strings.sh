# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="libbpf has a name for every program, map, attach and link type of the running kernel."

test_run() {
	run_bin libbpf_strings
}
