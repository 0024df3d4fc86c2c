// SPDX-License-Identifier: GPL-2.0
/*
 * A seed becomes a trace. It follows the configuration, so that most steps are
 * possible; the others are skipped when the trace runs.
 */
#include <string.h>

#include "model.h"

static __u64 state;

/* xorshift64*, preceded by splitmix64 so that small seeds differ. */
void rng_seed(__u64 seed)
{
	seed += 0x9e3779b97f4a7c15ULL;
	seed = (seed ^ (seed >> 30)) * 0xbf58476d1ce4e5b9ULL;
	seed = (seed ^ (seed >> 27)) * 0x94d049bb133111ebULL;
	state = (seed ^ (seed >> 31)) ?: 1;
}

__u32 rng(__u32 below)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return ((state * 0x2545f4914f6cdd1dULL) >> 32) % below;
}

static bool one_in(__u32 n)
{
	return rng(n) == 0;
}

static struct config config;
static struct trace *trace;

static int emit(struct step s)
{
	int ret = 1;

	if (s.verb < DO_IO) {
		ret = config_apply(&config, &s);
		if (ret > 0)
			return ret;
	}
	trace_add(trace, &s);
	return ret;
}

/*
 * Where things happen on a device: not everywhere, or they would not meet. On
 * a disk with partitions it begins a bit before the first.
 */
struct arena {
	__u64 first;
	__u32 units;
};

#define ARENA 1536U /* sectors */

static struct arena arena_of(int dev)
{
	const struct dev *d = &layout.devs[dev];
	struct arena a = { .units = d->window < ARENA ? d->window : ARENA };
	int i;

	for (i = layout.nr - 1; i >= 0; i--)
		if (layout.devs[i].kind == DEV_PART &&
		    layout.devs[i].parent == dev)
			a.first = layout.devs[i].start;
	a.first -= a.first < ARENA / 4 ? a.first : ARENA / 4;
	a.first -= a.first % layout.unit;
	a.units /= layout.unit;
	return a;
}

static __u32 length(__u32 units)
{
	__u32 most = one_in(2) ? 4 : one_in(3) ? 160 : 32, len;

	len = 1 + rng(most);
	if (len > units)
		len = units;
	return len;
}

/* The rules of a piece that begins at @first */
static void aim(struct rule *r, int dev, __u64 first)
{
	__u64 len = r->last - r->first + 1;
	struct arena a = arena_of(dev);
	__u32 units = len / layout.unit;
	__u64 to;

	if (one_in(12)) {
		/* Behind the end; nothing lies across it. */
		to = layout.devs[dev].sectors + rng(8) * layout.unit;
	} else {
		if (units > a.units)
			units = a.units;
		to = a.first + rng(a.units - units + 1) * layout.unit;
	}
	r->offset = to - first;
}

static void random_ops(struct rule *r)
{
	const __u32 write = 1U << BPF_BIO_OP_WRITE |
			    1U << BPF_BIO_OP_WRITE_ZEROES;
	const __u32 read = 1U << BPF_BIO_OP_READ;

	switch (rng(12)) {
	case 0:
		r->ops = read;
		break;
	case 1:
	case 2:
		r->ops = write;
		break;
	case 3:
		r->ops = read | write;
		break;
	case 4:
		r->ops = 1U << BPF_BIO_OP_DISCARD;
		break;
	default:
		r->ops = 0;
	}
}

static void random_verdict(struct rule *r, int prog, int dev)
{
	static const int errors[] = { 0,	-EIO,	    -ENOSPC,
				      -ENODATA, -EILSEQ,    -EPERM,
				      -ETIME,	-ETIMEDOUT, -EINVAL };
	const struct slot *slot;

	switch (rng(16)) {
	case 0:
		r->verdict = BPF_BIO_PASS;
		break;
	case 1:
		r->verdict = BPF_BIO_FAIL;
		r->error = errors[rng(ARRAY_SIZE(errors))];
		break;
	case 2:
	case 3:
		r->verdict = BPF_BIO_DONE;
		break;
	case 4 ... 8:
		r->verdict = BPF_BIO_REMAP;
		aim(r, dev, r->first);
		break;
	default:
		r->verdict = BPF_BIO_REDIRECT;
		r->key = rng(MAX_KEYS);
		r->fallback = one_in(4) ? BPF_BIO_FAIL :
			      one_in(2) ? BPF_BIO_DONE :
					  BPF_BIO_PASS;
		slot = &config.progs[prog].slots[r->key];
		aim(r, slot->dev < 0 ? dev : slot->dev, r->first);
		if (layout.unit > 1 && one_in(16))
			r->offset += 1;
	}
}

static void rule(int prog, struct rule r)
{
	emit((struct step){ .verb = DO_RULE, .prog = prog, .rule = r });
}

