# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Operation, flags, length, device and submitter are what the program is told, for everything a disk can be asked to do."
REQUIRES="cmd:fio cmd:mkfs.ext4"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/rule.sh"

# enum bpf_bio_flags
SYNC=0x1
META=0x2
PRIO=0x4
RAHEAD=0x100
BACKGROUND=0x200
NOUNMAP=0x10

# saw NAME REGEX: exactly one bio like that, and no other at all.
saw() {
	rule log fields >"$TMP/rule-log"
	sed 's/^/# /' "$TMP/rule-log"
	expect_eq "$1" "$(grep -cE -- "$2" "$TMP/rule-log")/$(wc -l <"$TMP/rule-log")" 1/1
}

direct() {
	dd if=/dev/zero of="$DEV" bs=4k count=1 seek=3 status=none "$@"
}

check_operations() {
	must direct oflag=direct
	saw "a write" "op=write sector=24 nr=8 flags=0x1 dev=$DEVNO partno=0 error=0 "
	must dd if="$DEV" of=/dev/null bs=8k skip=1 count=1 iflag=direct status=none
	saw "a read" "op=read sector=16 nr=16 flags=0x1 .* pid=[1-9]"
	must direct oflag=direct,dsync
	expect_eq "O_DSYNC: FUA" \
		"$(rule_count fields "op=write sector=24 nr=8 flags=0x41 ")" 1
	must blkdiscard -f -o 64k -l 128k "$DEV"
	saw "a discard" "op=discard sector=128 nr=256 "
	must fallocate -n -p -o 64k -l 128k "$DEV"
	# fallocate(1) calls fsync in the end.
	expect_eq "zeroing" \
		"$(rule_count fields "op=write_zeroes sector=128 nr=256 flags=0x1 ")" 1
	must sync "$DEV"
	saw "a flush" "op=flush sector=0 nr=0 flags=0x81 "
	must fio --name=n --filename="$DEV" --rw=read --bs=4k --size=4k \
		--offset=12k --ioengine=pvsync2 --nowait=1 --direct=1 \
		--output=/dev/null
	saw "NOWAIT" "op=read sector=24 nr=8 flags=0x401 "
}

# flagged REGEX BIT...: is there a bio like that in $TMP/rule-log with all of
# these flags?
flagged() {
	local regex=$1 flags mask=0 bit

	shift
	for bit; do
		mask=$((mask | bit))
	done
	while read -r flags; do
		if (((flags & mask) == mask)); then
			return
		fi
	done < <(sed -nE "/$regex/s/.* flags=([^ ]+) .*/\1/p" \
		"$TMP/rule-log")
	return 1
}

look() {
	rule log fields >"$TMP/rule-log"
	sed 's/^/# /' "$TMP/rule-log"
}

# What the disk may do with the blocks is up to who zeroes them.
check_zeroing() {
	must fallocate -n -p -o 64k -l 128k "$DEV"
	look
	ok "punching a hole" flagged "op=write_zeroes sector=128 nr=256" "$SYNC"
	expect_fail "may unmap" flagged "op=write_zeroes" "$NOUNMAP"
	must fallocate -z -o 64k -l 128k "$DEV"
	look
	ok "zeroing may not" flagged "op=write_zeroes sector=128 nr=256" \
		"$NOUNMAP"
}

check_readahead() {
	must blockdev --flushbufs "$DEV"
	look
	must dd if="$DEV" of=/dev/null bs=4k count=1 status=none
	look
	ok "a buffered read reads ahead" flagged "op=read sector=0" "$RAHEAD"
	must dd if="$DEV" of=/dev/null bs=4k count=1 iflag=direct status=none
	look
	ok "a direct one" flagged "op=read sector=0" "$SYNC"
	expect_fail "does not" flagged "op=read sector=0" "$RAHEAD"
}

has_background() {
	rule log fields >>"$TMP/rule-log"
	flagged "op=write sector=0" "$BACKGROUND"
}

# Pages that are old, written by the flusher thread by itself. The disk is held
# open: the last to close it would write them, and waits for that.
check_background() {
	local hold setting value

	for setting in dirty_expire_centisecs dirty_writeback_centisecs; do
		value=$(cat "/proc/sys/vm/$setting")
		at_exit bash -c "echo $value >/proc/sys/vm/$setting"
		echo 20 >"/proc/sys/vm/$setting"
	done
	exec {hold}<"$DEV"
	must direct conv=notrunc seek=0
	: >"$TMP/rule-log"
	expect_within "old pages are written in the background" 30 \
		has_background
	exec {hold}<&-
}

# ext4 marks inodes and its journal.
check_filesystem() {
	local dir

	must mkfs.ext4 -q -b 4096 "$DEV" 32M
	rule log fields >/dev/null
	dir=$(new_mount "$DEV")
	look
	ok "reading inodes: META and PRIO" flagged "op=read" "$META" "$PRIO"
	must mkdir "$dir/new"
	must sync -f "$dir"
	look
	ok "the journal: META" flagged "op=write " "$META"
	must umount "$dir"
}

test_run() {
	local major minor

	DEV=$(disk 0)
	read -r major minor < <(stat -c '%Hr %Lr' "$DEV")
	DEVNO=$(printf '%#x' $((major << 8 | minor)))
	rule_attach fields "$DEV"
	check_operations
	check_zeroing
	check_readahead
	check_background
	check_filesystem
	rule_detach fields
}
