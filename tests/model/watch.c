// SPDX-License-Identifier: GPL-2.0
/*
 * I/O that never ends is a failure, too: says where each thread is, and which
 * trace it was. What a lost bio leaves behind cannot be undone, so that is the
 * end.
 */
#include <dirent.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "model.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const struct trace *trace;
static const struct step *doing[MAX_THREADS + 1];
static time_t since;

static void print_file(const char *task, const char *name)
{
	char path[64], text[1024];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%.16s/%s", task, name);
	f = fopen(path, "r");
	if (!f)
		return;
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = 0;
	fclose(f);
	printf("# %s of %s:\n", name, task);
	for (char *line = text; line; line = *line ? line : NULL) {
		char *end = line;

		while (*end && *end != '\n')
			end++;
		printf("#   %.*s\n", (int)(end - line), line);
		line = *end ? end + 1 : end;
	}
}

static void print_stacks(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *d;

	while (dir && (d = readdir(dir))) {
		if (*d->d_name == '.')
			continue;
		print_file(d->d_name, "wchan");
		print_file(d->d_name, "stack");
	}
	if (dir)
		closedir(dir);
}

static void *watch(void *arg)
{
	int limit = (long)arg, t;

	for (;;) {
		sleep(1);
		pthread_mutex_lock(&lock);
		if (trace && time(NULL) - since > limit) {
			printf("not ok 1 - I/O ends within %d s\n", limit);
			for (t = 0; t <= MAX_THREADS; t++) {
				if (!doing[t])
					continue;
				printf("# thread %d does ", t);
				step_print(doing[t], stdout);
			}
			print_stacks();
			printf("# the trace:\n");
			trace_print(trace, stdout, "# ");
			printf("1..1\n");
			fflush(stdout);
			_exit(1);
		}
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

void watch_start(int limit)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, watch, (void *)(long)limit))
		abort();
}

void watch_trace(const struct trace *t)
{
	pthread_mutex_lock(&lock);
	trace = t;
	since = time(NULL);
	pthread_mutex_unlock(&lock);
}

void watch_step(int thread, const struct step *s)
{
	pthread_mutex_lock(&lock);
	doing[thread] = s;
	pthread_mutex_unlock(&lock);
}
