# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="The tour: policies protect, move and redirect the I/O of a mounted ext4 under load, and leave no trace."
REQUIRES="cmd:fio cmd:jq cmd:sfdisk cmd:mkfs.ext4 cmd:fsfreeze cmd:filefrag"
TIMEOUT=600

# The disks and what is on them. Sectors have 512 bytes.
DISK=/dev/vda
ROOM=${DISK}1    # ext4, with a load on it
SCRATCH=${DISK}2 # no filesystem
SECOND=/dev/vdb
FIO_MB=16

step() {
	printf '\n=== %s\n' "$1"
	shift
	printf '    %s\n' "$@"
}

# What a user would type, and what came of it.
type_in() {
	ok "${FUNCNAME[1]}: $1" "${@:2}"
}

# Sectors as they lie in the disk's image, below everything the kernel does.
below() {
	dd if="$BLKI_IMAGES/${1##*/}.img" bs=64k iflag=skip_bytes,count_bytes \
		skip="$(($2 * 512))" count="$(($3 * 512))" status=none
}

checksum() {
	sha256sum | cut -d ' ' -f 1
}

start_of() {
	cat "/sys/class/block/${1##*/}/start"
}

# First and last sector of each extent of a file, on its filesystem's device.
extents() {
	filefrag -v -b512 "$1" | tr ':.' '  ' |
		awk '$1 ~ /^[0-9]+$/ { print $4, $5 }'
}

# bioctl's list with what a program did on the line of the program.
list() {
	bioctl list "$1" | sed '/^  [0-9]/ { N; s/\n */: / }'
}

### the load

# fio writes, reads back and compares, again and again, until told to stop.
load() {
	local runs=0

	while [ ! -e "$TMP/stop" ]; do
		if [ -e "$TMP/pause" ]; then
			touch "$TMP/paused"
			sleep 0.1
			continue
		fi
		rm -f "$TMP/paused"
		fio --name=load --filename="$MNT/load" --size="${FIO_MB}m" \
			--direct=1 --rw=randwrite --bsrange=4k-64k --io_size=12m \
			--ioengine=libaio --iodepth=8 --fsync=16 \
			--fallocate=none --verify=crc32c --verify_fatal=1 \
			--randrepeat=0 >"$TMP/fio.log" 2>&1 || {
			cp "$TMP/fio.log" "$TMP/fio.failed"
			return 1
		}
		runs=$((runs + 1))
		echo "$runs" >"$TMP/runs.new"
		mv "$TMP/runs.new" "$TMP/runs"
	done
}

# For what fio's own writes and flushes would blur.
pause_load() {
	touch "$TMP/pause"
	must wait_for 60 test -e "$TMP/paused"
}

resume_load() {
	rm "$TMP/pause"
}

runs() {
	cat "$TMP/runs"
}

ran_again() {
	[ "$(runs)" -gt "$1" ]
}

# One whole run of writing and comparing has begun and ended since.
load_goes_on() {
	local before

	before=$(runs)
	expect_within "$1" 60 ran_again $((before + 1))
	[ ! -e "$TMP/fio.failed" ] || cat "$TMP/fio.failed"
}

### the steps

prepare() {
	step "A disk with a GPT, an ext4 on it, and a load on that" \
		"fio writes to $ROOM, reads back and compares, all the time."
	new_partitions "$DISK" "start=2048,size=400000" "size=32768" >/dev/null
	must mkfs.ext4 -q -b 4096 "$ROOM"
	MNT=$(new_mount "$ROOM")
	# shellcheck disable=SC2016
	at_exit bash -c 'fsfreeze --unfreeze "$0" 2>/dev/null || :' "$MNT"
	must dd if=/dev/zero of="$MNT/load" bs=1M count="$FIO_MB" status=none
	must dd if=/dev/urandom of="$MNT/contract" bs=4k count=4 status=none
	sync
	CONTRACT=$(checksum <"$MNT/contract")
	TABLE=$(below "$DISK" 0 34 | checksum)
	echo 0 >"$TMP/runs"
	load &
	LOAD=$!
	load_goes_on "fio runs on $ROOM"
	lsblk -o NAME,SIZE,TYPE,MOUNTPOINT "$DISK" "$SECOND"
}

