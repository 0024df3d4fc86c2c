// SPDX-License-Identifier: GPL-2.0
/*
 * usage: special_table TABLE CACHED0 CACHED1 PLAIN STABLE ZONED0 ZONED1 COARSE
 *		POLLED0 POLLED1 ATOMIC0 ATOMIC1
 *
 * Each kind of bio under each verdict, as the table in TABLE says. PLAIN can do
 * reads and writes only, STABLE cannot serve NOWAIT, COARSE has zones of
 * another size than ZONED.
 */
#include <ctype.h>

#include "special_kinds.h"

enum column { BIO, PASS_FAIL, REMAP, REDIRECT, DIVIDED, DONE, TEST, COLUMNS };

static struct rule_prog p;

struct result {
	int error;
	struct bpf_blk_stats stats;
	__u64 refused;
	unsigned int seen; /* bios of the kind */
	bool place; /* the first was where and as long as it should be */
	unsigned int parts; /* of PART sectors */
	int accepted;
	__u32 flags;
};

static void look_at_log(const struct kind *k, struct result *r)
{
	unsigned int i;

	must_log(&p);
	for (i = 0; i < p.nr_seen; i++) {
		const struct rule_seen *s = &p.seen[i];

		if (s->op != k->op)
			continue;
		if (!r->seen++)
			r->place = s->sector == k->sector &&
				   s->nr_sectors == k->nr;
		r->parts += s->nr_after == PART;
		r->accepted = s->accepted;
		r->flags |= s->flags;
	}
}

static struct result submit(const struct kind *k, struct rule rule)
{
	struct bpf_blk_stats before;
	struct result r = {};
	size_t i;

	rule_clear(&p);
	if (k->prepare)
		k->prepare(k);
	rule.last = ~0ULL;
	rule.ops = 1U << k->op;
	rule_add(&p, &rule);
	rule_forget(&p);
	before = stats_of(&p);
	r.error = k->io(k);
	r.stats = stats_of(&p);
	for (i = 0; i < ARRAY_SIZE(before.bios); i++) {
		r.stats.bios[i] -= before.bios[i];
		r.stats.sectors[i] -= before.sectors[i];
	}
	for (i = 0; i < ARRAY_SIZE(before.refused); i++)
		r.refused += r.stats.refused[i] - before.refused[i];
	look_at_log(k, &r);
	return r;
}

static void print_result(const struct result *r, const char *word)
{
	size_t i;

	printf("# the table says '%s'; it ended with %d, %llu refused, %u seen;",
	       word, r->error, (unsigned long long)r->refused, r->seen);
	for (i = 0; i <= BPF_BIO_REDIRECT; i++)
		printf(" %s %llu/%llu", rule_verdicts[i],
		       (unsigned long long)r->stats.bios[i],
		       (unsigned long long)r->stats.sectors[i]);
	printf("\n");
}

static bool counted(const struct kind *k, const struct result *r, __u32 verdict)
{
	return r->stats.bios[verdict] && r->stats.sectors[verdict] == k->nr &&
	       r->seen == 1 && r->place;
}

static int errno_of(const char *word)
{
	if (!strncmp(word, "EAGAIN", 6))
		return -EAGAIN;
	if (!strncmp(word, "EINVAL", 6))
		return -EINVAL;
	if (!strncmp(word, "EOPNOTSUPP", 10))
		return -EOPNOTSUPP;
	return 0;
}

/* Is it what a word of the table says? */
static bool matches(const struct kind *k, const char *word,
		    const struct result *r, __u32 verdict)
{
	int error = errno_of(word);

	if (!strcmp(word, "yes"))
		return !r->error && !r->refused && counted(k, r, verdict);
	if (!strcmp(word, "PASS"))
		return !r->error && !r->refused && counted(k, r, BPF_BIO_PASS);
	if (!error || r->error != (k->mute ? 0 : error))
		return false;
	if (strstr(word, "by the target"))
		return !r->refused && counted(k, r, verdict);
	return r->refused == 1;
}

static void try(const struct kind *k, const char *column, const char *word,
		const struct rule *rule)
{
	struct result r = submit(k, *rule);
	bool flag = (r.flags & k->flag) == k->flag;

	if (!tap(matches(k, word, &r, rule->verdict) && flag, "%s: %s: %s",
		 k->name, column, word))
		print_result(&r, word);
}

/* What stands in brackets is for readers. */
static void without_remarks(char *text)
{
	char *to = text;
	int depth = 0;

	for (; *text; text++) {
		depth += *text == '(';
		if (!depth)
			*to++ = *text;
		depth -= *text == ')';
	}
	*to = 0;
}

static char *trim(char *text)
{
	char *end;

	while (isspace((unsigned char)*text))
		text++;
	end = text + strlen(text);
	while (end > text && isspace((unsigned char)end[-1]))
		end--;
	*end = 0;
	return text;
}

