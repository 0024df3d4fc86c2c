// SPDX-License-Identifier: GPL-2.0
/*
 * Where the sectors of a bio go, by the contract: docs/design.md, sections 3,
 * 4 and 6. Written from it, not from the code in block/interposer/.
 *
 * The rule program divides bios where its rules begin and end. So the fate of a
 * sector does not depend on how the sectors came to be in one bio, as long as
 * no part lies across the end of a device; where that matters and the bios are
 * not known (struct router, exact) the outcome is open.
 */
#include <string.h>

#include "model.h"

/* As the rule program: what it does with the first @nr sectors. */
struct asked {
	const struct rule *rule;
	__u64 border;
};

/* Where a bio is. */
struct at {
	int version;
	int dev;
	__u64 sector;
	__u32 nr;
	__u32 off;
	int hops;
	int target;
	bool fua;
};

struct decision {
	__u32 verdict;
	__u32 nr;
	__u64 sector;
	int error;
	int prog; /* whom a refusal is counted for */
	struct slot slot;
};

static void stage(struct router *r, struct at at);

static struct asked ask(const struct prog *p, __u64 sector, __u32 op)
{
	struct asked a = { .border = ~0ULL };
	__u32 i;

	for (i = 0; i < p->nr_rules; i++) {
		const struct rule *rule = &p->rules[i];

		if (op == BPF_BIO_OP_FLUSH) {
			if (!(rule->ops & (1U << op)))
				continue;
		} else {
			if (rule->ops && !(rule->ops & (1U << op)))
				continue;
			if (sector > rule->last)
				continue;
			if (sector < rule->first) {
				if (rule->first < a.border)
					a.border = rule->first;
				continue;
			}
			if (rule->last + 1 < a.border)
				a.border = rule->last + 1;
		}
		a.rule = rule;
		break;
	}
	return a;
}

static void accept_part(const struct dev *dev, struct decision *d,
			const struct asked *a)
{
	__u64 nr = d->nr;

	if (a->border - d->sector < nr)
		nr = a->border - d->sector;
	if (a->rule && a->rule->accept && a->rule->accept < nr)
		nr = a->rule->accept;
	if (nr && nr < d->nr && nr % dev->block == 0)
		d->nr = nr;
}

/* One program; what it returns, and what it writes into @sector and @error. */
static __u32 run_one(const struct router *r, const struct prog *p,
		     const struct asked *a, struct decision *d, __u64 *sector,
		     int *error)
{
	const struct rule *rule = a->rule;
	const struct slot *slot;

	*sector = d->sector;
	*error = 0;
	if (!rule)
		return BPF_BIO_PASS;
	if (rule->verdict == BPF_BIO_FAIL)
		*error = rule->error;
	if (rule->verdict == BPF_BIO_REMAP || rule->verdict == BPF_BIO_REDIRECT)
		*sector += rule->offset;
	if (rule->verdict == BPF_BIO_REMAP && r->fault == FAULT_TWICE)
		*sector += rule->offset;
	if (rule->verdict != BPF_BIO_REDIRECT)
		return rule->verdict;
	slot = &p->slots[rule->key % MAX_KEYS];
	if (slot->dev < 0)
		return r->fault == FAULT_FALLBACK ? BPF_BIO_PASS :
						    rule->fallback;
	d->slot = *slot;
	return BPF_BIO_REDIRECT;
}

static void count(struct router *r, int prog, __u32 verdict, __u32 nr)
{
	if (!r->counts)
		return;
	r->counts[prog].bios[verdict]++;
	r->counts[prog].sectors[verdict] += nr;
}

/* The list of a device, for the first sectors that it has one answer for. */
static struct decision run(struct router *r, const struct at *at, bool counted)
{
	const struct config *c = &r->versions[at->version];
	const struct list *l = &c->lists[at->dev];
	struct decision d = {
		.verdict = BPF_BIO_PASS,
		.nr = at->nr,
		.sector = at->sector,
		.prog = -1,
	};
	int i, prog, error;
	__u32 verdict, nr;
	struct asked a;
	__u64 sector;

	for (i = 0; i < l->nr; i++) {
		prog = l->progs[r->fault == FAULT_ORDER ? l->nr - 1 - i : i];
		a = ask(&c->progs[prog], d.sector, r->op);
		nr = d.nr;
		if (r->op != BPF_BIO_OP_FLUSH && r->fault != FAULT_REST)
			accept_part(&layout.devs[at->dev], &d, &a);
		if (d.nr != nr)
			d.prog = prog;
		verdict = run_one(r, &c->progs[prog], &a, &d, &sector, &error);
		if (r->op == BPF_BIO_OP_FLUSH && verdict != BPF_BIO_FAIL)
			verdict = BPF_BIO_PASS;
		if (counted)
			count(r, prog, verdict, d.nr);
		if (verdict == BPF_BIO_PASS)
			continue;
		d.verdict = verdict;
		d.prog = prog;
		if (verdict == BPF_BIO_REMAP || verdict == BPF_BIO_REDIRECT)
			d.sector = sector;
		if (verdict == BPF_BIO_REMAP)
			continue;
		d.error = error;
		break;
	}
	return d;
}

