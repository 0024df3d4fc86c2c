// SPDX-License-Identifier: GPL-2.0
/*
 * protect: ranges of a device that nothing may change.
 *
 * What it does: fails every operation that would change a sector of `ranges`:
 * write, write zeroes, discard, secure erase, zone append and zone
 * management. Reads and flushes pass. Where no range is given, the whole
 * device is read-only. A bio that straddles a border is divided there: the
 * part outside goes through, the part inside fails, and so the submitter gets
 * an error for the whole. Each refusal is an event in the ring buffer
 * `events` (struct protect_event); one that finds it full is counted.
 *
 * What it shows: configuration by read-only globals, bpf_bio_accept_partial(),
 * a ring buffer, and how a guard fails closed: an operation it does not know
 * is a change, and a bio that touches a range and cannot be divided fails
 * whole. That is what happens at a border within a logical block.
 *
 * What it does not do: it is no protection against SCSI or NVMe passthrough,
 * nor, when attached to a partition, against writes through the whole disk.
 * The pid and comm of an event are the submitter's, which for buffered writes
 * is a kernel thread; the cgroup is the bio's own.
 *
 *	ranges		first and last sector of each, in any order. Sorted and
 *			disjoint they are found by an index, so that it makes
 *			no difference how many there are; otherwise one by one.
 *	nr_ranges	how many of them count; bioctl sets it by itself. With 0
 *			the whole device is read-only.
 *	error		what the bio fails with. There is no block layer status
 *			for EPERM or EROFS. -EIO is what every submitter can
 *			handle; below a multipath device take -EREMOTEIO, which
 *			a write-protected SCSI disk gives and which does not
 *			make it try the other paths.
 *	zone_sectors	length of a zone, where appends to zones that hold no
 *			protected sector shall pass. As long as it is 0 every
 *			append is refused: it may land anywhere in its zone.
 */
#include "blk_policy.bpf.h"
#include "protect.h"

#define EIO 5

/* Halving PROTECT_MAX_RANGES + 1 possible answers down to one. */
#define SEARCH_STEPS 11

/* The index: stretches of equal length from sector 0 to the last range. */
#define BUCKETS 4096

_Static_assert(PROTECT_MAX_RANGES < 1 << SEARCH_STEPS,
	       "the search does not reach all ranges");

char LICENSE[] SEC("license") = "GPL";

const volatile struct protect_range ranges[PROTECT_MAX_RANGES];
const volatile __u32 nr_ranges;
const volatile __s32 error = -EIO;
const volatile __u64 zone_sectors;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, PROTECT_NR_COUNTERS);
} counters SEC(".maps");

enum order {
	ORDER_UNKNOWN = 0,
	ORDER_SORTED,
	ORDER_ANY,
};

static __u32 order;

static __u16 first_of[BUCKETS + 1]; /* range that ends in it or behind it */
static __u32 bucket_shift; /* of the length in sectors */

struct order_walk {
	__u64 end;
	__u32 order;
};

static long order_step(__u32 i, struct order_walk *walk)
{
	if (i >= PROTECT_MAX_RANGES)
		return 1;
	if (ranges[i].first < walk->end || ranges[i].last < ranges[i].first) {
		walk->order = ORDER_ANY;
		return 1;
	}
	walk->end = range_end(ranges[i].last);
	return 0;
}

struct index_walk {
	__u32 bucket;
	__u32 range;
	__u32 used;
	__u32 shift;
};

/* The range ends before the bucket, or it is the bucket's first. */
static long index_step(__u32 i, struct index_walk *walk)
{
	__u32 bucket = walk->bucket, range = walk->range;

	(void)i;
	if (bucket > BUCKETS)
		return 1;
	if (range < walk->used && range < PROTECT_MAX_RANGES &&
	    ranges[range].last >> walk->shift < bucket) {
		walk->range++;
		return 0;
	}
	first_of[bucket] = range;
	walk->bucket++;
	return 0;
}

static void make_index(__u32 used)
{
	struct index_walk walk = { .used = used };
	__u32 last = used - 1;

	if (last >= PROTECT_MAX_RANGES)
		return;
	while (walk.shift < 63 && ranges[last].last >> walk.shift >= BUCKETS)
		walk.shift++;
	bucket_shift = walk.shift;
	bpf_loop(BUCKETS + 1 + used, index_step, &walk, 0);
}

/*
 * Ranges are frozen before the program loads, so the first bio can look at
 * them all and the answer holds for ever; CPUs that race find the same one.
 */
static __u32 get_order(__u32 used)
{
	__u32 known = *(volatile __u32 *)&order;
	struct order_walk walk = { .order = ORDER_SORTED };

	if (known == ORDER_UNKNOWN) {
		bpf_loop(used, order_step, &walk, 0);
		known = walk.order;
		if (known == ORDER_SORTED)
			make_index(used);
		*(volatile __u32 *)&order = known;
	}
	return known;
}

