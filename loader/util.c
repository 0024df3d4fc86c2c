// SPDX-License-Identifier: GPL-2.0
/* Small things that every file needs. */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bioctl.h"

static void out_of_memory(void)
{
	/* Where it goes may stand still, and would until we are gone. */
	if (!fail_is_held())
		fputs("bioctl: out of memory\n", stderr);
	exit(BIOCTL_FAILED);
}

char *strf(const char *fmt, ...)
{
	va_list args;
	char *text;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		out_of_memory();
	va_end(args);
	return text;
}

void *xalloc(size_t nr, size_t size)
{
	void *memory = calloc(nr ? nr : 1, size);

	if (!memory)
		out_of_memory();
	return memory;
}

void list_add(char ***list, unsigned int *nr, char *item)
{
	char **grown = reallocarray(*list, *nr + 1, sizeof(**list));

	if (!grown)
		out_of_memory();
	grown[(*nr)++] = item;
	*list = grown;
}

/* As the manual says: decimal, or hexadecimal after 0x; 010 is ten. */
int number_base(const char *text)
{
	return strncasecmp(text, "0x", 2) ? 10 : 16;
}

bool parse_u64(const char *text, unsigned long long *value)
{
	char *end;

	/* strtoull() takes a minus sign and wraps. */
	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*value = strtoull(text, &end, number_base(text));
	return !errno && !*end;
}

const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/*
 * From where half of it would be worse than none or all: no frozen filesystem,
 * no stray pin. Until then a bioctl that waits for another can be stopped.
 */
void hold_signals(void)
{
	sigset_t signals;

	sigfillset(&signals);
	sigprocmask(SIG_BLOCK, &signals, NULL);
}

/* Under nohup a hang-up is none; blocked it is kept all the same. */
static void add_signal(sigset_t *signals, int signal)
{
	struct sigaction action;

	if (!sigaction(signal, NULL, &action) && action.sa_handler != SIG_IGN)
		sigaddset(signals, signal);
}

/* What stops us, where they are held and waited for */
void stop_signals(sigset_t *signals)
{
	sigemptyset(signals);
	add_signal(signals, SIGHUP);
	add_signal(signals, SIGINT);
	add_signal(signals, SIGTERM);
}

/* Return: false if one came meanwhile */
bool wait_unless_stopped(unsigned int seconds)
{
	const struct timespec time = { .tv_sec = seconds };
	sigset_t signals;

	stop_signals(&signals);
	return sigtimedwait(&signals, NULL, &time) < 0;
}

bool gave_up(int err)
{
	return err == -ETIMEDOUT || err == -EINTR;
}
