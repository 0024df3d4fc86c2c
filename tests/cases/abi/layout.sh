# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="The structs of the ABI are as in the header, and struct bio has not grown."

test_run() {
	run_bin abi_layout
}
