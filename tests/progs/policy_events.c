// SPDX-License-Identifier: GPL-2.0
/*
 * usage: policy_events PIN: print what is in the ring buffer of the protect
 * policy that is pinned there, one line for each event, for cases to compare:
 * comm pid op sector nr_sectors partno error cgroup_id
 */
#include "policy_test.h"
#include "protect.h"

static int print_event(void *ctx, void *data, size_t size)
{
	const struct protect_event *event = data;

	(void)ctx;
	if (size < sizeof(*event))
		return -EINVAL;
	printf("%.*s %u %u %llu %u %u %d %llu\n", PROTECT_COMM_LEN, event->comm,
	       event->pid, event->op, (unsigned long long)event->sector,
	       event->nr_sectors, event->partno, event->error,
	       (unsigned long long)event->cgroup_id);
	return 0;
}

int main(int argc, char **argv)
{
	struct ring_buffer *rb;
	int fd, nr;

	if (argc != 2)
		die("usage: policy_events PIN");
	fd = bpf_obj_get(argv[1]);
	if (fd < 0)
		die("%s: %s", argv[1], strerror(errno));
	rb = ring_buffer__new(fd, print_event, NULL, NULL);
	if (!rb)
		die("%s: no ring buffer: %s", argv[1], strerror(errno));
	nr = ring_buffer__consume(rb);
	ring_buffer__free(rb);
	return nr < 0;
}
