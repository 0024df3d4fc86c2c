// SPDX-License-Identifier: GPL-2.0
/*
 * What the verifier accepts of a block interposer program: each access to the
 * context by offset, size and direction, each return value, helpers, maps and
 * kfuncs, and with which message it refuses the others.
 */
#include <linux/btf.h>

#include "abi.h"

struct field {
	const char *name;
	int off;
	int size;
	bool writable;
};

#define FIELD(name, writable)                    \
	{ #name, offsetof(struct bpf_bio, name), \
	  sizeof(((struct bpf_bio *)0)->name), writable }

static const struct field fields[] = {
	FIELD(sector, true),	 FIELD(nr_sectors, false),
	FIELD(op, false),	 FIELD(flags, false),
	FIELD(dev, false),	 FIELD(partno, false),
	FIELD(error, true),	 FIELD(ioprio, true),
	FIELD(write_hint, true), FIELD(reserved, false),
};

static const struct {
	int code;
	int bytes;
} sizes[] = { { BPF_B, 1 }, { BPF_H, 2 }, { BPF_W, 4 }, { BPF_DW, 8 } };

enum access { READ, READ_SIGNED, WRITE_REG, WRITE_IMM };

static const char *const access_names[] = {
	[READ] = "read",
	[READ_SIGNED] = "sign-extending read",
	[WRITE_REG] = "write of a register",
	[WRITE_IMM] = "write of a constant",
};

/*
 * Any naturally aligned part may be read, also of two fields at once, but not
 * what is reserved. Only whole fields may be written.
 */
static bool allowed(enum access access, int off, int bytes)
{
	size_t i;

	if (access == READ || access == READ_SIGNED)
		return off >= 0 && off % bytes == 0 &&
		       off + bytes <= (int)offsetof(struct bpf_bio, reserved);
	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		if (fields[i].writable && fields[i].off == off &&
		    fields[i].size == bytes)
			return true;
	}
	return false;
}

static int load_access(enum access access, int size, int off)
{
	struct bpf_insn insns[] = {
		MOV(BPF_REG_2, 0),
		MOV(BPF_REG_0, 0),
		MOV(BPF_REG_0, 0),
		EXIT(),
	};

	switch (access) {
	case READ:
		insns[1] = LDX(size, BPF_REG_2, BPF_REG_1, off);
		break;
	case READ_SIGNED:
		insns[1] = INSN(BPF_LDX | BPF_MEMSX | size, BPF_REG_2,
				BPF_REG_1, off, 0);
		break;
	case WRITE_REG:
		insns[1] = STX(size, BPF_REG_1, BPF_REG_2, off);
		break;
	case WRITE_IMM:
		insns[1] = ST(size, BPF_REG_1, off, 0);
		break;
	}
	return load_blk(insns, ARRAY_SIZE(insns));
}

static bool check_access(enum access access, int off, int s)
{
	bool want = allowed(access, off, sizes[s].bytes);
	char message[64];
	int fd;

	fd = load_access(access, sizes[s].code, off);
	if (fd >= 0)
		close(fd);
	snprintf(message, sizeof(message),
		 "invalid bpf_context access off=%d size=%d", off,
		 sizes[s].bytes);
	if (want ? fd >= 0 : fd == -EACCES && strstr(verifier_log, message))
		return true;
	printf("# offset %d size %d: got %d, should be %s\n# %s\n", off,
	       sizes[s].bytes, fd, want ? "accepted" : "refused", verifier_log);
	return false;
}

static void check_range(enum access access, const char *name, int from, int to)
{
	unsigned int bad = 0;
	int off, s;

	for (off = from; off < to; off++) {
		for (s = 0; s < (int)ARRAY_SIZE(sizes); s++) {
			/* There is no 64-bit sign extension. */
			if (access == READ_SIGNED && sizes[s].bytes == 8)
				continue;
			bad += !check_access(access, off, s);
		}
	}
	tap(!bad, "%s: %s in every size at every offset", name,
	    access_names[access]);
}

