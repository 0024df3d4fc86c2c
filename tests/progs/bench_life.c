// SPDX-License-Identifier: GPL-2.0
/*
 * usage: bench_life latency|memory OBJECT DEVICE...
 *
 * What it takes to come and go. OBJECT is bench.bpf.o.
 *
 * latency: how long attaching its program `pass` to the first DEVICE, replacing
 * and detaching it take, in microseconds: lines `NAME MEDIAN WORST`.
 *
 * memory: what the kernel needs besides for a device that has a program, for each
 * further link, for each program that is loaded (with its BTF), and for
 * each target in a device map: lines `NAME BYTES`. With many DEVICEs, as it counts
 * pages.
 */
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "policy_test.h"

#define ROUNDS 201
#define LINKS 10 /* per device */
#define PROGRAMS 500
#define MAX_DEVICES 256

static const char *object;
static int device[MAX_DEVICES];
static int nr_devices;

struct loaded {
	struct bpf_object *obj;
	struct bpf_program *prog;
};

static struct loaded load(void)
{
	struct bpf_program *prog;
	struct bpf_map *map;
	struct loaded l;

	l.obj = bpf_object__open(object);
	if (!l.obj)
		die("%s: %s", object, strerror(errno));
	/* One of them: what else is in there is not what is measured. */
	bpf_object__for_each_program(prog, l.obj)
		bpf_program__set_autoload(prog, false);
	bpf_object__for_each_map(map, l.obj)
		bpf_map__set_autocreate(map, false);
	l.prog = bpf_object__find_program_by_name(l.obj, "pass");
	if (!l.prog || bpf_program__set_autoload(l.prog, true) ||
	    bpf_object__load(l.obj))
		die("%s: does not load", object);
	return l;
}

static struct bpf_link *attach(struct bpf_program *prog, int dev)
{
	struct bpf_link *link = bpf_program__attach_blk(prog, dev, NULL);

	if (!link)
		die("attach: %s", strerror(errno));
	return link;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print_latency(const char *name, double *us)
{
	qsort(us, ROUNDS, sizeof(*us), ascending);
	printf("%s %.0f %.0f\n", name, us[ROUNDS / 2], us[ROUNDS - 1]);
}

static void latency(void)
{
	static double attached[ROUNDS], replaced[ROUNDS], detached[ROUNDS];
	struct loaded a = load(), b = load();
	struct bpf_link *link;
	double start;

	for (int i = 0; i < ROUNDS; i++) {
		start = now();
		link = attach(a.prog, device[0]);
		attached[i] = now() - start;
		start = now();
		if (bpf_link__update_program(link, b.prog))
			die("replace: %s", strerror(errno));
		replaced[i] = now() - start;
		start = now();
		if (bpf_link__detach(link))
			die("detach: %s", strerror(errno));
		detached[i] = now() - start;
		bpf_link__destroy(link);
	}
	print_latency("attach", attached);
	print_latency("replace", replaced);
	print_latency("detach", detached);
	bpf_object__close(a.obj);
	bpf_object__close(b.obj);
}

/* What is not for user space, in bytes */
static double kernel_memory(void)
{
	double sum = 0, kib;
	char line[128];
	FILE *f;

	/* Freed in the background: links, programs. */
	sleep(2);
	f = fopen("/proc/meminfo", "r");
	if (!f)
		die("/proc/meminfo: %s", strerror(errno));
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "Slab: %lf", &kib) == 1 ||
		    sscanf(line, "Percpu: %lf", &kib) == 1 ||
		    sscanf(line, "VmallocUsed: %lf", &kib) == 1)
			sum += kib * 1024;
	fclose(f);
	return sum;
}

static double print_memory(const char *name, double before, int count)
{
	double after = kernel_memory();

	printf("%s %.0f\n", name, (after - before) / count);
	return after;
}

static void memory(void)
{
	static struct bpf_link *links[MAX_DEVICES][LINKS];
	static struct loaded progs[PROGRAMS];
	double before;
	int map, i, k;

	/* A device takes each program once. */
	for (i = 0; i < LINKS; i++)
		progs[i] = load();
	before = kernel_memory();
	for (i = 0; i < nr_devices; i++)
		links[i][0] = attach(progs[0].prog, device[i]);
	before = print_memory("attached-device", before, nr_devices);
	for (i = 0; i < nr_devices; i++)
		for (k = 1; k < LINKS; k++)
			links[i][k] = attach(progs[k].prog, device[i]);
	before = print_memory("link", before, nr_devices * (LINKS - 1));
	for (i = LINKS; i < PROGRAMS; i++)
		progs[i] = load();
	print_memory("program", before, PROGRAMS - LINKS);
	map = bpf_map_create(BPF_MAP_TYPE_BLKDEV, "targets", 4,
			     sizeof(struct bpf_blkdev_val), nr_devices, NULL);
	if (map < 0)
		die("map: %s", strerror(-map));
	before = kernel_memory();
	for (i = 0; i < nr_devices; i++) {
		struct bpf_blkdev_val val = { .fd_or_dev = device[i] };

		if (bpf_map_update_elem(map, &i, &val, BPF_ANY))
			die("target: %s", strerror(errno));
	}
	print_memory("target", before, nr_devices);
	close(map);
	for (i = 0; i < nr_devices; i++)
		for (k = 0; k < LINKS; k++)
			bpf_link__destroy(links[i][k]);
	for (i = 0; i < PROGRAMS; i++)
		bpf_object__close(progs[i].obj);
}

int main(int argc, char **argv)
{
	if (argc < 4 || argc - 3 > MAX_DEVICES)
		die("usage: %s latency|memory OBJECT DEVICE...", argv[0]);
	object = argv[2];
	for (int i = 3; i < argc; i++) {
		device[nr_devices] = open(argv[i], O_RDWR | O_CLOEXEC);
		if (device[nr_devices++] < 0)
			die("%s: %s", argv[i], strerror(errno));
	}
	if (!strcmp(argv[1], "latency"))
		latency();
	else
		memory();
	return 0;
}
