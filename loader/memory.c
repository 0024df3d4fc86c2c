// SPDX-License-Identifier: GPL-2.0
/* Doing without new memory while what this machine swaps to stands still. */
#include <malloc.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "memory.h"

/* Bytes: what malloc() may want; what the kernel may want for a table */
#define RESERVE (1 << 20)
#define BALLAST (8 << 20)

/*
 * The programs of this machine, and what it swaps to, may be on what stands still:
 * nothing of ours is to be read from there now, and what malloc() will want is ours
 * already.
 */
int stay_in_memory(void)
{
	void *reserve;
	int err;

	mallopt(M_MMAP_MAX, 0);
	mallopt(M_TRIM_THRESHOLD, 2 * RESERVE);
	reserve = malloc(RESERVE);
	err = reserve ? mlockall(MCL_CURRENT | MCL_FUTURE) : -1;
	free(reserve);
	return err;
}

/*
 * Nor does the kernel write there when it needs memory for us: with none left that
 * would wait for what we are about to set going again. It is no error where that
 * cannot be told to it.
 */
void write_nothing_out(bool on)
{
	prctl(PR_SET_IO_FLUSHER, on, 0, 0, 0);
}

static void *ballast = MAP_FAILED;

/**
 * drop_ballast - let the kernel have some memory, now that there may be none
 *
 * For what must be done while devices are suspended, and takes memory.
 */
void drop_ballast(void)
{
	if (ballast != MAP_FAILED)
		munmap(ballast, BALLAST);
	ballast = MAP_FAILED;
}

/* In memory at once, as all is locked; it can do without. */
void take_ballast(void)
{
	if (ballast == MAP_FAILED)
		ballast = mmap(NULL, BALLAST, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
