// SPDX-License-Identifier: GPL-2.0
/* 'bioctl migrate --verify': two disks that are both written to */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "migrate.h"

#define CHUNK (1 << 20) /* bytes that are compared at a time */
#define BLOCK 4096
#define TRIES 1000 /* of a block that is being written to */

/**
 * struct pair - two disks that are compared
 * @paths: of them
 * @fds: open
 * @bufs: what was read of each
 * @err: errno of the read that failed
 * @bad: index of that disk
 */
struct pair {
	const char *paths[2];
	int fds[2];
	char *bufs[2];
	int err;
	int bad;
};

static bool pair_read(struct pair *pair, off_t at, size_t len)
{
	for (int i = 0; i < 2; i++) {
		ssize_t got = pread(pair->fds[i], pair->bufs[i], len, at);

		if (got == (ssize_t)len)
			continue;
		pair->err = got < 0 ? errno : EIO;
		pair->bad = i;
		return false;
	}
	return true;
}

/*
 * Both are written to meanwhile, one a bit before the other: a block that differs
 * is read again until it does not.
 */
static bool same_block(struct pair *pair, off_t at, size_t len)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	for (int tries = 0; tries < TRIES; tries++) {
		if (!pair_read(pair, at, len))
			return false;
		if (!memcmp(pair->bufs[0], pair->bufs[1], len))
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

/* Return: how much is the same, @len if all is */
static size_t same(struct pair *pair, off_t at, size_t len)
{
	size_t done, block;

	if (!pair_read(pair, at, len))
		return 0;
	if (!memcmp(pair->bufs[0], pair->bufs[1], len))
		return len;
	for (done = 0; done < len; done += block) {
		block = len - done < BLOCK ? len - done : BLOCK;
		if (!same_block(pair, at + done, block))
			break;
	}
	return done;
}

static int differs(const struct stack *stack, const struct pair *pair, off_t at)
{
	char *cause;

	if (pair->err)
		cause = strf("%s cannot be read at byte %lld: %s",
			     pair->paths[pair->bad], (long long)at,
			     strerror(pair->err));
	else
		cause = strf("it differs from the device at byte %lld",
			     (long long)at);
	return failed(.op = OP_MIGRATE, .what = pair->paths[1],
		      .device = stack->device, .cause = cause,
		      .next = "nothing was switched; bioctl migrate --cancel");
}

static int compare(struct stack *stack, struct pair *pair)
{
	off_t at = 0, end = (off_t)device_sectors(stack->device) * 512;
	struct progress now;
	size_t len, done;

	for (; at < end; at += done) {
		len = end - at < CHUNK ? end - at : CHUNK;
		if (!wait_unless_stopped(0))
			return failed(.op = OP_MIGRATE, .what = pair->paths[1],
				      .device = stack->device, .err = EINTR,
				      .cause = "bioctl was stopped; both disks "
					       "get what is written",
				      .next = "the same command goes on; "
					      "--cancel ends it");
		done = same(pair, at, len);
		/* Then writes hang there, until somebody takes it out. */
		if (!mirror_read(stack, &now) || !mirror_is_alive(&now))
			return MIRROR_FAILED;
		if (done < len)
			return differs(stack, pair, at + done);
	}
	return BIOCTL_OK;
}

/* Of a mirror that has copied all: is it the same on both disks? */
int migrate_verify(struct stack *stack, const char *target)
{
	struct pair pair = {
		.paths = { device_name(stack->link_info.blk.lower), target },
		.fds = { -1, -1 },
	};
	int err = BIOCTL_OK;

	for (int i = 0; !err && i < 2; i++) {
		pair.fds[i] =
			open(pair.paths[i], O_RDONLY | O_DIRECT | O_CLOEXEC);
		if (pair.fds[i] < 0 ||
		    posix_memalign((void **)&pair.bufs[i], BLOCK, CHUNK))
			err = failed(.op = OP_MIGRATE, .what = pair.paths[i],
				     .device = stack->device, .err = errno);
	}
	if (!err)
		err = compare(stack, &pair);
	/* Whoever takes the mirror out wants nobody to have them open. */
	for (int i = 0; i < 2; i++) {
		if (pair.fds[i] >= 0)
			close(pair.fds[i]);
		free(pair.bufs[i]);
	}
	return err;
}
