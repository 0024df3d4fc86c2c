// SPDX-License-Identifier: GPL-2.0
/* What a step makes of programs, lists and slots, and what is answered. */
#include <string.h>

#include "model.h"

void config_init(struct config *c)
{
	int p, k;

	memset(c, 0, sizeof(*c));
	for (p = 0; p < MAX_PROGS; p++) {
		c->progs[p].dev = -1;
		for (k = 0; k < MAX_KEYS; k++)
			c->progs[p].slots[k].dev = -1;
	}
}

/* Disks that a disk may send to, by redirects so far or because it is on it. */
static __u32 below(const struct config *c, int disk)
{
	const struct dev *d = &layout.devs[disk];
	__u32 mask = c->above[disk];
	int i;

	for (i = 0; i < d->nr_segments; i++)
		mask |= 1U << whole_of(d->segments[i].dev);
	return mask;
}

__u32 config_reach(const struct config *c, int disk)
{
	__u32 seen = 0, fresh = below(c, disk), mask;
	int i;

	while (fresh) {
		seen |= fresh;
		mask = 0;
		for (i = 0; i < layout.nr; i++)
			if (fresh & (1U << i))
				mask |= below(c, i);
		fresh = mask & ~seen;
	}
	return seen;
}

/* Is it open for writes that are redirected? */
bool config_has_target(const struct config *c, int dev)
{
	int p, k;

	for (p = 0; p < MAX_PROGS; p++)
		for (k = 0; k < MAX_KEYS; k++)
			if (c->progs[p].slots[k].dev == dev &&
			    !c->progs[p].slots[k].ro)
				return true;
	return false;
}

int config_targets(const struct config *c)
{
	/* real_backend keeps one. */
	__u32 seen[2] = { [true] = 1 };
	int p, k;

	for (p = 0; p < MAX_PROGS; p++)
		for (k = 0; k < MAX_KEYS; k++)
			if (c->progs[p].slots[k].dev >= 0)
				seen[c->progs[p].slots[k].ro] |=
					1U << c->progs[p].slots[k].dev;
	return __builtin_popcount(seen[0]) + __builtin_popcount(seen[1]);
}

/* What I/O gets to: [0] without, [1] with a stack on the way */
struct walk {
	const struct config *c;
	__u32 seen[2];
};

static void visit(struct walk *w, int dev, int stacked);

static void visit_slots(struct walk *w, const struct prog *p, int stacked)
{
	int k;

	for (k = 0; k < MAX_KEYS; k++)
		if (p->slots[k].dev >= 0)
			visit(w, p->slots[k].dev, stacked);
}

static void visit(struct walk *w, int dev, int stacked)
{
	const struct dev *disk = &layout.devs[whole_of(dev)];
	int i, on;

	if (w->seen[stacked] & (1U << dev))
		return;
	w->seen[stacked] |= 1U << dev;
	for (i = 0; i < MAX_PROGS; i++) {
		on = w->c->progs[i].dev;
		if (on >= 0 &&
		    (on == dev || on == whole_of(dev) || whole_of(on) == dev))
			visit_slots(w, &w->c->progs[i], stacked);
	}
	for (i = 0; i < disk->nr_segments; i++)
		visit(w, disk->segments[i].dev, 1);
}

/* Does what @p redirects from @dev come back through a stack? */
static bool comes_back(const struct config *c, const struct prog *p, int dev)
{
	struct walk w = { .c = c };
	int i;

	visit_slots(&w, p, 0);
	for (i = 0; i < layout.nr; i++)
		if (w.seen[1] & (1U << i) &&
		    (i == dev || i == whole_of(dev) || whole_of(i) == dev))
			return true;
	return false;
}

/*
 * A target that was taken out a moment ago still counts until it is closed.
 * When that is, is not known in here: what might be refused or not, is not
 * done.
 */