static struct outcome *add(struct router *r, const struct at *at, enum end fate)
{
	struct outcome *o;

	if (r->nr == r->room) {
		r->outcomes[0].fate = FATE_OPEN;
		return &r->outcomes[0];
	}
	o = &r->outcomes[r->nr++];
	*o = (struct outcome){
		.fate = fate,
		.off = at->off,
		.nr = at->nr,
		.dev = at->dev,
		.sector = at->sector,
		.target = at->target,
		.fua = at->fua,
	};
	return o;
}

static void fail(struct router *r, const struct at *at, int error)
{
	add(r, at, FATE_ERROR)->error = error;
}

static void refuse(struct router *r, const struct at *at,
		   const struct decision *d, enum bpf_bio_refusal reason,
		   int error)
{
	if (r->counts && d->prog >= 0)
		r->counts[d->prog].refused[reason]++;
	fail(r, at, error);
}

/* Which errnos a status of the block layer stands for */
static bool survives(int error)
{
	static const int all[] = { EIO,	    EOPNOTSUPP, ETIMEDOUT, ENOSPC,
				   ENOLINK, EREMOTEIO,	EBADE,	   ENODATA,
				   EILSEQ,  ENOMEM,	EBUSY,	   ENODEV,
				   ETIME,   EINVAL };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(all); i++)
		if (error == -all[i])
			return true;
	return false;
}

static void do_fail(struct router *r, const struct at *at,
		    const struct decision *d)
{
	if (!d->error || survives(d->error))
		fail(r, at, d->error ?: -EIO);
	else
		refuse(r, at, d, BPF_BIO_REFUSED_ERRNO, -EIO);
}

/*
 * Does it fit where it shall go? true: it does not, and that is over.
 *
 * While a list changes a bio is divided as one version says; in here, as all of
 * them say. So a part that fits may be one of a bio that does not, and the other
 * way round.
 */
static bool misfit(struct router *r, const struct at *at,
		   const struct decision *d, int to)
{
	const struct dev *dev = &layout.devs[to];
	bool changes = r->nr_versions > 1;

	if (d->sector > dev->sectors || at->nr > dev->sectors - d->sector) {
		if (changes ? d->sector + MAX_IO < dev->sectors + 2 * MAX_IO :
			      d->sector < dev->sectors && !r->exact)
			add(r, at, FATE_OPEN);
		else
			refuse(r, at, d, BPF_BIO_REFUSED_SECTOR, -EIO);
		return true;
	}
	if ((d->sector | at->nr) % dev->block) {
		if (changes)
			add(r, at, FATE_OPEN);
		else
			refuse(r, at, d, BPF_BIO_REFUSED_ALIGN, -EINVAL);
		return true;
	}
	return false;
}

static void redirect(struct router *r, struct at at, const struct decision *d)
{
	int bound = BPF_BIO_MAX_HOPS + (r->fault == FAULT_HOPS);
	bool write = r->op != BPF_BIO_OP_READ;
	int to = d->slot.dev;

	if (at.hops >= bound) {
		refuse(r, &at, d, BPF_BIO_REFUSED_LOOP, -EIO);
		return;
	}
	if (write && d->slot.ro) {
		refuse(r, &at, d, BPF_BIO_REFUSED_RDONLY, -EIO);
		return;
	}
	if (misfit(r, &at, d, to))
		return;
	if (r->op == BPF_BIO_OP_WRITE && layout.devs[to].stable &&
	    !layout.devs[at.dev].stable) {
		/* What carries no data need not be stable. */
		if (r->zero)
			add(r, &at, FATE_OPEN);
		else
			refuse(r, &at, d, BPF_BIO_REFUSED_STABLE, -EOPNOTSUPP);
		return;
	}
	if (r->may && !d->slot.ro)
		r->may[at.dev] |= 1U << to;
	if (r->used && !d->slot.ro)
		r->used[at.dev] |= 1U << to;
	/* Who owns the bio will never flush. */
	if (r->op == BPF_BIO_OP_WRITE && !layout.devs[at.dev].cache)
		at.fua = true;
	at.hops++;
	at.dev = to;
	at.sector = d->sector;
	at.target = to;
	stage(r, at);
}

static void to_segments(struct router *r, const struct at *at)
{
	const struct dev *dev = &layout.devs[at->dev];
	__u64 from, to;
	int i;

	for (i = 0; i < dev->nr_segments; i++) {
		const struct segment *s = &dev->segments[i];
		struct at part = *at;

		from = at->sector > s->first ? at->sector : s->first;
		to = at->sector + at->nr;
		if (to > s->first + s->len)
			to = s->first + s->len;
		if (from >= to)
			continue;
		if (to - from < at->nr)
			r->divided = true;
		part.dev = s->dev;
		part.sector = s->offset + from - s->first;
		part.nr = to - from;
		part.off += from - at->sector;
		stage(r, part);
	}
}

