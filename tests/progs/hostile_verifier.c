// SPDX-License-Identifier: GPL-2.0
/*
 * usage: hostile_verifier DEVICE TARGET SEED COUNT [ONLY]
 *
 * Random programs over struct bpf_bio. What the verifier takes is run on
 * described bios and on those of DEVICE, and must keep to what it was taken
 * for. What must never be taken is tried in the middle of programs that are.
 * With ONLY just the program of that number is made, shown and run.
 */
#include <sys/ioctl.h>
#include <linux/fs.h>

#include "hostile_gen.h"

#define RUNS 8
#define DEV_SECTORS (64 << 11)

static int dev;
static __u32 target_no;
static __u64 number_seed;
static unsigned int number; /* of the program */
static unsigned int bad_verdict, bad_field, bad_reserved, bad_run, bad_io;
static unsigned int test_runs, bios, verdicts[__BPF_BIO_VERDICT_MAX];
static __u8 *data;

static int load(const struct prog *p)
{
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_BLK_INTERPOSER,
		.expected_attach_type = BPF_BLK_SUBMIT,
		.insns = (unsigned long)p->insns,
		.insn_cnt = p->len,
		.license = (unsigned long)"GPL",
	};

	return sys_bpf(BPF_PROG_LOAD, &attr);
}

static void complain(unsigned int *count, const struct prog *p, const char *fmt,
		     long long got)
{
	if ((*count)++ >= 5)
		return;
	printf("# seed %llu program %u: ", (unsigned long long)number_seed,
	       number);
	printf(fmt, got);
	printf("\n");
	dump_prog(p);
}

static struct bpf_bio any_bio(void)
{
	struct bpf_bio in = {
		.sector = one_in(2) ? rnd_below(DEV_SECTORS) : rnd(),
		.nr_sectors = 1 + rnd_below(one_in(2) ? 16 : 2048),
		.op = 1 + rnd_below(BPF_BIO_OP_MAX),
		.flags = rnd() & BPF_BIO_F_ALL,
		.dev = rnd(),
		.partno = rnd_below(256),
		.error = one_in(2) ? 0 : rnd(),
		.ioprio = rnd(),
		.write_hint = rnd(),
	};

	if (in.op == BPF_BIO_OP_FLUSH)
		in.nr_sectors = 0;
	return in;
}

static bool fields_kept(const struct bpf_bio *in, const struct bpf_bio *out,
			__u32 verdict)
{
	bool sent = verdict == BPF_BIO_REDIRECT && out->dev == target_no;

	if (out->op != in->op || out->flags != in->flags ||
	    out->partno != in->partno || (out->dev != in->dev && !sent))
		return false;
	/* Accepted in part: less, but something. */
	return out->nr_sectors == in->nr_sectors ||
	       (out->nr_sectors && out->nr_sectors < in->nr_sectors);
}

static void run_described(const struct prog *p, int fd)
{
	static const __u8 zero[sizeof(((struct bpf_bio *)0)->reserved)];
	struct bpf_bio in = any_bio(), out;
	union bpf_attr attr = {
		.test.prog_fd = fd,
		.test.ctx_in = (unsigned long)&in,
		.test.ctx_size_in = sizeof(in),
		.test.ctx_out = (unsigned long)&out,
		.test.ctx_size_out = sizeof(out),
	};
	__u32 verdict;
	int ret;

	memset(&out, 0xff, sizeof(out));
	if (in.op == BPF_BIO_OP_WRITE && one_in(2)) {
		attr.test.data_in = (unsigned long)data;
		attr.test.data_size_in = 1 + rnd_below(512);
	}
	ret = sys_bpf(BPF_PROG_TEST_RUN, &attr);
	test_runs++;
	if (ret) {
		complain(&bad_run, p, "test run: %lld", ret);
		return;
	}
	verdict = attr.test.retval;
	if (verdict > BPF_BIO_REDIRECT)
		complain(&bad_verdict, p, "returned %lld", verdict);
	else
		verdicts[verdict]++;
	if (!fields_kept(&in, &out, verdict))
		complain(&bad_field, p, "changed what it may not (op %lld)",
			 in.op);
	if (memcmp(out.reserved, zero, sizeof(zero)))
		complain(&bad_reserved, p, "reserved byte %lld",
			 out.reserved[0]);
}

