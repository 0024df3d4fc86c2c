# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="bioctl's errors name errno, cause and next step, in text and in JSON; nothing is left behind."
REQUIRES="cmd:jq cmd:setpriv"
TIMEOUT=240

. "$BLKI_ROOT/tests/lib/bioctl.sh"

devices() {
	expect_refused "no such device" ENOENT "no such device" \
		attach /dev/nothing count
	expect_refused "not a block device" ENOTBLK "not a block device" \
		attach /dev/null count
	expect_refused "a directory" ENOTBLK "not a block device" list /sys
	expect_refused "no such device to list" ENOENT "no such device" \
		list nothing
	expect_refused "no such device for stats" ENOENT "no such device" \
		stats nothing
}

policies() {
	local dev=$1

	expect_refused "no such policy" ENOENT "no such file" \
		attach "$dev" nothing
	expect_refused "no such file" ENOENT "no such file" \
		attach "$dev" "$TMP/nothing.bpf.o"
	head -c 1000 /dev/urandom >"$TMP/noise.bpf.o"
	expect_refused "not an object" null "not a BPF object" \
		attach "$dev" "$TMP/noise.bpf.o"
	expect_refused "a program of another type" null "section blk/submit" \
		attach "$dev" "$TEST_BPF/tools_socket.bpf.o"
	expect_refused "two programs" null "more than one program" \
		attach "$dev" "$TEST_BPF/bioctl_globals.bpf.o"
	expect_refused "no such program" ENOENT "no program 'x'" \
		attach "$dev" "$TEST_BPF/bioctl_globals.bpf.o" --prog x
	expect_refused "an unknown setting" null "no setting 'x'" \
		attach "$dev" protect --set x=1
	expect_error "lists the known ones" 'ranges \(struct protect_range' \
		bioctl attach "$dev" protect --set x=1
	expect_refused "a value that does not fit" null "does not fit" \
		attach "$dev" protect --set nr_ranges=4294967296
}

verifier() {
	local dev=$1

	run_logged bioctl -j attach "$dev" "$TEST_BPF/bioctl_reject.bpf.o"
	expect_eq "the verifier rejects it" \
		"$(jq -r '.error | .action + " " + .errno' <<<"$OUTPUT")" \
		"load EACCES"
	expect_match "JSON has its log" "$(jq -r .error.log <<<"$OUTPUT")" \
		"invalid bpf_context access"
	expect_error "so has the text" "invalid bpf_context access" \
		bioctl attach "$dev" "$TEST_BPF/bioctl_reject.bpf.o"
	expect_error "verify says the same" "invalid bpf_context access" \
		bioctl verify "$TEST_BPF/bioctl_reject.bpf.o"
	expect_output "verify accepts the others" '"verified_instructions":' \
		bioctl -j verify protect --set ranges=0-7
}

# Somewhere that anyone can read: a clone may be in a private directory.
for_anyone() {
	local dir=/tmp/bioctl-errors

	at_exit rm -rf $dir
	must install -D -m 755 -t $dir/bin "$OUT/bin/bioctl"
	must install -D -m 644 -t $dir/bpf-progs "$POLICIES/count.bpf.o"
	must chmod 755 $dir
	echo $dir/bin/bioctl
}

as_nobody() {
	setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
}

unprivileged() {
	local dev=$1 caps=+bpf,+sys_admin bioctl

	bioctl=$(for_anyone)
	# Readable, so that it is the capabilities that count.
	must chmod 0644 "$dev"
	expect_error "an unprivileged user" '"errno":"EPERM".*CAP_SYS_ADMIN' \
		as_nobody "$bioctl" -j attach "$dev" count --transient
	expect_error "may not even look for pins" '"errno":"EACCES"' \
		as_nobody "$bioctl" -j attach "$dev" count
	expect_error "capabilities but no permission to write" \
		'"action":"attach".*"errno":"EACCES".*write permission' \
		as_nobody --inh-caps $caps --ambient-caps $caps \
		"$bioctl" -j attach "$dev" count --transient
	must chmod 0600 "$dev"
	expect_error "no permission to read" '"errno":"EACCES"' \
		as_nobody "$bioctl" -j list "$dev"
}

text() {
	local dev=$1

	expect_error "text names object, cause and next step" \
		'bioctl: cannot open device /dev/nothing: .*ENOENT' \
		bioctl attach /dev/nothing count
	expect_error "and what to do" 'bioctl: see lsblk' \
		bioctl attach /dev/nothing count
	expect_status "wrong usage is status 2" 2 bioctl attach
	expect_status "so is an unknown verb" 2 bioctl frobnicate
	expect_eq "features finds everything" "$(query .usable features)" true
}

test_run() {
	local dev

	dev=$(new_null_blk)
	devices
	policies "$dev"
	verifier "$dev"
	unprivileged "$dev"
	text "$dev"
	expect_eq "nothing is pinned" "$(find /sys/fs/bpf -mindepth 1)" ""
	expect_names "nothing is attached" "$dev" ""
}
