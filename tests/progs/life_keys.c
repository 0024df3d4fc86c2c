// SPDX-License-Identifier: GPL-2.0
/*
 * usage: life_keys OBJECT
 *
 * Prints the counts of the static keys of submission and completion.
 */
#include <stdio.h>

#include "keys.h"

static int show(struct bpf_object *obj)
{
	const struct keys *keys;

	if (bpf_object__load(obj)) {
		perror("load");
		return 1;
	}
	keys = keys_read(obj);
	if (!keys) {
		perror("read the keys");
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
