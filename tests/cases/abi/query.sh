# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Queries with too little room, structs of earlier and later headers, info and fdinfo of links."

test_run() {
	run_bin abi_query "$(new_null_blk)"
}