static void expect_io(const struct prog *p, long ret)
{
	static const int errors[] = {
		EIO,	EOPNOTSUPP, ETIMEDOUT, ENOSPC,	  ENOLINK,
		EBADE,	ENODATA,    EILSEQ,    ENOMEM,	  EBUSY,
		ENODEV, ETIME,	    EINVAL,    EREMOTEIO,
	};
	size_t i;

	bios++;
	for (i = 0; ret < 0 && i < ARRAY_SIZE(errors); i++)
		if (errno == errors[i])
			return;
	if (ret < 0)
		complain(&bad_io, p, "I/O: errno %lld", errno);
}

static void run_bios(const struct prog *p, int fd)
{
	__u64 range[2] = { 1 << 20, 1 << 16 };
	int ret = attach_prog(dev, fd, 0);

	if (ret) {
		complain(&bad_io, p, "attach: %lld", ret);
		return;
	}
	expect_io(p,
		  pread(dev, data, 4096, 4096L * rnd_below(DEV_SECTORS / 8)));
	expect_io(p,
		  pwrite(dev, data, 4096, 4096L * rnd_below(DEV_SECTORS / 8)));
	expect_io(p, pwrite(dev, data, 512, 512L * rnd_below(DEV_SECTORS)));
	expect_io(p, pread(dev, data, 1 << 15, 0));
	expect_io(p, fsync(dev));
	expect_io(p, ioctl(dev, BLKDISCARD, range));
	ret = detach_prog(dev, fd);
	if (ret)
		complain(&bad_io, p, "detach: %lld", ret);
}

static void run_loaded(const struct prog *p, int fd)
{
	int i;

	for (i = 0; i < RUNS; i++)
		run_described(p, fd);
	run_bios(p, fd);
}

/* The same program for the same number, whichever came before. */
static void make_prog(struct prog *p, unsigned int i)
{
	int wrong;

	number = i;
	rnd_state = number_seed + i * 0x632be59bd9b4e019ULL;
	if (one_in(10)) {
		gen_wild(p);
		return;
	}
	gen_prog(p);
	for (wrong = one_in(3) ? 0 : 1 + rnd_below(3); wrong; wrong--)
		spoil(p);
}

static void run_programs(unsigned int from, unsigned int to)
{
	unsigned int i, loaded = 0;
	struct prog p = {};
	int fd, ret;

	for (i = from; i < to; i++) {
		make_prog(&p, i);
		fd = load(&p);
		if (to - from == 1)
			dump_prog(&p);
		if (fd < 0)
			continue;
		loaded++;
		run_loaded(&p, fd);
		close(fd);
	}
	printf("# %u of %u programs loaded, %u test runs (%u %u %u %u %u), %u bios\n",
	       loaded, to - from, test_runs, verdicts[0], verdicts[1],
	       verdicts[2], verdicts[3], verdicts[4], bios);
	tap(loaded * 20 >= to - from, "one program in 20 loads, or more");
	tap((to - from - loaded) * 20 >= to - from,
	    "one in 20 is refused, or more");
	tap(!bad_run, "what loads runs on a described bio");
	tap(!bad_verdict && verdicts[BPF_BIO_PASS] && verdicts[BPF_BIO_FAIL] &&
		    verdicts[BPF_BIO_REMAP] && verdicts[BPF_BIO_DONE] &&
		    verdicts[BPF_BIO_REDIRECT],
	    "verdicts are from 0 to 4, each seen");
	tap(!bad_field, "fields that may not be written are as they were");
	tap(!bad_reserved, "reserved bytes are zero");
	tap(!bad_io, "bios end, with an errno that a bio can have");
	ret = direct_io(dev, true) ?: direct_io(dev, false);
	tap_errno(ret, 0, "I/O works afterwards");
}

#define AT(field) offsetof(struct bpf_bio, field)

