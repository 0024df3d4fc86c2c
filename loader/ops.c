// SPDX-License-Identifier: GPL-2.0
/* Names of what a bio is and of what is decided about it. */
#include <string.h>

#include "bioctl.h"

static const char *const operations[] = {
	[BPF_BIO_OP_READ] = "read",
	[BPF_BIO_OP_WRITE] = "write",
	[BPF_BIO_OP_FLUSH] = "flush",
	[BPF_BIO_OP_DISCARD] = "discard",
	[BPF_BIO_OP_SECURE_ERASE] = "secure_erase",
	[BPF_BIO_OP_WRITE_ZEROES] = "write_zeroes",
	[BPF_BIO_OP_ZONE_APPEND] = "zone_append",
	[BPF_BIO_OP_ZONE_OPEN] = "zone_open",
	[BPF_BIO_OP_ZONE_CLOSE] = "zone_close",
	[BPF_BIO_OP_ZONE_FINISH] = "zone_finish",
	[BPF_BIO_OP_ZONE_RESET] = "zone_reset",
	[BPF_BIO_OP_ZONE_RESET_ALL] = "zone_reset_all",
};

/* By bit. */
static const char *const flags[] = {
	"sync",	     "meta",   "prio",	   "atomic", "nounmap",
	"integrity", "fua",    "preflush", "rahead", "background",
	"nowait",    "polled", "crypt",	   "swap",
};

static const char *const verdicts[] = {
	[BPF_BIO_PASS] = "pass",	 [BPF_BIO_FAIL] = "fail",
	[BPF_BIO_REMAP] = "remap",	 [BPF_BIO_DONE] = "done",
	[BPF_BIO_REDIRECT] = "redirect",
};

static int find(const char *const *names, unsigned int nr, const char *name)
{
	for (unsigned int i = 0; i < nr; i++) {
		if (names[i] && !strcmp(names[i], name))
			return i;
	}
	return -1;
}

const char *op_name(__u32 op)
{
	return op < ARRAY_SIZE(operations) && operations[op] ? operations[op] :
							       "unknown";
}

int op_by_name(const char *name)
{
	return find(operations, ARRAY_SIZE(operations), name);
}

int flag_by_name(const char *name)
{
	return find(flags, ARRAY_SIZE(flags), name);
}

const char *verdict_name(unsigned int verdict)
{
	return verdict < ARRAY_SIZE(verdicts) ? verdicts[verdict] : "unknown";
}
