// SPDX-License-Identifier: GPL-2.0
/*
 * usage: power_load DIR MOUNTPOINT STEPS [SEED]
 *
 * Changes files from several threads, each in a directory and with files of
 * its own, and makes each of STEPS steps stable before the next: fsync of the
 * file, or O_DSYNC, and fsync of the directory. Writes DIR/steps: what was
 * done, and between which positions; see power.h.
 */
#include <errno.h>
#include <pthread.h>

#include "power.h"

#define DIRECT_SIZE POWER_BLOCK

static int mountpoint;
static const _Atomic uint64_t *position;

struct thread {
	pthread_t id;
	uint32_t number;
	uint32_t names; /* given so far */
	uint64_t dice;
	int dir;
	void *buf; /* aligned for O_DIRECT */
	struct power_step *steps;
	unsigned int nr_steps;
	struct power_file files[POWER_FILES];
};

static struct thread threads[POWER_THREADS];

static void check(bool good, const char *what)
{
	if (!good)
		power_die("%s", what);
}

static void path_of(char *to, size_t size, const struct thread *t,
		    uint32_t name)
{
	power_file_name(to, size, t->number, name);
}

static int open_file(const struct thread *t, uint32_t name, int flags)
{
	char path[64];
	int fd;

	path_of(path, sizeof(path), t, name);
	fd = openat(mountpoint, path, flags | O_CLOEXEC, 0600);
	check(fd >= 0, path);
	return fd;
}

static void sync_dir(const struct thread *t)
{
	check(!fsync(t->dir), "fsync of a directory");
}

static void write_part(struct thread *t, int fd, const struct power_step *step)
{
	power_fill(t->buf, step->seed, step->off, step->len);
	power_write(fd, t->buf, step->len, step->off);
}

static void write_and_sync(struct thread *t, uint32_t name, int flags,
			   const struct power_step *step)
{
	int fd = open_file(t, name, O_WRONLY | flags);

	write_part(t, fd, step);
	if (!(flags & O_DSYNC))
		check(!(step->seed % 2 ? fsync(fd) : fdatasync(fd)), "fsync");
	close(fd);
}

static void do_rename(const struct thread *t, uint32_t from, uint32_t to)
{
	char old[64], new[64];

	path_of(old, sizeof(old), t, from);
	path_of(new, sizeof(new), t, to);
	check(!renameat(mountpoint, old, mountpoint, new), "rename");
}

static void do_remove(const struct thread *t, uint32_t name)
{
	char path[64];

	path_of(path, sizeof(path), t, name);
	check(!unlinkat(mountpoint, path, 0), "unlink");
}

static int overwrite_flags(const struct power_step *step)
{
	if (step->off % DIRECT_SIZE == 0 && step->len % DIRECT_SIZE == 0)
		return O_DSYNC | O_DIRECT;
	return step->seed % 3 ? O_DSYNC : 0;
}

static void carry_out(struct thread *t, const struct power_step *step)
{
	uint32_t name = t->files[step->file].name;

	switch (step->op) {
	case POWER_CREATE:
		write_and_sync(t, step->name, O_CREAT | O_EXCL, step);
		sync_dir(t);
		break;
	case POWER_APPEND:
		write_and_sync(t, name, 0, step);
		break;
	case POWER_OVERWRITE:
		write_and_sync(t, name, overwrite_flags(step), step);
		break;
	case POWER_REPLACE:
		write_and_sync(t, power_temporary(name), O_CREAT | O_EXCL,
			       step);
		do_rename(t, power_temporary(name), name);
		sync_dir(t);
		break;
	case POWER_RENAME:
		do_rename(t, name, step->name);
		sync_dir(t);
		break;
	case POWER_REMOVE:
		do_remove(t, name);
		sync_dir(t);
		break;
	}
}

static void plan_overwrite(struct thread *t, const struct power_file *f,
			   struct power_step *step)
{
	uint32_t blocks = f->len / DIRECT_SIZE;

	if (blocks && power_random(&t->dice) % 2) {
		step->off = power_random(&t->dice) % blocks * DIRECT_SIZE;
		step->len = DIRECT_SIZE;
		return;
	}
	step->off = power_random(&t->dice) % f->len;
	step->len = 1 + power_random(&t->dice) % (f->len - step->off);
}

