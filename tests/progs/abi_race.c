// SPDX-License-Identifier: GPL-2.0
/*
 * usage: abi_race DEVICE SECONDS
 *
 * One link is made and detached all the time, while others update it, ask for
 * it, and bios run its programs. Nobody may see anything but these programs.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "abi.h"

static int dev, progs[3];
static __u32 ids[3];
static atomic_int link_fd = -1;
static atomic_bool stop;
static atomic_ulong made, updated, asked, reads;
static atomic_int wrong; /* an errno that must not be */
static const char *volatile wrong_where;

static void is_wrong(const char *where, int err)
{
	wrong_where = where;
	wrong = err;
	stop = true;
}

static void *make(void *unused)
{
	int fd;

	for (; !stop; made++) {
		fd = attach_link(dev, progs[made % 2], 0);
		if (fd < 0) {
			is_wrong("attach", -fd);
			break;
		}
		link_fd = fd;
		if (made % 3)
			usleep(rand() % 500);
		if (bpf_link_detach(fd)) {
			is_wrong("detach", errno);
			break;
		}
		link_fd = -1;
		close(fd);
	}
	return unused;
}

/* Nobody may keep the processors from the others. */
static void breathe(void)
{
	usleep(100);
}

/* The descriptor may be closed, or another link by now. */
static void *update(void *unused)
{
	int fd, ret;

	for (; !stop; breathe()) {
		fd = link_fd;
		if (fd < 0)
			continue;
		ret = bpf_link_update(fd, progs[updated % 3], NULL);
		if (!ret)
			updated++;
		else if (errno != ENOLINK && errno != EBADF && errno != EINVAL)
			is_wrong("update", errno);
	}
	return unused;
}

static bool known(__u32 id)
{
	return id == ids[0] || id == ids[1] || id == ids[2];
}

static void *ask(void *unused)
{
	struct list list = {};
	int ret;

	for (; !stop; asked++) {
		breathe();
		ret = query(dev, &list);
		if (ret)
			is_wrong("query", -ret);
		else if (list.count > 1 ||
			 (list.count && !known(list.progs[0])))
			is_wrong("what a query tells", 0);
	}
	return unused;
}

static void *read_on(void *unused)
{
	for (; !stop; reads++) {
		int ret = direct_io(dev, false);

		breathe();
		if (ret)
			is_wrong("read", -ret);
	}
	return unused;
}

int main(int argc, char **argv)
{
	static void *(*const loops[])(void *) = { make, update, ask, read_on };
	pthread_t threads[ARRAY_SIZE(loops)];
	size_t i;
	int s;

	if (argc != 3)
		die("usage: %s DEVICE SECONDS", argv[0]);
	dev = must_open(argv[1], O_RDONLY | O_DIRECT);
	for (i = 0; i < ARRAY_SIZE(progs); i++) {
		progs[i] = load_return(BPF_BIO_PASS);
		ids[i] = prog_id(progs[i]);
	}
	for (i = 0; i < ARRAY_SIZE(loops); i++) {
		if (pthread_create(&threads[i], NULL, loops[i], NULL))
			die("pthread_create: %s", strerror(errno));
	}
	for (s = 0; s < atoi(argv[2]) && !stop; s++)
		sleep(1);
	stop = true;
	for (i = 0; i < ARRAY_SIZE(loops); i++)
		pthread_join(threads[i], NULL);
	tap(!wrong_where, "%lu links, %lu updates, %lu queries, %lu reads",
	    made, updated, asked, reads);
	if (wrong_where)
		printf("# %s: %s\n", wrong_where, strerror(wrong));
	tap(made && updated && asked && reads, "all have happened");
	tap_eq(must_query(dev).count, 0, "nothing is attached");
	for (i = 0; i < ARRAY_SIZE(progs); i++) {
		close(progs[i]);
		tap(wait_gone(prog_id_there, ids[i]), "a program is gone");
	}
	return tap_exit();
}
