# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="fio verifies what it wrote with every engine, on every kind of disk."
FLAVOURS="peers peers-unpatched"
TIMEOUT=900

. "$BLKI_ROOT/tests/lib/bioctl.sh"
. "$BLKI_ROOT/tests/lib/peers.sh"

# job DEVICE NAME FIO_OPTION...
job() {
	local dev=$1 name=$2 result=OK

	shift 2
	fio --name="$name" --filename="$dev" --size=8M --verify_fatal=1 \
		--group_reporting --output="$TMP/fio.out" "$@" \
		>"$TMP/fio.err" 2>&1 || result=FAIL
	[ "$result" = OK ] || sed 's/^/# fio: /' "$TMP/fio.err" "$TMP/fio.out"
	echo "$KIND/$name $result" >>"$TMP/results"
}

jobs_on() {
	local dev=$1 block verify

	block=$(blockdev --getss "$dev")
	for verify in crc32c md5 sha256 pattern; do
		job "$dev" "verify-$verify" --rw=randwrite --bs=4k --direct=1 \
			--ioengine=libaio --iodepth=16 --verify="$verify" \
			--verify_pattern=0x5aa5
	done
	job "$dev" "blocks-of-any-size" --rw=randwrite \
		--bsrange="$block-128k" --blockalign="$block" --norandommap \
		--direct=1 --ioengine=libaio --iodepth=8 --verify=crc32c \
		--serialize_overlap=1
	job "$dev" "io_uring" --rw=randrw --bs=4k --direct=1 \
		--ioengine=io_uring --iodepth=32 --verify=crc32c
	job "$dev" "io_uring-fixed" --rw=randwrite --bs=16k --direct=1 \
		--ioengine=io_uring --iodepth=8 --fixedbufs=1 --registerfiles=1 \
		--verify=crc32c
	job "$dev" "psync" --rw=write --bs=64k --direct=1 --ioengine=psync \
		--verify=crc32c
	job "$dev" "pvsync2" --rw=randwrite --bs=4k --direct=1 \
		--ioengine=pvsync2 --verify=crc32c
	job "$dev" "buffered-fsync" --rw=randwrite --bs=4k --ioengine=sync \
		--fsync=16 --end_fsync=1 --verify=crc32c
	job "$dev" "o_sync" --rw=randwrite --bs=4k --direct=1 --sync=1 \
		--size=1M --ioengine=psync --verify=crc32c
	job "$dev" "threads" --rw=randwrite --bs=4k --direct=1 --thread \
		--numjobs=4 --size=2M --offset_increment=2M --ioengine=psync \
		--verify=crc32c
	if [ "$(lsblk -bdno DISC-MAX "$dev" | tr -d ' ')" -gt 0 ]; then
		job "$dev" "discards-and-writes" --rw=randtrimwrite --bs=4k \
			--direct=1 --ioengine=libaio --iodepth=4
	fi
}

test_run() {
	local way kind dev base
	local -A devices

	devices[virtio]=$(disk 0)
	devices[null_blk]=$(new_null_blk discard=1 cache_size=4)
	devices[brd]=$(new_brd)
	devices[zram]=$(new_zram)
	devices[scsi]=$(new_scsi_debug)
	devices[loop]=$(new_loop 32)
	base=$(new_null_blk)
	devices[dm]=$(new_dm peers "0 $(blockdev --getsz "$base") linear $base 0")
	for way in $(ways); do
		: >"$TMP/results"
		for kind in "${!devices[@]}"; do
			KIND=$kind dev=${devices[$kind]}
			[ "$way" != attached ] || must bioctl attach "$dev" count
			jobs_on "$dev"
			if [ "$way" = attached ]; then
				expect_num "$kind: the program saw bios" \
					"$(verdict_bios "$dev" count pass)" -gt 1000
				must bioctl detach "$dev" --all
			fi
		done
		expect_results "$way" $((12 * 7))
	done
}