static void test_context(void)
{
	enum access access;
	size_t i;

	for (access = READ; access <= WRITE_IMM; access++) {
		for (i = 0; i < ARRAY_SIZE(fields); i++)
			check_range(access, fields[i].name, fields[i].off,
				    fields[i].off + fields[i].size);
		check_range(access, "before the context", -8, 0);
		check_range(access, "behind the context",
			    sizeof(struct bpf_bio), sizeof(struct bpf_bio) + 9);
	}
}

/* A whole program, and what the verifier says if it refuses it. */
static void check(const char *name, int fd, const char *message)
{
	bool good;

	if (message)
		good = fd < 0 && strstr(verifier_log, message);
	else
		good = fd >= 0;
	if (!tap(good, "%s %s", name, message ? "is refused" : "is accepted"))
		printf("# got %d, want '%s'; log:\n%s\n", fd,
		       message ?: "success", verifier_log);
	if (fd >= 0)
		close(fd);
}

#define CHECK(name, message, ...)                                         \
	do {                                                              \
		const struct bpf_insn insns[] = { __VA_ARGS__ };          \
		check(name, load_blk(insns, ARRAY_SIZE(insns)), message); \
	} while (0)

static void test_context_tricks(void)
{
	CHECK("an atomic operation on the context",
	      "BPF_ATOMIC stores into R1 ctx is not allowed", MOV(BPF_REG_2, 1),
	      INSN(BPF_STX | BPF_ATOMIC | BPF_DW, BPF_REG_1, BPF_REG_2,
		   offsetof(struct bpf_bio, sector), BPF_ADD),
	      MOV(BPF_REG_0, 0), EXIT());
	CHECK("an access through a moved pointer",
	      "dereference of modified ctx", ALU(BPF_ADD, BPF_REG_1, 8),
	      LDX(BPF_W, BPF_REG_0, BPF_REG_1, 0), MOV(BPF_REG_0, 0), EXIT());
	CHECK("an access at a variable offset", "variable ctx access",
	      LDX(BPF_B, BPF_REG_2, BPF_REG_1, 0), ALU(BPF_AND, BPF_REG_2, 7),
	      INSN(BPF_ALU64 | BPF_ADD | BPF_X, BPF_REG_1, BPF_REG_2, 0, 0),
	      LDX(BPF_B, BPF_REG_0, BPF_REG_1, 0), MOV(BPF_REG_0, 0), EXIT());
}

static void test_verdicts(void)
{
	const char *refused = "At program exit the register R0";
	char name[32];
	int verdict;

	for (verdict = 0; verdict < __BPF_BIO_VERDICT_MAX; verdict++) {
		snprintf(name, sizeof(name), "return %d", verdict);
		CHECK(name, NULL, MOV(BPF_REG_0, verdict), EXIT());
	}
	CHECK("return 5", "should have been in [0, 4]", MOV(BPF_REG_0, 5),
	      EXIT());
	CHECK("return 7", refused, MOV(BPF_REG_0, 7), EXIT());
	CHECK("return -1", refused, MOV(BPF_REG_0, -1), EXIT());
	CHECK("return INT_MIN", refused, MOV(BPF_REG_0, 0x80000000), EXIT());
	CHECK("return 1 << 32", refused, LD_IMM64(BPF_REG_0, 0, 0, 1), EXIT());
	CHECK("return what cannot be known", refused,
	      LDX(BPF_W, BPF_REG_0, BPF_REG_1, offsetof(struct bpf_bio, op)),
	      EXIT());
	CHECK("return 0 to 7", refused,
	      LDX(BPF_W, BPF_REG_0, BPF_REG_1, offsetof(struct bpf_bio, op)),
	      ALU(BPF_AND, BPF_REG_0, 7), EXIT());
	CHECK("return 0 to 3", NULL,
	      LDX(BPF_W, BPF_REG_0, BPF_REG_1, offsetof(struct bpf_bio, op)),
	      ALU(BPF_AND, BPF_REG_0, 3), EXIT());
	CHECK("return of nothing", "R0 !read_ok", EXIT());
	CHECK("return of the context", refused, MOV_REG(BPF_REG_0, BPF_REG_1),
	      EXIT());
}

