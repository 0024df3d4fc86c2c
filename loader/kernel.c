// SPDX-License-Identifier: GPL-2.0
/*
 * Is this the kernel that bioctl was compiled for? The numbers of our types
 * follow 6.12's last; a later kernel may have given them to something else.
 * Its BTF knows them by name.
 */
#include <errno.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <bpf/btf.h>

#include "bioctl.h"

static const struct number {
	const char *type;
	const char *name;
	__u32 value;
} numbers[] = {
	{ "bpf_prog_type", "BPF_PROG_TYPE_BLK_INTERPOSER",
	  BPF_PROG_TYPE_BLK_INTERPOSER },
	{ "bpf_attach_type", "BPF_BLK_SUBMIT", BPF_BLK_SUBMIT },
	{ "bpf_link_type", "BPF_LINK_TYPE_BLK", BPF_LINK_TYPE_BLK },
	{ "bpf_map_type", "BPF_MAP_TYPE_BLKDEV", BPF_MAP_TYPE_BLKDEV },
};

static const char *const functions[] = {
	"bpf_bio_accept_partial",
	"bpf_bio_load_bytes",
	"bpf_bio_cgroup_id",
	"bpf_cast_to_kern_ctx",
};

/* The value that the kernel gives @number's name, -1 if it has none. */
static __s64 number_in(const struct btf *btf, const struct number *number)
{
	const struct btf_type *type;
	const struct btf_enum *value;
	__s32 id;

	id = btf__find_by_name_kind(btf, number->type, BTF_KIND_ENUM);
	if (id < 0)
		return -1;
	type = btf__type_by_id(btf, id);
	value = btf_enum(type);
	for (unsigned int i = 0; i < btf_vlen(type); i++, value++) {
		if (!strcmp(btf__name_by_offset(btf, value->name_off),
			    number->name))
			return value->val;
	}
	return -1;
}

static struct btf *kernel_btf(void)
{
	struct btf *btf;

	log_start();
	btf = btf__load_vmlinux_btf();
	log_finish();
	return btf;
}

int kernel_check(void)
{
	static bool checked;
	struct btf *btf;
	int err = 0;

	if (checked)
		return BIOCTL_OK;
	btf = kernel_btf();
	if (!btf)
		return failed(.op = OP_KERNEL, .err = errno);
	for (unsigned int i = 0; !err && i < ARRAY_SIZE(numbers); i++) {
		__s64 value = number_in(btf, &numbers[i]);

		if (value < 0)
			err = failed(.op = OP_KERNEL,
				     .cause = strf(
					     "it has no blk_interposer: %s "
					     "is unknown to it",
					     numbers[i].name),
				     .next = "boot a kernel built with "
					     "CONFIG_BLK_INTERPOSER");
		else if (value != numbers[i].value)
			err = failed(.op = OP_KERNEL,
				     .cause = strf("%s is %lld there and %u in "
						   "this bioctl",
						   numbers[i].name,
						   (long long)value,
						   numbers[i].value),
				     .next = "use the bioctl that was built with "
					     "this kernel");
	}
	btf__free(btf);
	checked = !err;
	return err;
}

/* Whether the parameter that refuses attachment is on the command line. */
static bool booted_off(void)
{
	char line[4096] = "";
	FILE *file = fopen("/proc/cmdline", "re");

	if (!file)
		return false;
	if (!fgets(line, sizeof(line), file))
		line[0] = '\0';
	fclose(file);
	for (char *word = strtok(line, " \n"); word; word = strtok(NULL, " \n"))
		if (!strcmp(word, "blk_interposer=off"))
			return true;
	return false;
}

/* Whether the caller may load a program; the smallest one is tried. */
static int try_load(void)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts,
		    .expected_attach_type = BPF_BLK_SUBMIT);
	int fd;

	fd = bpf_prog_load(BPF_PROG_TYPE_BLK_INTERPOSER, "bioctl_probe", "GPL",
			   insns, ARRAY_SIZE(insns), &opts);
	if (fd < 0)
		return -fd;
	close(fd);
	return 0;
}

static void features_print(const json_t *result)
{
	const json_t *types = json_object_get(result, "types");
	const json_t *funcs = json_object_get(result, "functions");

	printf("kernel %s\n", json_text(result, "kernel", "?"));
	for (unsigned int i = 0; i < ARRAY_SIZE(numbers); i++) {
		const json_t *value = json_object_get(types, numbers[i].name);

		printf("  %-30s %s\n", numbers[i].name,
		       json_is_null(value) ? "missing" :
		       json_is_true(json_object_get(value, "usable")) ?
					     "yes" :
					     "yes, with another number");
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(functions); i++)
		printf("  %-30s %s\n", functions[i],
		       json_is_true(json_object_get(funcs, functions[i])) ?
			       "yes" :
			       "missing");
	printf("  %-30s %s\n", "loading a program",
	       json_text(result, "load_error", "works"));
	printf("  %-30s %s\n", "attaching",
	       json_is_true(json_object_get(result, "booted_off")) ?
		       "refused: booted with blk_interposer=off" :
		       "not refused by the boot parameter");
	printf("blk_interposer is %s\n",
	       json_is_true(json_object_get(result, "usable")) ?
		       "usable" :
		       "not usable here");
}

static int run(void *args)
{
	json_t *types = json_object(), *funcs = json_object();
	struct utsname uts = {};
	bool usable = true;
	struct btf *btf;
	int load, off;

	(void)args;
	btf = kernel_btf();
	if (!btf)
		return failed(.op = OP_KERNEL, .err = errno);
	for (unsigned int i = 0; i < ARRAY_SIZE(numbers); i++) {
		__s64 value = number_in(btf, &numbers[i]);
		bool same = value == numbers[i].value;

		usable &= same;
		json_object_set_new(types, numbers[i].name,
				    value < 0 ? json_null() :
						json_pack("{s:I, s:b}", "value",
							  (json_int_t)value,
							  "usable", same));
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(functions); i++) {
		bool there = btf__find_by_name_kind(btf, functions[i],
						    BTF_KIND_FUNC) > 0;

		usable &= there;
		json_object_set_new(funcs, functions[i], json_boolean(there));
	}
	btf__free(btf);
	load = usable ? try_load() : EINVAL;
	off = booted_off();
	uname(&uts);
	emit(json_pack("{s:s, s:b, s:o, s:o, s:o, s:b}", "kernel", uts.release,
		       "usable", usable && !load && !off, "types", types,
		       "functions", funcs, "load_error",
		       json_string_or_null(load ? strerrorname_np(load) : NULL),
		       "booted_off", off),
	     features_print);
	return BIOCTL_OK;
}

static const struct argp argp = {
	.doc = "Show what of blk_interposer the running kernel has.",
	.children = common_children,
};

const struct command cmd_features = {
	.name = "features",
	.doc = "show what the running kernel supports",
	.argp = &argp,
	.run = run,
};
