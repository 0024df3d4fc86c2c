# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="A bio that a dm target sends back, to be submitted again after a resume, meets the programs above and below it once."
REQUIRES="cmd:dmsetup config:DM_THIN_PROVISIONING config:KPROBE_EVENTS"
TIMEOUT=120

. "$BLKI_ROOT/tests/lib/load.sh"
. "$BLKI_ROOT/tests/lib/rule.sh"
. "$BLKI_ROOT/tests/lib/calls.sh"

# Blocks of 64 KiB. The data of the pool lie on a dm device, which can grow.
pool_table() {
	echo "0 $1 thin-pool $META /dev/mapper/pooldata 128 0"
}

data_table() {
	echo "0 $1 linear $BASE 0"
}

# reload NAME TABLE
reload() {
	echo "$2" | must dmsetup load --noudevsync "$1"
	must dmsetup suspend --noudevsync --nolockfs --noflush "$1"
	must dmsetup resume --noudevsync "$1"
}

out_of_space() {
	dmsetup status pool | grep -q out_of_data_space
}

grow_pool() {
	reload pooldata "$(data_table "$1")"
	reload pool "$(pool_table "$1")"
}

# send_back NAME SECTORS: a MiB to thin, for which the pool has no room, until
# a suspend makes it come back; with SECTORS it has room again.
send_back() {
	local before

	before=$(calls dm_io_rewind)
	dd if="$TMP/data" of="$THIN" bs=1M count=1 oflag=direct status=none &
	WRITER=$!
	must wait_for 20 out_of_space
	sleep "$(scaled 1)"
	must dmsetup suspend --noudevsync --nolockfs --noflush thin
	expect_num "$1: dm takes it back" "$(calls dm_io_rewind)" -gt "$before"
	ok "$1: the write has not ended" kill -0 "$WRITER"
	grow_pool "$2"
	must dmsetup resume --noudevsync thin
	expect_within "$1: it ends after the resume" 30 dead "$WRITER"
	wait "$WRITER" || fail "$1: the write succeeds" "status $?"
}

# blocks FILE MIB: the MiB there, as the checksums of its blocks of the pool.
blocks() {
	local n

	for ((n = 0; n < 16; n++)); do
		dd if="$1" bs=64k skip=$(($2 * 16 + n)) count=1 status=none |
			sha256sum
	done
}

# at DEVICE MIB: the data are there. In which order thin gives out blocks to
# bios that came back is for it to say: dm_io_requeue() keeps them on a list.
at() {
	[[ $(blocks "$1" "$2" | sort) == "$(blocks "$TMP/data" 0 | sort)" ]]
}

test_run() {
	must dd if=/dev/urandom of="$TMP/data" bs=1M count=1 status=none
	META=$(new_null_blk size=16)
	BASE=$(new_null_blk)
	new_dm pooldata "$(data_table 1024)" >/dev/null
	new_dm pool "$(pool_table 1024)" >/dev/null
	must dmsetup message pool 0 "create_thin 0"
	THIN=$(new_dm thin "0 65536 thin /dev/mapper/pool 0")
	count_calls dm_io_rewind

	# 4 MiB on above, 16 MiB on below
	rule_attach upper "$THIN" \
		"first=0,last=4095,op=write,verdict=remap,offset=8192"
	rule_attach lower "$BASE" "op=write,verdict=remap,offset=32768"
	send_back "moved" 4096
	expect_eq "moved: the program above was asked once" \
		"$(rule_count upper "op=write sector=0 nr=2048 ")" 1
	expect_eq "moved: and for nothing else" "$(rule stats upper)" \
		"remap=1/2048 "
	rule log lower >"$TMP/log"
	expect_eq "moved: the one below once for each sector" \
		"$(sed -n 's/^op=write sector=\([0-9]*\) nr=\([0-9]*\) .*/\1 \2/p' \
		"$TMP/log" | sort -n | awk '$1 != next_ { bad++ }
			{ next_ = $1 + $2 } END { print bad + 0, next_ }')" \
		"0 2048"
	expect_match "moved: and all of these were moved" \
		"$(stat_of lower remap)" "^[0-9]+/2048\$"
	rule_detach upper
	rule_detach lower
	ok "moved: below, it is where one move leads" at "$BASE" 16
	ok "moved: not two" cmp -n 1048576 -i $((32 << 20)):0 "$BASE" /dev/zero
	ok "moved: above, nothing is where it began" \
		cmp -n 1048576 "$THIN" /dev/zero
	ok "moved: nor where two moves lead" \
		cmp -n 1048576 -i $((8 << 20)):0 "$THIN" /dev/zero
}