static void test_helpers(void)
{
	static const struct {
		const char *name;
		int func;
	} yes[] = {
		{ "bpf_ktime_get_ns", BPF_FUNC_ktime_get_ns },
		{ "bpf_get_prandom_u32", BPF_FUNC_get_prandom_u32 },
		{ "bpf_get_smp_processor_id", BPF_FUNC_get_smp_processor_id },
		{ "bpf_get_current_pid_tgid", BPF_FUNC_get_current_pid_tgid },
		{ "bpf_get_current_uid_gid", BPF_FUNC_get_current_uid_gid },
		{ "bpf_get_current_cgroup_id", BPF_FUNC_get_current_cgroup_id },
		{ "bpf_get_attach_cookie", BPF_FUNC_get_attach_cookie },
	}, no[] = {
		{ "bpf_redirect", BPF_FUNC_redirect },
		{ "bpf_xdp_adjust_head", BPF_FUNC_xdp_adjust_head },
		{ "bpf_skb_load_bytes", BPF_FUNC_skb_load_bytes },
		{ "bpf_override_return", BPF_FUNC_override_return },
		{ "bpf_send_signal", BPF_FUNC_send_signal },
		{ "bpf_probe_write_user", BPF_FUNC_probe_write_user },
		{ "bpf_copy_from_user", BPF_FUNC_copy_from_user },
		{ "bpf_sys_close", BPF_FUNC_sys_close },
		{ "bpf_get_stackid", BPF_FUNC_get_stackid },
		/* would hide device maps from the check for loops */
		{ "bpf_tail_call", BPF_FUNC_tail_call },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(yes); i++)
		CHECK(yes[i].name, NULL, CALL(yes[i].func), MOV(BPF_REG_0, 0),
		      EXIT());
	CHECK("bpf_get_current_comm", NULL, MOV_REG(BPF_REG_1, BPF_REG_10),
	      ALU(BPF_ADD, BPF_REG_1, -16), MOV(BPF_REG_2, 16),
	      CALL(BPF_FUNC_get_current_comm), MOV(BPF_REG_0, 0), EXIT());
	for (i = 0; i < ARRAY_SIZE(no); i++)
		CHECK(no[i].name, "program of this type cannot use helper",
		      CALL(no[i].func), MOV(BPF_REG_0, 0), EXIT());
	CHECK("bpf_get_attach_cookie of something else",
	      "R1 type=fp expected=ctx", MOV_REG(BPF_REG_1, BPF_REG_10),
	      CALL(BPF_FUNC_get_attach_cookie), MOV(BPF_REG_0, 0), EXIT());
}

#define REDIRECT(map)                                                 \
	LD_MAP(BPF_REG_1, map), MOV(BPF_REG_2, 0), MOV(BPF_REG_3, 0), \
		CALL(BPF_FUNC_redirect_map)

static void check_xdp(const char *name, int map, const char *message)
{
	const struct bpf_insn insns[] = { REDIRECT(map), EXIT() };

	check(name,
	      load_insns(BPF_PROG_TYPE_XDP, "GPL", insns, ARRAY_SIZE(insns)),
	      message);
}

