// SPDX-License-Identifier: GPL-2.0
/*
 * usage: life_storm [-b] MODE OBJECT DEVICE [TARGET0 [TARGET1]]
 *
 * Loads OBJECT (life_redirect.bpf.o), puts the targets into the slots of its
 * map, and changes something about DEVICE again and again until SIGTERM:
 *
 *	hold	nothing: holds a link
 *	map	the slot of an attached program: other device, back, empty
 *	link	creates a link and closes it
 *	prog	attaches a program without a link and detaches it
 *	update	exchanges the program of a link
 *	replace	exchanges a program without a link
 *	storm	link and prog at the same time, from two threads
 *	meet	nothing but barriers, of two links at the same time
 *
 * With -b each change has a barrier, where it can have one. Writes "ready"
 * when it begins, at the end the number of changes and, where there is one
 * link, its counters: "bios PASS FAIL REMAP DONE REDIRECT REFUSED".
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/blk_interposer.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

static volatile sig_atomic_t stopped;
static atomic_int failures;

struct storm {
	struct bpf_program *progs[2];
	int map;
	int dev;
	int targets[2];
	unsigned int flags;
	struct bpf_link *link;
	atomic_ulong changes;
};

static void on_term(int sig)
{
	(void)sig;
	stopped = 1;
}

/* Each change must succeed; the first that does not ends it all. */
static bool done(struct storm *storm, const char *what, int err)
{
	if (err) {
		fprintf(stderr, "%s: %s\n", what, strerror(errno));
		failures++;
		stopped = 1;
		return false;
	}
	storm->changes++;
	return true;
}

static struct bpf_link *attach(struct storm *storm, int prog)
{
	LIBBPF_OPTS(bpf_blk_opts, opts, .flags = storm->flags);

	return bpf_program__attach_blk(storm->progs[prog], storm->dev, &opts);
}

static int set_slot(struct storm *storm, __u32 slot, int fd)
{
	struct bpf_blkdev_val val = { .fd_or_dev = fd };

	return bpf_map_update_elem(storm->map, &slot, &val, BPF_ANY);
}

static void hold(struct storm *storm)
{
	(void)storm;
	while (!stopped)
		usleep(10000);
}

static void change_map(struct storm *storm)
{
	__u32 slot = 0;

	while (!stopped) {
		done(storm, "overwrite",
		     set_slot(storm, slot, storm->targets[1]));
		done(storm, "overwrite",
		     set_slot(storm, slot, storm->targets[0]));
		done(storm, "delete", bpf_map_delete_elem(storm->map, &slot));
		usleep(5000);
		done(storm, "fill", set_slot(storm, slot, storm->targets[0]));
		usleep(5000);
	}
}

static void change_link(struct storm *storm)
{
	struct bpf_link *link;

	while (!stopped) {
		link = attach(storm, 0);
		if (!done(storm, "create link", link ? 0 : -1))
			break;
		usleep(5000);
		done(storm, "close link", bpf_link__destroy(link));
	}
}

static void change_prog(struct storm *storm)
{
	LIBBPF_OPTS(bpf_prog_attach_opts, opts, .flags = storm->flags);
	LIBBPF_OPTS(bpf_prog_detach_opts, detach, .flags = storm->flags);
	int prog = bpf_program__fd(storm->progs[1]);

	while (!stopped) {
		if (!done(storm, "attach",
			  bpf_prog_attach_opts(prog, storm->dev, BPF_BLK_SUBMIT,
					       &opts)))
			break;
		usleep(5000);
		done(storm, "detach",
		     bpf_prog_detach_opts(prog, storm->dev, BPF_BLK_SUBMIT,
					  &detach));
	}
}

static void change_update(struct storm *storm)
{
	LIBBPF_OPTS(bpf_link_update_opts, opts, .flags = storm->flags);
	int link = bpf_link__fd(storm->link);

	for (int i = 1; !stopped; i = !i)
		done(storm, "update",
		     bpf_link_update(link, bpf_program__fd(storm->progs[i]),
				     &opts));
}

static void change_replace(struct storm *storm)
{
	LIBBPF_OPTS(bpf_prog_attach_opts, opts);
	int progs[2], at = 0;

	for (int i = 0; i < 2; i++)
		progs[i] = bpf_program__fd(storm->progs[i]);
	opts.flags = storm->flags | BPF_F_REPLACE;
	while (!stopped) {
		opts.replace_fd = progs[at];
		if (done(storm, "replace",
			 bpf_prog_attach_opts(progs[!at], storm->dev,
					      BPF_BLK_SUBMIT, &opts)))
			at = !at;
	}
	done(storm, "detach",
	     bpf_prog_detach_opts(progs[at], storm->dev, BPF_BLK_SUBMIT, NULL));
}

static void *prog_thread(void *storm)
{
	change_prog(storm);
	return NULL;
}

static void change_both(struct storm *storm)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, prog_thread, storm)) {
		done(storm, "thread", -1);
		return;
	}
	change_link(storm);
	pthread_join(thread, NULL);
}

static pthread_barrier_t begin, end;
static bool another;