/* Pieces of random length, with a verdict each and gaps between some. */
static void patchwork(int prog, int dev)
{
	struct arena a = arena_of(dev);
	__u32 at = rng(8), len, n = 4 + rng(20);

	while (at + 1 < a.units && n--) {
		struct rule r = { .first = a.first + at * layout.unit };

		len = length(a.units - at);
		at += len;
		r.last = a.first + at * layout.unit - 1;
		if (one_in(5))
			continue;
		random_ops(&r);
		random_verdict(&r, prog, dev);
		if (one_in(4))
			r.accept = layout.unit << rng(4);
		rule(prog, r);
	}
}

/* Few ranges that overlap; the first that fits counts. */
static void layers(int prog, int dev)
{
	struct arena a = arena_of(dev);
	int n = 2 + rng(4);

	while (n--) {
		__u32 len = 1 + rng(a.units / 2);
		__u32 at = rng(a.units - len + 1);
		struct rule r = {
			.first = a.first + at * layout.unit,
			.last = a.first + (at + len) * layout.unit - 1,
		};

		random_ops(&r);
		random_verdict(&r, prog, dev);
		rule(prog, r);
	}
}

/*
 * Each step of the stairs hands on to the next: how many hops it is depends on
 * where one starts, and some are too many.
 */
static void stairs(int prog, int dev)
{
	__u32 width = (1 + rng(4)) * layout.unit, steps = 9 + rng(5), i;
	struct arena a = arena_of(dev);
	__u64 at = a.first + rng(a.units / 2) * layout.unit;
	__u32 key = rng(MAX_KEYS);

	emit((struct step){
		.verb = DO_SLOT, .prog = prog, .key = key, .dev = dev });
	for (i = 0; i < steps; i++, at += width)
		rule(prog, (struct rule){
				   .first = at,
				   .last = at + width - 1,
				   .offset = width,
				   .verdict = BPF_BIO_REDIRECT,
				   .key = key,
				   .fallback = BPF_BIO_FAIL,
			   });
}

static void random_slot(int prog, int key, bool live)
{
	emit((struct step){
		.verb = DO_SLOT,
		.live = live,
		.after = live ? rng(12) : 0,
		.prog = prog,
		.key = key,
		.dev = one_in(6) ? -1 : (int)rng(layout.nr),
		.ro = one_in(10),
	});
}

static void new_rules(int prog, int dev)
{
	int k;

	emit((struct step){ .verb = DO_CLEAR, .prog = prog });
	for (k = 0; k < MAX_KEYS; k++)
		random_slot(prog, k, false);
	switch (rng(6)) {
	case 0:
		stairs(prog, dev);
		break;
	case 1:
	case 2:
		layers(prog, dev);
		break;
	default:
		patchwork(prog, dev);
	}
	if (one_in(16))
		rule(prog,
		     (struct rule){
			     .last = ~0ULL,
			     .ops = 1U << BPF_BIO_OP_FLUSH,
			     .verdict = one_in(2) ? BPF_BIO_FAIL : BPF_BIO_DONE,
		     });
}

static void attach(int prog, int dev, bool live)
{
	const struct list *l = &config.lists[dev];

	emit((struct step){
		.verb = DO_ATTACH,
		.live = live,
		.after = live ? rng(12) : 0,
		.prog = prog,
		.dev = dev,
		.where = l->nr ? rng(4) : rng(2),
		.other = l->nr ? l->progs[rng(l->nr)] : 0,
	});
}

/* Nobody redirects to a device any more: it is flushed and closed. */
static void close_target(int dev)
{
	int p, k;

	for (p = 0; p < MAX_PROGS; p++)
		for (k = 0; k < MAX_KEYS; k++)
			if (config.progs[p].slots[k].dev == dev)
				emit((struct step){ .verb = DO_SLOT,
						    .prog = p,
						    .key = k,
						    .dev = -1 });
}

/* A program that is attached, or one that is not; -1 if there is none. */
static int some_prog(bool attached)
{
	int i, n = rng(MAX_PROGS);

	for (i = 0; i < MAX_PROGS; i++, n = (n + 1) % MAX_PROGS)
		if ((config.progs[n].dev >= 0) == attached)
			return n;
	return -1;
}

static int home[MAX_PROGS];

static void change(bool live)
{
	int on = some_prog(true), off = some_prog(false);
	unsigned int after = live ? rng(12) : 0;

	if (!live && one_in(5)) {
		close_target(rng(layout.nr));
		return;
	}
	switch (rng(4)) {
	case 0:
		if (off >= 0) {
			attach(off, one_in(4) ? (int)rng(layout.nr) : home[off],
			       live);
			return;
		}
		break;
	case 1:
		if (on >= 0 && off >= 0) {
			emit((struct step){ .verb = DO_REPLACE,
					    .live = live,
					    .after = after,
					    .prog = on,
					    .other = off });
			return;
		}
		break;
	case 2:
		if (on >= 0) {
			random_slot(on, rng(MAX_KEYS), live);
			return;
		}
	}
	if (on >= 0)
		emit((struct step){ .verb = DO_DETACH,
				    .live = live,
				    .after = after,
				    .prog = on });
	if (!live && on >= 0) {
		home[on] = one_in(2) ? (int)rng(layout.nr) : home[on];
		new_rules(on, home[on]);
		attach(on, home[on], false);
	}
}

