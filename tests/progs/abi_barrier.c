// SPDX-License-Identifier: GPL-2.0
/*
 * usage: abi_barrier CGROUP DEVICE...
 *
 * BPF_F_BLK_BARRIER: the calls that take it, on every DEVICE and while it is
 * read; and those that do not.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "abi.h"

static int prog, other;

struct reader {
	const char *path;
	pthread_t thread;
	atomic_bool stop;
	atomic_ulong reads;
	int error;
};

static void *read_on(void *arg)
{
	struct reader *r = arg;
	int fd = must_open(r->path, O_RDONLY | O_DIRECT);
	void *buf = aligned_alloc(4096, 4096);

	while (buf && !r->stop && !r->error) {
		if (pread(fd, buf, 4096, 0) != 4096)
			r->error = errno;
		r->reads++;
	}
	free(buf);
	close(fd);
	return NULL;
}

static void test_device(const char *path)
{
	struct reader r = { .path = path };
	union bpf_attr detach = {
		.attach_type = BPF_BLK_SUBMIT,
		.attach_flags = BPF_F_BLK_BARRIER,
	};
	union bpf_attr replace = {
		.attach_type = BPF_BLK_SUBMIT,
		.attach_bpf_fd = other,
		.attach_flags = BPF_F_BLK_BARRIER | BPF_F_REPLACE,
		.replace_bpf_fd = prog,
	};
	union bpf_attr link_update = {
		.link_update.new_prog_fd = other,
		.link_update.flags = BPF_F_BLK_BARRIER,
	};
	union bpf_attr link_detach = {
		.link_detach.flags = BPF_F_BLK_BARRIER,
	};
	int dev = must_open(path, O_RDONLY), link;
	unsigned long before;

	if (pthread_create(&r.thread, NULL, read_on, &r))
		die("pthread_create: %s", strerror(errno));
	while (!r.reads)
		usleep(1000);
	replace.target_fd = dev;
	detach.target_fd = dev;
	detach.attach_bpf_fd = other;
	tap_errno(attach_prog(dev, prog, BPF_F_BLK_BARRIER), 0, "attach");
	tap_errno(sys_bpf(BPF_PROG_ATTACH, &replace), 0, "replace");
	tap_errno(sys_bpf(BPF_PROG_DETACH, &detach), 0, "detach");
	link = attach_link(dev, prog, BPF_F_BLK_BARRIER);
	tap_errno(link, 0, "create a link");
	link_update.link_update.link_fd = link;
	link_detach.link_detach.link_fd = link;
	tap_errno(sys_bpf(BPF_LINK_UPDATE, &link_update), 0, "update it");
	tap_eq(must_query(dev).progs[0], prog_id(other), "it is updated");
	tap_errno(sys_bpf(BPF_LINK_DETACH, &link_detach), 0, "detach it");
	tap_eq(must_query(dev).count, 0, "it is detached");
	tap_errno(sys_bpf(BPF_LINK_DETACH, &link_detach), 0, "and again");

	before = r.reads;
	while (r.reads < before + 2 && !r.error)
		usleep(1000);
	r.stop = true;
	pthread_join(r.thread, NULL);
	tap(!r.error, "%s: reading goes on (%lu reads)", path, r.reads);
	close(link);
	close(dev);
}

static void test_others(const char *cgroup_path)
{
	const struct bpf_insn insns[] = { MOV(BPF_REG_0, 1), EXIT() };
	int cgroup = must_open(cgroup_path, O_RDONLY), skb;
	union bpf_attr attr = {
		.target_fd = cgroup,
		.attach_type = BPF_CGROUP_INET_INGRESS,
		.attach_flags = BPF_F_BLK_BARRIER,
	};
	union bpf_attr link = {
		.link_create.target_fd = cgroup,
		.link_create.attach_type = BPF_CGROUP_INET_INGRESS,
		.link_create.flags = BPF_F_BLK_BARRIER,
	};

	skb = must(load_insns(BPF_PROG_TYPE_CGROUP_SKB, "GPL", insns,
			      ARRAY_SIZE(insns)),
		   "load a cgroup program");
	attr.attach_bpf_fd = skb;
	link.link_create.prog_fd = skb;
	tap_errno(sys_bpf(BPF_PROG_ATTACH, &attr), -EINVAL,
		  "attach to a cgroup with barrier");
	tap_errno(sys_bpf(BPF_LINK_CREATE, &link), -EINVAL,
		  "link to a cgroup with barrier");
	attr.attach_flags = 0;
	must(sys_bpf(BPF_PROG_ATTACH, &attr), "attach to the cgroup");
	attr.attach_flags = BPF_F_BLK_BARRIER;
	tap_errno(sys_bpf(BPF_PROG_DETACH, &attr), -EINVAL,
		  "detach from a cgroup with barrier");
	attr.attach_flags = 0;
	must(sys_bpf(BPF_PROG_DETACH, &attr), "detach from the cgroup");
	close(skb);
	close(cgroup);
}

int main(int argc, char **argv)
{
	int i;

	if (argc < 3)
		die("usage: %s CGROUP DEVICE...", argv[0]);
	prog = load_return(BPF_BIO_PASS);
	other = load_return(BPF_BIO_PASS);
	for (i = 2; i < argc; i++)
		test_device(argv[i]);
	test_others(argv[1]);
	return tap_exit();
}