/* In rounds: who is last must not depend on somebody coming after. */
static void meet(struct storm *storm, int prog)
{
	LIBBPF_OPTS(bpf_link_update_opts, opts, .flags = BPF_F_BLK_BARRIER);
	struct bpf_link *link = attach(storm, prog);
	int fd = bpf_program__fd(storm->progs[prog]);

	done(storm, "create link", link ? 0 : -1);
	do {
		pthread_barrier_wait(&begin);
		if (link)
			done(storm, "barrier",
			     bpf_link_update(bpf_link__fd(link), fd, &opts));
		if (!prog)
			another = !stopped;
		pthread_barrier_wait(&end);
	} while (another);
	bpf_link__destroy(link);
}

static void *meet_thread(void *storm)
{
	meet(storm, 1);
	return NULL;
}

static void change_meet(struct storm *storm)
{
	pthread_t thread;

	pthread_barrier_init(&begin, NULL, 2);
	pthread_barrier_init(&end, NULL, 2);
	if (pthread_create(&thread, NULL, meet_thread, storm)) {
		done(storm, "thread", -1);
		return;
	}
	meet(storm, 0);
	pthread_join(thread, NULL);
}

static const struct mode {
	const char *name;
	enum { NOTHING, LINK, PROG } attached; /* from the beginning */
	void (*run)(struct storm *storm);
} modes[] = {
	{ "hold", LINK, hold },
	{ "map", LINK, change_map },
	{ "link", NOTHING, change_link },
	{ "prog", NOTHING, change_prog },
	{ "update", LINK, change_update },
	{ "replace", PROG, change_replace },
	{ "storm", NOTHING, change_both },
	{ "meet", NOTHING, change_meet },
};

static void report(struct storm *storm)
{
	struct bpf_blk_stats stats = {};
	struct bpf_link_info info = {};
	unsigned long long refused = 0;
	__u32 len = sizeof(info);

	printf("changes %lu\n", (unsigned long)storm->changes);
	if (!storm->link)
		return;
	info.blk.stats = (__u64)(unsigned long)&stats;
	info.blk.stats_size = sizeof(stats);
	if (bpf_link_get_info_by_fd(bpf_link__fd(storm->link), &info, &len)) {
		perror("link info");
		failures++;
		return;
	}
	for (int i = 0; i < __BPF_BIO_REFUSED_MAX; i++)
		refused += stats.refused[i];
	printf("bios");
	for (int i = 0; i < __BPF_BIO_VERDICT_MAX; i++)
		printf(" %llu", (unsigned long long)stats.bios[i]);
	printf(" %llu\n", refused);
}

static int open_device(const char *path, int mode)
{
	int fd = open(path, mode | O_CLOEXEC);

	if (fd < 0) {
		perror(path);
		exit(1);
	}
	return fd;
}

static int prepare(struct storm *storm, struct bpf_object *obj, char **argv,
		   int argc)
{
	if (bpf_object__load(obj)) {
		perror("load");
		return -1;
	}
	storm->progs[0] = bpf_object__find_program_by_name(obj, "life_slot0");
	storm->progs[1] = bpf_object__find_program_by_name(obj, "life_slot1");
	storm->map = bpf_object__find_map_fd_by_name(obj, "life_targets");
	storm->dev = open_device(argv[0], O_RDONLY);
	for (int i = 0; i < 2 && i + 1 < argc; i++) {
		storm->targets[i] = open_device(argv[i + 1], O_RDWR);
		if (set_slot(storm, i, storm->targets[i])) {
			perror(argv[i + 1]);
			return -1;
		}
	}
	return 0;
}

static const struct mode *find_mode(const char *name)
{
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(modes[i].name, name))
			return &modes[i];
	return NULL;
}

static int run(struct storm *storm, const struct mode *mode)
{
	int err = 0;

	if (mode->attached == LINK) {
		storm->link = attach(storm, 0);
		err = storm->link ? 0 : -1;
	} else if (mode->attached == PROG) {
		err = bpf_prog_attach_opts(bpf_program__fd(storm->progs[0]),
					   storm->dev, BPF_BLK_SUBMIT, NULL);
	}
	if (err) {
		perror("attach");
		return 1;
	}
	puts("ready");
	fflush(stdout);
	mode->run(storm);
	report(storm);
	if (storm->link)
		err = bpf_link__destroy(storm->link);
	if (err)
		perror("close link");
	return err || failures ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct storm storm = {};
	const struct mode *mode;
	struct bpf_object *obj;

	if (argc > 1 && !strcmp(argv[1], "-b")) {
		storm.flags = BPF_F_BLK_BARRIER;
		argc--;
		argv++;
	}
	mode = argc >= 4 ? find_mode(argv[1]) : NULL;
	if (!mode) {
		fprintf(stderr,
			"usage: life_storm [-b] MODE OBJECT DEVICE [TARGET0 [TARGET1]]\n");
		return 2;
	}
	signal(SIGTERM, on_term);
	obj = bpf_object__open(argv[2]);
	if (!obj) {
		perror(argv[2]);
		return 1;
	}
	if (prepare(&storm, obj, argv + 3, argc - 3))
		return 1;
	return run(&storm, mode);
}