#define SPLIT 64U /* sectors that a driver takes, with FAULT_REMAINDER */

/* All programs of the device were asked. */
static void below(struct router *r, struct at at)
{
	struct dev *dev = &layout.devs[at.dev];
	struct at rest = at;

	if (dev->kind == DEV_PART) {
		at.sector += dev->start;
		at.dev = dev->parent;
		stage(r, at);
		return;
	}
	if (dev->kind == DEV_LINEAR) {
		to_segments(r, &at);
		return;
	}
	if (r->fault == FAULT_REMAINDER && at.nr > SPLIT) {
		at.nr = SPLIT;
		rest.sector += SPLIT;
		rest.off += SPLIT;
		rest.nr -= SPLIT;
		stage(r, rest);
	}
	add(r, &at, at.sector + at.nr > dev->window ? FATE_OPEN : FATE_PLACE);
}

static void act(struct router *r, struct at at, const struct decision *d)
{
	switch (d->verdict) {
	case BPF_BIO_FAIL:
		do_fail(r, &at, d);
		return;
	case BPF_BIO_DONE:
		add(r, &at, FATE_DONE);
		return;
	case BPF_BIO_REDIRECT:
		redirect(r, at, d);
		return;
	case BPF_BIO_REMAP:
		if (d->sector != at.sector && misfit(r, &at, d, at.dev))
			return;
		at.sector = d->sector;
		below(r, at);
		return;
	default:
		below(r, at);
	}
}

static bool same(const struct decision *a, const struct decision *b)
{
	return a->verdict == b->verdict && a->sector == b->sector &&
	       a->error == b->error && a->slot.dev == b->slot.dev &&
	       a->slot.ro == b->slot.ro;
}

/*
 * A list may be seen as it was or as it is after a change, whichever comes
 * first; what the bio meets later, only as it is then or after it.
 */
static void all_versions(struct router *r, const struct at *at)
{
	struct decision d[MAX_LIVE + 1];
	int v, earlier;

	for (v = at->version; v < r->nr_versions; v++) {
		struct at there = *at;

		there.version = v;
		d[v] = run(r, &there, false);
		for (earlier = at->version; earlier < v; earlier++)
			if (same(&d[earlier], &d[v]))
				break;
		if (earlier == v)
			act(r, there, &d[v]);
	}
}

/*
 * @part: the first part of @at that all versions have one answer for. Return: true
 * and that answer, false if there are several versions.
 */
static bool first_part(struct router *r, const struct at *at, struct at *part,
		       struct decision *d)
{
	struct at probe;

	*part = *at;
	if (at->version == r->nr_versions - 1) {
		*d = run(r, at, true);
		part->nr = d->nr;
		return true;
	}
	for (probe = *at; probe.version < r->nr_versions; probe.version++) {
		struct decision other = run(r, &probe, false);

		if (other.nr < part->nr)
			part->nr = other.nr;
	}
	return false;
}

/*
 * A bio meets the programs of the partition or disk it names. Parts in a row
 * that pass stay together, and are one bio for whoever sees them next.
 */
static void stage(struct router *r, struct at at)
{
	struct decision d = {}, pass = { .verdict = BPF_BIO_PASS };
	struct at part, kept = { .nr = 0 };
	bool known;

	while (at.nr) {
		known = first_part(r, &at, &part, &d);
		if (known && d.verdict == BPF_BIO_PASS &&
		    r->fault != FAULT_APART) {
			if (!kept.nr)
				kept = part;
			else
				kept.nr += part.nr;
		} else {
			if (kept.nr)
				act(r, kept, &pass);
			kept.nr = 0;
			if (known)
				act(r, part, &d);
			else
				all_versions(r, &part);
		}
		at.sector += part.nr;
		at.off += part.nr;
		at.nr -= part.nr;
	}
	if (kept.nr)
		act(r, kept, &pass);
}

void route(struct router *r, int dev, __u64 sector, __u32 nr)
{
	struct at at = {
		.dev = dev,
		.sector = sector,
		.nr = nr,
		.target = -1,
		.fua = r->fua,
	};

	r->nr = 0;
	stage(r, at);
}

int route_flush(struct router *r, int version, int dev)
{
	__u32 op = r->op;
	struct at at = { .version = version, .dev = dev };
	struct decision d;
	int error = 0;

	r->op = BPF_BIO_OP_FLUSH;
	d = run(r, &at, true);
	if (d.verdict != BPF_BIO_FAIL && layout.devs[dev].kind == DEV_PART) {
		at.dev = layout.devs[dev].parent;
		d = run(r, &at, true);
	}
	r->op = op;
	if (d.verdict != BPF_BIO_FAIL)
		return 0;
	error = d.error ?: -EIO;
	if (!survives(error)) {
		if (r->counts && d.prog >= 0)
			r->counts[d.prog].refused[BPF_BIO_REFUSED_ERRNO]++;
		error = -EIO;
	}
	return error;
}