static bool circles(const struct config *c)
{
	int dm;

	for (dm = 0; dm < layout.nr; dm++)
		if (layout.devs[dm].kind == DEV_LINEAR &&
		    config_reach(c, dm) & (1U << dm))
			return true;
	return false;
}

/* @dev sends to what the slots of @p hold from now on. */
static int connect(struct config *c, const struct prog *p, int dev)
{
	__u32 before = c->above[whole_of(dev)];
	int k;

	if (comes_back(c, p, dev))
		return -ELOOP;
	for (k = 0; k < MAX_KEYS; k++)
		if (p->slots[k].dev >= 0)
			c->above[whole_of(dev)] |= 1U
						   << whole_of(p->slots[k].dev);
	if (!circles(c))
		return 0;
	c->above[whole_of(dev)] = before;
	return 1;
}

static int find(const struct list *l, int prog)
{
	int i;

	for (i = 0; i < l->nr; i++)
		if (l->progs[i] == prog)
			return i;
	return -1;
}

static int do_attach(struct config *c, const struct step *s)
{
	struct prog *p = &c->progs[s->prog];
	struct list *l = &c->lists[s->dev];
	int at = 0, ret;

	if (p->dev >= 0)
		return 1;
	if (s->where == AT_LAST)
		at = l->nr;
	if (s->where == AT_BEFORE || s->where == AT_AFTER) {
		at = find(l, s->other);
		if (at < 0)
			return 1;
		at += s->where == AT_AFTER;
	}
	ret = connect(c, p, s->dev);
	if (ret)
		return ret;
	memmove(&l->progs[at + 1], &l->progs[at],
		(l->nr - at) * sizeof(l->progs[0]));
	l->progs[at] = s->prog;
	l->nr++;
	p->dev = s->dev;
	return 0;
}

static int do_detach(struct config *c, const struct step *s)
{
	struct prog *p = &c->progs[s->prog];
	struct list *l;
	int at;

	if (p->dev < 0)
		return 1;
	l = &c->lists[p->dev];
	at = find(l, s->prog);
	l->nr--;
	memmove(&l->progs[at], &l->progs[at + 1],
		(l->nr - at) * sizeof(l->progs[0]));
	p->dev = -1;
	return 0;
}

static int do_replace(struct config *c, const struct step *s)
{
	struct prog *old = &c->progs[s->prog], *new = &c->progs[s->other];
	struct list *l;
	int ret;

	if (old->dev < 0 || new->dev >= 0)
		return 1;
	ret = connect(c, new, old->dev);
	if (ret)
		return ret;
	l = &c->lists[old->dev];
	l->progs[find(l, s->prog)] = s->other;
	new->dev = old->dev;
	old->dev = -1;
	return 0;
}

static int do_slot(struct config *c, const struct step *s)
{
	struct prog *p = &c->progs[s->prog];
	struct slot before = p->slots[s->key];
	int ret = 0;

	if (s->dev < 0 && before.dev < 0)
		return 1;
	p->slots[s->key] = (struct slot){ s->dev, s->ro };
	if (p->dev >= 0)
		ret = connect(c, p, p->dev);
	if (ret)
		p->slots[s->key] = before;
	return ret;
}

int config_apply(struct config *c, const struct step *s)
{
	struct prog *p = &c->progs[s->prog];

	switch (s->verb) {
	case DO_RULE:
		/* Rules are not changed under a bio: that is no one list. */
		if (p->dev >= 0 || p->nr_rules == RULE_MAX)
			return 1;
		p->rules[p->nr_rules++] = s->rule;
		return 0;
	case DO_CLEAR:
		if (p->dev >= 0)
			return 1;
		p->nr_rules = 0;
		return 0;
	case DO_SLOT:
		return do_slot(c, s);
	case DO_ATTACH:
		return do_attach(c, s);
	case DO_DETACH:
		return do_detach(c, s);
	case DO_REPLACE:
		return do_replace(c, s);
	default:
		return 1;
	}
}
