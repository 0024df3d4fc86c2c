/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BIOCTL_MIGRATE_H
#define BIOCTL_MIGRATE_H

#include "stack.h"

#define REGION 1024 /* sectors that are copied at a time */

/**
 * struct progress - state of the mirror
 * @source: number of the disk that it copies from
 * @target: of the other one
 * @done: regions that are copied
 * @total: of so many
 * @health: a letter for each disk: A is alive
 * @events: see struct dm_state
 */
struct progress {
	dev_t source;
	dev_t target;
	unsigned long long done;
	unsigned long long total;
	char health[3];
	unsigned int events;
};

struct migrate_args {
	const char *source;
	const char *target;
	unsigned long long rate;
	bool verify;
	bool cancel;
	bool force;
};

/* Somebody else, who watched as well, has ended it well. */
#define MIGRATED (-2)

/* migrate_end.c */
bool migrate_is_target(dev_t dev, const struct migrate_args *args);
int migrate_failed(struct stack *stack, const struct migrate_args *args);
int migrate_finish(struct stack *stack, const struct migrate_args *args);

/* migrate_mirror.c */
bool mirror_read(struct stack *stack, struct progress *progress);
bool mirror_is_alive(const struct progress *progress);
void mirror_show(const struct progress *progress, const char *end);
/* Of a second, in percent, the kernel's copying takes. */
unsigned int mirror_share(void);
void mirror_set_share(unsigned int percent);
void mirror_keep_rate(unsigned long long rate, unsigned long long done);

/* migrate_verify.c; not reported is MIRROR_FAILED: the mirror is gone, or not alive. */
#define MIRROR_FAILED (-1)
int migrate_verify(struct stack *stack, const char *target);

#endif /* BIOCTL_MIGRATE_H */
