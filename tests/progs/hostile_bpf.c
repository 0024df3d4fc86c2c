// SPDX-License-Identifier: GPL-2.0
/*
 * usage: hostile_bpf DEVICE OTHER SEED PAIRS
 *
 * bpf(2) with calls that are nearly right: of each call in hostile_calls.h
 * first the valid one, then every field in turn with everything that does not
 * belong there, then the attr itself (its size, its address, bytes behind its
 * last field), then PAIRS calls with two or three fields wrong, which SEED
 * decides.
 *
 * A call may succeed. If it does not, the errno is one that is documented for
 * it, and nothing is there that was not before: lists, revisions, slots,
 * programs, links, maps and descriptors.
 */
#include <sys/time.h>

#include "hostile_calls.h"

/*
 * The errnos that may come of them: what the kernel-doc of the function behind
 * the call says, or abi_errno.c shows. These two are of every call.
 */
#define ANY EBADF, EINVAL

static const struct call calls[] = {
	{ "attach",
	  BPF_PROG_ATTACH,
	  fill_attach,
	  { ANY, ENOTBLK, ESTALE, EEXIST, ENOENT, ERANGE, EBUSY, ELOOP },
	  CHANGES },
	{ "replace",
	  BPF_PROG_ATTACH,
	  fill_replace,
	  { ANY, ENOTBLK, ESTALE, EEXIST, ENOENT, ERANGE, EBUSY, ELOOP },
	  CHANGES },
	/* ENODEV: an attach type of net devices */
	{ "detach",
	  BPF_PROG_DETACH,
	  fill_detach,
	  { ANY, ENOTBLK, ESTALE, ENOENT, ERANGE, EBUSY, ENODEV },
	  CHANGES },
	{ "create link",
	  BPF_LINK_CREATE,
	  fill_link_create,
	  { ANY, ENOTBLK, ESTALE, EEXIST, ENOENT, ERANGE, EBUSY, ELOOP },
	  GIVES_FD | CHANGES },
	{ "update link",
	  BPF_LINK_UPDATE,
	  fill_link_update,
	  { ANY, EPERM, EEXIST, ELOOP, ENOLINK },
	  CHANGES },
	/* EOPNOTSUPP: a link of another type */
	{ "detach link",
	  BPF_LINK_DETACH,
	  fill_link_detach,
	  { ANY, EOPNOTSUPP },
	  CHANGES },
	/* ENODEV: as above */
	{ "query",
	  BPF_PROG_QUERY,
	  fill_query,
	  { ANY, ENOTBLK, EFAULT, ENOSPC, ENODEV },
	  READS },
	{ "load program",
	  BPF_PROG_LOAD,
	  fill_prog_load,
	  { ANY, EACCES, E2BIG, EFAULT, ENOSPC, ENOENT, EPERM, ENOTSUPP },
	  GIVES_FD },
	{ "create map",
	  BPF_MAP_CREATE,
	  fill_map_create,
	  { ANY, E2BIG, ENOMEM, EPERM, ENOTSUPP },
	  GIVES_FD },
	{ "update map",
	  BPF_MAP_UPDATE_ELEM,
	  fill_update,
	  { ANY, EFAULT, EPERM, ENOTBLK, E2BIG, EEXIST, ENOENT, ELOOP },
	  CHANGES },
	{ "delete in map",
	  BPF_MAP_DELETE_ELEM,
	  fill_delete,
	  { ANY, EFAULT, EPERM, ENOENT },
	  CHANGES },
	{ "look up in map",
	  BPF_MAP_LOOKUP_ELEM,
	  fill_taken,
	  { ANY, EFAULT, EPERM, ENOENT },
	  READS },
	{ "look up and delete",
	  BPF_MAP_LOOKUP_AND_DELETE_ELEM,
	  fill_taken,
	  { ANY, EFAULT, EPERM, ENOTSUPP },
	  READS },
	{ "next key of map",
	  BPF_MAP_GET_NEXT_KEY,
	  fill_next_key,
	  { ANY, EFAULT, EPERM, ENOENT },
	  READS },
	{ "batch lookup",
	  BPF_MAP_LOOKUP_BATCH,
	  fill_batch,
	  { ANY, EFAULT, EPERM, ENOENT, ENOTSUPP },
	  READS },
	{ "batch lookup and delete",
	  BPF_MAP_LOOKUP_AND_DELETE_BATCH,
	  fill_batch,
	  { ANY, EPERM, ENOTSUPP },
	  READS },
	{ "batch update",
	  BPF_MAP_UPDATE_BATCH,
	  fill_batch,
	  { ANY, EFAULT, EPERM, E2BIG, EEXIST, ENOTSUPP },
	  READS },
	{ "batch delete",
	  BPF_MAP_DELETE_BATCH,
	  fill_batch,
	  { ANY, EFAULT, EPERM, ENOTSUPP },
	  READS },
	/* EBADFD: no file at all */
	{ "info of link",
	  BPF_OBJ_GET_INFO_BY_FD,
	  fill_link_info,
	  { ANY, EBADFD, EFAULT, E2BIG },
	  READS },
	{ "info of map",
	  BPF_OBJ_GET_INFO_BY_FD,
	  fill_map_info,
	  { ANY, EBADFD, EFAULT, E2BIG },
	  READS },
	/* ENOTSUPP: a program of another type */
	{ "test run",
	  BPF_PROG_TEST_RUN,
	  fill_test_run,
	  { ANY, EFAULT, E2BIG, ENOSPC, EINTR, ENOTSUPP },
	  READS },
};

