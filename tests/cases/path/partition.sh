# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A partition's programs see its own sectors, then the disk's see absolute ones, each of them once."

try_disk() {
	local parts

	mapfile -t parts < <(new_partitions "$1" "size=8MiB" "size=8MiB")
	run_bin path_partition "$1" "${parts[@]}"
}

test_run() {
	try_disk "$(disk 0)"
	try_disk "$(new_loop 64 --partscan)"
}
