// SPDX-License-Identifier: GPL-2.0
/*
 * usage: path_swap MIB
 *
 * Fills more memory than its cgroup may have, and looks whether everything
 * comes back from swap as it was.
 */
#include <sys/mman.h>

#include "policy_test.h"

int main(int argc, char **argv)
{
	size_t words = argc == 2 ? atol(argv[1]) * 131072UL : 0, i, bad = 0;
	int round;
	__u64 *mem;

	if (!words)
		die("usage: %s MIB", argv[0]);
	mem = mmap(NULL, words * sizeof(*mem), PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		die("no memory: %s", strerror(errno));
	for (round = 1; round <= 2; round++) {
		for (i = 0; i < words; i++)
			mem[i] = i * 0x9e3779b97f4a7c15ULL + round;
		for (i = 0; i < words; i++)
			bad += mem[i] != i * 0x9e3779b97f4a7c15ULL + round;
	}
	tap(!bad, "%zu MiB come back as they went (%zu wrong)", words >> 17,
	    bad);
	return tap_exit();
}
