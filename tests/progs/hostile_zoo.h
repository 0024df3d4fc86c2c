/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What hostile_bpf.c hands to bpf(2) in place of what belongs there, and the
 * state that a call which fails has to leave alone.
 */
#ifndef __HOSTILE_ZOO_H
#define __HOSTILE_ZOO_H

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "hostile.h"

enum thing {
	CLOSED,
	DEV, /* has, in this order: A, B through LINK, LOOPS */
	DEV_RDWR,
	DEV_WRONLY,
	DEV_PATH,
	OTHER, /* has nothing */
	REGULAR,
	DIRECTORY,
	CHARDEV,
	PIPE,
	EVENTFD,
	EPOLL,
	BTF,
	MAP, /* of devices, 4 slots; 1 is taken; LOOPS uses it */
	MAP_RDONLY, /* the same, opened for reading */
	MAP_FROZEN, /* of devices */
	MAP_ARRAY,
	PROG_A,
	PROG_B,
	PROG_C, /* attached nowhere */
	PROG_LOOPS,
	PROG_SOCKET,
	LINK,
	LINK_OTHER, /* of another type */
	ID_A, /* no descriptors, but they fit where one is expected */
	ID_LINK,
	NR_THINGS
};

static const char *const thing_names[NR_THINGS] = {
	[CLOSED] = "closed",
	[DEV] = "device",
	[DEV_RDWR] = "device rw",
	[DEV_WRONLY] = "device wo",
	[DEV_PATH] = "device O_PATH",
	[OTHER] = "other device",
	[REGULAR] = "file",
	[DIRECTORY] = "directory",
	[CHARDEV] = "/dev/null",
	[PIPE] = "pipe",
	[EVENTFD] = "eventfd",
	[EPOLL] = "epoll",
	[BTF] = "BTF",
	[MAP] = "map",
	[MAP_RDONLY] = "map ro",
	[MAP_FROZEN] = "frozen map",
	[MAP_ARRAY] = "array",
	[PROG_A] = "A",
	[PROG_B] = "B",
	[PROG_C] = "C",
	[PROG_LOOPS] = "LOOPS",
	[PROG_SOCKET] = "socket filter",
	[LINK] = "link",
	[LINK_OTHER] = "link of another type",
	[ID_A] = "id of A",
	[ID_LINK] = "id of link",
};

static int things[NR_THINGS];

#define MAP_SLOTS 4

struct state {
	struct list dev, other;
	struct bpf_blkdev_val slots[MAP_SLOTS];
	struct census census;
	int next_fd; /* a descriptor that was not given back moves it */
};

static inline void take_state(struct state *s)
{
	__u32 key;

	memset(s, 0, sizeof(*s));
	must(query(things[DEV], &s->dev), "query");
	must(query(things[OTHER], &s->other), "query");
	for (key = 0; key < MAP_SLOTS; key++)
		bpf_map_lookup_elem(things[MAP], &key, &s->slots[key]);
	s->census = take_census();
	s->next_fd = dup(things[CHARDEV]);
	close(s->next_fd);
}

static inline bool same_slots(const struct state *a, const struct state *b)
{
	return !memcmp(a->slots, b->slots, sizeof(a->slots));
}

static inline bool same_state(const struct state *a, const struct state *b)
{
	return same_list(&a->dev, &b->dev) && same_list(&a->other, &b->other) &&
	       same_slots(a, b) && same_census(&a->census, &b->census) &&
	       a->next_fd == b->next_fd;
}

/* As above, but somebody may have been there meanwhile. */
static inline bool same_but_revision(struct state a, struct state b)
{
	a.dev.revision = b.dev.revision;
	a.other.revision = b.other.revision;
	return same_state(&a, &b);
}

/* Whoever is freed by a worker gets some time to go. */
static inline bool state_stays(const struct state *before, struct state *after)
{
	int i;

	for (i = 0; i < 200; i++) {
		take_state(after);
		if (same_state(before, after))
			return true;
		usleep(10000);
	}
	return false;
}

static inline void clear_list(int dev)
{
	union bpf_attr attr;

	while (must_query(dev).count) {
		attr = (union bpf_attr){
			.target_fd = dev,
			.attach_type = BPF_BLK_SUBMIT,
			.attach_flags = BPF_F_BEFORE,
		};
		must(sys_bpf(BPF_PROG_DETACH, &attr), "detach");
	}
}

