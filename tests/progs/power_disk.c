// SPDX-License-Identifier: GPL-2.0
/*
 * usage: power_disk DIR KIND:NBD...
 *
 * Serves DIR/0.now, DIR/1.now, ... as the given network block devices, until
 * SIGTERM; power.h says what for. Kinds:
 *	cached		a write cache, which flush and FUA go past
 *	direct		no write cache
 *	lies-flush	a write cache, and a flush is answered only
 *	lies-fua	a write cache, and FUA is ignored
 *
 * A request takes effect with its answer, and answers are held back for a
 * while and sent in another order than the requests came. So a flush that the
 * kernel sends too early, before a write was answered, does not cover the
 * write; and an fsync that returns before the flush was answered comes before
 * what it waits for. Reads see each write at once, as from a cache.
 */
#include <endian.h>
#include <errno.h>
#include <linux/fs.h>
#include <linux/nbd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include "power.h"

#define MAX_REQUEST (32U << 20)
#define MAX_WAITING 8
#define HANDLE_SIZE 8

static const struct kind {
	const char *name;
	bool cache, flush, fua;
} kinds[] = {
	{ "cached", true, true, true },
	{ "direct", false, false, false },
	{ "lies-flush", true, false, true },
	{ "lies-fua", true, true, false },
};

static struct disk {
	const struct kind *kind;
	uint64_t size;
	int image, socket, kernel_socket, nbd;
	pthread_t thread;
} disks[POWER_DISKS];
static unsigned int nr_disks;

static struct power_request *requests;
static size_t nr_requests, max_requests;
static int data_fd;
static uint64_t data_end;
static _Atomic uint64_t *position;

/* Has arrived and was not answered. */
static struct waiting {
	size_t request;
	char handle[HANDLE_SIZE];
} waiting[MAX_WAITING];
static unsigned int nr_waiting;
static uint64_t dice = 1;

static uint64_t next_position(void)
{
	return atomic_fetch_add(position, 1) + 1;
}

static void receive(struct disk *d, void *to, size_t len)
{
	if (recv(d->socket, to, len, MSG_WAITALL) != (ssize_t)len)
		power_die("disk %zd: receive", d - disks);
}

static void send_all(struct disk *d, const void *from, size_t len)
{
	while (len) {
		ssize_t sent = send(d->socket, from, len, MSG_NOSIGNAL);

		if (sent <= 0)
			power_die("disk %zd: send", d - disks);
		from = (const char *)from + sent;
		len -= sent;
	}
}

static void answer(struct disk *d, const char *handle)
{
	struct nbd_reply reply = { .magic = htobe32(NBD_REPLY_MAGIC) };

	/* Called handle or cookie, depending on the header. */
	memcpy(&reply.error + 1, handle, HANDLE_SIZE);
	send_all(d, &reply, sizeof(reply));
}

static void answer_one(void)
{
	unsigned int n = power_random(&dice) % nr_waiting;
	struct waiting w = waiting[n];
	struct power_request *r = &requests[w.request];

	waiting[n] = waiting[--nr_waiting];
	r->answered = next_position();
	answer(&disks[r->disk], w.handle);
}

static struct power_request *new_request(struct disk *d, const char *handle)
{
	struct power_request *r;

	while (nr_waiting == MAX_WAITING)
		answer_one();
	if (nr_requests == max_requests) {
		max_requests = max_requests ? 2 * max_requests : 4096;
		requests =
			reallocarray(requests, max_requests, sizeof(*requests));
		if (!requests)
			power_die("memory");
	}
	waiting[nr_waiting].request = nr_requests;
	memcpy(waiting[nr_waiting++].handle, handle, HANDLE_SIZE);
	r = &requests[nr_requests++];
	memset(r, 0, sizeof(*r));
	r->arrived = next_position();
	r->answered = POWER_NEVER;
	r->disk = d - disks;
	return r;
}

static void do_write(struct disk *d, const struct nbd_request *nbd,
		     uint64_t offset, uint32_t len, void *buf)
{
	bool fua = be32toh(nbd->type) & NBD_CMD_FLAG_FUA;
	struct power_request *r;

	receive(d, buf, len);
	power_write(d->image, buf, len, offset);
	power_write(data_fd, buf, len, data_end);
	r = new_request(d, nbd->handle);
	r->offset = offset;
	r->len = len;
	r->data = data_end;
	r->fua = fua;
	r->stable = !d->kind->cache || (fua && d->kind->fua);
	data_end += len;
}

