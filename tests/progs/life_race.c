// SPDX-License-Identifier: GPL-2.0
/*
 * usage: life_race [-b] [-k] OBJECT DEVICE TARGET TIMES
 *
 * Attaches a link and a program to DEVICE from two threads, and reads from it
 * in a third, while somebody removes it and makes it anew all the time. Both
 * programs (of life_redirect.bpf.o) send what they see to TARGET. Ends well
 * when each thing that may happen has happened so many times, and writes how
 * often each did; else ends at SIGTERM, or at an error that must not be.
 *
 * With -b each change has a barrier. With -k the device is held open until it
 * is found to be gone: then it must be one that goes nevertheless, and changes
 * fail where it went. Without, it is open only while something is attached;
 * then links are left over, and their updates fail.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/blk_interposer.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#define BLOCK 4096

static volatile sig_atomic_t stopped;
static atomic_bool failed;
static const char *path;
static int link_progs[2], plain_prog;
static unsigned int flags;
static bool keep;

enum event {
	LINKED,
	ATTACHED,
	UPDATED,
	LINK_GONE, /* create found the device removed */
	ATTACH_GONE,
	UPDATE_GONE,
	NR_EVENTS,
};

static atomic_ulong events[NR_EVENTS], opens_gone, reads;

static const char *const names[] = {
	[LINKED] = "linked",	       [ATTACHED] = "attached",
	[UPDATED] = "updated",	       [LINK_GONE] = "link-gone",
	[ATTACH_GONE] = "attach-gone", [UPDATE_GONE] = "update-gone",
};

static void on_term(int sig)
{
	(void)sig;
	stopped = 1;
}

static void must_not_be(const char *what, int err)
{
	fprintf(stderr, "%s: %s\n", what, strerror(err));
	failed = true;
	stopped = 1;
}

/*
 * @err is 0, @gone as it is when the device was removed, or wrong.
 * Return: true if it was 0.
 */
static bool happened(const char *what, int err, enum event good, int gone,
		     enum event bad)
{
	if (!err)
		events[good]++;
	else if (err == gone)
		events[bad]++;
	else
		must_not_be(what, err);
	return !err;
}

/* Return: -1 while there is no such device. */
static int open_device(void)
{
	int fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	if (errno != ENOENT && errno != ENXIO)
		must_not_be("open", errno);
	opens_gone++;
	usleep(1000);
	return -1;
}

/* Return: false when the device is gone. */
static bool one_link(int *dev, unsigned int seed)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = flags);
	LIBBPF_OPTS(bpf_link_update_opts, update, .flags = flags);
	int link, err;
	bool there;

	link = bpf_link_create(link_progs[0], *dev, BPF_BLK_SUBMIT, &opts);
	if (!happened("create a link", link < 0 ? errno : 0, LINKED, ENODEV,
		      LINK_GONE))
		return false;
	if (!keep) {
		close(*dev);
		*dev = -1;
	}
	do {
		err = bpf_link_update(link, link_progs[seed % 2], &update);
		there = happened("update a link", err ? errno : 0, UPDATED,
				 ENOLINK, UPDATE_GONE);
		usleep(seed % 512);
		seed++;
		/* A device that nobody has open is waited for to go. */
	} while (there && !stopped && (!keep || seed % 4));
	close(link);
	return there;
}

static bool one_program(int *dev, unsigned int seed)
{
	LIBBPF_OPTS(bpf_prog_attach_opts, opts, .flags = flags);
	LIBBPF_OPTS(bpf_prog_detach_opts, detach, .flags = flags);
	int err;

	err = bpf_prog_attach_opts(plain_prog, *dev, BPF_BLK_SUBMIT, &opts);
	if (!happened("attach", err ? errno : 0, ATTACHED, ENODEV, ATTACH_GONE))
		return false;
	usleep(seed % 512);
	/* What was removed has no programs. */
	if (bpf_prog_detach_opts(plain_prog, *dev, BPF_BLK_SUBMIT, &detach) &&
	    errno != ENOENT)
		must_not_be("detach", errno);
	return true;
}

