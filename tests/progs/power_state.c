// SPDX-License-Identifier: GPL-2.0
/*
 * usage: power_state move DIR RANGES
 *	  power_state points DIR N|all
 *	  power_state build DIR POSITION DICE
 *	  power_state writes DIR
 *
 * `move` takes what the ranges of the policy redirect, at the same sector, out
 * of 0.base and puts it into that of the target's disk, which is the key of
 * the target plus 1: who reads it from the source does not find it any more.
 * `points` prints where to let the power fail. All moments that make a
 * difference are the ends of the steps of the load and the answers of flushes
 * and FUA writes; of each Nth part of them that one is taken when the targets
 * had most to lose.
 * `build` makes DIR/N.left, for each disk N: what was stable at the position
 * and, if DICE is not 0, some of the rest; it prints how many blocks were
 * lost. `writes` prints a line for each disk: writes, those with FUA, flushes.
 * See power.h.
 */
#include "power.h"

static struct power_request *requests;
static size_t nr_requests;

static int base_of(const char *dir, unsigned int disk, int flags)
{
	char name[16];

	snprintf(name, sizeof(name), "%u.base", disk);
	return power_open(dir, name, flags);
}

static void move_range(const char *dir, uint64_t first, uint64_t last,
		       unsigned int disk)
{
	off_t at = first * 512, end = (last + 1) * 512;
	int from = base_of(dir, 0, O_RDWR);
	int to = base_of(dir, disk, O_WRONLY);
	static const char zeroes[POWER_BLOCK];
	char buf[POWER_BLOCK];

	for (; at < end; at += sizeof(buf)) {
		power_read(from, buf, sizeof(buf), at);
		/* Keeps the image sparse. */
		if (memcmp(buf, zeroes, sizeof(buf)))
			power_write(to, buf, sizeof(buf), at);
	}
	if (fallocate(from, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      first * 512, (last + 1 - first) * 512))
		power_die("punch a hole");
	close(from);
	close(to);
}

static void move(const char *dir, char *ranges)
{
	unsigned long long first, last, to;
	unsigned int key;

	for (char *range = strtok(ranges, ","); range;
	     range = strtok(NULL, ",")) {
		if (sscanf(range, "%llu-%llu:%llu:%u", &first, &last, &to,
			   &key) != 4 ||
		    to != first || key + 1 >= POWER_DISKS)
			power_die("range %s", range);
		move_range(dir, first, last, key + 1);
	}
}

/* A write that was answered before this is stable by a flush. */
static uint64_t flushed(unsigned int disk, uint64_t position)
{
	uint64_t before = 0;

	for (size_t i = 0; i < nr_requests; i++) {
		const struct power_request *r = &requests[i];

		if (r->disk == disk && !r->len && r->stable &&
		    r->answered <= position && r->arrived > before)
			before = r->arrived;
	}
	return before;
}

