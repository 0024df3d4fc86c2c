// SPDX-License-Identifier: GPL-2.0
/*
 * usage: life_io DEVICE
 *
 * Fills a megabyte with a pattern, writes "ready", then reads and rewrites it
 * from several threads until an error, the end of the device, or SIGTERM. Does
 * not mind how it ends, but a read that claims to have succeeded must have
 * brought the pattern. fio verifies what a short read did not fill, so it is
 * of no use when a device goes away.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK 4096
#define BLOCKS 256
#define THREADS 8

static volatile sig_atomic_t stopped;
static atomic_ulong ios;
static atomic_int mismatches;
static int device;

static void on_term(int sig)
{
	(void)sig;
	stopped = 1;
}

static void fill(uint64_t *buf, uint64_t block)
{
	for (size_t i = 0; i < BLOCK / sizeof(*buf); i++)
		buf[i] = block << 32 | i;
}

static void check(const uint64_t *buf, uint64_t block)
{
	for (size_t i = 0; i < BLOCK / sizeof(*buf); i++) {
		if (buf[i] == (block << 32 | i))
			continue;
		fprintf(stderr, "block %llu, word %zu: %llx\n",
			(unsigned long long)block, i,
			(unsigned long long)buf[i]);
		mismatches++;
		stopped = 1;
		return;
	}
}

/* Return: false when it is over. */
static bool one(uint64_t *buf, unsigned int block, bool write)
{
	ssize_t len;

	if (write) {
		fill(buf, block);
		len = pwrite(device, buf, BLOCK, (off_t)block * BLOCK);
	} else {
		memset(buf, 0xff, BLOCK);
		len = pread(device, buf, BLOCK, (off_t)block * BLOCK);
	}
	if (len != BLOCK)
		return false;
	if (!write)
		check(buf, block);
	ios++;
	return true;
}

static uint64_t *new_buffer(void)
{
	uint64_t *buf = aligned_alloc(BLOCK, BLOCK);

	if (!buf) {
		perror("memory");
		exit(2);
	}
	return buf;
}

static void *thread(void *arg)
{
	unsigned int seed = (uintptr_t)arg;
	uint64_t *buf = new_buffer();

	while (!stopped) {
		unsigned int n = rand_r(&seed);

		if (!one(buf, n % BLOCKS, n / BLOCKS % 2))
			break;
	}
	free(buf);
	return NULL;
}

static bool prepare(void)
{
	uint64_t *buf = new_buffer();
	bool good = true;

	for (unsigned int i = 0; i < BLOCKS && good; i++)
		good = one(buf, i, true);
	free(buf);
	return good;
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];

	if (argc != 2) {
		fprintf(stderr, "usage: %s DEVICE\n", argv[0]);
		return 2;
	}
	signal(SIGTERM, on_term);
	device = open(argv[1], O_RDWR | O_DIRECT | O_CLOEXEC);
	if (device < 0 || !prepare()) {
		perror(argv[1]);
		return 2;
	}
	puts("ready");
	fflush(stdout);
	for (uintptr_t i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, thread, (void *)(i + 1)))
			return 2;
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	printf("ios %lu\n", (unsigned long)ios);
	return mismatches ? 1 : 0;
}
