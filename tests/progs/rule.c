// SPDX-License-Identifier: GPL-2.0
/*
 * usage: rule attach NAME DEVICE [WORD...]
 *	  rule log|stats NAME
 *	  rule target NAME KEY DEVICE[:ro]
 *	  rule untarget NAME KEY
 *
 * The rule program for cases in shell. attach pins link and maps in
 * /sys/fs/bpf/NAME/, which `rm -r` detaches; log prints what the program saw
 * since the last time, one bio per line; stats prints the link's counters
 * that are not 0.
 *
 * A WORD of attach is target=KEY:DEVICE[:ro], before=NAME, after=NAME, or a
 * rule: KEY=VALUE with commas between, any of verdict=, first=, last=,
 * op=OP+OP, offset=, key=, fallback=, error=, accept=, ioprio=, hint=, and
 * whole=1, exact=1 (accept exactly), bare=1, choose=1, scribble=1.
 */
#include <stdarg.h>
#include <linux/limits.h>
#include <sys/stat.h>

#include "rule.h"

#define PINS "/sys/fs/bpf"

static void __attribute__((format(printf, 2, 3), noreturn))
fatal(int err, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "rule: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	if (err)
		fprintf(stderr, ": %s", strerrorname_np(-err));
	fprintf(stderr, "\n");
	exit(1);
}

static const char *pin_path(const char *name, const char *what)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), PINS "/%s/%s", name, what);
	return path;
}

static int pinned(const char *name, const char *what)
{
	int fd = bpf_obj_get(pin_path(name, what));

	if (fd < 0)
		fatal(fd, "%s", pin_path(name, what));
	return fd;
}

static __s64 number(const char *text)
{
	char *end;
	__s64 n = strtoll(text, &end, 0);

	if (end == text || *end)
		fatal(0, "'%s' is no number", text);
	return n;
}

static __u32 ops(char *text)
{
	char *save, *word;
	__u32 mask = 0;
	int op;

	for (word = strtok_r(text, "+", &save); word;
	     word = strtok_r(NULL, "+", &save)) {
		op = RULE_WORD(rule_ops, word);
		if (op < 0)
			fatal(0, "no operation '%s'", word);
		mask |= 1U << op;
	}
	return mask;
}

static void rule_setting(struct rule *rule, const char *key, char *value)
{
	static const struct {
		const char *key;
		__u32 flag;
	} flags[] = {
		{ "whole", RULE_F_WHOLE },   { "exact", RULE_F_ACCEPT },
		{ "bare", RULE_F_BARE },     { "choose", RULE_F_CHOOSE },
		{ "ioprio", RULE_F_IOPRIO }, { "scribble", RULE_F_SCRIBBLE },
		{ "hint", RULE_F_HINT },
	};
	bool known = false;
	size_t i;
	int v;

	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		if (!strcmp(key, flags[i].key)) {
			rule->flags |= flags[i].flag;
			known = true;
		}
	}
	if (!strcmp(key, "verdict")) {
		v = RULE_WORD(rule_verdicts, value);
		if (v < 0)
			fatal(0, "no verdict '%s'", value);
		rule->verdict = v;
	} else if (!strcmp(key, "op")) {
		rule->ops = ops(value);
	} else if (!strcmp(key, "first")) {
		rule->first = number(value);
	} else if (!strcmp(key, "last")) {
		rule->last = number(value);
	} else if (!strcmp(key, "offset")) {
		rule->offset = number(value);
	} else if (!strcmp(key, "key")) {
		rule->key = number(value);
	} else if (!strcmp(key, "fallback")) {
		rule->fallback = number(value);
	} else if (!strcmp(key, "error")) {
		rule->error = number(value);
	} else if (!strcmp(key, "accept")) {
		rule->accept = number(value);
	} else if (!strcmp(key, "ioprio")) {
		rule->ioprio = number(value);
	} else if (!strcmp(key, "hint")) {
		rule->write_hint = number(value);
	} else if (!known) {
		fatal(0, "no setting '%s'", key);
	}
}

static void parse_rule(struct rule_prog *p, char *text)
{
	struct rule rule = { .last = ~0ULL };
	char *save, *word, *value;

	for (word = strtok_r(text, ",", &save); word;
	     word = strtok_r(NULL, ",", &save)) {
		value = strchr(word, '=');
		if (!value)
			fatal(0, "no value in '%s'", word);
		*value++ = 0;
		rule_setting(&rule, word, value);
	}
	if (p->state->nr_rules == RULE_MAX)
		fatal(0, "too many rules");
	rule_add(p, &rule);
}

/* DEVICE[:ro] */
static void set_target(int targets, const char *key, char *device)
{
	char *ro = strrchr(device, ':');
	int mode = O_RDWR;
	int err;

	if (ro && !strcmp(ro, ":ro")) {
		*ro = 0;
		mode = O_RDONLY;
	}
	err = rule_set_target(targets, number(key), device, mode);
	if (err)
		fatal(err, "target %s", device);
}

