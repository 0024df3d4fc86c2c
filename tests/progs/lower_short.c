// SPDX-License-Identifier: GPL-2.0
/*
 * usage: lower_short STEP MIB COMMAND...
 *
 * Runs a bioctl that stops at a step. Then somebody takes so much memory, all there
 * is, and what could be read again is dropped; a bit more is reserved than is free
 * then: the kernel has none left but for what it writes to swap. Device mapper gets
 * some all the same to resume (__GFP_HIGH). Then the bioctl goes on.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096
#define UNTIL_FULL 6 /* seconds */

static pid_t hog(size_t mib)
{
	pid_t pid = fork();
	char *mem;

	if (pid)
		return pid;
	prctl(PR_SET_IO_FLUSHER, 0, 0, 0, 0);
	mem = mmap(NULL, mib << 20, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem == MAP_FAILED)
		_exit(1);
	for (size_t at = 0; at < mib << 20; at += PAGE)
		mem[at] = 1;
	pause();
	_exit(0);
}

static pid_t start(const char *step, char **command)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	setenv("BIOCTL_PAUSE_AT", step, 1);
	execvp(*command, command);
	_exit(127);
}

/* -1 after a report */
static int set(int fd, const char *value)
{
	if (pwrite(fd, value, strlen(value), 0) == (ssize_t)strlen(value))
		return 0;
	perror(value);
	return -1;
}

int main(int argc, char **argv)
{
	int caches = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
	int min = open("/proc/sys/vm/min_free_kbytes", O_RDWR | O_CLOEXEC);
	char normal[32] = "", more[32];
	pid_t command, full = 0;
	int status;

	if (argc < 4 || caches < 0 || read(min, normal, sizeof(normal) - 1) < 1)
		return 2;
	snprintf(more, sizeof(more), "%ld", atol(normal) * 3 / 2);
	command = start(argv[1], argv + 3);
	if (mlockall(MCL_CURRENT | MCL_FUTURE) ||
	    prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0))
		return 2;
	while (waitpid(command, &status, WUNTRACED) == command &&
	       WIFSTOPPED(status)) {
		full = hog(strtoul(argv[2], NULL, 0));
		sleep(UNTIL_FULL);
		if (set(caches, "3") || set(min, more))
			return 2;
		kill(command, SIGCONT);
	}
	set(min, normal);
	if (!full)
		fprintf(stderr, "it did not stop at %s\n", argv[1]);
	else
		kill(full, SIGKILL);
	return full && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
