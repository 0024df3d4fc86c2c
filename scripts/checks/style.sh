# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Checks that need no kernel build.

tracked() {
	git -C "$ROOT" ls-files -- "$@" | while IFS= read -r file; do
		[ ! -e "$ROOT/$file" ] || printf '%s\n' "$file"
	done
}

# What README.md says about licenses.
SPDX_OF_OURS='GPL-2\.0(-only)?( WITH Linux-syscall-note)?'
SPDX_OF_OURS+='|\((GPL-2\.0-only|LGPL-2\.1) OR BSD-2-Clause\)'

check_spdx() {
	tracked | grep -vE '^(patches|LICENSES)/' |
		while IFS= read -r file; do
			head -n 3 "$file" | grep -qE \
				"SPDX-License-Identifier: ($SPDX_OF_OURS)( \*/| -->)?\$" ||
				echo "$file: no SPDX line, or no license of ours"
		done | findings spdx
}

# A step of the build ends at its first failure, and so does the build. In a
# shell of its own: what is called in a condition knows no `set -e`.
check_step() {
	local script=$OUT/log/check/step-test log=$OUT/log/check/step-test.log
	local status=0 bad=0

	cat >"$script" <<-'EOF'
		set -euo pipefail
		. "$1/scripts/lib.sh"
		works() { echo first; echo second; }
		breaks() { echo first; false; echo second; }
		step works "$2.works" works
		step breaks "$2" breaks
		step never "$2.never" true
	EOF
	rm -f "$log"*
	bash "$script" "$ROOT" "$log" || status=$?
	if [ "$status" -ne 1 ]; then
		echo "status $status after a step that failed"
		bad=1
	fi
	if [ "$(cat "$log.works")" != $'first\nsecond' ]; then
		echo "a step that works was not run to its end"
		bad=1
	fi
	if [ "$(cat "$log")" != first ]; then
		echo "a step went on after a failure"
		bad=1
	fi
	if [ -e "$log.never" ]; then
		echo "the step after one that failed was run"
		bad=1
	fi
	return "$bad"
}

check_leftovers() {
	{
		tracked | grep -v '^scripts/checks/' |
			xargs grep -nE '\b(TODO|FIXME|XXX)\b' || [ $? -eq 123 ]
		tracked '*.[ch]' | xargs grep -nE '[ 	]$' || [ $? -eq 123 ]
	} | findings leftovers
}

shell_files() {
	tracked '*.sh' .ci/run tests/vm/shellrc
	tracked | while IFS= read -r file; do
		case $file in *.sh | *.patch) continue ;; esac
		if head -n 1 "$file" | grep -qaE '^#!.*\b(ba)?sh$'; then
			echo "$file"
		fi
	done
}

check_shellcheck() {
	shell_files | sort -u | xargs shellcheck -x
}

check_python() {
	{
		tracked '*.py'
		tracked | xargs grep -lE '^#!.*python3$'
	} | sort -u | while IFS= read -r file; do
		python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read())' "$file"
	done
}

# Ours of bpftool, a tree that is checked as the kernel is.
bpftool_c_files() {
	tracked 'tools/bpf/bpftool/*.[ch]'
}

# Kernel files have checkpatch; the rest has the kernel's .clang-format.
user_c_files() {
	tracked 'bpf-progs/*.[ch]' 'loader/*.[ch]' 'tests/*.[ch]' 'bench/*.[ch]'
}

check_clang_format() {
	user_c_files | xargs -r "clang-format-$LLVM_VERSION" \
		--style="file:$KSRC/.clang-format" --dry-run -Werror
}

check_cppcheck() {
	{
		user_c_files
		bpftool_c_files
	} | grep '\.c$' | grep -v '\.bpf\.c$' |
		xargs -r cppcheck --quiet --inline-suppr --error-exitcode=1 \
			--enable=warning,performance,portability \
			--suppress=missingIncludeSystem --std=c11 \
			-I "$ROOT/bpf-progs" -I "$OUT/libbpf/include" 2>&1
}