static void target_word(int targets, char *word)
{
	char *device = strchr(word, ':');

	if (!device)
		fatal(0, "no device in '%s'", word);
	*device++ = 0;
	set_target(targets, word, device);
}

static void pin(struct rule_prog *p, const char *name)
{
	int err = mkdir(pin_path(name, ""), 0700) ? -errno : 0;

	if (!err)
		err = bpf_link__pin(p->link, pin_path(name, "link"));
	if (!err)
		err = bpf_obj_pin(p->targets, pin_path(name, "targets"));
	if (!err)
		err = bpf_obj_pin(bpf_object__find_map_fd_by_name(p->obj,
								  "seen"),
				  pin_path(name, "seen"));
	if (!err)
		err = bpf_obj_pin(bpf_map__fd(bpf_object__find_map_by_name(
					  p->obj, ".bss")),
				  pin_path(name, "state"));
	if (err)
		fatal(err, "pin %s", name);
}

static void attach(const char *name, const char *device, char **words)
{
	LIBBPF_OPTS(bpf_blk_opts, opts);
	struct rule_prog p;
	int err = rule_load(&p);

	if (err)
		fatal(err, "load");
	for (; *words; words++) {
		char *value = strchr(*words, '=');

		if (!strncmp(*words, "target=", 7)) {
			target_word(p.targets, value + 1);
		} else if (!strncmp(*words, "before=", 7)) {
			opts.flags = BPF_F_BEFORE | BPF_F_LINK;
			opts.relative_fd = pinned(value + 1, "link");
		} else if (!strncmp(*words, "after=", 6)) {
			opts.flags = BPF_F_AFTER | BPF_F_LINK;
			opts.relative_fd = pinned(value + 1, "link");
		} else {
			parse_rule(&p, *words);
		}
	}
	err = rule_attach(&p, device, &opts);
	if (err)
		fatal(err, "attach to %s", device);
	pin(&p, name);
	rule_close(&p);
}

static void print_seen(const struct rule_seen *s)
{
	const char *verdict = s->verdict <= BPF_BIO_REDIRECT ?
				      rule_verdicts[s->verdict] :
				      "?";

	printf("op=%s sector=%llu nr=%u flags=%#x dev=%#x partno=%u error=%d ioprio=%#x hint=%u cgroup=%llu pid=%u accepted=%d after=%u verdict=%s\n",
	       s->op <= BPF_BIO_OP_MAX && rule_ops[s->op] ? rule_ops[s->op] :
							    "?",
	       (unsigned long long)s->sector, s->nr_sectors, s->flags, s->dev,
	       s->partno, s->error, s->ioprio, s->write_hint,
	       (unsigned long long)s->cgroup, s->pid, s->accepted, s->nr_after,
	       verdict);
}

static void print_log(const char *name)
{
	struct rule_prog p = {};
	unsigned int i;
	int err = rule_map(&p, pinned(name, "state"), pinned(name, "seen"));

	if (!err)
		err = rule_read_log(&p);
	if (err)
		fatal(err, "log of %s", name);
	for (i = 0; i < p.nr_seen; i++)
		print_seen(&p.seen[i]);
	rule_close(&p);
}

static void print_stats(const char *name)
{
	struct bpf_blk_stats stats;
	int err = rule_link_stats(pinned(name, "link"), &stats);
	int i;

	if (err)
		fatal(err, "stats of %s", name);
	for (i = 0; i <= BPF_BIO_REDIRECT; i++)
		if (stats.bios[i])
			printf("%s=%llu/%llu ", rule_verdicts[i],
			       (unsigned long long)stats.bios[i],
			       (unsigned long long)stats.sectors[i]);
	for (i = 0; i < __BPF_BIO_REFUSED_MAX; i++)
		if (stats.refused[i])
			printf("refused.%s=%llu ", rule_refusals[i],
			       (unsigned long long)stats.refused[i]);
	printf("\n");
}

static void untarget(const char *name, const char *key)
{
	__u32 slot = number(key);
	int err = bpf_map_delete_elem(pinned(name, "targets"), &slot);

	if (err)
		fatal(err, "delete %u", slot);
}

int main(int argc, char **argv)
{
	const char *verb = argc > 2 ? argv[1] : "";

	if (!strcmp(verb, "attach") && argc > 3)
		attach(argv[2], argv[3], argv + 4);
	else if (!strcmp(verb, "log") && argc == 3)
		print_log(argv[2]);
	else if (!strcmp(verb, "stats") && argc == 3)
		print_stats(argv[2]);
	else if (!strcmp(verb, "target") && argc == 5)
		set_target(pinned(argv[2], "targets"), argv[3], argv[4]);
	else if (!strcmp(verb, "untarget") && argc == 4)
		untarget(argv[2], argv[3]);
	else
		fatal(0, "usage: see the top of rule.c");
	return 0;
}
