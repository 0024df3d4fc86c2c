/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Small programs for the verifier, from a seed. They are made of pieces that it
 * should accept one after the other, and spoilt afterwards.
 *
 * Between the pieces r6 is the context, r7 to r9 are numbers, r0 is readable
 * and the stack is initialised down to -STACK.
 */
#ifndef __HOSTILE_GEN_H
#define __HOSTILE_GEN_H

#include "hostile.h"

#define MAX_INSNS 128
#define STACK 32

struct prog {
	int len;
	int body; /* the first instruction after the preparations */
	struct bpf_insn insns[MAX_INSNS];
};

/* What programs may name. */
static struct {
	int map, empty_map, array;
	int accept, load_bytes, cgroup, cast;
} gen;

static void emit(struct prog *p, struct bpf_insn insn)
{
	if (p->len == MAX_INSNS)
		die("a program of more than %d instructions", MAX_INSNS);
	p->insns[p->len++] = insn;
}

static void emit_all(struct prog *p, const struct bpf_insn *insns, int n)
{
	while (n--)
		emit(p, *insns++);
}

#define EMIT(p, ...)                                             \
	do {                                                     \
		const struct bpf_insn these[] = { __VA_ARGS__ }; \
		emit_all(p, these, ARRAY_SIZE(these));           \
	} while (0)

static const int any_size[] = { BPF_B, BPF_H, BPF_W, BPF_DW };

static int size_bytes(int size)
{
	return size == BPF_B ? 1 : size == BPF_H ? 2 : size == BPF_W ? 4 : 8;
}

/* Values at which things change. */
static __s32 any_imm(void)
{
	static const __s32 some[] = {
		0,    1,      2,      3,	  4,
		5,    7,      8,      31,	  32,
		63,   64,     127,    255,	  256,
		4096, 0xffff, 0x7fff, 0x7fffffff, (int)(1U << 31),
		-1,
	};

	return one_in(3) ? (__s32)rnd() : RND_OF(some);
}

static int any_number(void)
{
	return BPF_REG_7 + rnd_below(3);
}

static void gen_load(struct prog *p)
{
	int size = RND_OF(any_size), bytes = size_bytes(size);
	int off = rnd_below(offsetof(struct bpf_bio, reserved) / bytes) * bytes;
	int mode = one_in(4) && size != BPF_DW ? BPF_MEMSX : BPF_MEM;

	EMIT(p, INSN(BPF_LDX | mode | size, any_number(), BPF_REG_6, off, 0));
}

static void gen_store(struct prog *p)
{
	static const struct {
		int size, off;
	} all[] = {
		{ BPF_DW, offsetof(struct bpf_bio, sector) },
		{ BPF_W, offsetof(struct bpf_bio, error) },
		{ BPF_H, offsetof(struct bpf_bio, ioprio) },
		{ BPF_B, offsetof(struct bpf_bio, write_hint) },
	};
	size_t i = rnd_below(ARRAY_SIZE(all));

	if (one_in(2))
		EMIT(p, ST(all[i].size, BPF_REG_6, all[i].off, any_imm()));
	else
		EMIT(p, STX(all[i].size, BPF_REG_6, any_number(), all[i].off));
}

static void gen_alu(struct prog *p)
{
	static const int ops[] = { BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV,
				   BPF_OR,  BPF_AND, BPF_LSH, BPF_RSH,
				   BPF_MOD, BPF_XOR, BPF_MOV, BPF_ARSH };
	int class = one_in(2) ? BPF_ALU64 : BPF_ALU, op = RND_OF(ops);
	__s32 imm = any_imm();

	if (one_in(2)) {
		EMIT(p, INSN(class | op | BPF_X, any_number(), any_number(), 0,
			     0));
		return;
	}
	if (op == BPF_LSH || op == BPF_RSH || op == BPF_ARSH)
		imm &= 31;
	if ((op == BPF_DIV || op == BPF_MOD) && !imm)
		imm = 1;
	EMIT(p, INSN(class | op | BPF_K, any_number(), 0, 0, imm));
}

/* Arithmetic is allowed, what one then does with it may not be. */
static void gen_ctx_math(struct prog *p)
{
	EMIT(p, MOV_REG(BPF_REG_1, BPF_REG_6),
	     ALU(BPF_ADD, BPF_REG_1, rnd_below(48)));
	if (one_in(3))
		EMIT(p, LDX(RND_OF(any_size), any_number(), BPF_REG_1, 0));
}

static void gen_skip(struct prog *p)
{
	static const int ops[] = { BPF_JEQ, BPF_JGT,  BPF_JGE,	BPF_JSET,
				   BPF_JNE, BPF_JSGT, BPF_JSGE, BPF_JLT,
				   BPF_JLE, BPF_JSLT, BPF_JSLE };
	int class = one_in(2) ? BPF_JMP : BPF_JMP32, at = p->len;

	EMIT(p,
	     INSN(class | RND_OF(ops) | BPF_K, any_number(), 0, 0, any_imm()));
	if (one_in(2))
		gen_store(p);
	else
		gen_alu(p);
	p->insns[at].off = p->len - at - 1;
}

