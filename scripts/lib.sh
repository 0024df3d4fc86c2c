# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# Common ground of the build scripts: where things are, one lock, progress.
# Sourced after `set -euo pipefail`.

# make passes its own flags on; they are not for the builds below.
unset MAKEFLAGS MFLAGS MAKELEVEL

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
OUT=${OUT:-$ROOT/build}
PACKAGE=linux-source-6.12
TARBALL=/usr/src/$PACKAGE.tar.xz
LLVM_VERSION=19

export CLANG=${CLANG:-clang-$LLVM_VERSION}
export LLVM_STRIP=${LLVM_STRIP:-llvm-strip-$LLVM_VERSION}

say() {
	printf '[%3d:%02d] %s\n' $((SECONDS / 60)) $((SECONDS % 60)) "$*"
}

die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# All clones of one user share the kernel trees: unpacking and building them
# is most of the work, and make sees by itself what a clone changes.
cache_paths() {
	local version

	version=$(dpkg-query -W -f '${Version}' "$PACKAGE" 2>/dev/null) ||
		die "package $PACKAGE is not installed; run scripts/setup"
	CACHE=${BLKI_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/blk_interposer}
	# '~' is part of Debian versions and special to shells.
	CACHE=$CACHE/${version//\~/_}
	KSRC=$CACHE/src
	mkdir -p "$CACHE"
}

# cache_lock NAME: held until the process ends; children that run under it see
# it in BLKI_LOCKED and do not take it again. Each flavour has a source tree and
# a lock of its own, so that the long build of one does not hold up the other.
cache_lock() {
	local name=$1

	[[ " ${BLKI_LOCKED:-} " != *" $name "* ]] || return 0
	exec {LOCK_FD}>"$CACHE/lock-$name"
	if ! flock -n "$LOCK_FD"; then
		say "waiting for another build that uses $CACHE ($name)"
		flock "$LOCK_FD"
	fi
	export BLKI_LOCKED="${BLKI_LOCKED:-} $name"
}

# source_tree FLAVOUR: where its source is.
source_tree() {
	case $1 in
	base | bench-*) echo "$CACHE/src" ;;
	*) echo "$CACHE/src-$1" ;;
	esac
}

jobs_wanted() {
	echo "${JOBS:-$(nproc)}"
}

# show_failure WHAT LOG: why a step failed, without the reader opening the log.
show_failure() {
	printf '\nFAILED: %s\n' "$1" >&2
	grep -nE '(error|Error|ERROR|undefined reference|FAILED|\*\*\*)' "$2" |
		tail -n 15 >&2 || tail -n 15 "$2" >&2
	printf 'log: %s\n' "$2" >&2
}

# step NAME LOG COMMAND...: run quietly with a log, say what and how long.
# COMMAND may be a function and ends at its first failure. In a condition bash
# would ignore `set -e` in all of it; so step itself belongs in none.
step() {
	local name=$1 log=$2 start=$SECONDS status

	shift 2
	mkdir -p "$(dirname "$log")"
	set +e
	(
		set -e
		"$@"
	) >"$log" 2>&1
	status=$?
	set -e
	if [ "$status" -ne 0 ]; then
		show_failure "$name" "$log"
		exit 1
	fi
	say "$name ($((SECONDS - start)) s)"
}