/* The device may go at any time, so how it ends does not matter. */
static bool one_read(int *dev, unsigned int seed)
{
	static _Alignas(BLOCK) char buf[BLOCK];

	(void)seed;
	if (pread(*dev, buf, sizeof(buf), 0) != sizeof(buf))
		return false;
	reads++;
	/* Nobody may keep the processors from the others. */
	usleep(100);
	return true;
}

static void *thread(void *arg)
{
	bool (*one)(int *dev, unsigned int seed) = arg;
	unsigned int seed = (uintptr_t)arg;
	int dev;

	while (!stopped) {
		dev = open_device();
		while (dev >= 0 && one(&dev, rand_r(&seed) % 4096) && keep &&
		       !stopped)
			;
		if (dev >= 0)
			close(dev);
		/* Time without an opener. */
		if (!keep)
			usleep(rand_r(&seed) % 65536);
	}
	return NULL;
}

static bool enough(unsigned long times)
{
	bool all = true;

	for (int i = 0; i < NR_EVENTS; i++) {
		/* An open partition is not deleted. */
		if (!keep && (i == LINK_GONE || i == ATTACH_GONE))
			continue;
		all &= events[i] >= times;
	}
	return all && opens_gone && reads >= times;
}

static int run(unsigned long times)
{
	static bool (*const loops[])(int *dev, unsigned int seed) = {
		one_link, one_program, one_read
	};
	pthread_t threads[3];
	bool good;

	for (int i = 0; i < 3; i++)
		if (pthread_create(&threads[i], NULL, thread, loops[i]))
			return 1;
	while (!stopped && !enough(times))
		usleep(10000);
	stopped = 1;
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	good = !failed && enough(times);
	for (int i = 0; i < NR_EVENTS; i++)
		printf("%s %lu\n", names[i], (unsigned long)events[i]);
	printf("open-gone %lu\nreads %lu\n", (unsigned long)opens_gone,
	       (unsigned long)reads);
	return good ? 0 : 1;
}

/* Its two programs, no matter which. */
static int load(const char *file, const char *target, int progs[2])
{
	struct bpf_object *obj = bpf_object__open(file);
	struct bpf_blkdev_val val = {};
	int map;

	if (!obj || bpf_object__load(obj)) {
		perror(file);
		return -1;
	}
	progs[0] = bpf_program__fd(
		bpf_object__find_program_by_name(obj, "life_slot0"));
	progs[1] = bpf_program__fd(
		bpf_object__find_program_by_name(obj, "life_slot1"));
	map = bpf_object__find_map_fd_by_name(obj, "life_targets");
	val.fd_or_dev = open(target, O_RDWR | O_CLOEXEC);
	for (__u32 slot = 0; slot < 2; slot++)
		if (bpf_map_update_elem(map, &slot, &val, BPF_ANY)) {
			perror(target);
			return -1;
		}
	close(val.fd_or_dev);
	return 0;
}

int main(int argc, char **argv)
{
	int progs[2], opt;

	while ((opt = getopt(argc, argv, "bk")) != -1) {
		if (opt == 'b')
			flags = BPF_F_BLK_BARRIER;
		else if (opt == 'k')
			keep = true;
		else
			return 2;
	}
	if (argc - optind != 4) {
		fprintf(stderr,
			"usage: life_race [-b] [-k] OBJECT DEVICE TARGET TIMES\n");
		return 2;
	}
	signal(SIGTERM, on_term);
	path = argv[optind + 1];
	/* A list has each program once only. */
	if (load(argv[optind], argv[optind + 2], link_progs) ||
	    load(argv[optind], argv[optind + 2], progs))
		return 1;
	plain_prog = progs[0];
	return run(strtoul(argv[optind + 3], NULL, 0));
}
