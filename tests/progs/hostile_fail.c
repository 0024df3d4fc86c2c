// SPDX-License-Identifier: GPL-2.0
/*
 * usage: hostile_fail DEVICE OTHER FRESH POWER DM
 *
 * Each allocation of each call that changes or reads what is attached fails
 * once. The call then answers ENOMEM and has changed nothing, or does without;
 * right after it the same call works. What takes something away must not fail.
 *
 * FRESH is made anew by writing 0 and 1 to the file POWER: what a disk has for
 * its programs is allocated once. DM, in /dev/mapper, gets tables loaded that
 * would close a circle.
 */
#include <dirent.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <linux/dm-ioctl.h>

#include "hostile_fail.h"
#include "hostile_zoo.h"

static int spare_map; /* no program uses it */
static __u8 data[512];

static int do_attach(__u32 flags)
{
	return attach_prog(things[DEV], things[PROG_C], flags);
}

static const char *fresh_path, *power;
static int fresh = -1;

static void new_fresh(void)
{
	int i;

	if (fresh >= 0)
		close(fresh);
	write_file(power, "0");
	write_file(power, "1");
	for (i = 0; i < 1000; i++) {
		fresh = open(fresh_path, O_RDONLY | O_CLOEXEC);
		if (fresh >= 0)
			return;
		usleep(10000);
	}
	die("%s does not come back", fresh_path);
}

static int first_attach(void)
{
	return attach_prog(fresh, things[PROG_C], 0);
}

static int first_link(void)
{
	return attach_link(fresh, things[PROG_C], 0);
}

static void undo_first_attach(int ret)
{
	(void)ret;
	must(detach_prog(fresh, things[PROG_C]), "detach");
}

static int attach(void)
{
	return do_attach(0);
}

static int attach_barrier(void)
{
	return do_attach(BPF_F_BLK_BARRIER);
}

static void undo_attach(int ret)
{
	(void)ret;
	must(detach_prog(things[DEV], things[PROG_C]), "detach");
}

/* The other way round. */
static int detach(void)
{
	return detach_prog(things[DEV], things[PROG_C]);
}

static void prepare_attached(void)
{
	must(do_attach(0), "attach");
}

static int replace_prog(int old, int new)
{
	union bpf_attr attr = {
		.target_fd = things[DEV],
		.attach_bpf_fd = things[new],
		.attach_type = BPF_BLK_SUBMIT,
		.attach_flags = BPF_F_REPLACE,
		.replace_bpf_fd = things[old],
	};

	return sys_bpf(BPF_PROG_ATTACH, &attr);
}

static int replace(void)
{
	return replace_prog(PROG_A, PROG_C);
}

static void undo_replace(int ret)
{
	(void)ret;
	must(replace_prog(PROG_C, PROG_A), "replace");
}

static int create_link(void)
{
	return attach_link(things[DEV], things[PROG_C], 0);
}

static int create_link_barrier(void)
{
	return attach_link(things[DEV], things[PROG_C], BPF_F_BLK_BARRIER);
}

static void undo_fd(int ret)
{
	close(ret);
}

static int link_to(int prog, __u32 flags)
{
	union bpf_attr attr = {
		.link_update.link_fd = things[LINK],
		.link_update.new_prog_fd = things[prog],
		.link_update.flags = flags,
	};

	return sys_bpf(BPF_LINK_UPDATE, &attr);
}

static int update_link(void)
{
	return link_to(PROG_C, 0);
}

static int update_link_barrier(void)
{
	return link_to(PROG_C, BPF_F_BLK_BARRIER);
}

static void undo_update_link(int ret)
{
	(void)ret;
	must(link_to(PROG_B, 0), "update the link");
}

static int spare_link;

static void prepare_link(void)
{
	spare_link = must(create_link(), "create a link");
}

static int detach_link(void)
{
	union bpf_attr attr = {
		.link_detach.link_fd = spare_link,
		.link_detach.flags = BPF_F_BLK_BARRIER,
	};

	return sys_bpf(BPF_LINK_DETACH, &attr);
}

static void undo_detach_link(int ret)
{
	(void)ret;
	close(spare_link);
}

static int query_list(void)
{
	static struct list list;

	return query(things[DEV], &list);
}

static void undo_nothing(int ret)
{
	(void)ret;
}

static int create_map(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_BLKDEV,
		.key_size = sizeof(__u32),
		.value_size = sizeof(struct bpf_blkdev_val),
		.max_entries = MAP_SLOTS,
	};

	return sys_bpf(BPF_MAP_CREATE, &attr);
}

