// SPDX-License-Identifier: GPL-2.0
/* The kernel: programs, links and counters. I/O is in io.c. */
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "../progs/keys.h"
#include "../progs/policy_test.h"
#include "../progs/rule.h"
#undef ARRAY_SIZE
#include "model.h"

#define SETTLE_SECONDS 20

static struct rule_prog progs[MAX_PROGS];

/*
 * How many targets are open only a static key says, and it takes a second until
 * that is 0: one is kept open, through a map that no attached program has.
 */
static struct rule_prog keeper;

static struct bpf_object *keys;

static void keys_open(void)
{
	const char *dir = getenv("TEST_BPF");
	char path[4096];
	int err;

	snprintf(path, sizeof(path), "%s/life_keys.bpf.o", dir ? dir : ".");
	keys = bpf_object__open(path);
	if (!keys || bpf_object__load(keys))
		die("%s: %s", path, strerror(errno));
	err = rule_load(&keeper);
	if (!err)
		err = rule_set_target(keeper.targets, 0, layout.devs[0].path,
				      O_RDONLY);
	if (err)
		die("cannot keep a target: %s", strerror(-err));
}

static int open_targets(void)
{
	const struct keys *now = keys_read(keys);

	if (!now)
		die("the keys cannot be read: %s", strerror(errno));
	return now->endio;
}

static bool real_settle(int targets)
{
	time_t until = time(NULL) + SETTLE_SECONDS;

	while (open_targets() > targets) {
		if (time(NULL) > until)
			return false;
		usleep(200);
	}
	return true;
}

static void real_open(enum fault fault)
{
	int i, err;

	/* That of the model; the kernel is as it is. */
	(void)fault;
	/* Refusals are expected. */
	libbpf_set_print(NULL);
	for (i = 0; i < MAX_PROGS; i++) {
		err = rule_load(&progs[i]);
		if (err)
			die("cannot load: %s", strerror(-err));
		progs[i].state->quiet = 1;
	}
	keys_open();
	io_open();
}

static void real_close(void)
{
	int i;

	for (i = 0; i < MAX_PROGS; i++)
		rule_close(&progs[i]);
	rule_close(&keeper);
	bpf_object__close(keys);
	io_close();
}

static int empty_slot(int prog, __u32 key)
{
	return bpf_map_delete_elem(progs[prog].targets, &key);
}

static void real_reset(bool *const *touched)
{
	__u32 i, k;
	int d;

	for (i = 0; i < MAX_PROGS; i++) {
		rule_detach(&progs[i]);
		rule_clear(&progs[i]);
		for (k = 0; k < MAX_KEYS; k++)
			empty_slot(i, k);
	}
	if (!real_settle(1))
		die("targets are not closed");
	for (d = 0; d < layout.nr; d++)
		for (i = 0; i * CHUNK < layout.devs[d].window; i++)
			if (layout.devs[d].kind == DEV_LEAF && touched[d][i])
				io_zero(d, i * CHUNK, CHUNK);
}

static int do_attach(const struct step *s)
{
	LIBBPF_OPTS(bpf_blk_opts, opts);

	opts.flags = s->where == AT_FIRST || s->where == AT_BEFORE ?
			     BPF_F_BEFORE :
			     BPF_F_AFTER;
	if (s->where == AT_BEFORE || s->where == AT_AFTER) {
		opts.flags |= BPF_F_LINK;
		opts.relative_fd = bpf_link__fd(progs[s->other].link);
	}
	return rule_attach(&progs[s->prog], layout.devs[s->dev].path, &opts);
}

static int real_config(const struct step *s)
{
	struct rule_prog *p = &progs[s->prog];
	int err;

	switch (s->verb) {
	case DO_RULE:
		rule_add(p, &s->rule);
		return 0;
	case DO_CLEAR:
		rule_clear(p);
		return 0;
	case DO_SLOT:
		if (s->dev < 0)
			return empty_slot(s->prog, s->key);
		return rule_set_target(p->targets, s->key,
				       layout.devs[s->dev].path,
				       s->ro ? O_RDONLY : O_RDWR);
	case DO_ATTACH:
		return do_attach(s);
	case DO_DETACH:
		rule_detach(p);
		return 0;
	case DO_REPLACE:
		err = bpf_link__update_program(p->link, progs[s->other].prog);
		if (err)
			return err;
		progs[s->other].link = p->link;
		p->link = NULL;
		return 0;
	default:
		return -EINVAL;
	}
}

static __u64 real_flushes(int leaf)
{
	unsigned long long n = 0;
	char path[64];
	struct stat st;
	FILE *f;

	if (stat(layout.devs[leaf].path, &st))
		return 0;
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/stat",
		 major(st.st_rdev), minor(st.st_rdev));
	f = fopen(path, "r");
	/* The 16th number, see Documentation/block/stat.rst. */
	if (!f ||
	    fscanf(f,
		   "%*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu",
		   &n) != 1)
		die("%s: no number of flushes", path);
	fclose(f);
	return n;
}

static void real_counts(int prog, struct counts *counts)
{
	struct bpf_blk_stats stats;
	int err = rule_link_stats(bpf_link__fd(progs[prog].link), &stats);

	if (err)
		die("no counters: %s", strerror(-err));
	memcpy(counts->bios, stats.bios, sizeof(counts->bios));
	memcpy(counts->sectors, stats.sectors, sizeof(counts->sectors));
	memcpy(counts->refused, stats.refused, sizeof(counts->refused));
}

static void real_read(int leaf, __u64 sector, __u32 nr, __u64 *found)
{
	int i;

	for (i = 0; i < MAX_PROGS; i++)
		progs[i].state->bypass = 1;
	io_read(leaf, sector, nr, found);
	for (i = 0; i < MAX_PROGS; i++)
		progs[i].state->bypass = 0;
}

const struct backend real_backend = {
	.open = real_open,
	.close = real_close,
	.reset = real_reset,
	.config = real_config,
	.io = io_step,
	.flushes = real_flushes,
	.counts = real_counts,
	.settle = real_settle,
	.read = real_read,
	.threads = true,
};
