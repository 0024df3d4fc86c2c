// SPDX-License-Identifier: GPL-2.0
/*
 * The layout of what programs see is ABI, and struct bio, of which a machine
 * has many, must not have grown: both from the BTF of the running kernel.
 */
#include "abi.h"

static struct btf *btf;

static const struct btf_type *find_struct(const char *name)
{
	int id = btf__find_by_name_kind(btf, name, BTF_KIND_STRUCT);

	if (id < 0)
		die("the kernel has no struct %s", name);
	return btf__type_by_id(btf, id);
}

/* Of a member, also one in an anonymous union; in bytes, -1 if there is none */
static int find_member(const struct btf_type *type, const char *name, int base,
		       int *size)
{
	const struct btf_member *m = btf_members(type);
	int i, off, found;

	for (i = 0; i < btf_vlen(type); i++, m++) {
		const char *member = btf__name_by_offset(btf, m->name_off);
		int id = btf__resolve_type(btf, m->type);

		off = base + btf_member_bit_offset(type, i) / 8;
		if (!strcmp(member, name)) {
			*size = btf__resolve_size(btf, m->type);
			return off;
		}
		if (!*member && id >= 0 &&
		    btf_is_composite(btf__type_by_id(btf, id))) {
			found = find_member(btf__type_by_id(btf, id), name, off,
					    size);
			if (found >= 0)
				return found;
		}
	}
	return -1;
}

#define CHECK_FIELD(type, field)                                            \
	do {                                                                \
		int size, off = find_member(find_struct(#type), #field, 0,  \
					    &size);                         \
		tap(off == (int)offsetof(struct type, field) &&             \
			    size == (int)sizeof(((struct type *)0)->field), \
		    #type "." #field " is at %d, %d bytes", off, size);     \
	} while (0)

static void test_context(void)
{
	CHECK_FIELD(bpf_bio, sector);
	CHECK_FIELD(bpf_bio, nr_sectors);
	CHECK_FIELD(bpf_bio, op);
	CHECK_FIELD(bpf_bio, flags);
	CHECK_FIELD(bpf_bio, dev);
	CHECK_FIELD(bpf_bio, partno);
	CHECK_FIELD(bpf_bio, error);
	CHECK_FIELD(bpf_bio, ioprio);
	CHECK_FIELD(bpf_bio, write_hint);
	CHECK_FIELD(bpf_bio, reserved);
	tap_eq(sizeof(struct bpf_bio), 40, "struct bpf_bio of the header");
	tap_eq(find_struct("bpf_bio")->size, 40, "struct bpf_bio");
	CHECK_FIELD(bpf_blkdev_val, fd_or_dev);
	CHECK_FIELD(bpf_blkdev_val, flags);
	tap_eq(find_struct("bpf_blkdev_val")->size, 8, "struct bpf_blkdev_val");
	CHECK_FIELD(bpf_blk_stats, bios);
	CHECK_FIELD(bpf_blk_stats, sectors);
	CHECK_FIELD(bpf_blk_stats, refused);
	tap_eq(find_struct("bpf_blk_stats")->size, 256, "struct bpf_blk_stats");
}

/*
 * bi_status is one byte, and what follows it is aligned to four: our member
 * lies in the hole between them.
 */
static void test_bio(void)
{
	const struct btf_type *bio = find_struct("bio");
	int status, ours, next, size, optional = 0, expected = 112;

	status = find_member(bio, "bi_status", 0, &size);
	tap_eq(size, 1, "bio.bi_status is one byte");
	next = find_member(bio, "__bi_remaining", 0, &size);
	ours = find_member(bio, "bi_interposer", 0, &size);
	tap_eq(size, 2, "bio.bi_interposer is two bytes");
	tap_eq(next, (status + 1 + 3) & ~3,
	       "bio.__bi_remaining is where it was without it");
	tap(ours > status && ours + size <= next,
	    "bio.bi_interposer is in between");
	/* Pointers that some configurations add. */
	if (find_member(bio, "bi_integrity", 0, &size) >= 0)
		optional += size;
	if (find_member(bio, "bi_crypt_context", 0, &size) >= 0)
		optional += size;
	if (find_member(bio, "bi_iocost_cost", 0, &size) >= 0)
		optional += size;
	expected += optional;
	tap_eq(bio->size, expected, "struct bio has not grown");
}

static void test_numbers(void)
{
	tap_eq(BPF_BIO_OP_MAX, 12, "operations");
	tap_eq(BPF_BIO_F_ALL, 0x3fff, "flags");
	tap_eq(__BPF_BIO_VERDICT_MAX, 5, "verdicts");
	tap_eq(BPF_BIO_MAX_HOPS, 8, "hops");
	tap_eq(BPF_LINK_TYPE_BLK, 15, "link type");
	tap_eq(BPF_F_BLK_BARRIER, 1 << 16, "barrier flag");
}

int main(void)
{
	btf = btf__load_vmlinux_btf();
	if (!btf)
		die("the kernel has no BTF: %s", strerror(errno));
	test_context();
	test_bio();
	test_numbers();
	btf__free(btf);
	return tap_exit();
}
