# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Everything a case may call; described in tests/README.md.

. "$BLKI_ROOT/tests/lib/wait.sh"
. "$BLKI_ROOT/tests/lib/assert.sh"
. "$BLKI_ROOT/tests/lib/devices.sh"
. "$BLKI_ROOT/tests/lib/stacks.sh"