static inline void attach_all(void)
{
	must(attach_prog(things[DEV], things[PROG_A], 0), "attach A");
	things[LINK] =
		must(attach_link(things[DEV], things[PROG_B], 0), "attach B");
	must(attach_prog(things[DEV], things[PROG_LOOPS], 0), "attach LOOPS");
	things[ID_LINK] = link_id(things[LINK]);
}

/* Back to how it was set up, whatever a call has done. */
static inline void reset_things(void)
{
	__u32 key;

	close(things[LINK]);
	clear_list(things[DEV]);
	clear_list(things[OTHER]);
	for (key = 0; key < MAP_SLOTS; key++)
		bpf_map_delete_elem(things[MAP], &key);
	must(map_set(things[MAP], 1, things[OTHER]), "fill the map");
	attach_all();
}

static inline int open_btf(void)
{
	struct btf *btf = btf__new_empty();
	int fd;

	if (!btf || btf__add_int(btf, "int", 4, BTF_INT_SIGNED) < 0 ||
	    btf__load_into_kernel(btf))
		die("BTF: %s", strerror(errno));
	fd = dup(btf__fd(btf));
	btf__free(btf);
	return fd;
}

static inline void open_maps(void)
{
	LIBBPF_OPTS(bpf_get_fd_by_id_opts, rdonly, .open_flags = BPF_F_RDONLY);
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);
	int fd;

	things[MAP] = new_blkdev_map(MAP_SLOTS);
	must(map_set(things[MAP], 1, things[OTHER]), "fill the map");
	if (bpf_map_get_info_by_fd(things[MAP], &info, &len))
		die("info of a map: %s", strerror(errno));
	fd = bpf_map_get_fd_by_id_opts(info.id, &rdonly);
	things[MAP_RDONLY] = must(fd < 0 ? -errno : fd, "open for reading");
	things[MAP_FROZEN] = new_blkdev_map(MAP_SLOTS);
	must(bpf_map_freeze(things[MAP_FROZEN]), "freeze");
	things[MAP_ARRAY] = new_map(BPF_MAP_TYPE_ARRAY, 8, MAP_SLOTS);
}

static inline void open_files(const char *dev, const char *other,
			      const char *self)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		die("pipe: %s", strerror(errno));
	things[CLOSED] = 1000000;
	things[DEV] = must_open(dev, O_RDONLY);
	things[DEV_RDWR] = must_open(dev, O_RDWR | O_DIRECT);
	things[DEV_WRONLY] = must_open(dev, O_WRONLY);
	things[DEV_PATH] = must_open(dev, O_PATH);
	things[OTHER] = must_open(other, O_RDWR | O_DIRECT);
	things[REGULAR] = must_open(self, O_RDONLY);
	things[DIRECTORY] = must_open("/", O_RDONLY | O_DIRECTORY);
	things[CHARDEV] = must_open("/dev/null", O_RDWR);
	things[PIPE] = ends[0];
	things[EVENTFD] = must(eventfd(0, EFD_CLOEXEC), "eventfd");
	things[EPOLL] = must(epoll_create1(EPOLL_CLOEXEC), "epoll");
	things[BTF] = open_btf();
}

static inline void open_things(const char *dev, const char *other,
			       const char *self)
{
	open_files(dev, other, self);
	open_maps();
	things[PROG_A] = load_return(BPF_BIO_PASS);
	things[PROG_B] = load_return(BPF_BIO_PASS);
	things[PROG_C] = load_return(BPF_BIO_PASS);
	things[PROG_LOOPS] = load_redirect(things[MAP]);
	things[PROG_SOCKET] = load_socket_filter();
	things[LINK_OTHER] = open_raw_tracepoint();
	things[ID_A] = prog_id(things[PROG_A]);
	attach_all();
}

/* All that is of bpf(2). */
static inline void close_things(void)
{
	int i;

	clear_list(things[OTHER]);
	close(things[LINK]);
	clear_list(things[DEV]);
	for (i = BTF; i < ID_A; i++)
		if (i != LINK)
			close(things[i]);
}

#endif /* __HOSTILE_ZOO_H */
