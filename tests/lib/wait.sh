# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash

# scaled N: N seconds, longer on a kernel that is slower.
scaled() {
	echo $(($1 * ${BLKI_TIME_SCALE:-1}))
}

# wait_for SECONDS COMMAND...: until it succeeds; its output is dropped.
wait_for() {
	local end=$((SECONDS + $(scaled "$1")))

	shift
	while ! "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.1
	done
}
