// SPDX-License-Identifier: GPL-2.0
/*
 * usage: hostile_hog MIB ROUNDS
 *
 * Takes more memory than there is. It is filled from the beginning and looked
 * at from the end, so that what is still there is not swapped out for what is
 * not: the traffic is what is too much, not everything.
 */
#include <sys/mman.h>

#include "policy_test.h"

#define PAGE_WORDS 512

static __u64 *mem;
static size_t pages;

static __u64 word(size_t page, size_t i, __u64 round)
{
	return (page * PAGE_WORDS + i) * 0x9e3779b97f4a7c15ULL + round;
}

static void fill_pages(__u64 round)
{
	size_t page, i;

	for (page = 0; page < pages; page++)
		for (i = 0; i < PAGE_WORDS; i++)
			mem[page * PAGE_WORDS + i] = word(page, i, round);
}

static size_t count_bad(__u64 round)
{
	size_t page = pages, i, bad = 0;

	while (page--)
		for (i = 0; i < PAGE_WORDS; i++)
			bad += mem[page * PAGE_WORDS + i] !=
			       word(page, i, round);
	return bad;
}

int main(int argc, char **argv)
{
	size_t bad;
	__u64 round;

	pages = argc == 3 ? strtoul(argv[1], NULL, 0) << 8 : 0;
	if (!pages)
		die("usage: %s MIB ROUNDS", argv[0]);
	mem = mmap(NULL, pages << 12, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem == MAP_FAILED)
		die("no memory: %s", strerror(errno));
	for (round = 1; round <= strtoul(argv[2], NULL, 0); round++) {
		fill_pages(round);
		bad = count_bad(round);
		tap(!bad,
		    "round %llu: %zu MiB come back as they went (%zu words wrong)",
		    (unsigned long long)round, pages >> 8, bad);
	}
	return tap_exit();
}
