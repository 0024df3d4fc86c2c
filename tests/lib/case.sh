# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Everything a case may call; described in tests/README.md.

. "$BLKI_ROOT/tests/lib/wait.sh"
. "$BLKI_ROOT/tests/lib/assert.sh"
. "$BLKI_ROOT/tests/lib/devices.sh"
. "$BLKI_ROOT/tests/lib/stacks.sh"

# The same language, all keys sorted; jq compiles its own library each time it
# starts, a quarter of a second here. Where gojq is missing, jq sorts with -S.
jq() {
	if command -v gojq >/dev/null; then
		gojq "$@"
	else
		command jq -S "$@"
	fi
}
