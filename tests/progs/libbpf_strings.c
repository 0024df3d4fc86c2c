// SPDX-License-Identifier: GPL-2.0
/*
 * libbpf's string tables against the enums of the running kernel: a type
 * without a name is one that was forgotten, and a type whose number differs
 * from the one that user space was built with is another type.
 */
#include <ctype.h>
#include <linux/bpf.h>

#include "policy_test.h"

struct table {
	const char *enum_name;
	const char *prefix;
	const char *(*str)(int value);
	/* what this project adds */
	const char *ours;
	int value;
	const char *text;
};

static const char *prog_str(int value)
{
	return libbpf_bpf_prog_type_str(value);
}

static const char *map_str(int value)
{
	return libbpf_bpf_map_type_str(value);
}

static const char *attach_str(int value)
{
	return libbpf_bpf_attach_type_str(value);
}

static const char *link_str(int value)
{
	return libbpf_bpf_link_type_str(value);
}

static const struct table tables[] = {
	{ "bpf_prog_type", "BPF_PROG_TYPE_", prog_str,
	  "BPF_PROG_TYPE_BLK_INTERPOSER", BPF_PROG_TYPE_BLK_INTERPOSER,
	  "blk_interposer" },
	{ "bpf_map_type", "BPF_MAP_TYPE_", map_str, "BPF_MAP_TYPE_BLKDEV",
	  BPF_MAP_TYPE_BLKDEV, "blkdev" },
	{ "bpf_attach_type", "BPF_", attach_str, "BPF_BLK_SUBMIT",
	  BPF_BLK_SUBMIT, "blk_submit" },
	{ "bpf_link_type", "BPF_LINK_TYPE_", link_str, "BPF_LINK_TYPE_BLK",
	  BPF_LINK_TYPE_BLK, "blk" },
};

/* Two names of one value are old and new; libbpf knows the new one only. */
static bool has_newer_name(const struct btf *btf, const struct btf_type *t,
			   int i)
{
	const struct btf_enum *e = btf_enum(t);
	const char *name = btf__name_by_offset(btf, e[i].name_off);
	size_t len = strlen(name);

	return len > 11 && !strcmp(name + len - 11, "_DEPRECATED");
}

static bool is_lower_case_of(const char *text, const char *name)
{
	for (; *text && *name; text++, name++) {
		if (*text != tolower(*name))
			return false;
	}
	return !*text && !*name;
}

static void check_table(const struct btf *btf, const struct table *table)
{
	const struct btf_type *t;
	const struct btf_enum *e;
	bool found = false;
	int id, i;

	id = btf__find_by_name_kind(btf, table->enum_name, BTF_KIND_ENUM);
	if (id < 0)
		die("the kernel has no enum %s", table->enum_name);
	t = btf__type_by_id(btf, id);
	e = btf_enum(t);
	for (i = 0; i < btf_vlen(t); i++) {
		const char *name = btf__name_by_offset(btf, e[i].name_off);
		const char *text;

		if (!strncmp(name, "__MAX", 5) || has_newer_name(btf, t, i))
			continue;
		text = table->str(e[i].val);
		tap(text && is_lower_case_of(text,
					     name + strlen(table->prefix)),
		    "%s is '%s'", name, text ?: "(nothing)");
		if (!strcmp(name, table->ours)) {
			found = true;
			tap_eq(e[i].val, table->value, "its number");
			tap(text && !strcmp(text, table->text), "its name");
		}
	}
	tap(found, "the kernel has %s", table->ours);
}

int main(void)
{
	struct btf *btf = btf__load_vmlinux_btf();
	size_t i;

	if (!btf)
		die("the kernel has no BTF: %s", strerror(errno));
	for (i = 0; i < ARRAY_SIZE(tables); i++)
		check_table(btf, &tables[i]);
	btf__free(btf);
	return tap_exit();
}
