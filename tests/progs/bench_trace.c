// SPDX-License-Identifier: GPL-2.0
/*
 * usage: bench_trace OBJECT PROGRAM
 *
 * Attaches one program of a file that has several, for as long as it runs.
 * Prints `ready`.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/libbpf.h>

int main(int argc, char **argv)
{
	struct bpf_program *prog, *wanted;
	struct bpf_object *obj;

	if (argc != 3) {
		fprintf(stderr, "usage: bench_trace OBJECT PROGRAM\n");
		return 2;
	}
	obj = bpf_object__open_file(argv[1], NULL);
	if (!obj) {
		perror(argv[1]);
		return 1;
	}
	bpf_object__for_each_program(prog, obj)
		bpf_program__set_autoload(prog, !strcmp(bpf_program__name(prog),
							argv[2]));
	wanted = bpf_object__find_program_by_name(obj, argv[2]);
	if (!wanted || bpf_object__load(obj) || !bpf_program__attach(wanted)) {
		perror(argv[2]);
		bpf_object__close(obj);
		return 1;
	}
	puts("ready");
	fflush(stdout);
	pause();
	return 0;
}
