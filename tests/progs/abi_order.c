// SPDX-License-Identifier: GPL-2.0
/*
 * usage: abi_order DEVICE STEPS SEED
 *
 * Random changes of what is attached, compared with a model of the rules:
 * which call succeeds, which programs are there in which order, which
 * revision, in which order bios meet them, and how many bios each has counted.
 */
#include "abi.h"

#define NR_PROGS 70 /* more than fit */

static int dev;
static int trace; /* array of one trace_val */
static int progs[NR_PROGS];
static __u32 ids[NR_PROGS];

struct trace_val {
	__u64 seq;
	__u64 last[NR_PROGS]; /* seq when the program ran last */
};

/* A program that leaves in the trace when it ran. */
static int load_tracer(int i)
{
	const struct bpf_insn insns[] = {
		LD_IMM64(BPF_REG_1, BPF_PSEUDO_MAP_VALUE, trace, 0),
		LDX(BPF_DW, BPF_REG_2, BPF_REG_1, 0),
		ALU(BPF_ADD, BPF_REG_2, 1),
		STX(BPF_DW, BPF_REG_1, BPF_REG_2, 0),
		STX(BPF_DW, BPF_REG_1, BPF_REG_2,
		    offsetof(struct trace_val, last[i])),
		MOV(BPF_REG_0, BPF_BIO_PASS),
		EXIT(),
	};

	return must(load_blk(insns, ARRAY_SIZE(insns)), "load a program");
}

/* The model: what is attached, first to last. */
struct slot {
	int prog;
	int link; /* descriptor, -1 if attached without a link */
	__u64 bios;
};

static struct slot model[MAX_LIST];
static int count;
static __u64 revision = 1;

static int find(int prog)
{
	int i;

	for (i = 0; i < count; i++) {
		if (model[i].prog == prog)
			return i;
	}
	return -1;
}

static void insert(int at, struct slot slot)
{
	memmove(&model[at + 1], &model[at], (count - at) * sizeof(slot));
	model[at] = slot;
	count++;
	revision++;
}

static void drop(int at)
{
	count--;
	memmove(&model[at], &model[at + 1], (count - at) * sizeof(model[0]));
	revision++;
}

/* How a call names another program, and which revision it expects. */
struct place {
	__u32 flags; /* of bpf(2) */
	int relative; /* program, -1 for none */
	__u32 fd_or_id;
	__u64 revision;
};

static bool chance(int percent)
{
	return rand() % 100 < percent;
}

static struct place random_place(void)
{
	struct place p = { .relative = -1 };
	int at;

	if (chance(20))
		p.revision = chance(50) ? revision : revision - 1;
	if (chance(30))
		return p;
	p.flags = chance(50) ? BPF_F_BEFORE : BPF_F_AFTER;
	if (chance(3))
		p.flags = BPF_F_BEFORE | BPF_F_AFTER;
	if (chance(30))
		return p;
	p.relative = chance(90) && count ? model[rand() % count].prog :
					   rand() % NR_PROGS;
	at = find(p.relative);
	if (at >= 0 && model[at].link >= 0 && chance(50)) {
		p.flags |= BPF_F_LINK;
		p.fd_or_id = model[at].link;
		if (chance(50)) {
			p.flags |= BPF_F_ID;
			p.fd_or_id = link_id(model[at].link);
		}
	} else {
		p.fd_or_id = progs[p.relative];
		if (chance(50)) {
			p.flags |= BPF_F_ID;
			p.fd_or_id = ids[p.relative];
		}
	}
	return p;
}

/* Where to insert, or a negative errno. */
static int model_position(const struct place *p)
{
	int at = find(p->relative);

	if (p->flags & (BPF_F_BEFORE | BPF_F_AFTER) && p->relative >= 0 &&
	    at < 0)
		return -ENOENT;
	if ((p->flags & BPF_F_BEFORE) && (p->flags & BPF_F_AFTER))
		return -ERANGE;
	if (p->flags & BPF_F_BEFORE)
		return p->relative < 0 ? 0 : at;
	if (p->flags & BPF_F_AFTER && p->relative >= 0)
		return at + 1;
	return count;
}

static bool is_stale(const struct place *p)
{
	return p->revision && p->revision != revision;
}

static int model_attach(int prog, const struct place *p)
{
	if (is_stale(p))
		return -ESTALE;
	if (find(prog) >= 0)
		return -EEXIST;
	if (count == MAX_LIST)
		return -ERANGE;
	return model_position(p);
}

