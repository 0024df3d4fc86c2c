# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# With the fault in the model, the kernel is what differs.

DESCRIPTION="A model with a fault in it does not agree with the kernel, and a short trace shows where."
FLAVOURS=base
TIMEOUT=180

. "$BLKI_ROOT/tests/lib/model.sh"

test_run() {
	local fault

	model_null_blk
	LAYOUT+=("$(new_brd)")
	for fault in order hops; do
		model_run -f "$fault" -n 20
	done
	model_partitions 0 1024 1024
	model_run -f apart -n 20
}
