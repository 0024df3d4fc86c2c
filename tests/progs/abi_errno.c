// SPDX-License-Identifier: GPL-2.0
/*
 * usage: abi_errno DEVICE OTHER STACKED GONE POWER
 *
 * The errnos of the calls that change or read what is attached or is in a
 * device map, in one table. What needs a caller, a kernel or a state of its own
 * is shown elsewhere:
 *
 *	abi_caps.c	-EPERM and -EACCES of who may not
 *	abi_map.c	-EPERM of a map that is frozen or opened for reading
 *	abi_query.c	-ENOSPC and -EFAULT of a query
 *	abi_order.c	-ERANGE of the 64th program
 *	abi_limit.c	-ENFILE of the last target
 *	abi_off.c	-EOPNOTSUPP of a kernel booted with blk_interposer=off
 *
 * A call that fails must leave everything as it was.
 *
 * STACKED is a device whose I/O ends on DEVICE. GONE is removed by writing 0 to
 * the file POWER.
 */
#include "abi.h"

/* What a row may name; things[] has the descriptor or the id. */
enum thing {
	NOTHING, /* 0, where a call may do without */
	CLOSED, /* not open */
	DEV, /* has, in this order: A, B through LINK, LOOPS */
	DEV_WRONLY,
	DEV_PATH,
	OTHER, /* has nothing */
	STACKED,
	GONE, /* open, but removed */
	REGULAR,
	CHARDEV,
	MAP, /* of devices, 4 slots; 1 is taken; LOOPS uses it */
	PROG_A,
	PROG_B,
	PROG_C, /* attached nowhere */
	PROG_STACKS, /* its map has STACKED as a target */
	PROG_LOOPS,
	PROG_SOCKET,
	LINK,
	LINK_DEFUNCT, /* its device is gone */
	LINK_DETACHED,
	LINK_OTHER, /* of another type */
	ID_A,
	ID_LINK,
	ID_NONE,
	NR_THINGS
};

static int things[NR_THINGS];

struct row {
	const char *name;
	int want;
	enum thing prog; /* attach_bpf_fd, prog_fd, new_prog_fd */
	enum thing target; /* target_fd, link_fd, map_fd */
	enum thing relative;
	enum thing other; /* replace_bpf_fd, old_prog_fd, fd in a value */
	__u32 flags;
	enum { ANY, STALE } revision;
	__u32 type; /* attach type, BPF_BLK_SUBMIT by default */
	__u32 key, val_flags; /* of a map */
};

static __u64 revision_of(const struct row *row)
{
	return row->revision == STALE ? must_query(things[DEV]).revision - 1 :
					0;
}

static int do_attach(const struct row *row)
{
	union bpf_attr attr = {
		.target_fd = things[row->target],
		.attach_bpf_fd = things[row->prog],
		.attach_type = row->type ?: BPF_BLK_SUBMIT,
		.attach_flags = row->flags,
		.replace_bpf_fd = things[row->other],
		.relative_fd = things[row->relative],
		.expected_revision = revision_of(row),
	};

	return sys_bpf(BPF_PROG_ATTACH, &attr);
}

static int do_detach(const struct row *row)
{
	union bpf_attr attr = {
		.target_fd = things[row->target],
		.attach_bpf_fd = things[row->prog],
		.attach_type = row->type ?: BPF_BLK_SUBMIT,
		.attach_flags = row->flags,
		.relative_fd = things[row->relative],
		.expected_revision = revision_of(row),
	};

	return sys_bpf(BPF_PROG_DETACH, &attr);
}

static int do_link_create(const struct row *row)
{
	union bpf_attr attr = {
		.link_create.prog_fd = things[row->prog],
		.link_create.target_fd = things[row->target],
		.link_create.attach_type = row->type ?: BPF_BLK_SUBMIT,
		.link_create.flags = row->flags,
		.link_create.blk.relative_fd = things[row->relative],
		.link_create.blk.expected_revision = revision_of(row),
	};

	return sys_bpf(BPF_LINK_CREATE, &attr);
}

