# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# For cases about bioctl, which is asked for JSON only.

# query FILTER ARG...: what jq finds in the JSON of a bioctl command.
query() {
	bioctl -j "${@:2}" | jq -r "$1"
}

# names DEVICE: of the attachments, in order.
names() {
	query '[.devices[].programs[].name] | join(" ")' list "$1"
}

# targets ARG...: KEY=DEVICE[:ro] of the maps that 'target list ARG...' shows.
targets() {
	query '[.maps[].targets[] | "\(.key)=\(.device)" +
		(if .read_only then ":ro" else "" end)] | join(" ")' \
		target list "$@"
}

expect_names() {
	expect_eq "$1" "$(names "$2")" "$3"
}

# has_programs DEVICE N: with a link or without
has_programs() {
	[ "$(query '.devices[0].programs | length' list "$1")" -eq "$2" ]
}

# verdict_bios DEVICE PROGRAM VERDICT
verdict_bios() {
	query ".devices[0].programs[] | select(.name == \"$2\") |
		.verdicts.$3.bios" list "$1"
}

# redirected DEVICE N: so many bios at least, by the policy of that name
redirected() {
	[ "$(verdict_bios "$1" redirect redirect)" -ge "$2" ]
}

# hold DEVICE POLICY: a program that belongs to a process, HOLDER, which says in
# $TMP/held when it is attached.
hold() {
	bioctl -j attach "$1" "$2" --transient >"$TMP/held" &
	HOLDER=$!
	# An empty file is no failure to jq -e.
	must wait_for 20 jq -es '.[0].transient' "$TMP/held"
}

# expect_refused NAME ERRNO CAUSE ARG...: bioctl fails with status 1, and its
# JSON has that errno ('null' where it is bioctl that says no), a cause that
# matches, and a next step.
expect_refused() {
	local name=$1 errno=$2 cause=$3

	shift 3
	run_logged bioctl -j "$@"
	if [ "$RC" -eq 1 ] &&
		[ "$(jq -r .error.errno <<<"$OUTPUT")" = "$errno" ] &&
		[ "$(jq -r .error.next <<<"$OUTPUT")" != null ] &&
		jq -r .error.cause <<<"$OUTPUT" | grep -qE -- "$cause"; then
		pass "$name"
	else
		fail "$name" "status $RC, wanted $errno and '$cause'"
	fi
}

# expect_end NAME PID STATUS: of a child. A pipe or $() has no child to wait for.
expect_end() {
	local rc=0

	wait "$2" || rc=$?
	expect_eq "$1" "$rc" "$3"
}

# write_sector DEVICE SECTOR, read_sector DEVICE SECTOR
write_sector() {
	dd if=/dev/zero of="$1" bs=512 seek="$2" count=1 oflag=direct \
		status=none
}

read_sector() {
	dd if="$1" of=/dev/null bs=512 skip="$2" count=1 iflag=direct \
		status=none
}