protect_table() {
	local last

	step "1. Protect the partition table" \
		"The first 34 sectors and the last 33 hold the GPT and its copy." \
		"Nobody can write them any more; everything else goes on."
	last=$(($(blockdev --getsz "$DISK") - 1))
	type_in "attach" bioctl attach "$DISK" protect \
		--set "ranges=0-33,$((last - 32))-$last"
	expect_error "dd over sector 0 fails" "Input/output error" \
		dd if=/dev/zero of="$DISK" bs=512 count=1 oflag=direct
	# It does not say why; the event does.
	expect_fail "sfdisk cannot delete a partition" \
		sfdisk --force --no-reread --no-tell-kernel --delete "$DISK" 2
	blockdev --flushbufs "$DISK"
	expect_eq "the table on the disk is intact" \
		"$(below "$DISK" 0 34 | checksum)" "$TABLE"
	expect_output "and is read as before" "No errors detected" \
		sfdisk --verify "$DISK"
	expect_output "bioctl shows who refused what" \
		"1\. protect: .* fail [1-9][0-9]* bios" list "$DISK"
	expect_output "and who was refused" "\(dd\)" bioctl events "$DISK" protect
	expect_match "sfdisk was, too" "$OUTPUT" "refused \(EIO\), .*\(sfdisk\)"
	load_goes_on "fio noticed nothing"
}

remap_range() {
	local start a=0 b=2048 nr=2048

	step "2. Remap a range" \
		"Two ranges of 1 MiB on $SCRATCH change places." \
		"What is written to one lies where the other is."
	start=$(start_of "$SCRATCH")
	type_in "attach" bioctl attach "$SCRATCH" remap \
		--set a_first=$a --set b_first=$b --set nr=$nr
	printf 'written to sector 0 of vda2' >"$TMP/marker"
	truncate -s 512 "$TMP/marker"
	ok "write sector $a of $SCRATCH" \
		dd if="$TMP/marker" of="$SCRATCH" bs=512 count=1 \
		oflag=direct conv=fsync
	expect_eq "the device reads it there" \
		"$(dd if="$SCRATCH" bs=512 count=1 iflag=direct status=none | tr -d '\0')" \
		"written to sector 0 of vda2"
	expect_eq "the image has it at sector $b of the partition" \
		"$(below "$DISK" $((start + b)) 1 | tr -d '\0')" \
		"written to sector 0 of vda2"
	expect_eq "and nothing at sector $a" \
		"$(below "$DISK" $((start + a)) 1 | tr -d '\0')" ""
}

# Extents are whole blocks of 4 KiB. The way home is beneath the policy: the
# partition is redirected, the disk is not.
copy_file() {
	local first last to=0 nr home

	while read -r first last; do
		nr=$((last - first + 1))
		home=$(($(start_of "$ROOM") + first))
		if [ "$1" = away ]; then
			type_in "copy" dd if="$ROOM" of="$SECOND" bs=4k \
				iflag=direct oflag=direct skip=$((first / 8)) \
				seek=$((to / 8)) count=$((nr / 8)) status=none
		else
			type_in "copy" dd if="$SECOND" of="$DISK" bs=4k \
				iflag=direct oflag=direct skip=$((to / 8)) \
				seek=$((home / 8)) count=$((nr / 8)) status=none
		fi
		to=$((to + nr))
	done <"$TMP/extents"
}

old_place() {
	local first last

	while read -r first last; do
		below "$DISK" $(($(start_of "$ROOM") + first)) \
			$((last - first + 1))
	done <"$TMP/extents"
}

redirect_file() {
	local first last to=0 flushes writes before

	step "3. Redirect the hot range of the mounted filesystem to $SECOND" \
		"The range is where fio's file lies. It is copied with the" \
		"filesystem frozen, and the policy takes over before the thaw."
	extents "$MNT/load" >"$TMP/extents"
	RANGES=
	while read -r first last; do
		RANGES=$RANGES${RANGES:+,}$first-$last:$to:0
		to=$((to + last - first + 1))
	done <"$TMP/extents"
	expect_eq "the ranges hold the whole file" "$to" $((FIO_MB * 2048))

	type_in "freeze" fsfreeze --freeze "$MNT"
	copy_file away
	type_in "attach" bioctl attach "$ROOM" redirect --barrier \
		--target "0=$SECOND" --set "ranges=$RANGES"
	type_in "thaw" fsfreeze --unfreeze "$MNT"

	before=$(old_place | checksum)
	writes=$(block_stat "$SECOND" 5)
	load_goes_on "fio goes on, now on $SECOND"
	expect_num "$SECOND gets the writes" "$(block_stat "$SECOND" 5)" -gt "$writes"
	expect_eq "where the file was, the disk does not change" \
		"$(old_place | checksum)" "$before"

	pause_load
	printf 'written to the file' >"$TMP/marker"
	truncate -s 4k "$TMP/marker"
	flushes=$(block_stat "$SECOND" 16)
	type_in "write and fsync" dd if="$TMP/marker" of="$MNT/load" bs=4k \
		oflag=direct conv=notrunc,fsync status=none
	expect_num "fsync flushed $SECOND" \
		"$(block_stat "$SECOND" 16)" -gt "$flushes"
	expect_eq "and its image has what was written" \
		"$(below "$SECOND" 0 8 | tr -d '\0')" "written to the file"
	resume_load
}