static const struct call *call;
static struct state before;
static char what[256]; /* was done to the valid call */
static unsigned int runs, succeeded, bad_errno, bad_state, bad_other;
static unsigned int histogram[ENOTSUPP + 1];

static void describe(const struct field *f, __u64 value)
{
	size_t len = strlen(what);
	int i;

	len += snprintf(what + len, sizeof(what) - len, " %s=%#llx", f->name,
			(unsigned long long)value);
	for (i = 0; f->kind == FD && i < NR_THINGS; i++)
		if (things[i] == (int)value && len < sizeof(what))
			len += snprintf(what + len, sizeof(what) - len, " (%s)",
					thing_names[i]);
}

static void mutate(const struct field *f, __u64 value)
{
	describe(f, value);
	set_field(f, value);
}

static void complain(unsigned int *count, const char *why, int ret)
{
	if ((*count)++ < 10)
		printf("# %s:%s: %s: %d%s%s\n", call->name, what, why, ret,
		       ret < 0 ? " " : "",
		       ret < 0 ? strerrorname_np(-ret) ?: "" : "");
}

static bool documented(int error)
{
	const int *e;

	for (e = call->errnos; *e; e++)
		if (*e == error)
			return true;
	return false;
}

static void refill(void)
{
	nr_fields = 0;
	what[0] = '\0';
	call->fill();
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* A test run may be told to go on for hours; a signal ends it. */
static int call_bpf(const void *at, __u32 size)
{
	struct itimerval timer = { .it_value.tv_usec = 100000,
				   .it_interval.tv_usec = 100000 };
	bool may_last = call->cmd == BPF_PROG_TEST_RUN &&
			attr->test.repeat > 1000;
	int ret;

	if (may_last)
		setitimer(ITIMER_REAL, &timer, NULL);
	ret = syscall(__NR_bpf, call->cmd, at, size);
	ret = ret < 0 ? -errno : ret;
	if (may_last) {
		timer = (struct itimerval){};
		setitimer(ITIMER_REAL, &timer, NULL);
	}
	return ret;
}

static void after_success(int ret)
{
	struct state after;

	succeeded++;
	if (call->success & GIVES_FD)
		close(ret);
	take_state(&after);
	if (same_state(&before, &after))
		return;
	if (!(call->success & CHANGES) && !state_stays(&before, &after))
		complain(&bad_state, "changed something", ret);
	if (!same_but_revision(before, after))
		reset_things();
	take_state(&before);
}

static int run(const void *at, __u32 size)
{
	int ret = call_bpf(at, size);
	struct state after;

	runs++;
	if (ret >= 0) {
		after_success(ret);
		return ret;
	}
	histogram[-ret <= ENOTSUPP ? -ret : 0]++;
	if (!state_stays(&before, &after)) {
		complain(&bad_state, "failed, but changed something", ret);
		reset_things();
		take_state(&before);
	}
	return ret;
}

static void run_attr(__u32 size)
{
	int ret = run(attr, size);

	if (ret < 0 && !documented(-ret))
		complain(&bad_errno, "undocumented", ret);
}

static void expect(const void *at, __u32 size, int want, const char *name)
{
	int ret = run(at, size);

	snprintf(what, sizeof(what), " %s", name);
	if (ret != want)
		complain(&bad_other, "not what was wanted", ret);
}

static void run_valid(void)
{
	bool batch = call->fill == fill_batch;
	int want = batch || call->cmd == BPF_MAP_LOOKUP_AND_DELETE_ELEM ?
			   -ENOTSUPP :
			   0;

	refill();
	tap_errno(run(attr, sizeof(*attr)), want, call->name);
}

static void run_fields(void)
{
	__u64 values[MAX_VALUES];
	size_t nr_values, v;
	int i, nr;

	refill();
	nr = nr_fields;
	for (i = 0; i < nr; i++) {
		refill();
		nr_values = values_of(&fields[i], values);
		for (v = 0; v < nr_values; v++) {
			refill();
			mutate(&fields[i], values[v]);
			run_attr(sizeof(*attr));
		}
	}
}

/* The last byte of attr that the call may use. */
static size_t last_byte(void)
{
	char *from = (char *)attr, *last = from, *end;
	int i;

	for (i = 0; i < nr_fields; i++) {
		end = (char *)fields[i].at + fields[i].size;
		if (end > last && end <= from + sizeof(*attr))
			last = end;
	}
	/* What is behind those of ours, in the unions of other users. */
	if (call->cmd == BPF_LINK_CREATE)
		last = (char *)(&attr->link_create.uprobe_multi.pid + 1);
	if (call->cmd == BPF_PROG_LOAD)
		last = (char *)(&attr->prog_token_fd + 1);
	if (call->cmd == BPF_PROG_QUERY)
		last = (char *)(&attr->query.blk_stats_size + 1);
	return last - from;
}

static void run_attrs(void)
{
	char *at = (char *)attr;
	size_t size, last;

	for (size = 0; size < sizeof(*attr); size++) {
		refill();
		snprintf(what, sizeof(what), " size %zu", size);
		/* A valid call cut off; zeroes stand for the rest. */
		run_attr(size);
	}
	refill();
	for (last = last_byte(); last < sizeof(*attr); last++) {
		refill();
		at[last] = 1;
		expect(attr, sizeof(*attr), -EINVAL, "a byte that is not used");
	}
	refill();
	at[sizeof(*attr)] = 1;
	expect(attr, sizeof(*attr) + 1, -E2BIG, "a longer attr in use");
	at[sizeof(*attr)] = 0;
	expect(attr, getpagesize() + 1, -E2BIG, "more than a page");
	expect(attr, ~0U, -E2BIG, "4 GiB");
	expect(NULL, sizeof(*attr), -EFAULT, "attr at NULL");
	expect((void *)~0UL, sizeof(*attr), -EFAULT, "attr at the end");
	expect((void *)0xffff888000000000UL, sizeof(*attr), -EFAULT,
	       "attr in the kernel");
	expect(buf[3] + BUF_BYTES - 8, sizeof(*attr), -EFAULT,
	       "attr that is half there");
}

static void run_pairs(unsigned int pairs)
{
	__u64 values[MAX_VALUES] = {};
	struct field *f;
	int wrong;

	while (pairs--) {
		refill();
		for (wrong = 2 + one_in(4); wrong; wrong--) {
			f = &fields[rnd_below(nr_fields)];
			mutate(f, values[rnd_below(values_of(f, values))]);
		}
		run_attr(sizeof(*attr));
	}
}

static void show_histogram(void)
{
	size_t i;

	printf("# %s: %u calls, %u succeeded", call->name, runs, succeeded);
	for (i = 0; i < ARRAY_SIZE(histogram); i++)
		if (histogram[i])
			printf(", %s %u",
			       i == ENOTSUPP	  ? "ENOTSUPP" :
			       strerrorname_np(i) ?:
						    "?",
			       histogram[i]);
	printf("\n");
}

static void run_call(unsigned int pairs)
{
	runs = succeeded = bad_errno = bad_state = bad_other = 0;
	memset(histogram, 0, sizeof(histogram));
	run_valid();
	run_fields();
	run_attrs();
	run_pairs(pairs);
	show_histogram();
	tap(!bad_errno, "%s: documented errnos only (%u others)", call->name,
	    bad_errno);
	tap(!bad_state, "%s: what fails changes nothing (%u did)", call->name,
	    bad_state);
	tap(!bad_other, "%s: an attr that is too long, or not there (%u wrong)",
	    call->name, bad_other);
}

static void check_io(const char *name)
{
	tap(!direct_io(things[DEV_RDWR], true) &&
		    !direct_io(things[DEV_RDWR], false) &&
		    !direct_io(things[OTHER], true) &&
		    !direct_io(things[OTHER], false),
	    "I/O %s", name);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct census nothing = take_census();
	size_t i;

	if (argc != 5)
		die("usage: %s DEVICE OTHER SEED PAIRS", argv[0]);
	rnd_state = strtoull(argv[3], NULL, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	sigaction(SIGALRM, &action, NULL);
	for (i = 0; i < ARRAY_SIZE(buf); i++)
		buf[i] = guarded(BUF_BYTES, PROT_READ | PROT_WRITE);
	rdonly_page = guarded(1, PROT_READ);
	attr = guarded(2 * getpagesize(), PROT_READ | PROT_WRITE);
	open_things(argv[1], argv[2], argv[0]);
	take_state(&before);

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		call = &calls[i];
		run_call(atoi(argv[4]));
	}
	check_io("works with programs attached");
	close_things();
	check_io("works without");
	tap(census_becomes(&nothing), "no program, link or map is left over");
	return tap_exit();
}
