// SPDX-License-Identifier: GPL-2.0
/*
 * usage: abi_caps DEVICE
 *
 * Who may do what: each call by root, by nobody, and with single
 * capabilities, on descriptors that were opened before; and the permission to
 * write to the device's inode.
 */
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>

#include "abi_obj.h"

#define NOBODY 65534

#define BIT(cap) (1ULL << (cap))
#define ALL_CAPS ((1ULL << (CAP_LAST_CAP + 1)) - 1)

static const char *path;
static int dev; /* open for reading */
static int prog, link_prog, spare;
static int link_fd;
static int map;
static struct obj kern_ctx; /* opened, not loaded */

struct who {
	const char *name;
	uid_t uid;
	__u64 caps;
};

static const struct who root = { "root", 0, ALL_CAPS };
static const struct who nobody = { "nobody", NOBODY, 0 };
static const struct who bpf = { "CAP_BPF", NOBODY, BIT(CAP_BPF) };
static const struct who bpf_perfmon = { "CAP_BPF and CAP_PERFMON", NOBODY,
					BIT(CAP_BPF) | BIT(CAP_PERFMON) };
static const struct who bpf_net = { "CAP_BPF and CAP_NET_ADMIN", NOBODY,
				    BIT(CAP_BPF) | BIT(CAP_NET_ADMIN) };
static const struct who admin = { "CAP_SYS_ADMIN", NOBODY, BIT(CAP_SYS_ADMIN) };
static const struct who admin_dac = { "CAP_SYS_ADMIN and CAP_DAC_OVERRIDE",
				      NOBODY,
				      BIT(CAP_SYS_ADMIN) |
					      BIT(CAP_DAC_OVERRIDE) };
static const struct who owner = { "the owner without capabilities", 0, 0 };
static const struct who owner_admin = { "the owner with CAP_SYS_ADMIN", 0,
					BIT(CAP_SYS_ADMIN) };

static void become(const struct who *who)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];
	int i;

	for (i = 0; i < 2; i++) {
		data[i].effective = who->caps >> (32 * i);
		data[i].permitted = data[i].effective;
		data[i].inheritable = 0;
	}
	if (prctl(PR_SET_KEEPCAPS, 1) || setgroups(0, NULL) ||
	    setresgid(who->uid, who->uid, who->uid) ||
	    setresuid(who->uid, who->uid, who->uid) ||
	    syscall(__NR_capset, &header, data))
		_exit(255);
}

/* What @call returns to somebody: 0 or a negative errno. */
static int as(const struct who *who, int (*call)(void))
{
	int status;
	pid_t child = fork();

	if (child < 0)
		die("fork: %s", strerror(errno));
	if (!child) {
		int ret;

		become(who);
		ret = call();
		_exit(ret < 0 ? -ret : 0);
	}
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status) ||
	    WEXITSTATUS(status) == 255)
		die("cannot be %s", who->name);
	return -WEXITSTATUS(status);
}

static int do_load(void)
{
	const struct bpf_insn insns[] = { MOV(BPF_REG_0, 0), EXIT() };

	return load_blk(insns, ARRAY_SIZE(insns));
}

/* Reads a kernel structure. */
static int do_load_kern_ctx(void)
{
	return try_load(&kern_ctx);
}

static int do_create_map(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_BLKDEV,
		.key_size = sizeof(__u32),
		.value_size = sizeof(struct bpf_blkdev_val),
		.max_entries = 1,
	};

	return sys_bpf(BPF_MAP_CREATE, &attr);
}

static int do_attach(void)
{
	int ret = attach_prog(dev, spare, 0);

	if (!ret)
		detach_prog(dev, spare);
	return ret;
}

static int do_attach_link(void)
{
	return attach_link(dev, spare, 0);
}

static int do_detach(void)
{
	int ret = detach_prog(dev, prog);

	if (!ret)
		attach_prog(dev, prog, BPF_F_BEFORE);
	return ret;
}

static int do_detach_first(void)
{
	union bpf_attr attr = {
		.target_fd = dev,
		.attach_type = BPF_BLK_SUBMIT,
		.attach_flags = BPF_F_BEFORE,
	};
	int ret = sys_bpf(BPF_PROG_DETACH, &attr);

	if (!ret)
		attach_prog(dev, prog, BPF_F_BEFORE);
	return ret;
}

static int do_query(void)
{
	struct list list = {};

	return query(dev, &list);
}

static int do_link_update(void)
{
	return bpf_link_update(link_fd, link_prog, NULL) ? -errno : 0;
}

static int do_link_info(void)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);

	return bpf_link_get_info_by_fd(link_fd, &info, &len) ? -errno : 0;
}

static int do_link_by_id(void)
{
	int fd = bpf_link_get_fd_by_id(link_id(link_fd));

	return fd < 0 ? -errno : 0;
}

static int do_map_update(void)
{
	return map_set(map, 0, dev);
}

static int do_map_lookup(void)
{
	struct bpf_blkdev_val val;
	__u32 zero = 0;

	return bpf_map_lookup_elem(map, &zero, &val) ? -errno : 0;
}

static int do_test_run(void)
{
	struct obj o = { .fd = prog };
	struct bpf_bio in = bio(BPF_BIO_OP_READ, 0, 8), out;

	return run_once(&o, &in, &out);
}