static void test_maps(void)
{
	int map = new_blkdev_map(4), array = new_map(BPF_MAP_TYPE_ARRAY, 8, 1);
	int devmap = new_map(BPF_MAP_TYPE_DEVMAP, 4, 4);
	int cpumap = new_map(BPF_MAP_TYPE_CPUMAP, 4, 1);
	const char *cannot = "cannot pass map_type";

	CHECK("return bpf_redirect_map()", NULL, REDIRECT(map), EXIT());
	CHECK("return bpf_redirect_map() + 1",
	      "At program exit the register R0", REDIRECT(map),
	      ALU(BPF_ADD, BPF_REG_0, 1), EXIT());
	CHECK("bpf_redirect_map() with a devmap", cannot, REDIRECT(devmap),
	      MOV(BPF_REG_0, 0), EXIT());
	CHECK("bpf_redirect_map() with a cpumap", cannot, REDIRECT(cpumap),
	      MOV(BPF_REG_0, 0), EXIT());
	CHECK("bpf_redirect_map() with an array", cannot, REDIRECT(array),
	      MOV(BPF_REG_0, 0), EXIT());
	CHECK("bpf_redirect_map() with no map", "expected=map_ptr",
	      MOV(BPF_REG_1, 0), MOV(BPF_REG_2, 0), MOV(BPF_REG_3, 0),
	      CALL(BPF_FUNC_redirect_map), EXIT());
	check_xdp("XDP with a devmap", devmap, NULL);
	check_xdp("XDP with a device map of ours", map, cannot);

	CHECK("lookup in a device map", cannot, ST(BPF_W, BPF_REG_10, -4, 0),
	      MOV_REG(BPF_REG_2, BPF_REG_10), ALU(BPF_ADD, BPF_REG_2, -4),
	      LD_MAP(BPF_REG_1, map), CALL(BPF_FUNC_map_lookup_elem),
	      MOV(BPF_REG_0, 0), EXIT());
	CHECK("delete in a device map", cannot, ST(BPF_W, BPF_REG_10, -4, 0),
	      MOV_REG(BPF_REG_2, BPF_REG_10), ALU(BPF_ADD, BPF_REG_2, -4),
	      LD_MAP(BPF_REG_1, map), CALL(BPF_FUNC_map_delete_elem),
	      MOV(BPF_REG_0, 0), EXIT());
	CHECK("update of a device map", cannot, ST(BPF_W, BPF_REG_10, -4, 0),
	      ST(BPF_DW, BPF_REG_10, -16, 0), MOV_REG(BPF_REG_2, BPF_REG_10),
	      ALU(BPF_ADD, BPF_REG_2, -4), MOV_REG(BPF_REG_3, BPF_REG_10),
	      ALU(BPF_ADD, BPF_REG_3, -16), MOV(BPF_REG_4, 0),
	      LD_MAP(BPF_REG_1, map), CALL(BPF_FUNC_map_update_elem),
	      MOV(BPF_REG_0, 0), EXIT());
	close(map);
	close(array);
	close(devmap);
	close(cpumap);
}

static int kfunc_id(const struct btf *btf, const char *name)
{
	int id = btf__find_by_name_kind(btf, name, BTF_KIND_FUNC);

	if (id < 0)
		die("the kernel has no function %s", name);
	return id;
}

#define STACK_PTR(reg, off) MOV_REG(reg, BPF_REG_10), ALU(BPF_ADD, reg, off)

static void test_load_bytes(int load_bytes)
{
	const char *bad = "memory, len pair leads to invalid memory access";

	CHECK("bpf_bio_load_bytes() to the stack", NULL, MOV(BPF_REG_2, 0),
	      STACK_PTR(BPF_REG_3, -16), MOV(BPF_REG_4, 16), KFUNC(load_bytes),
	      MOV(BPF_REG_0, 0), EXIT());
	CHECK("bpf_bio_load_bytes() beyond the stack", bad, MOV(BPF_REG_2, 0),
	      STACK_PTR(BPF_REG_3, -16), MOV(BPF_REG_4, 17), KFUNC(load_bytes),
	      MOV(BPF_REG_0, 0), EXIT());
	CHECK("bpf_bio_load_bytes() of any length", bad,
	      LDX(BPF_W, BPF_REG_4, BPF_REG_1, 8), MOV(BPF_REG_2, 0),
	      STACK_PTR(BPF_REG_3, -16), KFUNC(load_bytes), MOV(BPF_REG_0, 0),
	      EXIT());
	CHECK("bpf_bio_load_bytes() to nowhere", "arg#2", MOV(BPF_REG_2, 0),
	      MOV(BPF_REG_3, 0), MOV(BPF_REG_4, 16), KFUNC(load_bytes),
	      MOV(BPF_REG_0, 0), EXIT());
	CHECK("bpf_bio_load_bytes() into the context", "arg#2",
	      MOV(BPF_REG_2, 0), MOV_REG(BPF_REG_3, BPF_REG_1),
	      MOV(BPF_REG_4, 8), KFUNC(load_bytes), MOV(BPF_REG_0, 0), EXIT());
}

