# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="Operation, flags, length, device and submitter are what the program is told, for everything a disk can be asked to do."
REQUIRES="cmd:fio"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/rule.sh"


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
		"$(rule_count fields "op=write sector=24 nr=8 flags=0x9 ")" 1
	must blkdiscard -f -o 64k -l 128k "$DEV"
	saw "a discard" "op=discard sector=128 nr=256 "
	must fallocate -n -p -o 64k -l 128k "$DEV"
	# fallocate(1) calls fsync in the end.
	expect_eq "zeroing" \
		"$(rule_count fields "op=write_zeroes sector=128 nr=256 ")" 1
	must sync "$DEV"
	saw "a flush" "op=flush sector=0 nr=0 flags=0x11 "
	must fio --name=n --filename="$DEV" --rw=read --bs=4k --size=4k \
		--offset=12k --ioengine=pvsync2 --nowait=1 --direct=1 \
		--output=/dev/null
	saw "NOWAIT" "op=read sector=24 nr=8 flags=0x81 "
}

test_run() {
	local major minor

	DEV=$(disk 0)
	read -r major minor < <(stat -c '%Hr %Lr' "$DEV")
	DEVNO=$(printf '%#x' $((major << 8 | minor)))
	rule_attach fields "$DEV"
	check_operations
	rule_detach fields
}
