# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# `make fuzz` sets both variables.

DESCRIPTION="On random layouts, random programs, changes and I/O come to what a model predicts."
REQUIRES="cmd:dmsetup"
TIMEOUT=180

. "$BLKI_ROOT/tests/lib/model.sh"

test_run() {
	local seed=${MODEL_SEED:-401} seconds=${MODEL_SECONDS:-} n=2 i
	local length=(-n 3)

	if [ -n "$seconds" ]; then
		n=4
		length=(-t $((seconds / n)))
	fi
	for ((i = 0; i < n; i++)); do
		model_random_layout $((seed + i))
		model_run -s $((seed + 1000 * i)) "${length[@]}"
	done
}