/* For reading: no other slot has a target that would do. */
static int update_map(void)
{
	return map_set(spare_map, 0, things[DEV]);
}

static int delete_slot(void)
{
	__u32 key = 0;

	return bpf_map_delete_elem(spare_map, &key) ? -errno : 0;
}

static void undo_update_map(int ret)
{
	(void)ret;
	must(delete_slot(), "delete");
}

static int look_up(void)
{
	struct bpf_blkdev_val val;
	__u32 key = 1;

	return bpf_map_lookup_elem(things[MAP], &key, &val) ? -errno : 0;
}

static int link_info_stats(void)
{
	struct bpf_blk_stats stats;
	struct bpf_link_info info = {
		.blk.stats = (unsigned long)&stats,
		.blk.stats_size = sizeof(stats),
	};
	__u32 len = sizeof(info);

	return bpf_link_get_info_by_fd(things[LINK], &info, &len) ? -errno : 0;
}

static int test_run(void)
{
	struct bpf_bio in = bio(BPF_BIO_OP_WRITE, 64, 8);
	union bpf_attr attr = {
		.test.prog_fd = things[PROG_A],
		.test.ctx_in = (unsigned long)&in,
		.test.ctx_size_in = sizeof(in),
		.test.data_in = (unsigned long)data,
		.test.data_size_in = sizeof(data),
	};

	return sys_bpf(BPF_PROG_TEST_RUN, &attr);
}

static int dm_control = -1;
static const char *dm_path; /* DM */
static int dm_dev = -1;

/* Not libdevmapper: what it allocates by itself is not asked about. */
static struct {
	struct dm_ioctl head;
	struct dm_target_spec target;
	char params[64];
} dm;

#define CIRCLE_SLOT 2
#define DM_NEW "hostile_fail"

static int dm_call(unsigned long call, const char *name)
{
	memset(&dm.head, 0, sizeof(dm.head));
	dm.head.version[0] = DM_VERSION_MAJOR;
	dm.head.data_size = sizeof(dm);
	dm.head.data_start = sizeof(dm.head);
	snprintf(dm.head.name, sizeof(dm.head.name), "%s", name);
	dm.head.target_count = call == DM_TABLE_LOAD;
	return ioctl(dm_control, call, &dm) ? -errno : 0;
}

static void dm_open(void)
{
	dm_control = must_open("/dev/mapper/control", O_RDWR);
	must(dm_call(DM_DEV_CREATE, DM_NEW), "create a dm device");
	dm_dev = must_open(dm_path, O_RDWR);
}

static void dm_close(void)
{
	__u32 key = CIRCLE_SLOT;

	bpf_map_delete_elem(things[MAP], &key);
	close(dm_dev);
	must(dm_call(DM_DEV_REMOVE, DM_NEW), "remove the dm device");
	close(dm_control);
}

static unsigned int holders(void)
{
	unsigned int nr = 0;
	char path[64];
	struct stat st;
	DIR *dir;

	fstat(things[DEV], &st);
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/holders",
		 major(st.st_rdev), minor(st.st_rdev));
	dir = opendir(path);
	if (!dir)
		die("%s: %s", path, strerror(errno));
	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr - 2;
}

/* dm asks the device's programs for circles, and must be told ENOMEM. */
static int load_table_of(const char *name)
{
	struct stat st;

	fstat(things[DEV], &st);
	memset(&dm.target, 0, sizeof(dm.target));
	dm.target.length = 2048;
	strcpy(dm.target.target_type, "linear");
	snprintf(dm.params, sizeof(dm.params), "%u:%u 0", major(st.st_rdev),
		 minor(st.st_rdev));
	return dm_call(DM_TABLE_LOAD, name);
}

static int load_table(void)
{
	return load_table_of(DM_NEW);
}

static void undo_load_table(int ret)
{
	(void)ret;
	if (holders() != 1)
		die("the device has no holder");
	must(dm_call(DM_TABLE_CLEAR, DM_NEW), "clear the table");
	if (holders())
		die("the device keeps its holder");
}

/* DM is a target of the device that the table has. */
static void prepare_circle(void)
{
	must(map_set(things[MAP], CIRCLE_SLOT, dm_dev), "make dm a target");
}

/* Nothing that fails may let it pass. */
static int load_circle(void)
{
	int ret = load_table_of(basename(dm_path));

	if (!ret)
		die("a table that closes a circle was loaded");
	return ret == -ELOOP ? 0 : ret;
}

static void undo_load_circle(int ret)
{
	(void)ret;
	if (holders())
		die("the device got a holder");
}

