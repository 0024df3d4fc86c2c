/* SPDX-License-Identifier: GPL-2.0 */
/* The calls of bpf(2) that hostile_bpf.c breaks: a valid one, and its fields. */
#ifndef __HOSTILE_CALLS_H
#define __HOSTILE_CALLS_H

#include "hostile_field.h"

#define MAX_ERRNOS 20

struct call {
	const char *name;
	enum bpf_cmd cmd;
	void (*fill)(void); /* attr and fields */
	int errnos[MAX_ERRNOS]; /* 0 ends it */
	unsigned int success; /* what that may mean */
};

#define READS 0
#define CHANGES 1
#define GIVES_FD 2

#define FIELD_OF(p, member, kind) \
	add_field(#member, kind, sizeof((p)->member), &(p)->member)
#define ATTR(member, kind) FIELD_OF(attr, member, kind)
#define WORDS(p, member)                                               \
	do {                                                           \
		size_t word;                                           \
		for (word = 0; word < sizeof((p)->member) / 4; word++) \
			add_field(#member, NUM, 4,                     \
				  (char *)&(p)->member + 4 * word);    \
	} while (0)

static __u64 revision(void)
{
	return must_query(things[DEV]).revision;
}

static void attach_fields(void)
{
	ATTR(target_fd, FD);
	ATTR(attach_bpf_fd, FD);
	ATTR(attach_type, NUM);
	ATTR(attach_flags, FLAGS);
	ATTR(replace_bpf_fd, FD);
	ATTR(relative_fd, FD);
	ATTR(expected_revision, NUM);
}

static void fill_attach(void)
{
	*attr = (union bpf_attr){
		.target_fd = things[DEV],
		.attach_bpf_fd = things[PROG_C],
		.attach_type = BPF_BLK_SUBMIT,
		.attach_flags = BPF_F_BEFORE,
		.relative_fd = things[PROG_A],
		.expected_revision = revision(),
	};
	attach_fields();
}

static void fill_replace(void)
{
	*attr = (union bpf_attr){
		.target_fd = things[DEV],
		.attach_bpf_fd = things[PROG_C],
		.attach_type = BPF_BLK_SUBMIT,
		.attach_flags = BPF_F_REPLACE | BPF_F_BLK_BARRIER,
		.replace_bpf_fd = things[PROG_A],
		.expected_revision = revision(),
	};
	attach_fields();
}

static void fill_detach(void)
{
	*attr = (union bpf_attr){
		.target_fd = things[DEV],
		.attach_bpf_fd = things[PROG_A],
		.attach_type = BPF_BLK_SUBMIT,
		.expected_revision = revision(),
	};
	attach_fields();
}

static void fill_link_create(void)
{
	*attr = (union bpf_attr){
		.link_create.prog_fd = things[PROG_C],
		.link_create.target_fd = things[DEV],
		.link_create.attach_type = BPF_BLK_SUBMIT,
		.link_create.flags = BPF_F_AFTER | BPF_F_LINK,
		.link_create.blk.relative_fd = things[LINK],
		.link_create.blk.expected_revision = revision(),
		.link_create.blk.cookie = 1,
	};
	ATTR(link_create.prog_fd, FD);
	ATTR(link_create.target_fd, FD);
	ATTR(link_create.attach_type, NUM);
	ATTR(link_create.flags, FLAGS);
	ATTR(link_create.blk.relative_fd, FD);
	ATTR(link_create.blk.expected_revision, NUM);
	ATTR(link_create.blk.cookie, NUM);
}

static void fill_link_update(void)
{
	*attr = (union bpf_attr){
		.link_update.link_fd = things[LINK],
		.link_update.new_prog_fd = things[PROG_C],
		.link_update.flags = BPF_F_REPLACE,
		.link_update.old_prog_fd = things[PROG_B],
	};
	ATTR(link_update.link_fd, FD);
	ATTR(link_update.new_prog_fd, FD);
	ATTR(link_update.flags, FLAGS);
	ATTR(link_update.old_prog_fd, FD);
}

static void fill_link_detach(void)
{
	*attr = (union bpf_attr){ .link_detach.link_fd = things[LINK] };
	ATTR(link_detach.link_fd, FD);
	ATTR(link_detach.flags, FLAGS);
}

static void fill_query(void)
{
	*attr = (union bpf_attr){
		.query.target_fd = things[DEV],
		.query.attach_type = BPF_BLK_SUBMIT,
		.query.prog_ids = ptr(0),
		.query.count = MAX_LIST,
		.query.prog_attach_flags = ptr(1),
		.query.link_ids = ptr(2),
		.query.link_attach_flags = ptr(1),
		.query.blk_stats = ptr(3),
		.query.blk_stats_size = sizeof(struct bpf_blk_stats),
	};
	ATTR(query.target_fd, FD);
	ATTR(query.attach_type, NUM);
	ATTR(query.query_flags, FLAGS);
	ATTR(query.attach_flags, FLAGS);
	ATTR(query.prog_ids, PTR);
	ATTR(query.count, NUM);
	ATTR(query.prog_attach_flags, PTR);
	ATTR(query.link_ids, PTR);
	ATTR(query.link_attach_flags, PTR);
	ATTR(query.revision, NUM);
	ATTR(query.blk_stats, PTR);
	ATTR(query.blk_stats_size, NUM);
}

static void fill_prog_load(void)
{
	const struct bpf_insn insns[] = { MOV(BPF_REG_0, 0), EXIT() };

	memcpy(buf[0], insns, sizeof(insns));
	memcpy(buf[1], "GPL", 4);
	*attr = (union bpf_attr){
		.prog_type = BPF_PROG_TYPE_BLK_INTERPOSER,
		.insn_cnt = ARRAY_SIZE(insns),
		.insns = ptr(0),
		.license = ptr(1),
		.log_level = 1,
		.log_size = BUF_BYTES,
		.log_buf = ptr(2),
		.expected_attach_type = BPF_BLK_SUBMIT,
	};
	ATTR(prog_type, NUM);
	ATTR(insn_cnt, NUM);
	ATTR(insns, PTR);
	ATTR(license, PTR);
	ATTR(log_level, FLAGS);
	ATTR(log_size, NUM);
	ATTR(log_buf, PTR);
	ATTR(kern_version, NUM);
	ATTR(prog_flags, FLAGS);
	WORDS(attr, prog_name);
	ATTR(prog_ifindex, NUM);
	ATTR(expected_attach_type, NUM);
	ATTR(prog_btf_fd, FD);
	ATTR(func_info_rec_size, NUM);
	ATTR(func_info, PTR);
	ATTR(func_info_cnt, NUM);
	ATTR(line_info_rec_size, NUM);
	ATTR(line_info, PTR);
	ATTR(line_info_cnt, NUM);
	ATTR(attach_btf_id, NUM);
	ATTR(attach_prog_fd, FD);
	ATTR(core_relo_cnt, NUM);
	ATTR(fd_array, PTR);
	ATTR(core_relos, PTR);
	ATTR(core_relo_rec_size, NUM);
	ATTR(prog_token_fd, FD);
}

static void fill_map_create(void)
{
	*attr = (union bpf_attr){
		.map_type = BPF_MAP_TYPE_BLKDEV,
		.key_size = sizeof(__u32),
		.value_size = sizeof(struct bpf_blkdev_val),
		.max_entries = MAP_SLOTS,
	};
	ATTR(map_type, NUM);
	ATTR(key_size, NUM);
	ATTR(value_size, NUM);
	ATTR(max_entries, NUM);
	ATTR(map_flags, FLAGS);
	ATTR(inner_map_fd, FD);
	ATTR(numa_node, NUM);
	WORDS(attr, map_name);
	ATTR(map_ifindex, NUM);
	ATTR(btf_fd, FD);
	ATTR(btf_key_type_id, NUM);
	ATTR(btf_value_type_id, NUM);
	ATTR(btf_vmlinux_value_type_id, NUM);
	ATTR(map_extra, NUM);
	ATTR(value_type_btf_obj_fd, FD);
	ATTR(map_token_fd, FD);
}

/* buf[0] holds the key, buf[1] the value. */
static void fill_element(__u32 key, int fd)
{
	struct bpf_blkdev_val *val = (void *)buf[1];

	*(__u32 *)buf[0] = key;
	*val = (struct bpf_blkdev_val){ .fd_or_dev = fd };
	*attr = (union bpf_attr){
		.map_fd = things[MAP],
		.key = ptr(0),
		.value = ptr(1),
	};
	ATTR(map_fd, FD);
	ATTR(key, PTR);
	ATTR(value, PTR);
	ATTR(flags, FLAGS);
	add_field("*key", NUM, 4, buf[0]);
	add_field("value.fd_or_dev", FD, 4, &val->fd_or_dev);
	add_field("value.flags", FLAGS, 4, &val->flags);
}

static void fill_update(void)
{
	fill_element(0, things[OTHER]);
}

static void fill_taken(void)
{
	fill_element(1, 0);
}

static void fill_delete(void)
{
	*(__u32 *)buf[0] = 1;
	*attr = (union bpf_attr){ .map_fd = things[MAP], .key = ptr(0) };
	ATTR(map_fd, FD);
	ATTR(key, PTR);
	add_field("*key", NUM, 4, buf[0]);
}

static void fill_next_key(void)
{
	*(__u32 *)buf[0] = 1;
	*attr = (union bpf_attr){
		.map_fd = things[MAP],
		.key = ptr(0),
		.next_key = ptr(1),
	};
	ATTR(map_fd, FD);
	ATTR(key, PTR);
	ATTR(next_key, PTR);
	add_field("*key", NUM, 4, buf[0]);
}

/* Valid for an array; a device map has none of them. */
static void fill_batch(void)
{
	__u32 *keys = (void *)buf[0], i;

	for (i = 0; i < MAP_SLOTS; i++)
		keys[i] = i;
	*attr = (union bpf_attr){
		.batch.out_batch = ptr(3),
		.batch.keys = ptr(0),
		.batch.values = ptr(1),
		.batch.count = MAP_SLOTS,
		.batch.map_fd = things[MAP],
	};
	ATTR(batch.in_batch, PTR);
	ATTR(batch.out_batch, PTR);
	ATTR(batch.keys, PTR);
	ATTR(batch.values, PTR);
	ATTR(batch.count, NUM);
	ATTR(batch.map_fd, FD);
	ATTR(batch.elem_flags, FLAGS);
	ATTR(batch.flags, FLAGS);
}

static void fill_info(int fd, __u32 len)
{
	memset(buf[0], 0, len);
	*attr = (union bpf_attr){
		.info.bpf_fd = fd,
		.info.info_len = len,
		.info.info = ptr(0),
	};
	ATTR(info.bpf_fd, FD);
	ATTR(info.info_len, NUM);
	ATTR(info.info, PTR);
}

static void fill_link_info(void)
{
	struct bpf_link_info *info = (void *)buf[0];

	fill_info(things[LINK], sizeof(*info));
	info->blk.stats = ptr(1);
	info->blk.stats_size = sizeof(struct bpf_blk_stats);
	FIELD_OF(info, type, NUM);
	FIELD_OF(info, id, NUM);
	FIELD_OF(info, prog_id, NUM);
	FIELD_OF(info, blk.dev, NUM);
	FIELD_OF(info, blk.flags, FLAGS);
	FIELD_OF(info, blk.stats_size, NUM);
	FIELD_OF(info, blk.stats, PTR);
	FIELD_OF(info, blk.cookie, NUM);
}

static void fill_map_info(void)
{
	fill_info(things[MAP], sizeof(struct bpf_map_info));
	WORDS((struct bpf_map_info *)buf[0], type);
}

static void fill_test_run(void)
{
	struct bpf_bio *in = (void *)buf[0];

	*in = bio(BPF_BIO_OP_WRITE, 64, 8);
	*attr = (union bpf_attr){
		.test.prog_fd = things[PROG_A],
		.test.data_size_in = 512,
		.test.data_in = ptr(2),
		.test.repeat = 2,
		.test.ctx_size_in = sizeof(*in),
		.test.ctx_size_out = sizeof(*in),
		.test.ctx_in = ptr(0),
		.test.ctx_out = ptr(1),
	};
	ATTR(test.prog_fd, FD);
	ATTR(test.retval, NUM);
	ATTR(test.data_size_in, NUM);
	ATTR(test.data_size_out, NUM);
	ATTR(test.data_in, PTR);
	ATTR(test.data_out, PTR);
	ATTR(test.repeat, NUM);
	ATTR(test.duration, NUM);
	ATTR(test.ctx_size_in, NUM);
	ATTR(test.ctx_size_out, NUM);
	ATTR(test.ctx_in, PTR);
	ATTR(test.ctx_out, PTR);
	ATTR(test.flags, FLAGS);
	ATTR(test.cpu, NUM);
	ATTR(test.batch_size, NUM);
	FIELD_OF(in, sector, NUM);
	FIELD_OF(in, nr_sectors, NUM);
	FIELD_OF(in, op, NUM);
	FIELD_OF(in, flags, FLAGS);
	FIELD_OF(in, dev, NUM);
	FIELD_OF(in, partno, NUM);
	FIELD_OF(in, error, NUM);
	FIELD_OF(in, ioprio, NUM);
	FIELD_OF(in, write_hint, NUM);
	add_field("reserved", NUM, 1, &in->reserved[0]);
	add_field("reserved", NUM, 4, &in->reserved[1]);
}

#endif /* __HOSTILE_CALLS_H */
