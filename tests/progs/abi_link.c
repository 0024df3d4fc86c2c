// SPDX-License-Identifier: GPL-2.0
/*
 * usage: abi_link DEVICE GONE POWER PIN
 *
 * How long what is attached stays: descriptors, pins, processes, and the
 * device. GONE is removed by writing 0 to the file POWER.
 */
#include "abi.h"

static int dev, gone;
static const char *power, *pin;

static void expect_count(int on, __u32 want, const char *name)
{
	tap_eq(must_query(on).count, want, name);
}

static void test_ids(void)
{
	int prog = load_return(BPF_BIO_PASS), fd;
	int link = must(attach_link(dev, prog, 0), "attach");
	__u32 lid = link_id(link), pid = prog_id(prog);

	fd = bpf_link_get_fd_by_id(lid);
	tap(fd >= 0, "a link by its id");
	tap_eq(link_id(fd), lid, "it is that link");
	close(link);
	expect_count(dev, 1, "one of two descriptors closed");
	close(prog);
	tap(prog_id_there(pid), "the program stays with its link");
	close(fd);
	expect_count(dev, 0, "both closed");
	tap(wait_gone(link_id_there, lid), "the id of the link is gone");
	tap(wait_gone(prog_id_there, pid), "and that of its program");
}

static void test_pin(void)
{
	int prog = load_return(BPF_BIO_FAIL);
	int link = must(attach_link(dev, prog, 0), "attach");
	__u32 lid = link_id(link), pid = prog_id(prog);

	must(bpf_obj_pin(link, pin), "pin");
	close(link);
	close(prog);
	expect_count(dev, 1, "a pinned link stays");
	tap_errno(direct_io(dev, false), -EIO, "and works");
	link = must(bpf_obj_get(pin), "open the pin");
	tap_eq(link_id(link), lid, "opened again it is the same");
	if (unlink(pin))
		die("unlink %s: %s", pin, strerror(errno));
	expect_count(dev, 1, "unpinned but open it stays");
	close(link);
	expect_count(dev, 0, "then it goes");
	tap_errno(direct_io(dev, false), 0, "and I/O passes");
	tap(wait_gone(link_id_there, lid) && wait_gone(prog_id_there, pid),
	    "its ids, too");
}

/* A process that attaches and waits to be killed, or exits by itself. */
static void attach_and_go(bool with_link, bool wait)
{
	int prog = load_return(BPF_BIO_PASS), ret, ready[2];
	char byte = 0;
	pid_t child;

	if (pipe(ready))
		die("pipe: %s", strerror(errno));
	child = fork();
	if (child < 0)
		die("fork: %s", strerror(errno));
	if (!child) {
		ret = with_link ? attach_link(dev, prog, 0) :
				  attach_prog(dev, prog, 0);
		byte = ret >= 0;
		if (write(ready[1], &byte, 1) != 1)
			_exit(1);
		if (wait)
			pause();
		_exit(0);
	}
	close(prog);
	if (read(ready[0], &byte, 1) != 1 || !byte)
		die("the child did not attach");
	close(ready[0]);
	close(ready[1]);
	if (wait)
		kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static bool still_attached(__u32 unused)
{
	(void)unused;
	return must_query(dev).count;
}

static void test_process(void)
{
	union bpf_attr attr = {
		.target_fd = dev,
		.attach_type = BPF_BLK_SUBMIT,
		.attach_flags = BPF_F_BEFORE,
	};
	__u32 id;

	attach_and_go(true, false);
	tap(wait_gone(still_attached, 0), "a link goes with its process");
	attach_and_go(true, true);
	tap(wait_gone(still_attached, 0), "also if that is killed");
	attach_and_go(false, true);
	expect_count(dev, 1, "a program without a link stays");
	id = must_query(dev).progs[0];
	must(sys_bpf(BPF_PROG_DETACH, &attr), "detach");
	expect_count(dev, 0, "until it is detached");
	tap(wait_gone(prog_id_there, id), "and then its id goes");
}

static void test_detach(void)
{
	int prog = load_return(BPF_BIO_PASS), again;
	int link = must(attach_link(dev, prog, 0), "attach");

	tap_errno(bpf_link_detach(link), 0, "detach a link");
	expect_count(dev, 0, "its program is gone");
	tap_errno(bpf_link_detach(link), 0, "detach it again");
	tap_eq(link_info(link).blk.flags, BPF_BLK_LINK_DEFUNCT,
	       "it is there, and defunct");
	again = attach_link(dev, prog, 0);
	tap(again >= 0, "the program can be attached again");
	close(again);
	close(link);
	close(prog);
}

static bool fdinfo_says(int fd, const char *words)
{
	char path[64], text[1024] = {};
	int info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = must_open(path, O_RDONLY);
	if (read(info, text, sizeof(text) - 1) < 0)
		die("%s: %s", path, strerror(errno));
	close(info);
	return strstr(text, words);
}

static void test_gone(void)
{
	int prog = load_return(BPF_BIO_PASS), other = load_return(1), link;
	__u32 dev_no, id = prog_id(other), revision;
	LIBBPF_OPTS(bpf_link_update_opts, replace, .flags = BPF_F_REPLACE,
		    .old_prog_fd = prog);

	link = must(attach_link(gone, prog, 0), "attach");
	must(direct_io(gone, false), "read");
	must(attach_prog(gone, other, 0), "attach");
	dev_no = link_info(link).blk.dev;
	revision = must_query(gone).revision;
	tap_eq(revision, 3, "two changes");
	close(other);
	tap(prog_id_there(id), "the device holds its program");

	write_file(power, "0");
	tap_eq(link_info(link).blk.flags, BPF_BLK_LINK_DEFUNCT,
	       "device removed: the link is defunct");
	tap_eq(link_info(link).blk.dev, dev_no, "it still tells the device");
	tap(fdinfo_says(link, " (defunct)\n"), "and so does its fdinfo");
	tap(fdinfo_says(link, "pass:\t1 bios 8 sectors\n"),
	    "with its counters");
	tap(wait_gone(prog_id_there, id),
	    "a program without a link is released");
	tap_errno(bpf_link_update(link, prog, NULL), -ENOLINK, "update");
	tap_errno(bpf_link_update(link, prog, &replace), -ENOLINK,
		  "update that expects a program");
	expect_count(gone, 0, "query of a device that is held open");
	other = load_return(BPF_BIO_PASS);
	tap_errno(attach_prog(gone, other, 0), -ENODEV, "attach to it");
	tap_errno(attach_link(gone, other, 0), -ENODEV, "link to it");
	tap_errno(detach_prog(gone, other), -ENOENT, "detach from it");
	tap_errno(bpf_link_detach(link), 0, "detach the link");
	id = link_id(link);
	close(link);
	tap(wait_gone(link_id_there, id), "the link goes when it is closed");
	close(other);
	close(prog);
}

int main(int argc, char **argv)
{
	if (argc != 5)
		die("usage: %s DEVICE GONE POWER PIN", argv[0]);
	dev = must_open(argv[1], O_RDONLY | O_DIRECT);
	gone = must_open(argv[2], O_RDONLY | O_DIRECT);
	power = argv[3];
	pin = argv[4];
	test_ids();
	test_pin();
	test_process();
	test_detach();
	test_gone();
	return tap_exit();
}
