// SPDX-License-Identifier: GPL-2.0
/*
 * usage: path_load DEVICE
 *
 * bpf_bio_load_bytes(): what it gives is what is being written, wherever in
 * the bio, and nothing where there is nothing.
 */
#include <sys/uio.h>

#include "path.h"
#include "../bpf/path_load.h"

#define SECTORS 128U
#define BYTES (SECTORS * SECTOR)

static struct load_state *state;
static struct disk dev;
static __u8 *buf;

static bool all_are(const __u8 *data, __u32 len, __u8 byte)
{
	for (; len; len--)
		if (*data++ != byte)
			return false;
	return true;
}

/* Set what to load, and leave no traces of the time before. */
static void prepare(__u32 offset, __u32 len, __u32 accept)
{
	state->offset = offset;
	state->len = len;
	state->accept = accept;
	state->runs = 0;
	state->result = 1;
	memset(state->data, 0x5a, sizeof(state->data));
}

static bool loaded_ok(__u32 offset, __u32 len)
{
	return state->runs && !state->result &&
	       !memcmp(state->data, buf + offset, len) &&
	       all_are(state->data + len, LOAD_MAX - len, 0x5a);
}

static void expect_load(__u32 offset, __u32 len)
{
	int err;

	prepare(offset, len, 0);
	err = disk_write(&dev, buf, 0, SECTORS);
	tap(!err && loaded_ok(offset, len), "%u bytes from %u", len, offset);
}

static void expect_error(const char *name, int error, bool write)
{
	__u8 *in = buffer(SECTORS);
	int err = write ? disk_write(&dev, buf, 0, SECTORS) :
			  disk_read(&dev, in, 0, SECTORS);

	if (!tap(!err && state->runs && state->result == error &&
			 all_are(state->data, state->len, 0),
		 "%s", name))
		printf("# io %d, result %d, runs %u\n", err, state->result,
		       state->runs);
	free(in);
}

/* The payload is in pieces that no page border explains. */
static void test_vectors(void)
{
	struct iovec iov[16];
	bool good = true;
	__u32 i, offset;

	/* Sector by sector, every second page of the buffer. */
	for (i = 0; i < ARRAY_SIZE(iov); i++) {
		iov[i].iov_base = buf + i * 2 * 4096 + (i % 8) * SECTOR;
		iov[i].iov_len = SECTOR;
	}
	for (offset = 0; offset < 16 * SECTOR; offset += 300) {
		__u32 len = 16 * SECTOR - offset, at;

		if (len > 700)
			len = 700;
		prepare(offset, len, 0);
		if (pwritev(dev.fd, iov, ARRAY_SIZE(iov), 0) != 16 * SECTOR)
			die("pwritev: %s", strerror(errno));
		for (at = 0; at < len; at++) {
			__u32 byte = offset + at;
			__u8 *piece = iov[byte / SECTOR].iov_base;

			good &= state->data[at] == piece[byte % SECTOR];
		}
		good &= !state->result;
	}
	tap(good, "from a payload in pieces");
}

int main(int argc, char **argv)
{
	const char *dir = getenv("TEST_BPF");
	struct bpf_object *obj;
	struct bpf_link *link;
	char path[4096];

	if (argc != 2)
		die("usage: %s DEVICE", argv[0]);
	dev = disk_open(argv[1]);
	buf = buffer(SECTORS);
	fill(buf, 0, SECTORS, 1);
	snprintf(path, sizeof(path), "%s/path_load.bpf.o", dir ? dir : ".");
	obj = bpf_object__open(path);
	if (!obj || bpf_object__load(obj))
		die("cannot load %s: %s", path, strerror(errno));
	state = mmap(NULL, sizeof(*state), PROT_READ | PROT_WRITE, MAP_SHARED,
		     bpf_map__fd(bpf_object__find_map_by_name(obj, ".bss")), 0);
	link = bpf_program__attach_blk(bpf_object__next_program(obj, NULL),
				       dev.fd, NULL);
	if (state == MAP_FAILED || !link)
		die("cannot attach: %s", strerror(errno));

	expect_load(0, 1);
	expect_load(0, 512);
	expect_load(511, 2);
	expect_load(4095, 2);
	expect_load(4090, 8200);
	expect_load(BYTES - 1, 1);
	expect_load(0, BYTES);
	test_vectors();

	prepare(BYTES, 1, 0);
	expect_error("behind the end", -ERANGE, true);
	prepare(BYTES - 1, 2, 0);
	expect_error("across the end", -ERANGE, true);
	prepare(~0U, 1, 0);
	expect_error("far away", -ERANGE, true);
	prepare(~0U, LOAD_MAX, 0);
	expect_error("so far that it overflows", -ERANGE, true);
	prepare(0, 16, 0);
	expect_error("a read has no payload yet", -EINVAL, false);

	/* The rest is asked about as well, and dropped. */
	prepare(4 * SECTOR - 8, 8, 4);
	tap(!disk_write(&dev, buf, 0, 8) && state->runs == 1 &&
		    loaded_ok(4 * SECTOR - 8, 8),
	    "the end of an accepted part");
	prepare(4 * SECTOR, 1, 4);
	disk_write(&dev, buf, 0, 8);
	tap_eq(state->result, -ERANGE, "what is behind it is beyond the end");

	bpf_link__destroy(link);
	munmap(state, sizeof(*state));
	bpf_object__close(obj);
	return tap_exit();
}