static void plan(struct thread *t, struct power_step *step)
{
	static const uint8_t ops[] = {
		POWER_APPEND,  POWER_APPEND, POWER_OVERWRITE, POWER_OVERWRITE,
		POWER_REPLACE, POWER_RENAME, POWER_REMOVE,
	};
	const struct power_file *f;

	memset(step, 0, sizeof(*step));
	step->thread = t->number;
	step->file = power_random(&t->dice) % POWER_FILES;
	step->seed = power_random(&t->dice);
	f = &t->files[step->file];
	step->op = f->there ? ops[power_random(&t->dice) % sizeof(ops)] :
			      POWER_CREATE;
	step->name = f->name;
	switch (step->op) {
	case POWER_CREATE:
	case POWER_RENAME:
		step->name = t->names;
		t->names += 2;
		break;
	}
	switch (step->op) {
	case POWER_CREATE:
	case POWER_REPLACE:
		step->len = 1 + power_random(&t->dice) % (POWER_FILE_MAX / 2);
		break;
	case POWER_APPEND:
		step->off = f->len;
		step->len = 1 + power_random(&t->dice) % (16 << 10);
		if (step->off + step->len <= POWER_FILE_MAX)
			break;
		step->op = POWER_OVERWRITE;
		/* fallthrough */
	case POWER_OVERWRITE:
		plan_overwrite(t, f, step);
		break;
	}
}

static void *run(void *arg)
{
	struct thread *t = arg;

	for (unsigned int i = 0; i < t->nr_steps; i++) {
		struct power_step *step = &t->steps[i];

		plan(t, step);
		step->start = atomic_load(position);
		carry_out(t, step);
		step->end = atomic_load(position);
		power_apply(&t->files[step->file], step);
	}
	return NULL;
}

static void prepare(struct thread *t, uint32_t number, unsigned int nr_steps,
		    uint64_t seed)
{
	char name[16];

	t->number = number;
	t->dice = power_mix(seed) + number * 0x100000000ULL;
	t->nr_steps = nr_steps;
	t->steps = power_alloc(nr_steps, sizeof(*t->steps));
	t->buf = aligned_alloc(DIRECT_SIZE, POWER_FILE_MAX);
	check(t->buf, "memory");
	snprintf(name, sizeof(name), "t%u", number);
	check(!mkdirat(mountpoint, name, 0700), name);
	t->dir = openat(mountpoint, name, O_RDONLY | O_DIRECTORY);
	check(t->dir >= 0, name);
}

int main(int argc, char **argv)
{
	struct power_step ready = { .op = POWER_READY };
	unsigned int each;
	int out;

	if (argc < 4) {
		fprintf(stderr, "usage: %s DIR MOUNTPOINT STEPS [SEED]\n",
			argv[0]);
		return 2;
	}
	position = power_position(argv[1], O_RDONLY);
	mountpoint = open(argv[2], O_RDONLY | O_DIRECTORY);
	check(mountpoint >= 0, argv[2]);
	each = strtoul(argv[3], NULL, 0) / POWER_THREADS;
	for (uint32_t i = 0; i < POWER_THREADS; i++)
		prepare(&threads[i], i, each,
			argc > 4 ? strtoull(argv[4], NULL, 0) : 1);
	check(!syncfs(mountpoint), "syncfs");
	ready.end = atomic_load(position);

	for (int i = 0; i < POWER_THREADS; i++) {
		errno = pthread_create(&threads[i].id, NULL, run, &threads[i]);
		check(!errno, "thread");
	}
	for (int i = 0; i < POWER_THREADS; i++)
		pthread_join(threads[i].id, NULL);

	out = power_open(argv[1], "steps", O_WRONLY | O_CREAT | O_TRUNC);
	power_write(out, &ready, sizeof(ready), 0);
	for (size_t i = 0; i < POWER_THREADS; i++)
		power_write(out, threads[i].steps,
			    each * sizeof(*threads[i].steps),
			    sizeof(ready) + i * each * sizeof(ready));
	return 0;
}