link_id() {
	bioctl -j list "$ROOM" | jq '.devices[0].programs[0].link_id'
}

replace_policy() {
	local i id

	step "4. Replace the policy under load" \
		"Each bio meets the old program or the new one, never none:" \
		"a gap would send a bio to the old place, and fio would see it."
	id=$(link_id)
	type_in "replace" bioctl replace "$ROOM" redirect redirect \
		--target "0=$SECOND" --set "ranges=$RANGES"
	for i in {1..5}; do
		must bioctl replace "$ROOM" redirect redirect \
			--target "0=$SECOND" --set "ranges=$RANGES"
	done >/dev/null
	note "and 5 times more"
	expect_eq "it is still the same link" "$(link_id)" "$id"
	load_goes_on "fio verifies, no bio was lost"
}

chain_names() {
	bioctl -j list "$1" | jq -r '[.devices[0].programs[].program] | join(" ")'
}

chain_three() {
	local first last

	step "5. Three policies in a chosen order" \
		"count sees every bio, then protect guards the blocks of one file," \
		"then redirect sends fio's to the second disk."
	read -r first last < <(extents "$MNT/contract")
	type_in "attach" bioctl attach "$ROOM" count --before redirect
	type_in "attach" bioctl attach "$ROOM" protect --after count \
		--set "ranges=$first-$last"
	expect_eq "the order" "$(chain_names "$ROOM")" "count protect redirect"
	expect_error "the file cannot be overwritten" "Input/output error" \
		dd if=/dev/zero of="$MNT/contract" bs=4k count=4 \
		oflag=direct conv=notrunc
	expect_output "and the list shows whose work that was" \
		"2\. protect: .* fail [1-9][0-9]* bios" list "$ROOM"
	load_goes_on "fio goes on behind three policies"
}

with_bpftool() {
	step "6. Attach with bpftool" \
		"bioctl is a convenience; the interface is bpf(2)."
	type_in "load" bpftool prog load "$POLICIES/count.bpf.o" \
		/sys/fs/bpf/tour_count
	at_exit rm -f /sys/fs/bpf/tour_count
	type_in "attach" bpftool prog attach pinned /sys/fs/bpf/tour_count \
		blk_submit dev "$DISK"
	expect_output "bpftool shows it" "count" bpftool blk show dev "$DISK"
	expect_output "and so does bioctl" "count" bioctl list "$DISK"
	load_goes_on "fio goes on"
}

detach_all() {
	local i rc=0

	step "7. Detach everything" \
		"First the file comes home, under freeze, beneath the policy."
	type_in "detach" bpftool prog detach pinned /sys/fs/bpf/tour_count \
		blk_submit dev "$DISK"
	type_in "freeze" fsfreeze --freeze "$MNT"
	copy_file home
	type_in "detach" bioctl detach "$ROOM" --all --barrier
	type_in "thaw" fsfreeze --unfreeze "$MNT"
	type_in "detach" bioctl detach "$SCRATCH" --all
	type_in "detach" bioctl detach "$DISK" --all
	for i in "$ROOM" "$SCRATCH" "$DISK"; do
		expect_eq "nothing is attached to $i" \
			"$(bioctl -j list "$i" | jq '.devices[0].programs | length')" 0
	done
	load_goes_on "fio goes on, on the first disk again"

	touch "$TMP/stop"
	wait "$LOAD" || rc=$?
	expect_eq "every run of fio verified what it wrote ($(runs) runs)" $rc 0
	expect_eq "the protected file is as it was" \
		"$(dd if="$MNT/contract" bs=4k iflag=direct status=none | checksum)" \
		"$CONTRACT"
	expect_eq "so is the partition table" \
		"$(below "$DISK" 0 34 | checksum)" "$TABLE"
	expect_eq "what was remapped is now seen where it lies" \
		"$(dd if="$SCRATCH" bs=512 skip=2048 count=1 iflag=direct status=none | tr -d '\0')" \
		"written to sector 0 of vda2"
	ok "unmount" umount "$MNT"
	ok "the filesystem is clean" e2fsck -fn "$ROOM"
}

test_run() {
	must test "$(disk 0)" = "$DISK"
	must test "$(disk 1)" = "$SECOND"
	prepare
	protect_table
	remap_range
	redirect_file
	replace_policy
	chain_three
	with_bpftool
	detach_all
}
