// SPDX-License-Identifier: GPL-2.0
/* A trace as text, one step a line; what begins with # is no step. */
#include <stdlib.h>
#include <string.h>

#include "model.h"

const char *const fault_names[FAULTS] = {
	[FAULT_NONE] = "none",		 [FAULT_ORDER] = "order",
	[FAULT_TWICE] = "twice",	 [FAULT_HOPS] = "hops",
	[FAULT_REMAINDER] = "remainder", [FAULT_FLUSH] = "flush",
	[FAULT_CLOSE] = "close",	 [FAULT_REST] = "rest",
	[FAULT_FALLBACK] = "fallback",	 [FAULT_APART] = "apart",
};

const char *const op_names[IO_OPS] = {
	[IO_READ] = "read",
	[IO_WRITE] = "write",
	[IO_ZERO] = "zero",
	[IO_DISCARD] = "discard",
};

const char *const way_names[IO_WAYS] = {
	[WAY_DIRECT] = "direct",     [WAY_DSYNC] = "dsync",
	[WAY_NOWAIT] = "nowait",     [WAY_URING] = "uring",
	[WAY_BUFFERED] = "buffered", [WAY_MMAP] = "mmap",
};

static const char *const verbs[VERBS] = {
	[DO_RULE] = "rule",	[DO_CLEAR] = "clear",
	[DO_SLOT] = "slot",	[DO_ATTACH] = "attach",
	[DO_DETACH] = "detach", [DO_REPLACE] = "replace",
	[DO_IO] = "io",		[DO_SYNC] = "sync",
	[DO_ROUND] = "round",
};

static const char *const verdicts[] = {
	[BPF_BIO_PASS] = "pass",	 [BPF_BIO_FAIL] = "fail",
	[BPF_BIO_REMAP] = "remap",	 [BPF_BIO_DONE] = "done",
	[BPF_BIO_REDIRECT] = "redirect",
};

static const char *const wheres[] = {
	[AT_FIRST] = "first",
	[AT_LAST] = "last",
	[AT_BEFORE] = "before",
	[AT_AFTER] = "after",
};

void trace_add(struct trace *t, const struct step *s)
{
	if (t->nr == t->room) {
		t->room = t->room ? 2 * t->room : 256;
		t->steps = realloc(t->steps, t->room * sizeof(*t->steps));
		if (!t->steps)
			abort();
	}
	t->steps[t->nr] = *s;
	if (!t->steps[t->nr].line)
		t->steps[t->nr].line = t->nr + 1;
	t->nr++;
}

void trace_free(struct trace *t)
{
	free(t->steps);
	memset(t, 0, sizeof(*t));
}

static void print_rule(const struct step *s, FILE *to)
{
	const struct rule *r = &s->rule;

	fprintf(to, "rule %d %llu-%llu ops=%#x %s", s->prog,
		(unsigned long long)r->first, (unsigned long long)r->last,
		r->ops, verdicts[r->verdict]);
	fprintf(to, " offset=%lld key=%u fallback=%u error=%d accept=%u",
		(long long)r->offset, r->key, r->fallback, r->error, r->accept);
}

void step_print(const struct step *s, FILE *to)
{
	fprintf(to, "%d ", s->line);
	if (s->live)
		fprintf(to, "live %u ", s->after);
	switch (s->verb) {
	case DO_RULE:
		print_rule(s, to);
		break;
	case DO_SLOT:
		fprintf(to, "slot %d %d %d %s", s->prog, s->key, s->dev,
			s->ro ? "ro" : "rw");
		break;
	case DO_ATTACH:
		fprintf(to, "attach %d %d %s %d", s->prog, s->dev,
			wheres[s->where], s->other);
		break;
	case DO_REPLACE:
		fprintf(to, "replace %d %d", s->prog, s->other);
		break;
	case DO_IO:
		fprintf(to, "io %d %s %s %d %llu %u", s->thread,
			way_names[s->way], op_names[s->op], s->dev,
			(unsigned long long)s->sector, s->nr);
		break;
	case DO_SYNC:
		fprintf(to, "sync %d %d", s->thread, s->dev);
		break;
	case DO_ROUND:
		fprintf(to, "round");
		break;
	default:
		fprintf(to, "%s %d", verbs[s->verb], s->prog);
	}
	fprintf(to, "\n");
}