static void gen_loop(struct prog *p)
{
	int at;

	EMIT(p, MOV(BPF_REG_8, 1 + rnd_below(8)));
	at = p->len;
	if (one_in(2))
		gen_load(p);
	EMIT(p, MOV(BPF_REG_2, 1), ALU(BPF_SUB, BPF_REG_8, 1));
	/* A load may have been into the counter: then it has no end. */
	EMIT(p, JMP(BPF_JNE, BPF_REG_8, 0, at - p->len - 1));
}

static void gen_helper(struct prog *p)
{
	static const int easy[] = {
		BPF_FUNC_ktime_get_ns,	       BPF_FUNC_get_prandom_u32,
		BPF_FUNC_get_smp_processor_id, BPF_FUNC_get_current_pid_tgid,
		BPF_FUNC_get_current_uid_gid,  BPF_FUNC_get_current_cgroup_id,
		BPF_FUNC_get_attach_cookie,    BPF_FUNC_jiffies64,
	};
	int reg;

	EMIT(p, MOV_REG(BPF_REG_1, BPF_REG_6));
	if (one_in(4)) {
		for (reg = BPF_REG_2; reg <= BPF_REG_5; reg++)
			EMIT(p, MOV_REG(reg, BPF_REG_6 + rnd_below(5)));
		EMIT(p, CALL(1 + rnd_below(__BPF_FUNC_MAX_ID + 2)));
	} else {
		EMIT(p, CALL(RND_OF(easy)));
	}
	EMIT(p, MOV_REG(any_number(), BPF_REG_0));
}

static int any_map(void)
{
	return one_in(8) ? gen.array : one_in(3) ? gen.empty_map : gen.map;
}

static void gen_redirect(struct prog *p)
{
	EMIT(p, LD_MAP(BPF_REG_1, any_map()));
	if (one_in(2))
		EMIT(p, MOV(BPF_REG_2, rnd_below(6)));
	else
		EMIT(p, MOV_REG(BPF_REG_2, any_number()));
	EMIT(p, MOV(BPF_REG_3, one_in(4) ? any_imm() : (int)rnd_below(4)),
	     CALL(BPF_FUNC_redirect_map));
}

static void gen_accept(struct prog *p)
{
	EMIT(p, MOV_REG(BPF_REG_1, BPF_REG_6));
	if (one_in(2))
		EMIT(p, MOV(BPF_REG_2, 1 + rnd_below(16)));
	else
		EMIT(p, MOV_REG(BPF_REG_2, any_number()));
	EMIT(p, KFUNC(gen.accept));
}

static void gen_load_bytes(struct prog *p)
{
	int len = 1 + rnd_below(STACK + (one_in(8) ? 8 : 0));

	EMIT(p, MOV_REG(BPF_REG_1, BPF_REG_6), MOV_REG(BPF_REG_2, any_number()),
	     MOV_REG(BPF_REG_3, BPF_REG_10), ALU(BPF_ADD, BPF_REG_3, -STACK),
	     MOV(BPF_REG_4, len), KFUNC(gen.load_bytes));
}

static void gen_cgroup(struct prog *p)
{
	EMIT(p, MOV_REG(BPF_REG_1, BPF_REG_6), KFUNC(gen.cgroup),
	     MOV_REG(any_number(), BPF_REG_0));
}

/* Pointers of a described bio are NULL behind it. */
static void gen_cast(struct prog *p)
{
	EMIT(p, MOV_REG(BPF_REG_1, BPF_REG_6), KFUNC(gen.cast),
	     LDX(BPF_DW, BPF_REG_1, BPF_REG_0,
		 sizeof(struct bpf_bio) + 8 * rnd_below(5)));
	if (one_in(2))
		EMIT(p, LDX(RND_OF(any_size), any_number(), BPF_REG_1,
			    8 * rnd_below(12)));
	EMIT(p, MOV(BPF_REG_0, 0));
}

static void gen_stack(struct prog *p)
{
	int size = RND_OF(any_size), bytes = size_bytes(size);
	int off = -bytes * (1 + rnd_below(STACK / bytes));

	EMIT(p, STX(size, BPF_REG_10, any_number(), off),
	     LDX(size, any_number(), BPF_REG_10, off));
}

