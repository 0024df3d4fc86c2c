// SPDX-License-Identifier: GPL-2.0
/*
 * usage: life_keys OBJECT
 *
 * Prints the counts of the static keys of submission and completion.
 */
#include <stdio.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

struct keys {
	int submit;
	int endio;
};

static int show(struct bpf_object *obj)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	const struct keys *keys;
	struct bpf_map *map;
	size_t size;
	int prog;

	if (bpf_object__load(obj)) {
		perror("load");
		return 1;
	}
	prog = bpf_program__fd(bpf_object__next_program(obj, NULL));
	if (bpf_prog_test_run_opts(prog, &opts) || opts.retval) {
		perror("run");
		return 1;
	}
	map = bpf_object__find_map_by_name(obj, ".bss");
	keys = map ? bpf_map__initial_value(map, &size) : NULL;
	if (!keys || size < sizeof(*keys)) {
		fprintf(stderr, "no keys in the object\n");
		return 1;
	}
	printf("%d %d\n", keys->submit, keys->endio);
	return 0;
}

int main(int argc, char **argv)
{
	struct bpf_object *obj;
	int ret;

	if (argc != 2) {
		fprintf(stderr, "usage: %s OBJECT\n", argv[0]);
		return 2;
	}
	obj = bpf_object__open(argv[1]);
	if (!obj) {
		perror(argv[1]);
		return 1;
	}
	ret = show(obj);
	bpf_object__close(obj);
	return ret;
}