/* Most I/O is where programs are, and near the borders of their rules. */
static void place(struct step *s)
{
	int prog = some_prog(true), dev = rng(layout.nr);
	struct arena a;
	__u64 at;

	if (prog >= 0 && !one_in(4))
		dev = config.progs[prog].dev;
	a = arena_of(dev);
	at = a.first + rng(a.units) * layout.unit;
	s->dev = dev;
	s->nr = length(MAX_IO / layout.unit) * layout.unit;
	if (one_in(12))
		s->nr = (1 + rng(ARENA / 2 / layout.unit)) * layout.unit;
	if (prog >= 0 && dev == config.progs[prog].dev &&
	    config.progs[prog].nr_rules && !one_in(3)) {
		__u32 nr = config.progs[prog].nr_rules;
		/* The first of some stairs has most before it. */
		const struct rule *r =
			&config.progs[prog].rules[one_in(4) ? 0 : rng(nr)];

		at = one_in(2) ? r->first : r->last + 1;
		if (one_in(2))
			at -= rng(s->nr / layout.unit + 1) * layout.unit;
		if (at >= layout.devs[dev].window)
			at = a.first;
	}
	s->sector = at;
	if (s->sector + s->nr > layout.devs[dev].window)
		s->nr = layout.devs[dev].window - s->sector;
}

static void io(bool plain, bool sync, int threads)
{
	struct step s = { .verb = DO_IO, .thread = rng(threads) };

	place(&s);
	if (sync && one_in(8)) {
		s.verb = DO_SYNC;
		s.nr = 0;
		s.sector = 0;
		emit(s);
		return;
	}
	s.op = one_in(2) ? IO_READ : IO_WRITE;
	s.way = sync && one_in(8) ? WAY_DSYNC : WAY_DIRECT;
	if (!plain && one_in(2)) {
		s.way = rng(IO_WAYS);
		if (one_in(5)) {
			s.way = WAY_DIRECT;
			s.op = one_in(2) ? IO_ZERO : IO_DISCARD;
		}
	}
	if (s.way == WAY_BUFFERED || s.way == WAY_MMAP) {
		s.sector -= s.sector % PAGE;
		s.nr = (s.nr + PAGE - 1) / PAGE * PAGE;
		if (s.sector + s.nr > layout.devs[s.dev].window)
			s.nr -= PAGE;
	}
	emit(s);
}

/* One program alone holds a target, and gives it up while it is in use. */
static void prepare_close(struct step *close)
{
	int prog = some_prog(true), key = rng(MAX_KEYS), p, k, dev;

	if (prog < 0)
		return;
	dev = config.progs[prog].slots[key].dev;
	if (dev < 0)
		return;
	for (p = 0; p < MAX_PROGS; p++)
		for (k = 0; k < MAX_KEYS; k++)
			if ((p != prog || k != key) &&
			    config.progs[p].slots[k].dev == dev)
				emit((struct step){ .verb = DO_SLOT,
						    .prog = p,
						    .key = k,
						    .dev = -1 });
	*close = (struct step){
		.verb = DO_SLOT,
		.live = true,
		.after = rng(12),
		.prog = prog,
		.key = key,
		.dev = -1,
	};
}

static void play_round(void)
{
	struct step close = { .verb = DO_ROUND };
	bool plain = one_in(2), sync = !one_in(3);
	int live = one_in(2) ? 1 + rng(2) : 0, n = 8 + rng(20);
	int threads = one_in(3) ? 1 : MAX_THREADS;

	if (live == 1 && one_in(2))
		prepare_close(&close);
	while (n--)
		io(plain, sync, threads);
	if (close.live)
		emit(close);
	else
		while (live--)
			change(true);
	emit((struct step){ .verb = DO_ROUND });
	for (n = rng(3); n; n--)
		change(false);
}

void generate(struct trace *t, __u64 seed)
{
	int p, rounds, first = 0;

	rng_seed(seed);
	config_init(&config);
	trace = t;
	first = rng(layout.nr);
	for (p = 0; p < MAX_PROGS; p++) {
		/* Chains are more likely than programs for each device. */
		home[p] = one_in(2) ? first : (int)rng(layout.nr);
		new_rules(p, home[p]);
		if (p < 3 + (int)rng(3))
			attach(p, home[p], false);
	}
	for (rounds = 5 + rng(4); rounds; rounds--)
		play_round();
}