static void gen_array(struct prog *p)
{
	EMIT(p, ST(BPF_W, BPF_REG_10, -4, rnd_below(3)),
	     MOV_REG(BPF_REG_2, BPF_REG_10), ALU(BPF_ADD, BPF_REG_2, -4),
	     LD_MAP(BPF_REG_1, gen.array), CALL(BPF_FUNC_map_lookup_elem),
	     JMP(BPF_JEQ, BPF_REG_0, 0, 2),
	     STX(BPF_DW, BPF_REG_0, any_number(), 0), MOV(BPF_REG_0, 0));
}

static void (*const pieces[])(struct prog *) = {
	gen_load,     gen_load,	  gen_store,	  gen_store,  gen_alu,
	gen_alu,      gen_skip,	  gen_ctx_math,	  gen_loop,   gen_helper,
	gen_redirect, gen_accept, gen_load_bytes, gen_cgroup, gen_cast,
	gen_stack,    gen_array,
};

static void gen_return(struct prog *p)
{
	switch (rnd_below(8)) {
	case 0:
	case 1:
		gen_redirect(p);
		break;
	case 2:
		EMIT(p, MOV_REG(BPF_REG_0, any_number()),
		     ALU(BPF_AND, BPF_REG_0, 3));
		break;
	case 3:
		if (one_in(4)) {
			EMIT(p, MOV_REG(BPF_REG_0, any_number()));
			break;
		}
		/* fallthrough */
	default:
		EMIT(p, MOV(BPF_REG_0, rnd_below(5 + one_in(6))));
	}
	EMIT(p, EXIT());
}

static void gen_prog(struct prog *p)
{
	int i, n = 1 + rnd_below(5);

	p->len = 0;
	EMIT(p, MOV_REG(BPF_REG_6, BPF_REG_1), MOV(BPF_REG_7, any_imm()),
	     MOV(BPF_REG_8, any_imm()),
	     LDX(BPF_W, BPF_REG_9, BPF_REG_6,
		 offsetof(struct bpf_bio, nr_sectors)),
	     MOV(BPF_REG_0, 0));
	for (i = 8; i <= STACK; i += 8)
		EMIT(p, ST(BPF_DW, BPF_REG_10, -i, 0));
	p->body = p->len;
	for (i = 0; i < n; i++)
		RND_OF(pieces)(p);
	gen_return(p);
}

/* One thing that is not as it was meant to be. */
static void spoil(struct prog *p)
{
	struct bpf_insn *insn = &p->insns[rnd_below(p->len)];

	switch (rnd_below(8)) {
	case 0:
		insn->code = rnd();
		break;
	case 1:
		insn->code ^= 1 << rnd_below(8);
		break;
	case 2:
		insn->dst_reg = rnd_below(12);
		break;
	case 3:
		insn->src_reg = rnd_below(12);
		break;
	case 4:
		insn->off += (int)rnd_below(17) - 8;
		break;
	case 5:
		insn->imm = any_imm();
		break;
	case 6:
		*insn = p->insns[rnd_below(p->len)];
		break;
	case 7:
		memmove(insn, insn + 1,
			(char *)&p->insns[p->len] - (char *)(insn + 1));
		p->len--;
	}
}

static void gen_wild(struct prog *p)
{
	int n = 1 + rnd_below(40);

	p->len = 0;
	while (n--)
		EMIT(p, INSN(rnd(), rnd_below(12), rnd_below(12),
			     (int)rnd() % 41, any_imm()));
	EMIT(p, EXIT());
}

/* So that one knows what it was without a disassembler for what is invalid. */
static void dump_prog(const struct prog *p)
{
	static const char *const classes[] = { "ld",  "ldx", "st",    "stx",
					       "alu", "jmp", "jmp32", "alu64" };
	static const char *const alu[16] = { "add", "sub", "mul",  "div", "or",
					     "and", "lsh", "rsh",  "neg", "mod",
					     "xor", "mov", "arsh", "end" };
	static const char *const jmp[16] = { "ja",   "jeq",  "jgt",  "jge",
					     "jset", "jne",  "jsgt", "jsge",
					     "call", "exit", "jlt",  "jle",
					     "jslt", "jsle", "jcond" };
	static const char *const sizes[] = { "u32", "u16", "u8", "u64" };
	const char *op;
	int i;

	for (i = 0; i < p->len; i++) {
		const struct bpf_insn *in = &p->insns[i];
		int class = BPF_CLASS(in->code);

		if (class == BPF_ALU || class == BPF_ALU64)
			op = alu[BPF_OP(in->code) >> 4];
		else if (class == BPF_JMP || class == BPF_JMP32)
			op = jmp[BPF_OP(in->code) >> 4];
		else
			op = sizes[BPF_SIZE(in->code) >> 3];
		printf("# %3d: (%02x) %s %s r%d, r%d off %d imm %d\n", i,
		       in->code, classes[class], op ?: "?", in->dst_reg,
		       in->src_reg, in->off, in->imm);
	}
}

#endif /* __HOSTILE_GEN_H */
