// SPDX-License-Identifier: GPL-2.0
/*
 * usage: bench_io [-egp] [-n SHORT,LONG,REPEATS] DEVICE
 *
 * What a 4 KiB O_DIRECT bio costs on DEVICE, in instructions. For a machine
 * that runs with -icount shift=0, where the time stamp counter counts
 * instructions. The long run less the short one, for each bio that it has
 * more, leaves out what is paid once.
 *
 * Prints for read and write, and for pread and io_uring, a line
 *	OP ENGINE COST SPREAD
 * where COST is taken from the least of REPEATS long and as many short runs, and
 * SPREAD is the difference of what their first and their second half say.
 * -e: every bio has to fail. -g: in the root control group, where bios are not
 * charged to any other. -p: pread only.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

#define BLOCK 4096
#define BLOCKS 1024 /* 4 MiB, in turn */
#define MAX_REPEATS 32

struct options {
	bool fails;
	bool no_uring;
	long small, large;
	int repeats;
};

struct job {
	bool write, uring;
	int dev;
	void *buf;
	struct io_uring ring;
	bool fails;
};

static void die(const char *what, int error)
{
	fprintf(stderr, "%s: %s\n", what, strerror(error));
	exit(1);
}

static void judge(const struct job *job, int result)
{
	if (result == (job->fails ? -EIO : BLOCK))
		return;
	fprintf(stderr, "I/O: %d\n", result);
	exit(1);
}

static void by_call(struct job *job, off_t at)
{
	ssize_t n;

	n = job->write ? pwrite(job->dev, job->buf, BLOCK, at) :
			 pread(job->dev, job->buf, BLOCK, at);
	judge(job, n < 0 ? -errno : n);
}

/* One at a time: how many come at once must not make a difference. */
static void by_ring(struct job *job, off_t at)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&job->ring);
	struct io_uring_cqe *cqe;
	int ret;

	if (job->write)
		io_uring_prep_write(sqe, job->dev, job->buf, BLOCK, at);
	else
		io_uring_prep_read(sqe, job->dev, job->buf, BLOCK, at);
	ret = io_uring_submit_and_wait(&job->ring, 1);
	if (ret < 0)
		die("io_uring_submit_and_wait", -ret);
	ret = io_uring_peek_cqe(&job->ring, &cqe);
	if (ret)
		die("io_uring_peek_cqe", -ret);
	judge(job, cqe->res);
	io_uring_cqe_seen(&job->ring, cqe);
}

static unsigned long long run(struct job *job, long count)
{
	unsigned long long start = __rdtsc();
	long i;

	for (i = 0; i < count; i++) {
		if (job->uring)
			by_ring(job, (off_t)(i % BLOCKS) * BLOCK);
		else
			by_call(job, (off_t)(i % BLOCKS) * BLOCK);
	}
	return __rdtsc() - start;
}

/* What else happens only adds: the least is what it takes. */
static double estimate(const unsigned long long *small,
		       const unsigned long long *large, int nr, long bios)
{
	unsigned long long least[2] = { small[0], large[0] };

	for (int i = 1; i < nr; i++) {
		if (small[i] < least[0])
			least[0] = small[i];
		if (large[i] < least[1])
			least[1] = large[i];
	}
	return (double)(least[1] - least[0]) / bios;
}

static void measure(struct job *job, const struct options *opt)
{
	unsigned long long small[MAX_REPEATS] = {}, large[MAX_REPEATS] = {};
	long bios = opt->large - opt->small;
	int half = opt->repeats / 2;
	double first, second;

	for (int i = 0; i < opt->repeats; i++) {
		small[i] = run(job, opt->small);
		large[i] = run(job, opt->large);
	}
	first = estimate(small, large, half, bios);
	second = estimate(small + half, large + half, half, bios);
	printf("%s %s %.1f %.1f\n", job->write ? "write" : "read",
	       job->uring ? "io_uring" : "pread",
	       estimate(small, large, opt->repeats, bios),
	       first > second ? first - second : second - first);
	fflush(stdout);
}

static void open_job(struct job *job, const char *path)
{
	int ret;

	job->dev = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (job->dev < 0)
		die(path, errno);
	job->buf = aligned_alloc(BLOCK, BLOCK);
	if (!job->buf)
		die("buffer", ENOMEM);
	memset(job->buf, 0x5a, BLOCK);
	ret = io_uring_queue_init(4, &job->ring, 0);
	if (ret)
		die("io_uring_queue_init", -ret);
}

static void leave_cgroup(void)
{
	int fd = open("/sys/fs/cgroup/cgroup.procs", O_WRONLY);

	if (fd < 0 || write(fd, "0", 1) != 1)
		die("the root control group", errno);
	close(fd);
}

static void parse_options(struct options *opt, int argc, char **argv)
{
	int c;

	*opt = (struct options){ .small = 500, .large = 3500, .repeats = 6 };
	while ((c = getopt(argc, argv, "egn:p")) != -1) {
		if (c == 'e')
			opt->fails = true;
		else if (c == 'g')
			leave_cgroup();
		else if (c == 'p')
			opt->no_uring = true;
		else if (c != 'n' || sscanf(optarg, "%ld,%ld,%d", &opt->small,
					    &opt->large, &opt->repeats) != 3)
			exit(2);
	}
	if (optind >= argc || opt->repeats < 2 || opt->repeats % 2 ||
	    opt->repeats > MAX_REPEATS || opt->large <= opt->small) {
		fprintf(stderr, "usage: see the top of bench_io.c\n");
		exit(2);
	}
}

static void set_kind(struct job *job, int i)
{
	job->write = i & 1;
	job->uring = i & 2;
}

int main(int argc, char **argv)
{
	struct options opt;
	struct job job = {};
	int kinds;

	parse_options(&opt, argc, argv);
	open_job(&job, argv[optind]);
	job.fails = opt.fails;
	kinds = opt.no_uring ? 2 : 4;
	/*
	 * Caches of memory, whatever starts late, and pages that are not yet
	 * where all pages are in the end
	 */
	for (int i = 0; i < kinds; i++) {
		set_kind(&job, i);
		run(&job, opt.small);
	}
	if (mlockall(MCL_CURRENT))
		die("mlockall", errno);
	for (int i = 0; i < kinds; i++) {
		set_kind(&job, i);
		measure(&job, &opt);
	}
	io_uring_queue_exit(&job.ring);
	close(job.dev);
	free(job.buf);
	return 0;
}
