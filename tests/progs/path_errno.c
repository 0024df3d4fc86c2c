// SPDX-License-Identifier: GPL-2.0
/*
 * usage: path_errno DEVICE
 *
 * BPF_BIO_FAIL with every errno there is: those that a block status stands
 * for reach the reader and the writer, all others become EIO and are counted.
 */
#include "path.h"

static const int allowed[] = { EIO,	EOPNOTSUPP, ETIMEDOUT, ENOSPC,
			       ENOLINK, EREMOTEIO,  EBADE,     ENODATA,
			       EILSEQ,	ENOMEM,	    EBUSY,     ENODEV,
			       ETIME,	EINVAL };

static bool is_allowed(int error)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(allowed); i++)
		if (allowed[i] == error)
			return true;
	return false;
}

/* What a read and a write end with. */
static int fate_of(struct rule_prog *p, const struct disk *d, void *buf,
		   int error)
{
	struct rule rule = {
		.first = 8, .last = 15, .verdict = BPF_BIO_FAIL, .error = error
	};
	int got[2];

	rule_clear(p);
	rule_add(p, &rule);
	got[0] = disk_read(d, buf, 8, 8);
	got[1] = disk_write(d, buf, 8, 8);
	if (got[0] != got[1])
		return 1;
	return got[0];
}

int main(int argc, char **argv)
{
	unsigned int bad = 0, refused = 0, others = 0;
	struct bpf_blk_stats stats;
	struct rule_prog p;
	struct disk d;
	void *buf = buffer(8);
	int e, got;
	size_t i;

	if (argc != 2)
		die("usage: %s DEVICE", argv[0]);
	d = disk_open(argv[1]);
	must_load(&p);
	p.state->quiet = 1;
	must_attach(&p, &d);

	tap_eq(fate_of(&p, &d, buf, 0), -EIO, "0 stands for EIO");
	for (i = 0; i < ARRAY_SIZE(allowed); i++) {
		e = allowed[i];
		tap_eq(fate_of(&p, &d, buf, -e), -e, strerrorname_np(e));
	}
	tap_eq(stats_of(&p).refused[BPF_BIO_REFUSED_ERRNO], 0,
	       "none of them was refused");

	for (e = 1; e < 4096; e++) {
		if (is_allowed(e))
			continue;
		others++;
		/* The kernel has a message for each; not all of them here. */
		if (e > 140 && e % 512)
			continue;
		refused += 2;
		got = fate_of(&p, &d, buf, -e);
		bad += got != -EIO;
		if (got != -EIO)
			printf("# errno %d: got %d\n", e, got);
	}
	tap(!bad && others, "every other errno becomes EIO");
	tap_eq(fate_of(&p, &d, buf, 5), -EIO, "a positive errno becomes EIO");
	tap_eq(fate_of(&p, &d, buf, -4096), -EIO, "so does what is no errno");
	tap_eq(fate_of(&p, &d, buf, (int)0x80000000), -EIO,
	       "and the smallest number");
	refused += 6;
	stats = stats_of(&p);
	tap_eq(stats.refused[BPF_BIO_REFUSED_ERRNO], refused,
	       "each of these was counted");
	tap_eq(stats.bios[BPF_BIO_FAIL],
	       refused + 2 * (ARRAY_SIZE(allowed) + 1), "as were all failures");
	rule_detach(&p);
	tap_eq(disk_read(&d, buf, 8, 8), 0, "afterwards the range can be read");
	rule_close(&p);
	return tap_exit();
}
