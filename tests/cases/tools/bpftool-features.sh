# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="bpftool feature probe finds the program type, the map type and the helpers, and no helper that is not there."
REQUIRES="cmd:jq"
TIMEOUT=240

test_run() {
	local probe=$TMP/probe.json helpers name

	ok "probe" bash -c "'$BPFTOOL' -j feature probe kernel >'$probe'"
	expect_eq "option" "$(jq -r .system_config.CONFIG_BLK_INTERPOSER "$probe")" y
	expect_eq "program type" \
		"$(jq -r .program_types.have_blk_interposer_prog_type "$probe")" true
	expect_eq "map type" \
		"$(jq -r .map_types.have_blkdev_map_type "$probe")" true

	helpers=$(jq -r '.helpers.blk_interposer_available_helpers[]' "$probe")
	for name in map_lookup_elem map_update_elem ringbuf_reserve ktime_get_ns \
		get_prandom_u32 get_current_pid_tgid get_current_comm \
		get_current_cgroup_id get_attach_cookie redirect_map \
		spin_lock timer_init; do
		ok "helper $name" grep -qx "bpf_$name" <<<"$helpers"
	done
	for name in skb_load_bytes xdp_adjust_head redirect override_return \
		copy_from_user; do
		expect_fail "no helper $name" grep -qx "bpf_$name" <<<"$helpers"
	done

	for name in prog_types:blk_interposer map_types:blkdev \
		attach_types:blk_submit link_types:blk; do
		expect_output "built-in ${name%:*}" "^${name#*:}$" \
			"$BPFTOOL" feature list_builtins "${name%:*}"
	done
}