static const struct {
	const char *name;
	int (*call)(void);
	const struct who *who;
	int want;
} rows[] = {
	{ "load", do_load, &root, 0 },
	{ "load", do_load, &nobody, -EPERM },
	{ "load", do_load, &owner, -EPERM },
	{ "load", do_load, &bpf, 0 },
	{ "load", do_load, &admin, 0 },
	{ "load what reads the bio", do_load_kern_ctx, &root, 0 },
	{ "load what reads the bio", do_load_kern_ctx, &bpf, -EPERM },
	{ "load what reads the bio", do_load_kern_ctx, &bpf_perfmon, 0 },
	{ "create a device map", do_create_map, &nobody, -EPERM },
	{ "create a device map", do_create_map, &bpf, 0 },
	{ "attach", do_attach, &root, 0 },
	{ "attach", do_attach, &nobody, -EPERM },
	{ "attach", do_attach, &owner, -EPERM },
	{ "attach", do_attach, &bpf, -EPERM },
	{ "attach", do_attach, &bpf_net, -EPERM },
	{ "attach", do_attach, &admin, -EACCES },
	{ "attach", do_attach, &admin_dac, 0 },
	{ "attach", do_attach, &owner_admin, 0 },
	{ "create a link", do_attach_link, &nobody, -EPERM },
	{ "create a link", do_attach_link, &bpf, -EPERM },
	{ "create a link", do_attach_link, &bpf_net, -EPERM },
	{ "create a link", do_attach_link, &admin, -EACCES },
	{ "create a link", do_attach_link, &owner_admin, 0 },
	{ "detach", do_detach, &nobody, -EPERM },
	{ "detach", do_detach, &bpf, -EPERM },
	{ "detach", do_detach, &bpf_net, -EPERM },
	{ "detach", do_detach, &admin, -EACCES },
	{ "detach", do_detach, &owner_admin, 0 },
	{ "detach the first", do_detach_first, &nobody, -EPERM },
	{ "detach the first", do_detach_first, &bpf_net, -EPERM },
	{ "detach the first", do_detach_first, &admin, -EACCES },
	{ "detach the first", do_detach_first, &owner_admin, 0 },
	{ "query", do_query, &nobody, -EPERM },
	{ "query", do_query, &bpf, -EPERM },
	{ "query", do_query, &bpf_net, 0 },
	{ "query", do_query, &admin, 0 },
	/* Who has the descriptor of a link may use it, as of any other link. */
	{ "update a link", do_link_update, &nobody, 0 },
	{ "info of a link", do_link_info, &nobody, 0 },
	{ "open a link by its id", do_link_by_id, &bpf, -EPERM },
	{ "open a link by its id", do_link_by_id, &admin, 0 },
	{ "update a device map", do_map_update, &nobody, -EPERM },
	{ "update a device map", do_map_update, &bpf, -EPERM },
	{ "update a device map", do_map_update, &bpf_net, -EPERM },
	{ "update a device map", do_map_update, &admin, 0 },
	{ "look up in a device map", do_map_lookup, &nobody, 0 },
	{ "test run", do_test_run, &nobody, 0 },
};

static void test_rows(void)
{
	struct list before = must_query(dev), after;
	char name[160];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		snprintf(name, sizeof(name), "%s as %s", rows[i].name,
			 rows[i].who->name);
		tap_errno(as(rows[i].who, rows[i].call), rows[i].want, name);
	}
	after = must_query(dev);
	tap(after.count == before.count &&
		    !memcmp(after.progs, before.progs, sizeof(after.progs)),
	    "the same programs are attached as before");
}

/* The mode of the node decides, not how the descriptor was opened. */
static void test_modes(void)
{
	static const struct {
		mode_t mode;
		const struct who *who;
		int want;
	} modes[] = {
		{ 0666, &admin, 0 },
		{ 0444, &admin, -EACCES },
		{ 0222, &admin, 0 },
		{ 0600, &admin, -EACCES },
		{ 0600, &owner_admin, 0 },
		{ 0444, &owner_admin, -EACCES },
		{ 0444, &admin_dac, 0 },
		{ 0000, &root, 0 },
		{ 0000, &owner_admin, -EACCES },
		{ 0666, &nobody, -EPERM },
	};
	char name[160];
	struct stat st;
	size_t i;

	if (stat(path, &st))
		die("%s: %s", path, strerror(errno));
	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		if (chmod(path, modes[i].mode))
			die("chmod: %s", strerror(errno));
		snprintf(name, sizeof(name), "mode %04o: attach as %s",
			 modes[i].mode, modes[i].who->name);
		tap_errno(as(modes[i].who, do_attach), modes[i].want, name);
		snprintf(name, sizeof(name), "mode %04o: detach as %s",
			 modes[i].mode, modes[i].who->name);
		tap_errno(as(modes[i].who, do_detach), modes[i].want, name);
	}
	if (chmod(path, st.st_mode & 07777))
		die("chmod: %s", strerror(errno));
}

int main(int argc, char **argv)
{
	if (argc != 2)
		die("usage: %s DEVICE", argv[0]);
	path = argv[1];
	dev = must_open(path, O_RDONLY);
	if (chmod(path, 0660))
		die("chmod: %s", strerror(errno));
	libbpf_set_print(NULL);
	kern_ctx = open_prog("abi_prog", "kern_ctx");
	prog = load_return(BPF_BIO_PASS);
	link_prog = load_return(BPF_BIO_PASS);
	spare = load_return(BPF_BIO_PASS);
	map = new_blkdev_map(1);
	must(map_set(map, 0, dev), "fill the map");
	must(attach_prog(dev, prog, 0), "attach");
	link_fd = must(attach_link(dev, link_prog, 0), "attach a link");
	test_rows();
	test_modes();
	must(detach_prog(dev, prog), "detach");
	close(link_fd);
	close_prog(&kern_ctx);
	return tap_exit();
}