/*
 * Sectors from `sector` to `border` are alike: all protected, or all not.
 */
struct stretch {
	__u64 sector;
	__u64 border;
	bool covered;
};

/*
 * The first range from `low` on that ends behind the sector; `high` does. Of
 * 64 bits: the verifier has to see that what is checked is what is used. Not
 * static: it looks at it once, whatever is known about the arguments.
 */
__noinline __u64 search(__u64 sector, __u64 low, __u64 high)
{
	__u64 mid;
	int step;

	for (step = 0; step < SEARCH_STEPS && low < high; step++) {
		mid = (low + high) / 2;
		barrier_var(mid);
		if (mid >= PROTECT_MAX_RANGES)
			break;
		if (ranges[mid].last >= sector)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

static __always_inline bool ends_before(__u64 range, __u64 sector)
{
	barrier_var(range);
	return range < PROTECT_MAX_RANGES && ranges[range].last < sector;
}

/*
 * What the index says is looked at: another CPU may see that there is one
 * before it sees all of it, and a guard does not fail open.
 */
static __always_inline __u64 first_behind(__u64 sector, __u64 used)
{
	__u64 bucket = sector >> (bucket_shift & 63);
	__u64 low = used, high = used;

	if (bucket < BUCKETS) {
		low = first_of[bucket];
		high = first_of[bucket + 1];
	}
	if (low < high)
		low = search(sector, low, high);
	if ((!low || ends_before(low - 1, sector)) &&
	    (low == used || !ends_before(low, sector)))
		return low;
	return search(sector, 0, used);
}

static __always_inline void search_sorted(struct stretch *s, __u32 used)
{
	__u64 found = first_behind(s->sector, used);
	__u64 first;

	barrier_var(found);
	if (found >= used || found >= PROTECT_MAX_RANGES)
		return;
	first = ranges[found].first;
	s->covered = first <= s->sector;
	s->border = s->covered ? range_end(ranges[found].last) : first;
}

static long search_step(__u32 i, struct stretch *s)
{
	__u64 first, last;

	if (i >= PROTECT_MAX_RANGES)
		return 1;
	/* Whoever mixed them up did not mean to protect nothing. */
	first = min(ranges[i].first, ranges[i].last);
	last = max(ranges[i].first, ranges[i].last);
	if (last < s->sector)
		return 0;
	if (first <= s->sector) {
		s->covered = true;
		s->border = range_end(last);
		return 1;
	}
	s->border = min(s->border, first);
	return 0;
}

static __always_inline void find_stretch(struct stretch *s)
{
	__u32 used = min(nr_ranges, PROTECT_MAX_RANGES);

	s->border = NO_BORDER;
	s->covered = !used;
	if (!used)
		return;
	if (get_order(used) == ORDER_SORTED)
		search_sorted(s, used);
	else
		bpf_loop(used, search_step, s, 0);
}

static __always_inline void bump(__u32 counter)
{
	__u64 *value = bpf_map_lookup_elem(&counters, &counter);

	if (value)
		(*value)++;
}

/* What verdict and event are about is all that is left of the bio. */
static __always_inline int refuse(struct bpf_bio *ctx)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	struct protect_event *event;

	ctx->error = error;
	bump(PROTECT_REFUSED);
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		bump(PROTECT_LOST);
		return BPF_BIO_FAIL;
	}
	event->time_ns = bpf_ktime_get_ns();
	event->cgroup_id = bpf_bio_cgroup_id(ctx);
	event->sector = ctx->sector;
	event->nr_sectors = ctx->nr_sectors;
	event->op = ctx->op;
	event->flags = ctx->flags;
	event->dev = ctx->dev;
	event->partno = ctx->partno;
	event->pid = pid_tgid >> 32;
	event->tid = (__u32)pid_tgid;
	event->error = error;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	bpf_ringbuf_submit(event, 0);
	return BPF_BIO_FAIL;
}

/* An append names the first sector of a zone and lands anywhere in it. */
static __always_inline bool zone_is_free(const struct stretch *s)
{
	return zone_sectors && !s->covered &&
	       zone_sectors <= s->border - s->sector;
}

SEC("blk/submit")
int protect(struct bpf_bio *ctx)
{
	struct stretch s = { .sector = ctx->sector };
	bool divided;

	if (ctx->op == BPF_BIO_OP_READ || ctx->op == BPF_BIO_OP_FLUSH)
		return BPF_BIO_PASS;

	/* Its length saturates, and there is always something to protect. */
	if (ctx->op == BPF_BIO_OP_ZONE_RESET_ALL)
		return refuse(ctx);

	find_stretch(&s);
	if (ctx->op == BPF_BIO_OP_ZONE_APPEND)
		return zone_is_free(&s) ? BPF_BIO_PASS : refuse(ctx);

	divided = bio_limit(ctx, s.border);
	if (!s.covered && divided)
		return BPF_BIO_PASS;
	return refuse(ctx);
}
