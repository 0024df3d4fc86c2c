/* SPDX-License-Identifier: GPL-2.0 */
/* The counts of the static keys of submission and completion. */
#ifndef __KEYS_H
#define __KEYS_H

#include <errno.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

struct keys {
	int submit;
	int endio; /* open targets */
};

/* @obj: bpf/life_keys.bpf.c, loaded. Return: NULL and errno if it fails. */
static inline const struct keys *keys_read(struct bpf_object *obj)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	const struct keys *keys;
	struct bpf_map *map;
	size_t size;

	if (bpf_prog_test_run_opts(
		    bpf_program__fd(bpf_object__next_program(obj, NULL)),
		    &opts))
		return NULL;
	map = bpf_object__find_map_by_name(obj, ".bss");
	keys = map ? bpf_map__initial_value(map, &size) : NULL;
	if (opts.retval || !keys || size < sizeof(*keys)) {
		errno = ENODATA;
		return NULL;
	}
	return keys;
}

#endif /* __KEYS_H */
