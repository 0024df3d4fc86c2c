# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2016

DESCRIPTION="The first policy of the documentation compiles and does what the text says."
REQUIRES="cmd:clang-19 cmd:make"
TIMEOUT=120

build_first() {
	mkdir -p "$TMP/progs"
	cp "$BLKI_ROOT/bpf-progs/Makefile" "$TMP/progs"
	sed -n '/^```c$/,/^```$/{/^```/!p}' "$BLKI_ROOT/docs/first-policy.md" \
		>"$TMP/progs/first.bpf.c"
	make -C "$TMP/progs" OUT="$TMP/out" UAPI_DIR="$OUT/include/uapi" \
		LIBBPF_DIR="$OUT/libbpf"
}

test_run() {
	local dev

	dev=$(disk 0)
	ok "it compiles" build_first
	ok "it is attached" bioctl attach "$dev" \
		"$TMP/out/bpf-progs/first.bpf.o" --set keep=2048
	expect_error "sector 0 cannot be written" "Input/output error" \
		dd if=/dev/zero of="$dev" count=1 oflag=direct
	ok "sector 2048 can" \
		dd if=/dev/zero of="$dev" seek=2048 count=1 oflag=direct
	ok "everything can be read" \
		dd if="$dev" of=/dev/null bs=1M count=2 iflag=direct
	expect_output "it is listed" "first" bioctl list "$dev"
	ok "and goes by its name" bioctl detach "$dev" first
}
