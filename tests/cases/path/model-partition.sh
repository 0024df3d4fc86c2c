# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="On partitions, what is read and written agrees with a model of the rules, byte for byte."
TIMEOUT=180

test_run() {
	local parts loops

	mapfile -t parts < <(new_partitions "$(disk 0)" "size=8MiB" "size=8MiB")
	mapfile -t loops < <(new_partitions "$(new_loop 32 --partscan)" "size=8MiB")
	run_bin path_model direct "${parts[@]}"
	run_bin path_model direct "${parts[1]}" "${loops[0]}" "${parts[0]}"
	run_bin path_model direct "${loops[0]}" "${parts[0]}"
}