static int do_link_update(const struct row *row)
{
	union bpf_attr attr = {
		.link_update.link_fd = things[row->target],
		.link_update.new_prog_fd = things[row->prog],
		.link_update.flags = row->flags,
		.link_update.old_prog_fd = things[row->other],
	};

	return sys_bpf(BPF_LINK_UPDATE, &attr);
}

static int do_link_detach(const struct row *row)
{
	union bpf_attr attr = {
		.link_detach.link_fd = things[row->target],
		.link_detach.flags = row->flags,
	};

	return sys_bpf(BPF_LINK_DETACH, &attr);
}

static int do_query(const struct row *row)
{
	union bpf_attr attr = {
		.query.target_fd = things[row->target],
		.query.attach_type = row->type ?: BPF_BLK_SUBMIT,
		.query.query_flags = row->flags,
	};

	return sys_bpf(BPF_PROG_QUERY, &attr);
}

static int do_update(const struct row *row)
{
	struct bpf_blkdev_val val = {
		.fd_or_dev = things[row->other],
		.flags = row->val_flags,
	};

	return bpf_map_update_elem(things[row->target], &row->key, &val,
				   row->flags) ?
		       -errno :
		       0;
}

static int do_delete(const struct row *row)
{
	return bpf_map_delete_elem(things[row->target], &row->key) ? -errno : 0;
}

static int do_lookup(const struct row *row)
{
	struct bpf_blkdev_val val;

	return bpf_map_lookup_elem_flags(things[row->target], &row->key, &val,
					 row->flags) ?
		       -errno :
		       0;
}

static int do_next_key(const struct row *row)
{
	__u32 next;

	return bpf_map_get_next_key(things[row->target], &row->key, &next) ?
		       -errno :
		       0;
}

static int do_lookup_and_delete(const struct row *row)
{
	struct bpf_blkdev_val val;

	return bpf_map_lookup_and_delete_elem(things[row->target], &row->key,
					      &val) ?
		       -errno :
		       0;
}

static int do_lookup_batch(const struct row *row)
{
	struct bpf_blkdev_val vals[4];
	__u32 keys[4], count = 4, out;

	return bpf_map_lookup_batch(things[row->target], NULL, &out, keys, vals,
				    &count, NULL) ?
		       -errno :
		       0;
}

#define ON(p, t) .prog = p, .target = t

