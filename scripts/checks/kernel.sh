# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Checks of the kernel side: our files and the series.

own_kernel_c() {
	tracked 'include/*.h' 'block/*.[ch]' 'kernel/*.[ch]'
}

own_objects() {
	tracked 'block/*.c' 'kernel/*.c' | sed 's/\.c$/.o/'
}

# The series applies to the pristine files patch by patch, comes off again
# in reverse order, and edits existing files only.
check_patches() {
	local patch file bad=0 pristine

	export GIT_DIR=$CACHE/git GIT_INDEX_FILE=$CACHE/check.index
	pristine=$(cat "$CACHE/pristine.tree")
	git read-tree "$pristine"
	for patch in "$ROOT"/patches/*.patch; do
		file=patches/${patch##*/}
		git apply --cached --whitespace=error-all "$patch" || {
			echo "$file: does not apply"
			return 1
		}
		if grep -qE '^(new|deleted) file mode|^rename ' "$patch"; then
			echo "$file: adds, deletes or renames a file"
			bad=1
		fi
		if ! sed -n '/^Subject: /,/^---$/p' "$patch" | sed '1,/^$/d' |
			grep -q '[[:alpha:]]'; then
			echo "$file: no message that says why"
			bad=1
		fi
	done
	for patch in $(printf '%s\n' "$ROOT"/patches/*.patch | sort -r); do
		git apply --cached -R "$patch" || {
			echo "patches/${patch##*/}: does not reverse"
			return 1
		}
	done
	if [ "$(git write-tree)" != "$pristine" ]; then
		echo "reversing does not give back the pristine tree"
		bad=1
	fi
	rm -f "$GIT_INDEX_FILE"
	return "$bad"
}

run_checkpatch() {
	(cd "$KSRC" && ./scripts/checkpatch.pl --strict --terse --no-summary \
		--show-types --max-line-length=100 "$@") || [ $? -eq 1 ]
}

check_checkpatch_files() {
	{
		own_kernel_c
		bpftool_c_files
	} | while IFS= read -r file; do
		run_checkpatch --file "$ROOT/$file" | sed "s|^$ROOT/||"
	done | findings checkpatch-files
}

check_checkpatch_patches() {
	local patch

	for patch in "$ROOT"/patches/*.patch; do
		run_checkpatch --no-signoff "$patch" | sed "s|^$ROOT/||"
	done | findings checkpatch-patches
}

check_kernel_doc() {
	own_kernel_c | while IFS= read -r file; do
		"$KSRC/scripts/kernel-doc" -none -Wall "$file" 2>&1
	done | findings kernel-doc
}

# User space must be able to include the ABI header in any dialect.
check_uapi_header() {
	local header=$OUT/include/uapi/linux/blk_interposer.h std

	for std in c90 gnu11 c++11; do
		echo "#include <linux/blk_interposer.h>" |
			gcc -fsyntax-only -Wall -Wextra -Werror -std="$std" \
				-x "$([[ $std == c++* ]] && echo c++ || echo c)" \
				-isystem "$OUT/include/uapi" -
	done
	test -e "$header"
}

# Help, manual pages, completion and code of bpftool name the same types and
# options; the kernel has a test for that, and the series extends it.
check_bpftool_words() {
	python3 "$KSRC/tools/testing/selftests/bpf/test_bpftool_synctypes.py"
}

# prepare_objects OBJDIR SRCDIR FRAGMENT...: ready to build single objects.
prepare_objects() {
	local obj=$1 src=$2

	"$ROOT/scripts/kernel-config" "$@"
	make -s -C "$src" O="$obj" -j"$(jobs_wanted)" prepare
}

# An object directory of its own: W=1 in the flags would rebuild everything
# that the ordinary build has. more.config adds what the series changes and no
# kernel of the tests has.
check_sparse_w1() {
	local obj=$CACHE/obj-check more=drivers/nvme/host/multipath
	local ours="block/interposer|kernel/bpf/blk|include/.*blk_interposer|$more"

	prepare_objects "$obj" "$KSRC" "$ROOT/configs/base.config" \
		"$ROOT/configs/interposer.config" \
		"$ROOT/scripts/checks/more.config"
	# What is up to date would not be compiled, and not warned of, again.
	own_objects | sed "s|^|$obj/|" | xargs rm -f "$obj/$more.o"
	# shellcheck disable=SC2046
	make -s -C "$KSRC" O="$obj" -j"$(jobs_wanted)" W=1 C=2 CHECK="sparse" \
		$(own_objects) "$more.o" 2>&1 |
		sed "s|^$KSRC/||; s|^\.\./src/||" |
		grep -E '(warning|error):|\*\*\*' |
		grep -E "(^|/)($ours)|error:|\\*\\*\\*" |
		findings sparse-w1
}

# With relocations: they alone tell what is called and which data is meant.
# objdump is not asked for one symbol, because it would show those of all
# before it, too.
disassemble() {
	objdump -dr --no-show-raw-insn --no-addresses "$1" |
		awk -v start="<$2>:" '$0 == start { inside = 1 }
			/^$/ { inside = 0 }
			inside'
}

# Compiled out, the feature must not warn and must not cost an instruction.
check_off_identical() {
	local off=$CACHE/obj-off pristine=$CACHE/obj-pristine bad=0 pair symbol
	local log=$OUT/log/check/off-build.log

	prepare_objects "$off" "$KSRC" "$ROOT/configs/base.config" \
		"$ROOT/configs/off.config"
	prepare_objects "$pristine" "$CACHE/src-pristine" \
		"$ROOT/configs/base.config"
	make -s -C "$CACHE/src-pristine" O="$pristine" \
		-j"$(jobs_wanted)" block/blk-core.o block/bio.o
	make -s -C "$KSRC" O="$off" -j"$(jobs_wanted)" block/ kernel/bpf/ \
		2>&1 | tee "$log"
	if grep -E '(warning|error):' "$log"; then
		bad=1
	fi
	for pair in blk-core:submit_bio_noacct blk-core:submit_bio bio:bio_endio; do
		symbol=${pair#*:}
		disassemble "$pristine/block/${pair%:*}.o" "$symbol" \
			>"$OUT/log/check/$symbol.pristine"
		disassemble "$off/block/${pair%:*}.o" "$symbol" \
			>"$OUT/log/check/$symbol.off"
		[ -s "$OUT/log/check/$symbol.off" ] || {
			echo "$symbol: no code found"
			bad=1
		}
		diff -u "$OUT/log/check/$symbol.pristine" \
			"$OUT/log/check/$symbol.off" || bad=1
	done
	return "$bad"
}
