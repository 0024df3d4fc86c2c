// SPDX-License-Identifier: GPL-2.0
/* Counters of a program: verdicts that were carried out, and refusals. */
#include <string.h>

#include "bioctl.h"

static const struct {
	const char *name;
	const char *sentence;
} refusals[__BPF_BIO_REFUSED_MAX] = {
	[BPF_BIO_REFUSED_SECTOR] = { "sector", "beyond the end of the device" },
	[BPF_BIO_REFUSED_RDONLY] = { "rdonly",
				     "writing to a read-only device or target" },
	[BPF_BIO_REFUSED_ALIGN] = { "align",
				    "not aligned as the device needs it" },
	[BPF_BIO_REFUSED_LOOP] = { "loop", "redirected too often" },
	[BPF_BIO_REFUSED_NO_TARGET] = { "no_target",
					"redirected without a target" },
	[BPF_BIO_REFUSED_TARGET_GONE] = { "target_gone",
					  "sent to a target that was removed" },
	[BPF_BIO_REFUSED_STABLE] = { "stable",
				     "without the stable pages that the target "
				     "needs" },
	[BPF_BIO_REFUSED_OP] = { "op",
				 "of a kind that the verdict is not possible "
				 "for" },
	[BPF_BIO_REFUSED_NOWAIT] = { "nowait",
				     "that may not wait but would have had to" },
	[BPF_BIO_REFUSED_ERRNO] = { "errno",
				    "failed with an errno that no status "
				    "stands for; EIO was used" },
	[BPF_BIO_REFUSED_HINT] = { "hint",
				   "with an invalid priority or write hint, "
				   "which was ignored" },
	[BPF_BIO_REFUSED_PARTIAL] = { "partial",
				      "that could not be split for the target" },
	[BPF_BIO_REFUSED_FLUSH] = { "flush",
				    "failed because the flush of a target "
				    "failed" },
	[BPF_BIO_REFUSED_NOMEM] = { "nomem",
				    "that there was no memory to split" },
};

json_t *stats_json(const struct bpf_blk_stats *stats)
{
	json_t *by_verdict = json_object(), *by_reason = json_object();

	for (unsigned int i = 0; i < __BPF_BIO_VERDICT_MAX; i++)
		json_object_set_new(by_verdict, verdict_name(i),
				    json_pack("{s:I, s:I}", "bios",
					      (json_int_t)stats->bios[i],
					      "sectors",
					      (json_int_t)stats->sectors[i]));
	for (unsigned int i = 0; i < ARRAY_SIZE(refusals); i++)
		json_object_set_new(by_reason, refusals[i].name,
				    json_integer(stats->refused[i]));
	return json_pack("{s:o, s:o}", "verdicts", by_verdict, "refused",
			 by_reason);
}

/* Only what happened. */
void stats_print(const json_t *stats, const char *indent)
{
	const json_t *by_verdict = json_object_get(stats, "verdicts");
	const json_t *by_reason = json_object_get(stats, "refused");
	const char *joint = "";

	printf("%s", indent);
	for (unsigned int i = 0; i < __BPF_BIO_VERDICT_MAX; i++) {
		const json_t *verdict =
			json_object_get(by_verdict, verdict_name(i));

		if (!json_int(verdict, "bios"))
			continue;
		printf("%s%s %lld bios (%lld sectors)", joint, verdict_name(i),
		       (long long)json_int(verdict, "bios"),
		       (long long)json_int(verdict, "sectors"));
		joint = ", ";
	}
	printf("%s\n", *joint ? "" : "no bio yet");
	for (unsigned int i = 0; i < ARRAY_SIZE(refusals); i++) {
		if (json_int(by_reason, refusals[i].name))
			printf("%srefused: %lld bios %s (%s)\n", indent,
			       (long long)json_int(by_reason, refusals[i].name),
			       refusals[i].sentence, refusals[i].name);
	}
}