static bool is_stable(const struct power_request *r, uint64_t position,
		      uint64_t flushed_before)
{
	return (r->stable && r->answered <= position) ||
	       r->answered < flushed_before;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Number of bytes that the targets need not have kept. */
static uint64_t at_risk(uint64_t position)
{
	uint64_t before[POWER_DISKS], bytes = 0;

	for (unsigned int i = 0; i < POWER_DISKS; i++)
		before[i] = flushed(i, position);
	for (size_t i = 0; i < nr_requests; i++) {
		const struct power_request *r = &requests[i];

		if (r->disk && r->arrived <= position &&
		    !is_stable(r, position, before[r->disk]))
			bytes += r->len;
	}
	return bytes;
}

static uint64_t riskiest(const uint64_t *at, size_t nr)
{
	uint64_t risk, most = 0, found = at[nr - 1];

	for (size_t i = 0; i < nr; i++) {
		risk = at_risk(at[i]);
		if (risk <= most)
			continue;
		most = risk;
		found = at[i];
	}
	return found;
}

static void points(const char *dir, bool all, unsigned long wanted)
{
	size_t nr_steps, nr = 0, i;
	struct power_step *steps =
		power_entries(dir, "steps", sizeof(*steps), &nr_steps);
	uint64_t *at = power_alloc(nr_steps + nr_requests, sizeof(*at));

	for (i = 1; i < nr_steps; i++)
		at[nr++] = steps[i].end;
	for (i = 0; i < nr_requests; i++)
		if ((!requests[i].len || requests[i].fua) &&
		    requests[i].answered != POWER_NEVER &&
		    requests[i].answered > steps[0].end)
			at[nr++] = requests[i].answered;
	qsort(at, nr, sizeof(*at), by_value);
	if (all || wanted > nr)
		wanted = nr;
	for (i = 0; i < wanted; i++) {
		size_t from = i * nr / wanted, to = (i + 1) * nr / wanted;
		uint64_t point = riskiest(at + from, to - from);

		if (!all || !i || point != at[from - 1])
			printf("%llu\n", (unsigned long long)point);
	}
	free(at);
	free(steps);
}

static void copy_base(const char *dir, unsigned int disk, int to)
{
	off_t data = 0, hole;
	int from = base_of(dir, disk, O_RDONLY);
	char buf[POWER_BLOCK];
	struct stat st;

	if (fstat(from, &st) || ftruncate(to, 0) || ftruncate(to, st.st_size))
		power_die("disk %u", disk);
	while ((data = lseek(from, data, SEEK_DATA)) >= 0) {
		hole = lseek(from, data, SEEK_HOLE);
		for (; data < hole; data += sizeof(buf)) {
			power_read(from, buf, sizeof(buf), data);
			power_write(to, buf, sizeof(buf), data);
		}
	}
	close(from);
}

/* Return: number of blocks that are not left. */
static unsigned int apply(const struct power_request *r, int data, int to,
			  bool stable, uint64_t *dice)
{
	uint32_t fate = stable ? 0 : *dice ? power_random(dice) % 3 : 1;
	unsigned int lost = 0;
	char buf[POWER_BLOCK];
	uint32_t done, n;

	for (done = 0; done < r->len; done += n) {
		n = POWER_BLOCK - (r->offset + done) % POWER_BLOCK;
		if (n > r->len - done)
			n = r->len - done;
		if (fate == 1 || (fate == 2 && power_random(dice) % 2)) {
			lost++;
			continue;
		}
		power_read(data, buf, n, r->data + done);
		power_write(to, buf, n, r->offset + done);
	}
	return lost;
}

static void build_disk(const char *dir, unsigned int disk, uint64_t position,
		       uint64_t dice)
{
	uint64_t before = flushed(disk, position);
	int data = power_open(dir, "data", O_RDONLY);
	unsigned int lost = 0;
	char name[16];
	int to;

	snprintf(name, sizeof(name), "%u.left", disk);
	to = power_open(dir, name, O_WRONLY | O_CREAT);
	copy_base(dir, disk, to);
	for (size_t i = 0; i < nr_requests; i++) {
		const struct power_request *r = &requests[i];
		bool stable = is_stable(r, position, before);

		if (r->disk == disk && r->len && r->arrived <= position)
			lost += apply(r, data, to, stable, &dice);
	}
	close(data);
	close(to);
	printf("%s%u", disk ? " " : "", lost);
}

static void writes(unsigned int disk)
{
	unsigned int nr = 0, fua = 0, flushes = 0;

	for (size_t i = 0; i < nr_requests; i++) {
		const struct power_request *r = &requests[i];

		if (r->disk != disk)
			continue;
		nr += r->len != 0;
		fua += r->fua;
		flushes += !r->len;
	}
	printf("%u %u %u\n", nr, fua, flushes);
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: %s move|points|build|writes DIR ...\n",
			argv[0]);
		return 2;
	}
	if (!strcmp(argv[1], "move") && argc == 4) {
		move(argv[2], argv[3]);
		return 0;
	}
	requests = power_entries(argv[2], "requests", sizeof(*requests),
				 &nr_requests);
	if (!strcmp(argv[1], "points") && argc == 4) {
		points(argv[2], !strcmp(argv[3], "all"),
		       strtoul(argv[3], NULL, 0));
	} else if (!strcmp(argv[1], "build") && argc == 5) {
		for (unsigned int i = 0; i < POWER_DISKS; i++)
			build_disk(argv[2], i, strtoull(argv[3], NULL, 0),
				   strtoull(argv[4], NULL, 0));
		puts("");
	} else if (!strcmp(argv[1], "writes")) {
		for (unsigned int i = 0; i < POWER_DISKS; i++)
			writes(i);
	} else {
		return 2;
	}
	return 0;
}
