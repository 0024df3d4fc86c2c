// SPDX-License-Identifier: GPL-2.0
/*
 * count: counts bios and sectors, and lets everything through.
 *
 * What it does: three tables, all per CPU so that counting costs no shared
 * cache line. `ops` by operation, `flags` by flag (a bio counts once for each
 * flag it carries), `cgroups` by cgroup and operation.
 *
 * What it shows: the fields of struct bpf_bio, and whose bio it is. The
 * cgroup is that of the bio, not of the task that happens to submit it, so
 * writeback done by a kernel thread counts for the cgroup that dirtied the
 * page, where the filesystem supports cgroup writeback and the io controller
 * is on. Otherwise the nearest ancestor with that controller is named.
 *
 * What it does not do: it does not count completions, errors or latency, and
 * `cgroups` forgets the least recently used pairs when it is full. A bio that
 * an earlier program of the chain failed, completed or redirected is not seen.
 */
#include "blk_policy.bpf.h"
#include "count.h"

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct count_value);
	__uint(max_entries, COUNT_OPS);
} ops SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct count_value);
	__uint(max_entries, COUNT_FLAGS);
} flags SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_PERCPU_HASH);
	__type(key, struct count_cgroup_key);
	__type(value, struct count_value);
	__uint(max_entries, COUNT_CGROUPS);
} cgroups SEC(".maps");

static __always_inline void add(struct count_value *value, __u32 nr_sectors)
{
	value->bios++;
	value->sectors += nr_sectors;
}

static __always_inline void count_op(__u32 op, __u32 nr_sectors)
{
	struct count_value *value = bpf_map_lookup_elem(&ops, &op);

	if (value)
		add(value, nr_sectors);
}

static __always_inline void count_flags(__u32 bits, __u32 nr_sectors)
{
	struct count_value *value;
	__u32 i;

	for (i = 0; i < COUNT_FLAGS && bits; i++, bits >>= 1) {
		if (!(bits & 1))
			continue;
		value = bpf_map_lookup_elem(&flags, &i);
		if (value)
			add(value, nr_sectors);
	}
}

static __always_inline void count_cgroup(__u64 cgroup_id, __u32 op,
					 __u32 nr_sectors)
{
	struct count_cgroup_key key = { .cgroup_id = cgroup_id, .op = op };
	struct count_value first = { .bios = 1, .sectors = nr_sectors };
	struct count_value *value;

	value = bpf_map_lookup_elem(&cgroups, &key);
	if (value)
		add(value, nr_sectors);
	else
		bpf_map_update_elem(&cgroups, &key, &first, BPF_ANY);
}

SEC("blk/submit")
int count(struct bpf_bio *ctx)
{
	__u32 nr_sectors = ctx->nr_sectors;
	__u32 op = ctx->op;

	count_op(op, nr_sectors);
	count_flags(ctx->flags, nr_sectors);
	count_cgroup(bpf_bio_cgroup_id(ctx), op, nr_sectors);
	return BPF_BIO_PASS;
}
