# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="libbpf attaches, orders, updates, queries and detaches block links, and its probes know the feature."

test_run() {
	run_bin libbpf_attach "$(new_null_blk)"
}
