// SPDX-License-Identifier: GPL-2.0
/* Delta debugging: leaves out steps as long as the trace still fails. */
#include <time.h>

#include "model.h"

static bool without(struct trace *t, int from, int nr, fails_fn fails)
{
	struct trace less = {};
	bool failed;
	int i;

	for (i = 0; i < t->nr; i++)
		if (i < from || i >= from + nr)
			trace_add(&less, &t->steps[i]);
	failed = fails(&less);
	if (failed) {
		trace_free(t);
		*t = less;
	} else {
		trace_free(&less);
	}
	return failed;
}

void shrink(struct trace *t, fails_fn fails, int seconds)
{
	time_t until = time(NULL) + seconds;
	int size = t->nr / 2, at;
	bool progress;

	while (size) {
		progress = false;
		/* From behind: what comes after the failure goes first. */
		for (at = t->nr - size; at > -size; at -= size) {
			int from = at < 0 ? 0 : at;
			int nr = at < 0 ? size + at : size;

			if (time(NULL) >= until)
				return;
			if (nr && t->nr > nr && without(t, from, nr, fails))
				progress = true;
		}
		if (size > 1)
			size /= 2;
		else if (!progress)
			break;
	}
}