static void try_poison(const char *name, const struct bpf_insn *insns, int n)
{
	unsigned int i, tried = 0, taken = 0;
	struct prog p = {}, q = {};
	int fd;

	/* Around it a program that loads without it. */
	for (i = 0; tried < 8 && i < 200; i++) {
		number = i;
		rnd_state = number_seed + i;
		gen_prog(&p);
		fd = load(&p);
		if (fd < 0)
			continue;
		close(fd);
		tried++;
		q.len = 0;
		emit_all(&q, p.insns, p.body);
		emit_all(&q, insns, n);
		emit_all(&q, p.insns + p.body, p.len - p.body);
		fd = load(&q);
		if (fd < 0)
			continue;
		close(fd);
		complain(&taken, &q, "was taken: %lld", fd);
	}
	tap(tried == 8 && !taken, "never: %s (%u of %u taken)", name, taken,
	    tried);
}

#define NEVER(name, ...)                                         \
	do {                                                     \
		const struct bpf_insn these[] = { __VA_ARGS__ }; \
		try_poison(name, these, ARRAY_SIZE(these));      \
	} while (0)

static void try_stores(void)
{
	NEVER("a store to nr_sectors", ST(BPF_W, BPF_REG_6, AT(nr_sectors), 8));
	NEVER("a store to op", ST(BPF_W, BPF_REG_6, AT(op), 1));
	NEVER("a store to flags", STX(BPF_W, BPF_REG_6, BPF_REG_7, AT(flags)));
	NEVER("a store to dev", STX(BPF_W, BPF_REG_6, BPF_REG_7, AT(dev)));
	NEVER("a store to partno", ST(BPF_W, BPF_REG_6, AT(partno), 0));
	NEVER("a store to a reserved byte",
	      ST(BPF_B, BPF_REG_6, AT(reserved), 0));
	NEVER("64 bits to error", ST(BPF_DW, BPF_REG_6, AT(error), 0));
	NEVER("64 bits to partno and error",
	      ST(BPF_DW, BPF_REG_6, AT(partno), 0));
	NEVER("32 bits to sector", ST(BPF_W, BPF_REG_6, AT(sector), 0));
	NEVER("32 bits to ioprio and more",
	      ST(BPF_W, BPF_REG_6, AT(ioprio), 0));
	NEVER("16 bits to write_hint and more",
	      ST(BPF_H, BPF_REG_6, AT(write_hint), 0));
	NEVER("an atomic add to sector",
	      INSN(BPF_STX | BPF_ATOMIC | BPF_DW, BPF_REG_6, BPF_REG_7,
		   AT(sector), BPF_ADD));
	NEVER("a store through a moved context", MOV_REG(BPF_REG_1, BPF_REG_6),
	      ALU(BPF_ADD, BPF_REG_1, 16), ST(BPF_W, BPF_REG_1, 0, 0));
	NEVER("a store through bpf_cast_to_kern_ctx()",
	      MOV_REG(BPF_REG_1, BPF_REG_6), KFUNC(gen.cast),
	      ST(BPF_W, BPF_REG_0, AT(op), 1));
}