static const struct row attach_rows[] = {
	{ "target not open", -EBADF, ON(PROG_C, CLOSED) },
	{ "target open for writing only", -EBADF, ON(PROG_C, DEV_WRONLY) },
	{ "target opened with O_PATH", -EBADF, ON(PROG_C, DEV_PATH) },
	{ "target is a file", -ENOTBLK, ON(PROG_C, REGULAR) },
	{ "target is a character device", -ENOTBLK, ON(PROG_C, CHARDEV) },
	{ "target was removed", -ENODEV, ON(PROG_C, GONE) },
	{ "program not open", -EBADF, ON(CLOSED, DEV) },
	{ "program is a map", -EINVAL, ON(MAP, DEV) },
	{ "program of another type", -EINVAL, ON(PROG_SOCKET, DEV) },
	{ "another attach type", -EINVAL, ON(PROG_C, DEV),
	  .type = BPF_TCX_EGRESS },
	{ "unknown flags", -EINVAL, ON(PROG_C, DEV), .flags = 1U << 30 },
	{ "flags of control groups", -EINVAL, ON(PROG_C, DEV),
	  .flags = BPF_F_ALLOW_MULTI },
	{ "attached already", -EEXIST, ON(PROG_A, DEV) },
	{ "attached already, through a link", -EEXIST, ON(PROG_B, DEV) },
	{ "not the expected revision", -ESTALE, ON(PROG_C, DEV),
	  .revision = STALE },
	{ "before a program that is not attached", -ENOENT, ON(PROG_C, DEV),
	  .relative = PROG_STACKS, .flags = BPF_F_BEFORE },
	{ "after a program that is not attached", -ENOENT, ON(PROG_C, DEV),
	  .relative = PROG_STACKS, .flags = BPF_F_AFTER },
	{ "before an id of no program", -ENOENT, ON(PROG_C, DEV),
	  .relative = ID_NONE, .flags = BPF_F_BEFORE | BPF_F_ID },
	{ "after an id of no link", -ENOENT, ON(PROG_C, DEV),
	  .relative = ID_NONE, .flags = BPF_F_AFTER | BPF_F_ID | BPF_F_LINK },
	{ "before a program that is not open", -EBADF, ON(PROG_C, DEV),
	  .relative = CLOSED, .flags = BPF_F_BEFORE },
	{ "before a link that is not open", -EBADF, ON(PROG_C, DEV),
	  .relative = CLOSED, .flags = BPF_F_BEFORE | BPF_F_LINK },
	{ "before a program of another type", -EINVAL, ON(PROG_C, DEV),
	  .relative = PROG_SOCKET, .flags = BPF_F_BEFORE },
	{ "before a link of another type", -EINVAL, ON(PROG_C, DEV),
	  .relative = LINK_OTHER, .flags = BPF_F_BEFORE | BPF_F_LINK },
	{ "before a link that is a program", -EINVAL, ON(PROG_C, DEV),
	  .relative = PROG_A, .flags = BPF_F_BEFORE | BPF_F_LINK },
	{ "before a program that is a link", -EINVAL, ON(PROG_C, DEV),
	  .relative = LINK, .flags = BPF_F_BEFORE },
	{ "a link as place, but which", -EINVAL, ON(PROG_C, DEV),
	  .flags = BPF_F_BEFORE | BPF_F_LINK },
	{ "an id as place, but which", -ENOENT, ON(PROG_C, DEV),
	  .flags = BPF_F_BEFORE | BPF_F_ID },
	{ "neither before nor after", -EINVAL, ON(PROG_C, DEV),
	  .relative = PROG_A },
	{ "neither before nor after an id", -EINVAL, ON(PROG_C, DEV),
	  .relative = ID_A, .flags = BPF_F_ID },
	{ "before and after", -ERANGE, ON(PROG_C, DEV), .relative = PROG_A,
	  .flags = BPF_F_BEFORE | BPF_F_AFTER },
	{ "a target stacks on the device", -ELOOP, ON(PROG_STACKS, DEV) },
};

/* What only one of BPF_PROG_ATTACH and BPF_LINK_CREATE knows. */
static const struct row replace_rows[] = {
	{ "replace what is not attached", -ENOENT, ON(PROG_C, DEV),
	  .other = PROG_STACKS, .flags = BPF_F_REPLACE },
	{ "replace what belongs to a link", -EBUSY, ON(PROG_C, DEV),
	  .other = PROG_B, .flags = BPF_F_REPLACE },
	{ "replace by itself", -EEXIST, ON(PROG_A, DEV), .other = PROG_A,
	  .flags = BPF_F_REPLACE },
	{ "replace what is not open", -EBADF, ON(PROG_C, DEV), .other = CLOSED,
	  .flags = BPF_F_REPLACE },
	{ "replace a program of another type", -EINVAL, ON(PROG_C, DEV),
	  .other = PROG_SOCKET, .flags = BPF_F_REPLACE },
	{ "replace something, but not at that place", -ERANGE, ON(PROG_C, DEV),
	  .relative = PROG_LOOPS, .other = PROG_A,
	  .flags = BPF_F_REPLACE | BPF_F_AFTER },
	{ "replace at another revision", -ESTALE, ON(PROG_C, DEV),
	  .other = PROG_A, .flags = BPF_F_REPLACE, .revision = STALE },
	{ "replace by what redirects to a stack", -ELOOP, ON(PROG_STACKS, DEV),
	  .other = PROG_A, .flags = BPF_F_REPLACE },
};

static const struct row link_create_rows[] = {
	{ "replace", -EINVAL, ON(PROG_C, DEV), .flags = BPF_F_REPLACE },
};