static const char *step_attach(bool with_link)
{
	struct place p = random_place();
	int prog = rand() % NR_PROGS, want = model_attach(prog, &p), got;
	union bpf_attr attr = {
		.target_fd = dev,
		.attach_bpf_fd = progs[prog],
		.attach_type = BPF_BLK_SUBMIT,
		.attach_flags = p.flags,
		.relative_fd = p.fd_or_id,
		.expected_revision = p.revision,
	};
	union bpf_attr link = {
		.link_create.target_fd = dev,
		.link_create.prog_fd = progs[prog],
		.link_create.attach_type = BPF_BLK_SUBMIT,
		.link_create.flags = p.flags,
		.link_create.blk.relative_fd = p.fd_or_id,
		.link_create.blk.expected_revision = p.revision,
	};

	got = with_link ? sys_bpf(BPF_LINK_CREATE, &link) :
			  sys_bpf(BPF_PROG_ATTACH, &attr);
	if (want < 0 ? got != want : got < 0)
		return "attach";
	if (want >= 0)
		insert(want, (struct slot){ prog, with_link ? got : -1, 0 });
	return NULL;
}

static const char *step_replace(void)
{
	int prog = rand() % NR_PROGS, want = 0, got;
	int old = count && chance(90) ? model[rand() % count].prog :
					rand() % NR_PROGS;
	struct place p = { .revision = chance(90) ? 0 : revision - 1 };
	union bpf_attr attr = {
		.target_fd = dev,
		.attach_bpf_fd = progs[prog],
		.attach_type = BPF_BLK_SUBMIT,
		.attach_flags = BPF_F_REPLACE,
		.replace_bpf_fd = progs[old],
		.expected_revision = p.revision,
	};
	int at = find(old);

	if (is_stale(&p))
		want = -ESTALE;
	else if (find(prog) >= 0)
		want = -EEXIST;
	else if (at < 0)
		want = -ENOENT;
	else if (model[at].link >= 0)
		want = -EBUSY;
	got = sys_bpf(BPF_PROG_ATTACH, &attr);
	if (got != want)
		return "replace";
	if (!want) {
		model[at] = (struct slot){ prog, -1, 0 };
		revision++;
	}
	return NULL;
}

static int model_detach(int prog, const struct place *p)
{
	int at = find(prog), rel = find(p->relative);

	if (is_stale(p))
		return -ESTALE;
	if (!count || at < 0)
		return -ENOENT;
	if (model[at].link >= 0)
		return -EBUSY;
	if (!(p->flags & (BPF_F_BEFORE | BPF_F_AFTER)))
		return at;
	if (p->relative >= 0 && rel < 0)
		return -ENOENT;
	/* Which program is before the first one? None, so no program fits. */
	if (p->flags & BPF_F_BEFORE && at != (p->relative < 0 ? -1 : rel - 1))
		return -ERANGE;
	if (p->flags & BPF_F_AFTER && at != (p->relative < 0 ? count : rel + 1))
		return -ERANGE;
	return at;
}

static const char *step_detach(void)
{
	struct place p = random_place();
	int prog = count && chance(90) ? model[rand() % count].prog :
					 rand() % NR_PROGS;
	union bpf_attr attr = {
		.target_fd = dev,
		.attach_bpf_fd = progs[prog],
		.attach_type = BPF_BLK_SUBMIT,
		.attach_flags = p.flags,
		.relative_fd = p.fd_or_id,
		.expected_revision = p.revision,
	};
	int want = model_detach(prog, &p), got;

	got = sys_bpf(BPF_PROG_DETACH, &attr);
	if (want < 0 ? got != want : got)
		return "detach";
	if (want >= 0)
		drop(want);
	return NULL;
}

/* The first or the last, whichever it is. */
static const char *step_detach_end(void)
{
	bool first = chance(50);
	union bpf_attr attr = {
		.target_fd = dev,
		.attach_type = BPF_BLK_SUBMIT,
		.attach_flags = first	   ? BPF_F_BEFORE :
				chance(50) ? BPF_F_AFTER :
					     0,
	};
	int at = first ? 0 : count - 1, want, got;

	want = !count ? -ENOENT : model[at].link >= 0 ? -EBUSY : 0;
	/* bpf_mprog takes "behind the last" of a full list for out of range. */
	if (!first && count == MAX_LIST)
		want = -ERANGE;
	got = sys_bpf(BPF_PROG_DETACH, &attr);
	if (got != want)
		return "detach by place";
	if (!want)
		drop(at);
	return NULL;
}

static const char *step_close_link(void)
{
	int at;

	if (!count)
		return NULL;
	at = rand() % count;
	if (model[at].link < 0)
		return NULL;
	if (chance(50) && bpf_link_detach(model[at].link))
		return "detach a link";
	close(model[at].link);
	drop(at);
	return NULL;
}

static const char *step_update_link(void)
{
	int prog = rand() % NR_PROGS, old = rand() % NR_PROGS, at, want = 0;
	union bpf_attr attr = { .link_update.new_prog_fd = progs[prog] };
	bool expect = chance(50);

	if (!count)
		return NULL;
	at = rand() % count;
	if (model[at].link < 0)
		return NULL;
	if (expect) {
		if (chance(80))
			old = model[at].prog;
		attr.link_update.flags = BPF_F_REPLACE;
		attr.link_update.old_prog_fd = progs[old];
	}
	attr.link_update.link_fd = model[at].link;
	if (expect && old != model[at].prog)
		want = -EPERM;
	else if (prog != model[at].prog && find(prog) >= 0)
		want = -EEXIST;
	if (sys_bpf(BPF_LINK_UPDATE, &attr) != want)
		return "update a link";
	/* The counters are the link's and go on. */
	if (!want && prog != model[at].prog) {
		model[at].prog = prog;
		revision++;
	}
	return NULL;
}

