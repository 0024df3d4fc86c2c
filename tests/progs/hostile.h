/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For the fuzzers: numbers that a seed reproduces, memory whose ends fault, and
 * a list of what exists in the kernel.
 */
#ifndef __HOSTILE_H
#define __HOSTILE_H

#include <sys/mman.h>

#include "abi.h"

static __u64 rnd_state;

/* splitmix64: any seed will do */
static inline __u64 rnd(void)
{
	__u64 z = rnd_state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static inline __u32 rnd_below(__u32 n)
{
	return (rnd() >> 32) * n >> 32;
}

static inline bool one_in(__u32 n)
{
	return !rnd_below(n);
}

#define RND_OF(array) (array)[rnd_below(ARRAY_SIZE(array))]

/*
 * Whole pages between two that are not mapped: what the kernel reads or writes
 * too much is an EFAULT, and not a test that has lost its mind.
 */
static inline void *guarded(size_t bytes, int prot)
{
	size_t page = getpagesize();
	size_t room = (bytes + page - 1) / page * page;
	char *mem = mmap(NULL, room + 2 * page, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED || mprotect(mem + page, room, prot))
		die("no memory: %s", strerror(errno));
	return mem + page;
}

/* Programs, links and maps of the whole system. */
struct census {
	__u32 count[3];
	__u32 sum[3]; /* of their ids */
};

static inline struct census take_census(void)
{
	static int (*const next[])(__u32, __u32 *) = {
		bpf_prog_get_next_id,
		bpf_link_get_next_id,
		bpf_map_get_next_id,
	};
	struct census c = {};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(next); i++) {
		__u32 id = 0;

		while (!next[i](id, &id)) {
			c.count[i]++;
			c.sum[i] += id;
		}
	}
	return c;
}

static inline bool same_census(const struct census *a, const struct census *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* Some things are freed by a worker. */
static inline bool census_becomes(const struct census *want)
{
	struct census now = {};
	int i;

	for (i = 0; i < 1000; i++) {
		now = take_census();
		if (same_census(&now, want))
			return true;
		usleep(10000);
	}
	for (i = 0; i < 3; i++)
		printf("# %s: %u, wanted %u\n",
		       i == 0 ? "programs" :
		       i == 1 ? "links" :
				"maps",
		       now.count[i], want->count[i]);
	return false;
}

#endif /* __HOSTILE_H */