/* Return: false if that was the last one. */
static bool serve_request(struct disk *d, void *buf)
{
	struct nbd_request nbd;
	uint64_t offset;
	uint32_t len;

	receive(d, &nbd, sizeof(nbd));
	offset = be64toh(nbd.from);
	len = be32toh(nbd.len);
	if (be32toh(nbd.magic) != NBD_REQUEST_MAGIC || len > MAX_REQUEST ||
	    offset + len > d->size)
		power_die("disk %zd: request %#x of %u bytes at %llu",
			  d - disks, be32toh(nbd.type), len,
			  (unsigned long long)offset);
	switch (be32toh(nbd.type) & 0xffff) {
	case NBD_CMD_READ:
		power_read(d->image, buf, len, offset);
		answer(d, nbd.handle);
		send_all(d, buf, len);
		return true;
	case NBD_CMD_WRITE:
		do_write(d, &nbd, offset, len, buf);
		return true;
	case NBD_CMD_FLUSH:
		new_request(d, nbd.handle)->stable = d->kind->flush;
		return true;
	case NBD_CMD_DISC:
		return false;
	}
	errno = EOPNOTSUPP;
	power_die("disk %zd: request %#x", d - disks, be32toh(nbd.type));
}

/* Stays in the kernel until the device is disconnected. */
static void *nbd_thread(void *arg)
{
	struct disk *d = arg;

	if (ioctl(d->nbd, NBD_DO_IT))
		power_die("disk %zd: NBD_DO_IT", d - disks);
	if (ioctl(d->nbd, NBD_CLEAR_SOCK))
		power_die("disk %zd: NBD_CLEAR_SOCK", d - disks);
	return NULL;
}

static unsigned long nbd_flags(const struct kind *kind)
{
	unsigned long flags = NBD_FLAG_HAS_FLAGS;

	if (kind->cache)
		flags |= NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_FUA;
	return flags;
}

static void connect_disk(const char *dir, char *arg)
{
	struct disk *d = &disks[nr_disks];
	char *path = strchr(arg, ':'), name[16];
	struct stat st;
	int pair[2];

	if (!path || nr_disks == POWER_DISKS)
		power_die("%s: no disk", arg);
	*path++ = 0;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kinds[i].name, arg))
			d->kind = &kinds[i];
	if (!d->kind)
		power_die("%s: no kind of disk", arg);
	snprintf(name, sizeof(name), "%u.now", nr_disks);
	d->image = power_open(dir, name, O_RDWR);
	d->nbd = open(path, O_RDWR | O_CLOEXEC);
	if (d->nbd < 0 || fstat(d->image, &st) ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		power_die("%s", path);
	d->size = st.st_size;
	d->socket = pair[0];
	d->kernel_socket = pair[1];
	if (ioctl(d->nbd, NBD_SET_BLKSIZE, 512UL) ||
	    ioctl(d->nbd, NBD_SET_SIZE_BLOCKS, d->size / 512) ||
	    ioctl(d->nbd, NBD_SET_FLAGS, nbd_flags(d->kind)) ||
	    ioctl(d->nbd, NBD_SET_SOCK, pair[1]))
		power_die("%s: set up", path);
	errno = pthread_create(&d->thread, NULL, nbd_thread, d);
	if (errno)
		power_die("%s: thread", path);
	nr_disks++;
}

static void disconnect_all(void)
{
	for (unsigned int i = 0; i < nr_disks; i++)
		if (ioctl(disks[i].nbd, NBD_DISCONNECT))
			power_die("disk %u: NBD_DISCONNECT", i);
}

static void serve(int signals)
{
	void *buf = power_alloc(1, MAX_REQUEST);
	struct pollfd fds[POWER_DISKS + 1];
	unsigned int left = nr_disks;

	for (unsigned int i = 0; i < nr_disks; i++)
		fds[i] = (struct pollfd){ disks[i].socket, POLLIN, 0 };
	fds[nr_disks] = (struct pollfd){ signals, POLLIN, 0 };
	while (left) {
		int n = poll(fds, nr_disks + 1, nr_waiting ? 1 : -1);

		if (n < 0)
			power_die("poll");
		/* A busy disk answers, too. */
		if (nr_waiting && (!n || power_random(&dice) % 4 == 0))
			answer_one();
		for (unsigned int i = 0; i < nr_disks; i++) {
			if (!fds[i].revents || serve_request(&disks[i], buf))
				continue;
			shutdown(disks[i].socket, SHUT_RDWR);
			fds[i].fd = -1;
			left--;
		}
		if (fds[nr_disks].revents) {
			fds[nr_disks].fd = -1;
			disconnect_all();
		}
	}
	free(buf);
}

static int term_signal(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (fd < 0)
		power_die("signalfd");
	return fd;
}

int main(int argc, char **argv)
{
	int signals = term_signal();

	if (argc < 3) {
		fprintf(stderr, "usage: %s DIR KIND:NBD...\n", argv[0]);
		return 2;
	}
	position = power_position(argv[1], O_RDWR | O_CREAT | O_TRUNC);
	data_fd = power_open(argv[1], "data", O_RDWR | O_CREAT | O_TRUNC);
	for (int i = 2; i < argc; i++)
		connect_disk(argv[1], argv[i]);
	puts("ready");
	fflush(stdout);
	serve(signals);
	for (unsigned int i = 0; i < nr_disks; i++) {
		pthread_join(disks[i].thread, NULL);
		close(disks[i].nbd);
	}
	power_write(power_open(argv[1], "requests",
			       O_WRONLY | O_CREAT | O_TRUNC),
		    requests, nr_requests * sizeof(*requests), 0);
	return 0;
}
