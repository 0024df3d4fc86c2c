# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2016

DESCRIPTION="The first policy in the documents is the shipped one and does what they say."
REQUIRES="cmd:clang-19 cmd:make"
TIMEOUT=120

# Code of FILE: all but its leading comments.
code() {
	sed -e 1d -e '/^\/\*$/,/^ \*\/$/d' "$1"
}

# block FILE LANGUAGE N: the Nth block of that language in a document.
block() {
	awk -v fence="\`\`\`$2" -v n="$3" '
		/^```/ {
			inside = !open && $0 == fence && ++nr == n
			open = !open
			next
		}
		inside' "$1"
}

# A policy of one's own is compiled with no more than this.
build_copy() {
	mkdir -p "$TMP/progs"
	cp "$BLKI_ROOT/bpf-progs/Makefile" "$TMP/progs"
	block "$BLKI_ROOT/docs/first-policy.md" c 1 >"$TMP/progs/copy.bpf.c"
	make -C "$TMP/progs" OUT="$TMP/out" UAPI_DIR="$OUT/include/uapi" \
		LIBBPF_DIR="$OUT/libbpf"
}

# What README.md says to type, and what it says of each line.
readme_commands() {
	local lines

	mapfile -t lines < <(block "$BLKI_ROOT/README.md" '' 2)
	expect_num "README.md has four commands" "${#lines[@]}" -eq 4
	ok "the policy is attached" bash -c "${lines[0]}"
	expect_error "sector 0 cannot be written" "Input/output error" \
		bash -c "${lines[1]}"
	expect_output "list shows it" ' first: program' bash -c "${lines[2]}"
	expect_output "and what it refused" 'fail 1 bios' bash -c "${lines[2]}"
	ok "and it goes by its name" bash -c "${lines[3]}"
}

document_commands() {
	local lines

	mapfile -t lines < <(block "$BLKI_ROOT/docs/first-policy.md" \
		console 1 | sed -n 's/^# //p')
	expect_num "first-policy.md has five commands" "${#lines[@]}" -eq 5
	ok "the policy is attached" bash -c "${lines[0]}"
	expect_error "sector 0 cannot be written" "Input/output error" \
		bash -c "${lines[1]}"
	expect_output "sector 2048 can" '^written$' bash -c "${lines[2]}"
	ok "everything can be read" \
		dd if="$1" of=/dev/null bs=1M count=2 iflag=direct
	expect_output "it is listed" "first" bash -c "${lines[3]}"
	ok "and goes by its name" bash -c "${lines[4]}"
}

test_run() {
	local dev file shipped

	dev=$(disk 0)
	expect_eq "the documents mean this disk" "$dev" /dev/vda
	shipped=$(code "$BLKI_ROOT/bpf-progs/first.bpf.c")
	expect_num "it has 15 lines" \
		"$(printf '%s\n' "$shipped" | grep -c .)" -le 15
	for file in README.md docs/first-policy.md; do
		expect_eq "$file shows the shipped policy" \
			"$(block "$BLKI_ROOT/$file" c 1)" "$shipped"
	done
	ok "a copy compiles by itself" build_copy
	readme_commands
	document_commands "$dev"
}
