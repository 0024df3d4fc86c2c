// SPDX-License-Identifier: GPL-2.0
/*
 * usage: cut_writer A B
 *
 * Writes a number to the first sector of A, then to that of B, then the next one,
 * until it is killed: what is on B is never newer than what is on A.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK 512

int main(int argc, char **argv)
{
	char *buf = aligned_alloc(4096, BLOCK);
	int fds[2];

	if (argc != 3 || !buf)
		return 2;
	for (int i = 0; i < 2; i++) {
		fds[i] = open(argv[i + 1], O_WRONLY | O_DIRECT | O_CLOEXEC);
		if (fds[i] < 0) {
			perror(argv[i + 1]);
			return 1;
		}
	}
	for (unsigned long n = 1;; n++) {
		memset(buf, 0, BLOCK);
		snprintf(buf, BLOCK, "%lu", n);
		for (int i = 0; i < 2; i++) {
			if (pwrite(fds[i], buf, BLOCK, 0) != BLOCK) {
				perror(argv[i + 1]);
				return 1;
			}
		}
	}
}
