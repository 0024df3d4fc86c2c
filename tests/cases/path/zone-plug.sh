# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Writes that wait for their turn in a zone meet the programs once."
REQUIRES="cmd:fio cmd:blkzone cmd:jq config:BLK_DEV_ZONED"
TIMEOUT=60

. "$BLKI_ROOT/tests/lib/rule.sh"

# wptr DEVICE ZONE
wptr() {
	blkzone report -o $(($2 * 8192)) -c 1 "$1" |
		sed -nE 's/.* wptr (0x[0-9a-f]+) .*/\1/p'
}

# The disk takes 20 ms for each, and a zone one write at a time: the others are
# plugged (blk_zone_plug_bio()) and submitted later, below the hook.
test_run() {
	local zoned longest

	zoned=$(new_null_blk zoned=1 zone_size=4 max_sectors=8 irqmode=2 \
		completion_nsec=20000000)
	# 4 MiB zones of 8192 sectors. Moved twice it would be in zone 2.
	rule_attach move "$zoned" \
		"first=0,last=16383,verdict=remap,offset=8192,op=write"
	ok "32 writes to one zone, 16 at a time" \
		fio --name=plug --filename="$zoned" --rw=write --bs=4k \
		--size=128k --direct=1 --ioengine=libaio --iodepth=16 \
		--iodepth_batch_submit=16 --output-format=json \
		--output="$TMP/plug.json"
	longest=$(sed -n '/^{/,$p' "$TMP/plug.json" |
		jq '.jobs[0].write.clat_ns.max / 1000000 | floor')
	expect_num "the last waited for the others (ms)" "$longest" -ge 100
	expect_eq "each is seen once" "$(rule_count move "op=write")" 32
	expect_eq "and moved once" "$(stat_of move remap)" 32/256
	rule_detach move
	expect_eq "into the next zone, and no further" \
		"$(wptr "$zoned" 0) $(wptr "$zoned" 1) $(wptr "$zoned" 2)" \
		"0x000000 0x000100 0x000000"
}
