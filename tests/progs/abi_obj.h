/* SPDX-License-Identifier: GPL-2.0 */
/* Single programs of an object in $TEST_BPF, and its global variables. */
#ifndef __ABI_OBJ_H
#define __ABI_OBJ_H

#include "abi.h"

struct obj {
	struct bpf_object *obj;
	struct bpf_program *prog;
	int fd;
};

static inline struct obj open_prog(const char *file, const char *name)
{
	const char *dir = getenv("TEST_BPF");
	struct obj o = { .fd = -1 };
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s.bpf.o", dir ? dir : ".", file);
	o.obj = bpf_object__open(path);
	if (!o.obj)
		die("%s: %s", path, strerror(errno));
	o.prog = bpf_object__find_program_by_name(o.obj, name);
	if (!o.prog)
		die("%s has no program %s", path, name);
	bpf_program__set_autoload(o.prog, true);
	return o;
}

/* Return: 0 or a negative errno; the message is in verifier_log. */
static inline int try_load(struct obj *o)
{
	int ret;

	verifier_log[0] = '\0';
	bpf_program__set_log_buf(o->prog, verifier_log, sizeof(verifier_log));
	bpf_program__set_log_level(o->prog, 1);
	ret = bpf_object__load(o->obj);
	o->fd = ret ? -1 : bpf_program__fd(o->prog);
	return ret;
}

static inline struct obj load_prog(const char *file, const char *name)
{
	struct obj o = open_prog(file, name);

	if (try_load(&o))
		die("cannot load %s: %s", name, verifier_log);
	return o;
}

static inline void close_prog(struct obj *o)
{
	bpf_object__close(o->obj);
	o->obj = NULL;
	o->fd = -1;
}

static inline void *find_global(struct obj *o, const char *section,
				const char *name)
{
	const struct btf *btf = bpf_object__btf(o->obj);
	int i, id = btf__find_by_name_kind(btf, section, BTF_KIND_DATASEC);
	const struct btf_var_secinfo *info;
	const struct btf_type *datasec;
	struct bpf_map *map;
	size_t size;

	map = bpf_object__find_map_by_name(o->obj, section);
	if (!map || id < 0)
		return NULL;
	datasec = btf__type_by_id(btf, id);
	info = btf_var_secinfos(datasec);
	for (i = 0; i < btf_vlen(datasec); i++, info++) {
		const struct btf_type *var = btf__type_by_id(btf, info->type);

		if (!strcmp(btf__name_by_offset(btf, var->name_off), name))
			return (char *)bpf_map__initial_value(map, &size) +
			       info->offset;
	}
	return NULL;
}

/* The variable itself: it is mapped. */
static inline volatile void *global(struct obj *o, const char *name)
{
	void *var = find_global(o, ".bss", name) ?:
						   find_global(o, ".data", name);

	if (!var)
		die("no global %s", name);
	return var;
}

#define GLOBAL(o, type, name) (*(volatile type *)global(o, #name))

static inline int obj_map(struct obj *o, const char *name)
{
	return must(bpf_object__find_map_fd_by_name(o->obj, name), name);
}

static inline int run_once(const struct obj *o, struct bpf_bio *in,
			   struct bpf_bio *out)
{
	union bpf_attr attr = {
		.test.prog_fd = o->fd,
		.test.ctx_in = (unsigned long)in,
		.test.ctx_size_in = sizeof(*in),
		.test.ctx_out = (unsigned long)out,
		.test.ctx_size_out = sizeof(*out),
	};
	int ret = sys_bpf(BPF_PROG_TEST_RUN, &attr);

	return ret ? ret : (int)attr.test.retval;
}

#endif /* __ABI_OBJ_H */
