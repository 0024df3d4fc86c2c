/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Allocations that fail: the Nth of this task (/proc/thread-self/fail-nth), or
 * any. Which kinds of allocation count is set in debugfs (lib/hostile.sh).
 */
#ifndef __HOSTILE_FAIL_H
#define __HOSTILE_FAIL_H

#include <fcntl.h>
#include <unistd.h>
#include <sys/mman.h>

#include "policy_test.h"

/* More than any call makes; then something fails again and again. */
#define FAIL_LIMIT 2000

static int fail_nth = -1;

static inline void set_fail_nth(int n)
{
	char word[16];
	int len = snprintf(word, sizeof(word), "%d", n);

	if (pwrite(fail_nth, word, len, 0) != len)
		die("fail-nth: %s", strerror(errno));
}

/* Return: whether it has failed; none does from here on. */
static inline bool fail_nth_done(void)
{
	char word[16] = {};

	if (pread(fail_nth, word, sizeof(word) - 1, 0) <= 0)
		die("fail-nth: %s", strerror(errno));
	set_fail_nth(0);
	return atoi(word) == 0;
}

static inline void open_fail_nth(void)
{
	fail_nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (fail_nth < 0)
		die("fail-nth: %s", strerror(errno));
	/* A page fault that fails is an EFAULT, and not what is asked here. */
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		die("mlockall: %s", strerror(errno));
}

/* That any allocation fails, of whichever task; the rest is set already. */
static inline void set_probability(int percent)
{
	static const char *const files[] = {
		"/sys/kernel/debug/failslab/probability",
		"/sys/kernel/debug/fail_page_alloc/probability",
	};
	size_t i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		fd = open(files[i], O_WRONLY | O_CLOEXEC);
		if (fd < 0 || dprintf(fd, "%d", percent) < 1)
			die("%s: %s", files[i], strerror(errno));
		close(fd);
	}
}

#endif /* __HOSTILE_FAIL_H */
