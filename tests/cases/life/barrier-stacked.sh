# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A barrier waits for a target that itself sits on the disk of the source, without keeping that from its disk."
REQUIRES="cmd:jq cmd:dmsetup"
TIMEOUT=120

. "$BLKI_ROOT/tests/lib/load.sh"
. "$BLKI_ROOT/tests/lib/bioctl.sh"

# A write waits in the target. When dm lets it go it enters the queue of the
# source's disk, which must not be frozen then, however long the barrier has
# waited.
held() {
	local name=$1 source=$2 barrier

	must bioctl attach "$source" redirect --target 0=/dev/mapper/held \
		--set ranges=0-7:0:0
	must dmsetup suspend --noudevsync --noflush --nolockfs held
	write_in_background "$source"
	must wait_for 10 redirected "$source" 1
	bioctl detach "$source" redirect --barrier &
	barrier=$!
	must wait_for 20 has_programs "$source" 0
	sleep "$(scaled 2)"
	ok "$name: the barrier waits" kill -0 "$barrier"
	ok "$name: so does the write" kill -0 "$WRITER"
	ok "$name: the disk takes others" timeout "$(scaled 10)" \
		dd if="$source" of=/dev/null bs=4k skip=9 count=1 iflag=direct \
		status=none
	must dmsetup resume --noudevsync held
	expect_within "$name: it returns when the target goes on" 10 \
		dead "$barrier"
	expect_end "$name: it succeeds" "$barrier" 0
	expect_within "$name: the write is over" 1 dead "$WRITER"
	expect_end "$name: it succeeds" "$WRITER" 0
}

test_run() {
	local disk parts

	for disk in "$(new_null_blk)" "$(disk 0)"; do
		mapfile -t parts < <(new_partitions "$disk" size=16MiB size=16MiB)
		new_view held "${parts[1]}" >/dev/null
		held "${disk##*/}" "${parts[0]}"
		must remove_dm held
	done
	expect_keys_off "in the end"
}
