# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="bioctl list, stats and events show what policies and the kernel decided, of disks and partitions."
REQUIRES="cmd:jq"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/bioctl.sh"

counters() {
	local dev=$1

	must bioctl attach "$dev" protect --set ranges=0-7
	ok "write" write_sector "$dev" 8
	ok "read" read_sector "$dev" 0
	expect_fail "refused" write_sector "$dev" 0
	expect_eq "passed" "$(verdict_bios "$dev" protect pass)" 2
	expect_eq "failed" "$(verdict_bios "$dev" protect fail)" 1
	expect_eq "every refusal of the kernel has a count" \
		"$(query '.devices[0].programs[0].refused |
			[has("sector", "rdonly", "op", "flush")] | all' \
			list "$dev")" true
	expect_output "the text has both" \
		'pass 2 bios \(2 sectors\), fail 1 bios \(1 sectors\)' \
		bioctl list "$dev"
	expect_eq "stats has the same" \
		"$(query '.programs[0].verdicts.fail.sectors' stats "$dev")" 1
}

# What the kernel refuses is counted with the program that wanted it.
refusals() {
	local dev=$1 target=$2

	must bioctl attach "$dev" redirect --set ranges=16-23:0:0 \
		--target "0=$target:ro"
	expect_fail "a write to a read-only target" write_sector "$dev" 16
	expect_eq "is counted" \
		"$(query '.devices[0].programs[] |
			select(.name == "redirect") | .refused.rdonly' \
			list "$dev")" 1
	expect_output "and put into words" \
		'refused: 1 bios writing to a read-only device or target' \
		bioctl list "$dev"
	must bioctl detach "$dev" redirect
}

# The first report counts from the beginning, the others what is new.
one_more_pass() {
	jq -se '[.[1:][].programs[0].verdicts.pass.bios] | add == 1' \
		"$TMP/stats"
}

interval() {
	local dev=$1 pid

	expect_eq "as many reports as wanted, a line each" \
		"$(bioctl -j stats "$dev" --interval 0.1 --count 3 | wc -l)" 3
	bioctl -j stats "$dev" --interval 0.5 >"$TMP/stats" &
	pid=$!
	expect_within "the first report" 20 test -s "$TMP/stats"
	write_sector "$dev" 8
	expect_within "a later report has what is new" 20 one_more_pass
	kill -TERM "$pid"
	expect_end "stats goes on until it is ended" "$pid" 143
	expect_eq "the first report has what was before" \
		"$(head -n 1 "$TMP/stats" |
			jq '.programs[0].verdicts.fail.bios')" 1
}

events() {
	local dev=$1 event

	event=$(bioctl -j events "$dev")
	expect_eq "one event" "$(wc -l <<<"$event")" 1
	expect_eq "who refused what" \
		"$(jq -r '[.operation, .sector, .nr_sectors, .error, .comm,
			.device] | join(" ")' <<<"$event")" \
		"write 0 1 EIO dd $dev"
	expect_eq "an event is shown once" "$(bioctl -j events "$dev")" ""
	bioctl -j events "$dev" --follow --count 1 >"$TMP/event" &
	expect_fail "refused again" write_sector "$dev" 7
	expect_end "follow ends after the first" $! 0
	expect_eq "which is the new one" "$(jq .sector "$TMP/event")" 7
	must bioctl attach "$dev" count
	expect_refused "of another policy" null "not protect" \
		events "$dev" count
	expect_refused "of none" ENOENT "no such program" events "$dev" remap
}

all() {
	local dev=$1 part

	part=$(new_partitions "$(disk 0)" size=16MiB)
	must bioctl attach "$part" count
	expect_eq "all devices that have a program" \
		"$(query '[.devices[].device] | sort | join(" ")' list)" \
		"$dev $part"
	expect_names "not the disk of the partition" "${part%[0-9]}" ""
	ok "a write to the partition" write_sector "$part" 0
	expect_num "is counted there" "$(verdict_bios "$part" count pass)" -gt 0
	ok "detach from the partition" bioctl detach "$part"
}

test_run() {
	local dev target

	dev=$(new_null_blk)
	target=$(new_null_blk)
	counters "$dev"
	interval "$dev"
	events "$dev"
	refusals "$dev" "$target"
	all "$dev"
	ok "detach" bioctl detach "$dev" --all
	expect_eq "no device has a program" "$(query '.devices | length' list)" 0
}