/* @good: where it can be done, @bad: where not; one of them may be missing */
static void cell(const struct kind *k, const char *column, char *text,
		 const struct rule *good, const struct rule *bad)
{
	char *other;

	without_remarks(text);
	other = strstr(text, " or ");
	if (other) {
		*other = 0;
		other = trim(other + 4);
	}
	text = trim(text);
	if (errno_of(text)) {
		other = text;
		text = NULL;
	}
	if (text)
		try(k, column, text, good);
	/* Each place that differs is in the table. */
	tap(!other == !bad, "%s: %s: all of it", k->name, column);
	if (other && bad)
		try(k, column, other, bad);
}

static void divide(const struct kind *k, const char *text)
{
	struct rule rule = { .accept = PART, .flags = RULE_F_ACCEPT };
	struct result r;

	if (!strcmp(text, "no")) {
		r = submit(k, rule);
		tap(!r.error && r.accepted == -EINVAL &&
			    counted(k, &r, BPF_BIO_PASS),
		    "%s: divided: no", k->name);
		return;
	}
	/* Or what passes would stay together. */
	rule.flags = RULE_F_HINT;
	rule.write_hint = 3;
	r = submit(k, rule);
	if (!tap(!strcmp(text, "yes") && !r.error && !r.refused &&
			 r.parts == NR / PART &&
			 r.stats.sectors[BPF_BIO_PASS] == k->nr,
		 "%s: divided: %s", k->name, text))
		print_result(&r, text);
}

static void test_fail(const struct kind *k)
{
	struct rule rule = {
		.verdict = BPF_BIO_FAIL,
		.error = -ENODATA,
		.flags = RULE_F_WHOLE,
	};
	struct result r = submit(k, rule);

	if (!tap(r.error == -ENODATA && !r.refused &&
			 counted(k, &r, BPF_BIO_FAIL),
		 "%s: FAIL", k->name))
		print_result(&r, "yes");
}

static void test_kind(const struct kind *k, char **cells)
{
	const struct rule pass = { .verdict = BPF_BIO_PASS };
	const struct rule done = {
		.verdict = BPF_BIO_DONE,
		.flags = RULE_F_WHOLE,
	};
	struct rule remap = {
		.verdict = BPF_BIO_REMAP,
		.flags = RULE_F_WHOLE,
		.offset = ZONE,
	};
	struct rule redirect = {
		.verdict = BPF_BIO_REDIRECT,
		.flags = RULE_F_WHOLE,
	};
	struct rule bad_remap = remap, bad_redirect = redirect;

	bad_remap.offset = k->bad;
	bad_redirect.key = 1;
	must_attach(&p, &disks[k->dev]);
	must_target(&p, 0, &disks[k->target]);
	if (k->unable)
		must_target(&p, 1, &disks[k->unable]);
	try(k, "PASS", cells[PASS_FAIL], &pass);
	test_fail(k);
	cell(k, "REMAP", cells[REMAP], &remap, k->bad ? &bad_remap : NULL);
	cell(k, "REDIRECT", cells[REDIRECT], &redirect,
	     k->unable ? &bad_redirect : NULL);
	divide(k, cells[DIVIDED]);
	cell(k, "DONE", cells[DONE], &done, NULL);
	rule_detach(&p);
}

static bool split_line(char *line, char **cells)
{
	int i;

	if (*line++ != '|')
		return false;
	for (i = 0; i < COLUMNS; i++) {
		cells[i] = line;
		line = strchr(line, '|');
		if (!line)
			return false;
		*line++ = 0;
		cells[i] = trim(cells[i]);
	}
	return true;
}

static const struct kind *kind_named(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	return NULL;
}

static void test_table(const char *path)
{
	FILE *f = fopen(path, "r");
	unsigned int lines = 0;
	const struct kind *k;
	char *cells[COLUMNS], line[1024];

	if (!f)
		die("%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		if (!split_line(line, cells) ||
		    !strstr(cells[TEST], "`special/table`"))
			continue;
		lines++;
		k = kind_named(cells[BIO]);
		if (!k)
			tap(false, "%s: a kind of bio", cells[BIO]);
		else
			test_kind(k, cells);
	}
	fclose(f);
	tap_eq(lines, ARRAY_SIZE(kinds), "lines of the table");
}

int main(int argc, char **argv)
{
	int i;

	if (argc != 1 + DEVS)
		die("usage: %s TABLE DEVICE...", argv[0]);
	for (i = 1; i < DEVS; i++)
		disks[i] = disk_open(argv[1 + i]);
	for (i = 0; i < (int)ARRAY_SIZE(kinds); i++)
		if (kinds[i].op == BPF_BIO_OP_ZONE_RESET_ALL)
			kinds[i].nr = size_of(ZONED0);
	buf = buffer(NR);
	memset(buf, 0xa5, NR * SECTOR);
	must_load(&p);
	test_table(argv[1]);
	rule_close(&p);
	return tap_exit();
}
