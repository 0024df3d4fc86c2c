# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034

DESCRIPTION="The targets of device mapper get below a mounted xfs under a load that verifies, and out again."
REQUIRES="cmd:jq cmd:fio cmd:dmsetup cmd:mkfs.xfs"
TIMEOUT=400

. "$BLKI_ROOT/tests/lib/lower.sh"

test_run() {
	hold_gate
	DEV=$(disk 0)
	below_fs xfs xfs "$DEV" through_dm "$(disk 1)" \
		"$(new_null_blk size=64)"
}
