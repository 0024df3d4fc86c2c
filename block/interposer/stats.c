// SPDX-License-Identifier: GPL-2.0
/*
 * blk_interposer: counters of programs and links, and the reporting of what
 * was refused. No refusal is silent: a counter, a tracepoint, a line in dmesg.
 */
#include <linux/blkdev.h>
#include <linux/slab.h>
#include "../blk.h"
#include "interposer.h"
#include <trace/events/blk_interposer.h>

static const char * const blk_interposer_refusals[] = {
	[BPF_BIO_REFUSED_SECTOR]	= "beyond the end of the device",
	[BPF_BIO_REFUSED_RDONLY]	= "write to a read-only device",
	[BPF_BIO_REFUSED_ALIGN]		= "not aligned for the device",
	[BPF_BIO_REFUSED_LOOP]		= "redirected too often",
	[BPF_BIO_REFUSED_NO_TARGET]	= "no target was chosen",
	[BPF_BIO_REFUSED_TARGET_GONE]	= "the target was removed",
	[BPF_BIO_REFUSED_STABLE]	= "the target needs stable pages",
	[BPF_BIO_REFUSED_OP]		= "not possible for this operation",
	[BPF_BIO_REFUSED_NOWAIT]	= "would have to wait",
	[BPF_BIO_REFUSED_ERRNO]		= "error has no block status",
	[BPF_BIO_REFUSED_HINT]		= "bad ioprio or write hint",
	[BPF_BIO_REFUSED_PARTIAL]	= "cannot be split there",
	[BPF_BIO_REFUSED_FLUSH]		= "flush of a target failed",
	[BPF_BIO_REFUSED_NOMEM]		= "no memory to split it",
};

/**
 * blk_interposer_refuse - count and report what was not carried out
 * @d: the decision
 * @bio: the bio, as it was
 * @reason: why not
 *
 * Context: process context; @d->counters must not go away.
 */
void blk_interposer_refuse(const struct blk_interposer_decision *d,
			   struct bio *bio, enum bpf_bio_refusal reason)
{
	if (d->counters) {
		struct blk_interposer_stats *stats;

		stats = get_cpu_ptr(d->counters->stats);
		u64_stats_update_begin(&stats->syncp);
		stats->refused[reason]++;
		u64_stats_update_end(&stats->syncp);
		put_cpu_ptr(d->counters->stats);
	}
	trace_blk_interposer_refused(bio, d->bdev->bd_dev, d->prog_id, reason);
	pr_warn_ratelimited("%pg: blk_interposer: program %u: op %u, sector %llu + %u refused: %s\n",
			    d->bdev, d->prog_id, (__force u32)bio_op(bio),
			    (unsigned long long)bio->bi_iter.bi_sector,
			    bio_sectors(bio), blk_interposer_refusals[reason]);
}

/**
 * blk_interposer_counters_alloc - counters for a new link or program
 *
 * Context: may sleep.
 * Return: the counters, all zero, or NULL without memory.
 */
struct blk_interposer_counters *blk_interposer_counters_alloc(void)
{
	struct blk_interposer_counters *counters;
	int cpu;

	counters = kzalloc(sizeof(*counters), GFP_KERNEL_ACCOUNT);
	if (!counters)
		return NULL;
	counters->stats = alloc_percpu_gfp(struct blk_interposer_stats,
					   GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!counters->stats) {
		kfree(counters);
		return NULL;
	}
	for_each_possible_cpu(cpu)
		u64_stats_init(&per_cpu_ptr(counters->stats, cpu)->syncp);
	refcount_set(&counters->refs, 1);
	return counters;
}

/**
 * blk_interposer_counters_put - drop a reference
 * @counters: from blk_interposer_counters_alloc(), or NULL
 *
 * Context: may sleep. A grace period has passed since bios could find it in a
 * list, or the caller's reference is not the last.
 */
void blk_interposer_counters_put(struct blk_interposer_counters *counters)
{
	if (counters && refcount_dec_and_test(&counters->refs)) {
		free_percpu(counters->stats);
		kfree(counters);
	}
}

static void blk_interposer_stats_read(struct blk_interposer_stats *stats,
				      struct bpf_blk_stats *to)
{
	unsigned int start;
	int i;

	do {
		start = u64_stats_fetch_begin(&stats->syncp);
		for (i = 0; i < BLK_INTERPOSER_NR_VERDICTS; i++) {
			to->bios[i] = READ_ONCE(stats->bios[i]);
			to->sectors[i] = READ_ONCE(stats->sectors[i]);
		}
		for (i = 0; i < BLK_INTERPOSER_NR_REFUSALS; i++)
			to->refused[i] = READ_ONCE(stats->refused[i]);
	} while (u64_stats_fetch_retry(&stats->syncp, start));
}

/**
 * blk_interposer_stats_sum - add up the counters of all CPUs
 * @counters: of a link or program
 * @sum: result
 *
 * Context: process context.
 */
void blk_interposer_stats_sum(struct blk_interposer_counters *counters,
			      struct bpf_blk_stats *sum)
{
	int cpu, i;

	BUILD_BUG_ON(ARRAY_SIZE(sum->bios) < BLK_INTERPOSER_NR_VERDICTS);
	BUILD_BUG_ON(ARRAY_SIZE(sum->refused) < BLK_INTERPOSER_NR_REFUSALS);
	memset(sum, 0, sizeof(*sum));
	for_each_possible_cpu(cpu) {
		struct bpf_blk_stats one;

		blk_interposer_stats_read(per_cpu_ptr(counters->stats, cpu),
					  &one);
		for (i = 0; i < BLK_INTERPOSER_NR_VERDICTS; i++) {
			sum->bios[i] += one.bios[i];
			sum->sectors[i] += one.sectors[i];
		}
		for (i = 0; i < BLK_INTERPOSER_NR_REFUSALS; i++)
			sum->refused[i] += one.refused[i];
	}
}