void trace_print(const struct trace *t, FILE *to, const char *prefix)
{
	int i;

	for (i = 0; i < t->nr; i++) {
		fputs(prefix, to);
		step_print(&t->steps[i], to);
	}
}

static int word(const char *const *words, int count, const char *text)
{
	int i;

	for (i = 0; i < count; i++)
		if (!strcmp(words[i], text))
			return i;
	return -1;
}

#define WORD(words, text) word(words, ARRAY_SIZE(words), text)

static bool parse_rule(const char *rest, struct step *s)
{
	unsigned long long first, last;
	struct rule *r = &s->rule;
	char verdict[16];
	long long offset;
	int v;

	if (sscanf(rest,
		   "%d %llu-%llu ops=%x %15s offset=%lld key=%u fallback=%u error=%d accept=%u",
		   &s->prog, &first, &last, &r->ops, verdict, &offset, &r->key,
		   &r->fallback, &r->error, &r->accept) != 10)
		return false;
	v = WORD(verdicts, verdict);
	r->first = first;
	r->last = last;
	r->offset = offset;
	r->verdict = v;
	return v >= 0;
}

static bool parse_io(const char *rest, struct step *s)
{
	unsigned long long sector;
	char way[16], op[16];
	int w, o;

	if (sscanf(rest, "%d %15s %15s %d %llu %u", &s->thread, way, op,
		   &s->dev, &sector, &s->nr) != 6)
		return false;
	w = WORD(way_names, way);
	o = WORD(op_names, op);
	s->way = w;
	s->op = o;
	s->sector = sector;
	return w >= 0 && o >= 0;
}

static bool parse_place(const char *rest, struct step *s)
{
	char text[16];
	int n;

	if (s->verb == DO_SLOT) {
		n = sscanf(rest, "%d %d %d %15s", &s->prog, &s->key, &s->dev,
			   text);
		s->ro = n == 4 && !strcmp(text, "ro");
		return n == 4;
	}
	if (sscanf(rest, "%d %d %15s %d", &s->prog, &s->dev, text, &s->other) !=
	    4)
		return false;
	n = WORD(wheres, text);
	s->where = n;
	return n >= 0;
}

static bool in_range(const struct step *s)
{
	return s->prog >= 0 && s->prog < MAX_PROGS && s->other >= 0 &&
	       s->other < MAX_PROGS && s->key >= 0 && s->key < MAX_KEYS &&
	       s->dev >= (s->verb == DO_SLOT ? -1 : 0) && s->dev < layout.nr &&
	       s->thread >= 0 && s->thread < MAX_THREADS && s->nr <= MAX_IO;
}

/* 1: a step, 0: none, -1: nonsense */
int step_parse(char *line, struct step *s)
{
	char text[16];
	int v, at = 0;
	bool good;

	memset(s, 0, sizeof(*s));
	line[strcspn(line, "#\n")] = 0;
	if (!line[strspn(line, " \t")])
		return 0;
	if (sscanf(line, "%d %n", &s->line, &at) < 1)
		return -1;
	line += at;
	if (sscanf(line, "live %u %n", &s->after, &at) == 1) {
		s->live = true;
		line += at;
	}
	if (sscanf(line, "%15s%n", text, &at) < 1)
		return -1;
	line += at;
	v = WORD(verbs, text);
	s->verb = v;
	switch (v) {
	case DO_RULE:
		good = parse_rule(line, s);
		break;
	case DO_SLOT:
	case DO_ATTACH:
		good = parse_place(line, s);
		break;
	case DO_REPLACE:
		good = sscanf(line, "%d %d", &s->prog, &s->other) == 2;
		break;
	case DO_IO:
		good = parse_io(line, s);
		break;
	case DO_SYNC:
		good = sscanf(line, "%d %d", &s->thread, &s->dev) == 2;
		break;
	case DO_ROUND:
		good = true;
		break;
	default:
		good = v >= 0 && sscanf(line, "%d", &s->prog) == 1;
	}
	return good && in_range(s) ? 1 : -1;
}

int trace_read(struct trace *t, FILE *from)
{
	struct step s;
	char line[256];
	int n = 0, ret;

	while (fgets(line, sizeof(line), from)) {
		n++;
		ret = step_parse(line, &s);
		if (ret < 0)
			return n;
		if (ret)
			trace_add(t, &s);
	}
	return 0;
}