static void try_others(void)
{
	NEVER("a load behind the context",
	      LDX(BPF_W, BPF_REG_7, BPF_REG_6, sizeof(struct bpf_bio)));
	NEVER("a load before it", LDX(BPF_W, BPF_REG_7, BPF_REG_6, -4));
	NEVER("a load that is not aligned",
	      LDX(BPF_W, BPF_REG_7, BPF_REG_6, 2));
	NEVER("a load of reserved bytes",
	      LDX(BPF_DW, BPF_REG_7, BPF_REG_6, AT(ioprio)));
	NEVER("return 5", MOV(BPF_REG_0, 5), EXIT());
	NEVER("return -1", MOV(BPF_REG_0, -1), EXIT());
	NEVER("return of what cannot be known",
	      LDX(BPF_W, BPF_REG_0, BPF_REG_6, AT(op)), EXIT());
	NEVER("5 on one of two ways", LDX(BPF_W, BPF_REG_1, BPF_REG_6, AT(op)),
	      JMP(BPF_JNE, BPF_REG_1, 3, 2), MOV(BPF_REG_0, 5), EXIT());
	NEVER("a loop without an end", JMP(BPF_JA, 0, 0, -1));
	NEVER("bpf_redirect_map() with an array", LD_MAP(BPF_REG_1, gen.array),
	      MOV(BPF_REG_2, 0), MOV(BPF_REG_3, 0),
	      CALL(BPF_FUNC_redirect_map));
	NEVER("a lookup in a device map", MOV_REG(BPF_REG_2, BPF_REG_10),
	      ALU(BPF_ADD, BPF_REG_2, -8), LD_MAP(BPF_REG_1, gen.map),
	      CALL(BPF_FUNC_map_lookup_elem));
	NEVER("bpf_bio_accept_partial() of the stack",
	      MOV_REG(BPF_REG_1, BPF_REG_10), MOV(BPF_REG_2, 8),
	      KFUNC(gen.accept));
	NEVER("bpf_bio_load_bytes() beyond the stack",
	      MOV_REG(BPF_REG_1, BPF_REG_6), MOV(BPF_REG_2, 0),
	      MOV_REG(BPF_REG_3, BPF_REG_10), ALU(BPF_ADD, BPF_REG_3, -STACK),
	      MOV(BPF_REG_4, STACK + 1), KFUNC(gen.load_bytes));
	NEVER("bpf_bio_load_bytes() into the context",
	      MOV_REG(BPF_REG_1, BPF_REG_6), MOV(BPF_REG_2, 0),
	      MOV_REG(BPF_REG_3, BPF_REG_6), MOV(BPF_REG_4, 8),
	      KFUNC(gen.load_bytes));
	NEVER("bpf_sys_close()", MOV(BPF_REG_1, 0), CALL(BPF_FUNC_sys_close));
}

static int kfunc_id(const struct btf *btf, const char *name)
{
	int id = btf__find_by_name_kind(btf, name, BTF_KIND_FUNC);

	if (id < 0)
		die("the kernel has no function %s", name);
	return id;
}

static void set_up(const char *dev_path, const char *target_path)
{
	struct btf *btf = btf__load_vmlinux_btf();
	int target = must_open(target_path, O_RDWR);
	struct stat st;
	__u32 key;

	if (!btf)
		die("the kernel has no BTF: %s", strerror(errno));
	gen.accept = kfunc_id(btf, "bpf_bio_accept_partial");
	gen.load_bytes = kfunc_id(btf, "bpf_bio_load_bytes");
	gen.cgroup = kfunc_id(btf, "bpf_bio_cgroup_id");
	gen.cast = kfunc_id(btf, "bpf_cast_to_kern_ctx");
	btf__free(btf);
	dev = must_open(dev_path, O_RDWR | O_DIRECT);
	if (fstat(target, &st))
		die("%s: %s", target_path, strerror(errno));
	target_no = st.st_rdev;
	gen.map = new_blkdev_map(4);
	gen.empty_map = new_blkdev_map(4);
	gen.array = new_map(BPF_MAP_TYPE_ARRAY, 8, 2);
	for (key = 0; key < 2; key++)
		must(map_set(gen.map, key, target), "fill the map");
	close(target);
	data = aligned_alloc(4096, 1 << 16);
	if (!data)
		die("no memory");
	memset(data, 0x5a, 1 << 16);
}

int main(int argc, char **argv)
{
	struct census nothing = take_census();

	if (argc != 5 && argc != 6)
		die("usage: %s DEVICE TARGET SEED COUNT [ONLY]", argv[0]);
	setvbuf(stdout, NULL, _IOLBF, 0);
	set_up(argv[1], argv[2]);
	number_seed = strtoull(argv[3], NULL, 0);
	if (argc == 6) {
		run_programs(atoi(argv[5]), atoi(argv[5]) + 1);
		return tap_exit();
	}
	run_programs(0, atoi(argv[4]));
	try_stores();
	try_others();
	close(gen.map);
	close(gen.empty_map);
	close(gen.array);
	tap(census_becomes(&nothing), "no program or map is left over");
	return tap_exit();
}