static const struct row detach_rows[] = {
	{ "target not open", -EBADF, ON(PROG_A, CLOSED) },
	{ "target open for writing only", -EBADF, ON(PROG_A, DEV_WRONLY) },
	{ "target opened with O_PATH", -EBADF, ON(PROG_A, DEV_PATH) },
	{ "target is a file", -ENOTBLK, ON(PROG_A, REGULAR) },
	{ "target is a character device", -ENOTBLK, ON(PROG_A, CHARDEV) },
	{ "target was removed", -ENOENT, ON(PROG_A, GONE) },
	{ "target never had a program", -ENOENT, ON(PROG_A, OTHER) },
	{ "program not open", -EBADF, ON(CLOSED, DEV) },
	{ "program is a map", -EINVAL, ON(MAP, DEV) },
	{ "program of another type", -EINVAL, ON(PROG_SOCKET, DEV) },
	{ "another attach type", -EINVAL, ON(PROG_A, DEV),
	  .type = BPF_TCX_EGRESS },
	{ "unknown flags", -EINVAL, ON(PROG_A, DEV), .flags = 1U << 30 },
	{ "replace", -EINVAL, ON(PROG_A, DEV), .flags = BPF_F_REPLACE },
	{ "not attached", -ENOENT, ON(PROG_C, DEV) },
	{ "belongs to a link", -EBUSY, ON(PROG_B, DEV) },
	{ "belongs to a link, given by its place", -EBUSY, ON(NOTHING, DEV),
	  .relative = PROG_A, .flags = BPF_F_AFTER },
	{ "not the expected revision", -ESTALE, ON(PROG_A, DEV),
	  .revision = STALE },
	{ "before a program that is not attached", -ENOENT, ON(PROG_A, DEV),
	  .relative = PROG_C, .flags = BPF_F_BEFORE },
	{ "before an id of no program", -ENOENT, ON(PROG_A, DEV),
	  .relative = ID_NONE, .flags = BPF_F_BEFORE | BPF_F_ID },
	{ "after a program that it is not after", -ERANGE, ON(PROG_A, DEV),
	  .relative = PROG_LOOPS, .flags = BPF_F_AFTER },
	{ "before and after", -ERANGE, ON(PROG_A, DEV), .relative = PROG_B,
	  .flags = BPF_F_BEFORE | BPF_F_AFTER },
	{ "a place without before or after", -EINVAL, ON(NOTHING, DEV),
	  .relative = PROG_A },
};

static const struct row update_rows[] = {
	{ "link not open", -EBADF, ON(PROG_C, CLOSED) },
	{ "link is a program", -EINVAL, ON(PROG_C, PROG_A) },
	{ "program not open", -EBADF, ON(CLOSED, LINK) },
	{ "program is a map", -EINVAL, ON(MAP, LINK) },
	{ "program of another type", -EINVAL, ON(PROG_SOCKET, LINK) },
	{ "unknown flags", -EINVAL, ON(PROG_C, LINK), .flags = BPF_F_BEFORE },
	{ "not the expected program", -EPERM, ON(PROG_C, LINK), .other = PROG_A,
	  .flags = BPF_F_REPLACE },
	{ "expected program not open", -EBADF, ON(PROG_C, LINK),
	  .other = CLOSED, .flags = BPF_F_REPLACE },
	{ "expected program without the flag", -EINVAL, ON(PROG_C, LINK),
	  .other = PROG_B },
	{ "program attached already", -EEXIST, ON(PROG_A, LINK) },
	{ "device was removed", -ENOLINK, ON(PROG_C, LINK_DEFUNCT) },
	{ "device was removed, with barrier", -ENOLINK,
	  ON(PROG_C, LINK_DEFUNCT), .flags = BPF_F_BLK_BARRIER },
	{ "link was detached", -ENOLINK, ON(PROG_C, LINK_DETACHED) },
	{ "a target stacks on the device", -ELOOP, ON(PROG_STACKS, LINK) },
	{ "barrier of a link of another type", -EINVAL, ON(PROG_C, LINK_OTHER),
	  .flags = BPF_F_BLK_BARRIER },
};

