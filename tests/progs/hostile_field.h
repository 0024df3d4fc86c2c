/* SPDX-License-Identifier: GPL-2.0 */
/* Fields of a call of bpf(2), and what they can be instead of what is valid. */
#ifndef __HOSTILE_FIELD_H
#define __HOSTILE_FIELD_H

#include "hostile_zoo.h"

enum kind { NUM, FLAGS, FD, PTR };

struct field {
	const char *name;
	enum kind kind;
	int size;
	void *at;
};

#define MAX_FIELDS 48
#define MAX_VALUES 64

/* What a call is made of; fill() sets it. */
static union bpf_attr *attr;
static struct field fields[MAX_FIELDS];
static int nr_fields;

/* Buffers for keys, values, programs, what comes back, ... */
#define BUF_BYTES (1 << 16)
static __u8 *buf[4];
static void *rdonly_page;

static void add_field(const char *name, enum kind kind, int size, void *at)
{
	if (nr_fields == MAX_FIELDS)
		die("too many fields");
	fields[nr_fields++] = (struct field){ name, kind, size, at };
}

static __u64 ptr(int i)
{
	return (unsigned long)buf[i];
}

static __u64 get_field(const struct field *f)
{
	__u64 value = 0;

	memcpy(&value, f->at, f->size);
	return value;
}

static void set_field(const struct field *f, __u64 value)
{
	memcpy(f->at, &value, f->size);
}

static size_t numbers(const struct field *f, __u64 *out)
{
	const __u64 valid = get_field(f), top = 1ULL << (8 * f->size - 1);
	const __u64 all[] = {
		0,	   1,		2,	   3,	      8,
		64,	   255,		4096,	   4097,      65535,
		65536,	   65537,	~0ULL,	   ~0ULL - 1, top,
		top - 1,   top >> 1,	valid + 1, valid - 1, 2 * valid,
		4 * valid, valid ^ top, rnd(),
	};

	memcpy(out, all, sizeof(all));
	return ARRAY_SIZE(all);
}

static size_t flags(const struct field *f, __u64 *out)
{
	int bits = f->size == 8 ? 35 : 32, i;

	for (i = 0; i < bits; i++)
		out[i] = get_field(f) ^ (1ULL << i);
	out[i++] = 0;
	out[i++] = ~0ULL;
	return i;
}

static size_t descriptors(__u64 *out)
{
	static const __u64 more[] = { 0, 1, -1, 0x7fffffff, 0x80000000 };
	int i;

	for (i = 0; i < NR_THINGS; i++)
		out[i] = things[i];
	memcpy(out + i, more, sizeof(more));
	return i + ARRAY_SIZE(more);
}

static size_t pointers(const struct field *f, __u64 *out)
{
	const __u64 end = ptr(3) + BUF_BYTES;
	const __u64 all[] = {
		0,
		1,
		8,
		get_field(f) + 1, /* not aligned */
		(unsigned long)rdonly_page,
		end, /* not mapped */
		end - 1,
		end - 4,
		end - 8,
		end - 40,
		0x7ffffffff000ULL, /* where user space ends */
		0x800000000000ULL, /* not canonical */
		0xffff888000000000ULL, /* the kernel's */
		0xffffffff81000000ULL,
		~0ULL,
	};

	memcpy(out, all, sizeof(all));
	return ARRAY_SIZE(all);
}

static size_t values_of(const struct field *f, __u64 *out)
{
	switch (f->kind) {
	case NUM:
		return numbers(f, out);
	case FLAGS:
		return flags(f, out);
	case FD:
		return descriptors(out);
	default:
		return pointers(f, out);
	}
}

#endif /* __HOSTILE_FIELD_H */