static void test_kfuncs(void)
{
	struct btf *btf = btf__load_vmlinux_btf();
	int accept, load_bytes, cgroup, cast;

	if (!btf)
		die("the kernel has no BTF: %s", strerror(errno));
	accept = kfunc_id(btf, "bpf_bio_accept_partial");
	load_bytes = kfunc_id(btf, "bpf_bio_load_bytes");
	cgroup = kfunc_id(btf, "bpf_bio_cgroup_id");
	cast = kfunc_id(btf, "bpf_cast_to_kern_ctx");
	btf__free(btf);

	{
		const struct bpf_insn insns[] = {
			MOV(BPF_REG_2, 8),
			KFUNC(accept),
			MOV(BPF_REG_0, 0),
			EXIT(),
		};
		size_t cnt = ARRAY_SIZE(insns);

		check("bpf_bio_accept_partial()", load_blk(insns, cnt), NULL);
		check("a kfunc in a program that is not GPL",
		      load_insns(BPF_PROG_TYPE_BLK_INTERPOSER, "Dual BSD",
				 insns, cnt),
		      "cannot call kernel function from non-GPL");
		check("our kfuncs in XDP",
		      load_insns(BPF_PROG_TYPE_XDP, "GPL", insns, cnt),
		      "calling kernel function bpf_bio_accept_partial is not allowed");
	}
	CHECK("bpf_bio_accept_partial() of something else",
	      "arg#0 expected pointer to ctx", MOV_REG(BPF_REG_1, BPF_REG_10),
	      MOV(BPF_REG_2, 8), KFUNC(accept), MOV(BPF_REG_0, 0), EXIT());
	CHECK("bpf_bio_accept_partial() of a moved pointer",
	      "dereference of modified ctx", ALU(BPF_ADD, BPF_REG_1, 8),
	      MOV(BPF_REG_2, 8), KFUNC(accept), MOV(BPF_REG_0, 0), EXIT());
	CHECK("bpf_bio_cgroup_id()", NULL, KFUNC(cgroup), MOV(BPF_REG_0, 0),
	      EXIT());
	CHECK("bpf_bio_cgroup_id() of NULL", "arg#0 expected pointer to ctx",
	      MOV(BPF_REG_1, 0), KFUNC(cgroup), MOV(BPF_REG_0, 0), EXIT());
	test_load_bytes(load_bytes);
	CHECK("reading what bpf_cast_to_kern_ctx() returns", NULL, KFUNC(cast),
	      LDX(BPF_DW, BPF_REG_1, BPF_REG_0, sizeof(struct bpf_bio)),
	      MOV(BPF_REG_0, 0), EXIT());
	CHECK("writing to what bpf_cast_to_kern_ctx() returns",
	      "only read is supported", KFUNC(cast),
	      ST(BPF_DW, BPF_REG_0, sizeof(struct bpf_bio), 0),
	      MOV(BPF_REG_0, 0), EXIT());
}

static void check_load(const char *name, int want,
		       struct bpf_prog_load_opts *opts)
{
	const struct bpf_insn insns[] = { MOV(BPF_REG_0, 0), EXIT() };
	int fd;

	fd = bpf_prog_load(BPF_PROG_TYPE_BLK_INTERPOSER, NULL, "GPL", insns,
			   ARRAY_SIZE(insns), opts);
	tap_errno(fd < 0 ? -errno : fd, want, name);
	if (fd >= 0)
		close(fd);
}

static void test_load(void)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts,
		    .expected_attach_type = BPF_BLK_SUBMIT);

	check_load("load", 0, &opts);
	check_load("load without an attach type", -EINVAL, NULL);
	opts.expected_attach_type = BPF_XDP;
	check_load("load with another attach type", -EINVAL, &opts);
	opts.expected_attach_type = BPF_BLK_SUBMIT;
	opts.prog_flags = BPF_F_SLEEPABLE;
	check_load("load as sleepable", -EINVAL, &opts);
	opts.prog_flags = 0;
	opts.attach_btf_id = 1;
	check_load("load for a kernel function", -EINVAL, &opts);
}

int main(void)
{
	test_context();
	test_context_tricks();
	test_verdicts();
	test_helpers();
	test_maps();
	test_kfuncs();
	test_load();
	return tap_exit();
}
