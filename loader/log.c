// SPDX-License-Identifier: GPL-2.0
/*
 * libbpf reports through a callback, the verifier's log included. Its words
 * are kept until it is known whether they belong to a failure.
 */
#include <stdlib.h>

#include "bioctl.h"

static FILE *stream;
static char *text;
static size_t length;

static int print(enum libbpf_print_level level, const char *fmt, va_list args)
{
	if (level == LIBBPF_DEBUG)
		return settings.verbose ? vfprintf(stderr, fmt, args) : 0;
	return stream ? vfprintf(stream, fmt, args) : 0;
}

void log_start(void)
{
	libbpf_set_print(print);
	text = NULL;
	stream = open_memstream(&text, &length);
}

char *log_finish(void)
{
	if (stream)
		fclose(stream);
	stream = NULL;
	return length ? text : NULL;
}