static const char *compare(void)
{
	struct list list = must_query(dev);
	int i;

	if (list.count != (__u32)count)
		return "number of programs";
	if (list.revision != revision)
		return "revision";
	for (i = 0; i < count; i++) {
		if (list.progs[i] != ids[model[i].prog])
			return "order";
		if (list.links[i] !=
		    (model[i].link < 0 ? 0 : link_id(model[i].link)))
			return "links";
		if (list.stats[i].bios[BPF_BIO_PASS] != model[i].bios ||
		    list.stats[i].sectors[BPF_BIO_PASS] != 8 * model[i].bios)
			return "counters";
	}
	return NULL;
}

/* One bio meets all programs, each once, in this order, and no other. */
static const char *run_bio(void)
{
	struct trace_val val = {};
	__u32 zero = 0;
	int i;

	if (bpf_map_update_elem(trace, &zero, &val, BPF_ANY) ||
	    direct_io(dev, false) || bpf_map_lookup_elem(trace, &zero, &val))
		return "bio";
	if (val.seq != (__u64)count)
		return "how many programs a bio has met";
	for (i = 0; i < count; i++) {
		if (val.last[model[i].prog] != (__u64)i + 1)
			return "in which order a bio has met them";
		model[i].bios++;
	}
	return NULL;
}

/* @fill: percentage of steps that rather attach than detach */
static const char *step(int fill)
{
	switch (rand() % 8) {
	case 0:
		return step_replace();
	case 1:
		return step_update_link();
	}
	if (chance(fill))
		return step_attach(chance(50));
	switch (rand() % 3) {
	case 0:
		return step_close_link();
	case 1:
		return step_detach_end();
	default:
		return step_detach();
	}
}

static void walk(const char *name, int steps, int fill)
{
	const char *wrong = NULL;
	int i, most = 0;

	for (i = 0; i < steps && !wrong; i++) {
		wrong = step(fill);
		if (!wrong && i % 4 == 0)
			wrong = run_bio();
		if (!wrong)
			wrong = compare();
		if (count > most)
			most = count;
	}
	if (!tap(!wrong, "%s: %d steps, up to %d programs", name, i, most))
		printf("# step %d: %s is not as in the model (errno %d)\n", i,
		       wrong, errno);
	if (wrong)
		die("the model is of no use any more");
}

static void test_full(void)
{
	struct place last = { .relative = -1 };
	int i, before;

	for (i = 0; count < MAX_LIST && i < NR_PROGS; i++) {
		if (find(i) >= 0)
			continue;
		must(attach_prog(dev, progs[i], 0), "fill up");
		insert(model_position(&last), (struct slot){ i, -1, 0 });
	}
	tap_eq(count, MAX_LIST, "63 programs are attached");
	for (i = 0; find(i) >= 0; i++)
		;
	tap_errno(attach_prog(dev, progs[i], 0), -ERANGE, "the 64th");
	tap_errno(attach_link(dev, progs[i], 0), -ERANGE, "the 64th, a link");
	tap_errno(attach_prog(dev, progs[i], BPF_F_BEFORE), -ERANGE,
		  "the 64th, before all others");
	tap(!compare() && !run_bio(), "a bio meets all 63 in their order");
	for (before = 0; before < count && step_replace() == NULL; before++)
		;
	tap(before == count && !compare(), "they can be replaced");
}

int main(int argc, char **argv)
{
	int i, steps;

	if (argc != 4)
		die("usage: %s DEVICE STEPS SEED", argv[0]);
	dev = must_open(argv[1], O_RDONLY | O_DIRECT);
	steps = atoi(argv[2]);
	srand(atoi(argv[3]));
	trace = new_map(BPF_MAP_TYPE_ARRAY, sizeof(struct trace_val), 1);
	for (i = 0; i < NR_PROGS; i++) {
		progs[i] = load_tracer(i);
		ids[i] = prog_id(progs[i]);
	}
	tap(!compare(), "at first nothing is attached, at revision 1");
	walk("few programs", steps, 50);
	walk("more and more", steps, 75);
	test_full();
	walk("full", steps / 2, 90);
	walk("fewer and fewer", steps, 15);
	while (count) {
		if (model[0].link >= 0) {
			close(model[0].link);
		} else {
			must(detach_prog(dev, progs[model[0].prog]), "detach");
		}
		drop(0);
	}
	tap(!compare(), "nothing is left");
	return tap_exit();
}
