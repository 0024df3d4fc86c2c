# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A partition's programs see its own sectors, then the disk's see absolute ones, each of them once."

. "$BLKI_ROOT/tests/lib/rule.sh"

write_4k() {
	dd if=/dev/zero of="$1" bs=4k count=1 oflag=direct status=none
}

# Whether a partition may be written to is up to its disk, too.
try_read_only() {
	local disk=$1 part=$2 source

	source=$(new_null_blk)
	rule_attach readonly "$source" "target=0:$part" \
		"first=0,last=63,verdict=redirect"
	ok "a write to a partition" write_4k "$source"
	must blockdev --setro "$disk"
	expect_error "not while its disk is read-only" "Input/output error" \
		write_4k "$source"
	must blockdev --setrw "$disk"
	expect_eq "which is counted" "$(stat_of readonly refused.rdonly)" 1
	rule_detach readonly
}

try_disk() {
	local parts

	mapfile -t parts < <(new_partitions "$1" "size=8MiB" "size=8MiB")
	run_bin path_partition "$1" "${parts[@]}"
	try_read_only "$1" "${parts[0]}"
}

test_run() {
	try_disk "$(disk 0)"
	try_disk "$(new_loop 64 --partscan)"
}
