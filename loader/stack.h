/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BIOCTL_STACK_H
#define BIOCTL_STACK_H

#include "bioctl.h"
#include "dm.h"

#define STACK_POLICY "stack"
#define STACK_UUID "BIOCTL-STACK-"
#define MIGRATE_STACK "migrate"
/* How long the kernel may take to let go of a target, in seconds */
#define PATIENCE 60

/**
 * struct stack - a device with something stacked on its lower device
 * @device: path of the device
 * @dev: its number
 * @key: its directory in bpffs
 * @name: of the attachment
 * @dir: where its link and maps are pinned
 * @link: descriptor of the link, -1 if there is none
 * @link_info: about it
 * @map: descriptor of the device map, -1
 * @top: what it redirects to, 0 if nothing
 * @dm_name: of the device that we make
 * @dm: that, if it is there and ours
 */
struct stack {
	char *device;
	dev_t dev;
	char *key;
	char *name;
	char *dir;
	int link;
	struct bpf_link_info link_info;
	int map;
	dev_t top;
	char *dm_name;
	struct dm_state dm;
};

struct stack_args {
	const char *verb;
	const char *device;
	const char *name;
	const char *table;
	const char *existing; /* device on top of the lower device */
	const char *policy;
	char **sets;
	unsigned int nr_sets;
	bool force;
};

/* stack_state.c */
int stack_find(struct stack *stack, const char *device, const char *name);
void stack_look(struct stack *stack, const char *key, const char *name);
char *stack_uuid(const struct stack *stack);
/* The same, and that there is none is an error. */
int stack_find_there(struct stack *stack, const char *device, const char *name);
bool stack_is_there(const struct stack *stack);
void stack_forget_defunct(struct stack *stack);
dev_t stack_moved_to(const struct stack *stack);
bool stack_passes_on(const struct stack *stack);
int stack_keep(const char *device, const char *name, __u32 link, enum op op);
const char *stack_state(const struct stack *stack);
json_t *stack_json(const struct stack *stack);
json_t *stack_list_json(void);

/* stack_check.c */
int stack_check_limits(const struct stack *stack, const char *top, dev_t dev,
		       unsigned long long its);
int stack_check_top(const struct stack *stack, const char *top, bool force);

/* stack_gap.c */
char *stack_gap(const struct stack *stack);

/* stack_exchange.c */
void at_step(const char *step);
int stack_barrier(const struct stack *stack);
int stack_set_top(const struct stack *stack, const char *top);
int stack_switch_top(const struct stack *stack, const char *top,
		     int (*check)(const struct stack *stack), json_t **covered);
char *stack_pass_table(const struct stack *stack);
int stack_put_in_use(const struct stack *stack, json_t **covered);
int stack_exchange(const struct stack *stack, const char *table,
		   int (*check)(const struct stack *stack), json_t **covered);
int stack_rescue(struct stack *stack);
int stack_let_go(const char *device, const char *name, bool *did);
int stack_wake(struct stack *stack);

/* stack_cache.c */
bool stack_has_cache(const struct stack *stack);
int stack_check_clean(const struct stack *stack);
int stack_check_others(const struct stack *stack);
int stack_write_back(const struct stack *stack, const char *message);

/* stack_change.c */
int stack_insert(const struct stack_args *args);
int stack_remove(const struct stack_args *args);
int stack_insert_quietly(const struct stack_args *args);
int stack_remove_quietly(const struct stack_args *args);
int stack_attach(struct stack *stack, const struct stack_args *args);
int stack_take_off(struct stack *stack);

/* migrate_mirror.c */
bool stack_mirror_failed(const struct stack *stack);

#endif /* BIOCTL_STACK_H */