static const struct row link_detach_rows[] = {
	{ "link not open", -EBADF, .target = CLOSED },
	{ "link is a program", -EINVAL, .target = PROG_A },
	{ "unknown flags", -EINVAL, .target = LINK, .flags = BPF_F_REPLACE },
	{ "barrier of a link of another type", -EINVAL, .target = LINK_OTHER,
	  .flags = BPF_F_BLK_BARRIER },
};

static const struct row query_rows[] = {
	{ "target not open", -EBADF, .target = CLOSED },
	{ "target open for writing only", -EBADF, .target = DEV_WRONLY },
	{ "target opened with O_PATH", -EBADF, .target = DEV_PATH },
	{ "target is a file", -ENOTBLK, .target = REGULAR },
	{ "target is a character device", -ENOTBLK, .target = CHARDEV },
	{ "effective programs", -EINVAL, .target = DEV,
	  .flags = BPF_F_QUERY_EFFECTIVE },
	{ "unknown flags", -EINVAL, .target = DEV, .flags = 1U << 30 },
};

static const struct row map_update_rows[] = {
	{ "device not open", -EBADF, .target = MAP, .other = CLOSED },
	{ "device opened with O_PATH", -EBADF, .target = MAP,
	  .other = DEV_PATH },
	{ "device open for writing only", -EBADF, .target = MAP,
	  .other = DEV_WRONLY },
	{ "a file", -ENOTBLK, .target = MAP, .other = REGULAR },
	{ "a character device", -ENOTBLK, .target = MAP, .other = CHARDEV },
	{ "device was removed", -ENODEV, .target = MAP, .other = GONE },
	{ "device stacks on the source", -ELOOP, .target = MAP,
	  .other = STACKED },
	{ "value with flags", -EINVAL, .target = MAP, .other = OTHER,
	  .val_flags = BPF_BLKDEV_F_RDONLY },
	{ "unknown flags", -EINVAL, .target = MAP, .other = OTHER,
	  .flags = BPF_EXIST + 1 },
	{ "BPF_F_LOCK", -EINVAL, .target = MAP, .other = OTHER,
	  .flags = BPF_F_LOCK },
	{ "key behind the last", -E2BIG, .target = MAP, .other = OTHER,
	  .key = 4 },
	{ "BPF_NOEXIST of a slot that is taken", -EEXIST, .target = MAP,
	  .other = OTHER, .key = 1, .flags = BPF_NOEXIST },
	{ "BPF_EXIST of a slot that is free", -ENOENT, .target = MAP,
	  .other = OTHER, .key = 2, .flags = BPF_EXIST },
	{ "map not open", -EBADF, .target = CLOSED, .other = OTHER },
};

static const struct row map_delete_rows[] = {
	{ "slot is free", -ENOENT, .target = MAP, .key = 2 },
	{ "key behind the last", -EINVAL, .target = MAP, .key = 4 },
};

static const struct row map_lookup_rows[] = {
	{ "slot is free", -ENOENT, .target = MAP, .key = 2 },
	{ "key behind the last", -ENOENT, .target = MAP, .key = 4 },
	{ "BPF_F_LOCK", -EINVAL, .target = MAP, .key = 1, .flags = BPF_F_LOCK },
};

static const struct row map_next_rows[] = {
	{ "after the last key", -ENOENT, .target = MAP, .key = 3 },
};

static const struct row map_unsupported_rows[] = {
	{ "device map", -ENOTSUPP, .target = MAP, .key = 1 },
};

static const struct {
	const char *name;
	int (*call)(const struct row *row);
	const struct row *rows;
	size_t count;
} calls[] = {
#define CALLS(name, call, rows) { name, call, rows, ARRAY_SIZE(rows) }
	CALLS("attach", do_attach, attach_rows),
	CALLS("attach", do_attach, replace_rows),
	CALLS("create link", do_link_create, attach_rows),
	CALLS("create link", do_link_create, link_create_rows),
	CALLS("detach", do_detach, detach_rows),
	CALLS("update link", do_link_update, update_rows),
	CALLS("detach link", do_link_detach, link_detach_rows),
	CALLS("query", do_query, query_rows),
	CALLS("update map", do_update, map_update_rows),
	CALLS("delete in map", do_delete, map_delete_rows),
	CALLS("look up in map", do_lookup, map_lookup_rows),
	CALLS("next key of map", do_next_key, map_next_rows),
	CALLS("look up and delete", do_lookup_and_delete, map_unsupported_rows),
	CALLS("batch lookup", do_lookup_batch, map_unsupported_rows),
};