static const struct op {
	const char *name;
	int (*call)(void);
	void (*undo)(int ret);
	void (*prepare)(void);
	enum { MAY_FAIL, FAILS, NEVER_FAILS } fails;
} ops[] = {
	{ "first attach", first_attach, undo_first_attach, new_fresh, FAILS },
	{ "first link", first_link, undo_fd, new_fresh, FAILS },
	{ "attach", attach, undo_attach, NULL, FAILS },
	{ "attach with barrier", attach_barrier, undo_attach, NULL, FAILS },
	{ "replace", replace, undo_replace, NULL, FAILS },
	{ "detach", detach, undo_nothing, prepare_attached, NEVER_FAILS },
	{ "create link", create_link, undo_fd, NULL, FAILS },
	{ "create link with barrier", create_link_barrier, undo_fd, NULL,
	  FAILS },
	{ "update link", update_link, undo_update_link, NULL, MAY_FAIL },
	{ "update link with barrier", update_link_barrier, undo_update_link,
	  NULL, MAY_FAIL },
	{ "detach link with barrier", detach_link, undo_detach_link,
	  prepare_link, NEVER_FAILS },
	{ "query", query_list, undo_nothing, NULL, FAILS },
	{ "info of link", link_info_stats, undo_nothing, NULL, MAY_FAIL },
	{ "create map", create_map, undo_fd, NULL, FAILS },
	{ "update map", update_map, undo_update_map, NULL, FAILS },
	/* bpf(2) copies the key */
	{ "delete in map", delete_slot, undo_nothing,
	  (void (*)(void))update_map, MAY_FAIL },
	{ "look up in map", look_up, undo_nothing, NULL, FAILS },
	{ "test run", test_run, undo_nothing, NULL, FAILS },
	{ "load a dm table", load_table, undo_load_table, NULL, FAILS },
	{ "load a dm table that closes a circle", load_circle, undo_load_circle,
	  prepare_circle, FAILS },
};

struct tally {
	unsigned int injected, failed, wrong, changed;
};

/* Return: whether an allocation was left to fail. */
static bool fail_one(const struct op *op, int n, struct tally *t)
{
	struct state before, after;
	bool injected;
	int ret;

	if (op->prepare)
		op->prepare();
	take_state(&before);
	set_fail_nth(n);
	ret = op->call();
	injected = fail_nth_done();
	t->injected += injected;
	if (ret >= 0) {
		op->undo(ret);
		return injected;
	}
	t->failed++;
	if (ret != -ENOMEM || !injected || op->fails == NEVER_FAILS) {
		t->wrong++;
		printf("# %s, allocation %d: %d %s\n", op->name, n, ret,
		       strerrorname_np(-ret) ?: "?");
	}
	if (!state_stays(&before, &after) || holders() ||
	    (fresh >= 0 && must_query(fresh).count)) {
		t->changed++;
		printf("# %s, allocation %d: something changed\n", op->name, n);
	}
	ret = op->call();
	if (ret < 0)
		die("%s does not work any more: %s", op->name, strerror(-ret));
	op->undo(ret);
	return injected;
}

static void fail_all(const struct op *op)
{
	struct tally t = {};
	int n = 1;

	while (n < FAIL_LIMIT && fail_one(op, n, &t))
		n++;
	printf("# %s: %u allocations failed, and %u calls\n", op->name,
	       t.injected, t.failed);
	tap(!t.wrong && n < FAIL_LIMIT && (t.failed || op->fails != FAILS),
	    "%s: %s", op->name,
	    op->fails == NEVER_FAILS ? "does not fail" :
				       "ENOMEM, or it does without");
	tap(!t.changed, "%s: what fails changes nothing", op->name);
}

int main(int argc, char **argv)
{
	struct census nothing = take_census();
	size_t i;

	if (argc != 6)
		die("usage: %s DEVICE OTHER FRESH POWER DM", argv[0]);
	fresh_path = argv[3];
	power = argv[4];
	dm_path = argv[5];
	setvbuf(stdout, NULL, _IOLBF, 0);
	open_things(argv[1], argv[2], argv[0]);
	spare_map = new_blkdev_map(1);
	dm_open();
	open_fail_nth();
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		fail_all(&ops[i]);
	tap(!direct_io(things[DEV_RDWR], true) &&
		    !direct_io(things[DEV_RDWR], false),
	    "I/O works");
	dm_close();
	close(spare_map);
	close_things();
	tap(census_becomes(&nothing), "no program, link or map is left over");
	return tap_exit();
}
