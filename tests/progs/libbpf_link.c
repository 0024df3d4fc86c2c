// SPDX-License-Identifier: GPL-2.0
/*
 * usage: libbpf_link OBJECT DEVICE PIN [COOKIE]
 *
 * Attaches the object's program to the device and pins the link, with nothing
 * but libbpf: what tests of other tools need to have been done by neither.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

static int attach(struct bpf_object *obj, int dev, const char *pin,
		  const char *cookie)
{
	LIBBPF_OPTS(bpf_blk_opts, opts);
	struct bpf_program *prog;
	struct bpf_link *link;
	int err;

	if (bpf_object__load(obj)) {
		perror("load");
		return 1;
	}
	if (cookie)
		opts.cookie = strtoull(cookie, NULL, 0);
	prog = bpf_object__next_program(obj, NULL);
	link = bpf_program__attach_blk(prog, dev, &opts);
	if (!link) {
		perror("attach");
		return 1;
	}
	err = bpf_link__pin(link, pin);
	if (err)
		fprintf(stderr, "pin %s: %s\n", pin, strerror(-err));
	bpf_link__destroy(link);
	return err != 0;
}

int main(int argc, char **argv)
{
	struct bpf_object *obj;
	int dev, ret;

	if (argc < 4) {
		fprintf(stderr, "usage: %s OBJECT DEVICE PIN [COOKIE]\n",
			argv[0]);
		return 2;
	}
	dev = open(argv[2], O_RDONLY | O_CLOEXEC);
	if (dev < 0) {
		perror(argv[2]);
		return 1;
	}
	obj = bpf_object__open(argv[1]);
	if (!obj) {
		perror(argv[1]);
		close(dev);
		return 1;
	}
	ret = attach(obj, dev, argv[3], argv[4]);
	bpf_object__close(obj);
	close(dev);
	return ret;
}