static void map_keys(char *taken)
{
	struct bpf_blkdev_val val;
	__u32 key;

	for (key = 0; key < 4; key++)
		taken[key] = bpf_map_lookup_elem(things[MAP], &key, &val) ?
				     '-' :
				     '0' + key;
}

static void run_rows(void)
{
	struct list before = must_query(things[DEV]), after;
	char taken_before[5] = {}, taken_after[5] = {}, name[128];
	size_t c, r;

	map_keys(taken_before);
	for (c = 0; c < ARRAY_SIZE(calls); c++) {
		for (r = 0; r < calls[c].count; r++) {
			const struct row *row = &calls[c].rows[r];

			snprintf(name, sizeof(name), "%s: %s", calls[c].name,
				 row->name);
			tap_errno(calls[c].call(row), row->want, name);
		}
		after = must_query(things[DEV]);
		map_keys(taken_after);
		tap(same_list(&before, &after) &&
			    !strcmp(taken_before, taken_after),
		    "%s: nothing has changed", calls[c].name);
	}
}

static void set_up_progs(void)
{
	int stacks = new_blkdev_map(1);
	int spare;

	things[MAP] = new_blkdev_map(4);
	must(map_set(things[MAP], 1, things[OTHER]), "fill the map");
	must(map_set(stacks, 0, things[STACKED]), "fill the other map");
	things[PROG_A] = load_return(BPF_BIO_PASS);
	things[PROG_B] = load_return(BPF_BIO_PASS);
	things[PROG_C] = load_return(BPF_BIO_PASS);
	things[PROG_STACKS] = load_redirect(stacks);
	things[PROG_LOOPS] = load_redirect(things[MAP]);
	things[PROG_SOCKET] = load_socket_filter();
	close(stacks);

	must(attach_prog(things[DEV], things[PROG_A], 0), "attach A");
	things[LINK] =
		must(attach_link(things[DEV], things[PROG_B], 0), "attach B");
	must(attach_prog(things[DEV], things[PROG_LOOPS], 0), "attach LOOPS");
	things[LINK_OTHER] = open_raw_tracepoint();
	spare = load_return(BPF_BIO_PASS);
	things[LINK_DETACHED] =
		must(attach_link(things[OTHER], spare, 0), "attach");
	must(bpf_link_detach(things[LINK_DETACHED]), "detach");
	things[LINK_DEFUNCT] =
		must(attach_link(things[GONE], spare, 0), "attach");
	close(spare);
	things[ID_A] = prog_id(things[PROG_A]);
	things[ID_LINK] = link_id(things[LINK]);
	things[ID_NONE] = 0x7fffffff;
}

int main(int argc, char **argv)
{
	int i;

	if (argc != 6)
		die("usage: %s DEVICE OTHER STACKED GONE POWER", argv[0]);
	for (i = 0; i < NR_THINGS; i++)
		things[i] = 1000000;
	things[NOTHING] = 0;
	things[DEV] = must_open(argv[1], O_RDONLY);
	things[DEV_WRONLY] = must_open(argv[1], O_WRONLY);
	things[DEV_PATH] = must_open(argv[1], O_PATH);
	things[OTHER] = must_open(argv[2], O_RDWR);
	things[STACKED] = must_open(argv[3], O_RDWR);
	things[GONE] = must_open(argv[4], O_RDONLY);
	things[REGULAR] = must_open(argv[0], O_RDONLY);
	things[CHARDEV] = must_open("/dev/null", O_RDWR);
	set_up_progs();
	write_file(argv[5], "0");

	run_rows();
	return tap_exit();
}
