# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="bpftool loads programs by section name and by type, and shows what they are."
REQUIRES="cmd:jq"
TIMEOUT=120

. "$BLKI_ROOT/tests/lib/bpftool.sh"

prog_type() {
	bpft -j prog show pinned "/sys/fs/bpf/$1" | jq -r .type
}

test_run() {
	load_prog tools_pass
	expect_eq "type by section" "$(prog_type tools_pass)" blk_interposer
	load_prog tools_fail type blk/submit
	expect_eq "type by word" "$(prog_type tools_fail)" blk_interposer
	expect_output "plain output names the type" \
		'^[0-9]+: blk_interposer  name tools_pass ' \
		bpft prog show pinned /sys/fs/bpf/tools_pass
	expect_error "an unknown word" 'blk/complete' \
		bpft prog load "$TEST_BPF/tools_pass.bpf.o" \
		/sys/fs/bpf/tools_wrong type blk/complete

	must mkdir /sys/fs/bpf/tools_all
	at_exit rm -rf /sys/fs/bpf/tools_all
	ok "loadall pins program and map" bpft prog loadall \
		"$TEST_BPF/tools_redirect.bpf.o" /sys/fs/bpf/tools_all/progs \
		pinmaps /sys/fs/bpf/tools_all/maps
	expect_output "the map has its type" '^[0-9]+: blkdev  name tools_targets ' \
		bpft map show pinned /sys/fs/bpf/tools_all/maps/tools_targets
}
