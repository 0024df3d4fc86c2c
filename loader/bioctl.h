/* SPDX-License-Identifier: GPL-2.0 */
/*
 * bioctl: puts BPF policies in charge of the bios of block devices.
 *
 * A verb is a struct command: an argp table, a struct of arguments that argp
 * fills, and a function that does the work and builds a JSON value. Text for
 * people is rendered from that value, so both outputs say the same.
 *
 * bioctl runs one command and exits; small strings are left to the exit.
 */
#ifndef BIOCTL_H
#define BIOCTL_H

#include <argp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <jansson.h>
#include <linux/blk_interposer.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

enum exit_code {
	BIOCTL_OK = 0,
	BIOCTL_FAILED = 1,
	BIOCTL_USAGE = 2,
};

struct settings {
	bool json;
	bool verbose;
};

extern struct settings settings;

/* main.c */
struct command {
	const char *name;
	const char *doc;
	const struct argp *argp;
	size_t args_size;
	int (*run)(void *args);
};

extern const struct argp common_argp;
extern const struct argp_child common_children[];

const struct command *const *bioctl_commands(void);
const struct command *command_find(const char *name, bool *ambiguous);
int command_parse(const struct command *cmd, int argc, char **argv, void *args);
int bioctl_main(int argc, char **argv);

/* One per verb's file. */
extern const struct command cmd_attach, cmd_detach, cmd_replace, cmd_list,
	cmd_stats, cmd_target, cmd_stack, cmd_snapshot, cmd_migrate, cmd_verify,
	cmd_test, cmd_events, cmd_features, cmd_help;

/* util.c */
char *strf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void *xalloc(size_t nr, size_t size);
int number_base(const char *text);
bool parse_u64(const char *text, unsigned long long *value);
const char *base_name(const char *path);
void hold_signals(void);
void stop_signals(sigset_t *signals);
bool wait_unless_stopped(unsigned int seconds);
/* A barrier gave up waiting; the change stands. */
bool gave_up(int err);

/* output.c */
void emit(json_t *result, void (*human)(const json_t *result));
void emit_text(const char *text);
json_t *json_string_or_null(const char *text);
/* Text of a member of a result that may be null. */
const char *json_text(const json_t *object, const char *key,
		      const char *otherwise);
json_int_t json_int(const json_t *object, const char *key);
/* An element of a member that is an array; NULL beyond its end. */
json_t *json_element(const json_t *object, const char *key, size_t index);

/* errors.c */
enum op {
	OP_KERNEL,
	OP_DEVICE,
	OP_POLICY,
	OP_SET,
	OP_LOAD,
	OP_ATTACH,
	OP_DETACH,
	OP_REPLACE,
	OP_QUERY,
	OP_TARGET_OPEN,
	OP_TARGET_ADD,
	OP_TARGET_DEL,
	OP_TARGET_GET,
	OP_PIN,
	OP_FREEZE,
	OP_DM,
	OP_STACK,
	OP_SNAPSHOT,
	OP_STORE,
	OP_MIGRATE,
	OP_EVENTS,
	OP_TEST,
	OP_USAGE,
	__OP_MAX
};

/**
 * struct failure - what went wrong
 * @op: what was being done
 * @what: what it was being done with: a policy, program, target, path
 * @device: the device concerned
 * @err: errno, positive; 0 where bioctl itself says no
 * @cause: why; found by @op and @err when NULL
 * @next: what the user can do; found by @op and @err when NULL
 * @log: what libbpf and the verifier said
 */
struct failure {
	enum op op;
	const char *what;
	const char *device;
	int err;
	const char *cause;
	const char *next;
	const char *log;
};

int fail_report(const struct failure *failure);
/* Nothing is written between the two: it might be to what is frozen. */
void fail_hold(void);
bool fail_is_held(void);
void fail_release(void);
/* Returns BIOCTL_FAILED, so that a caller can return it. */
#define failed(...) fail_report(&(struct failure){ __VA_ARGS__ })

/**
 * struct explanation - sentences for an errno
 * @cause: why it failed
 * @next: what the user can do about it
 */
struct explanation {
	const char *cause;
	const char *next;
};

/* False when there is no sentence for this very pair. */
bool explain(enum op op, int err, struct explanation *explanation);
const char *op_action(enum op op);

/* kernel.c */
int kernel_check(void);

/* device.c */
char *device_path(const char *name);
char *device_key(dev_t dev, const char *path);
char *device_name(dev_t dev);
dev_t device_number(int fd);
unsigned long long device_sectors(const char *path);
int device_open(const char *name, enum op op, int flags, char **path,
		dev_t *dev);

/* pin.c */
#define BIOCTL_PIN_LINK "link"
#define BIOCTL_PIN_MAPS "maps"

/* A link that is pinned somewhere in a bpffs. */
struct pinned_link {
	struct pinned_link *next;
	__u32 id;
	char *path;
};

const char *bpffs_root(void);
char *pin_default_dir(const char *device_key, const char *name);
char *pin_attachment_name(const char *link_path);
char *pin_dir_of_link(const char *link_path);
#define PIN_LOCKED (-2)
int pin_lock(void);
int pin_try_lock(void);
int pin_make_dir(const char *dir);
void pin_remove_dir(const char *dir);
void pin_forget_maps(const char *dir);
struct pinned_link *pin_scan(void);
void pin_free(struct pinned_link *pins);
const char *pin_path_of(const struct pinned_link *pins, __u32 link_id);
bool fd_is(int fd, const char *kind);

/* chain.c */
struct entry {
	__u32 prog_id;
	__u32 link_id; /* 0: attached without a link */
	__u64 cookie;
	bool defunct;
	dev_t lower; /* device that the link made, 0 without one */
	char *prog_name;
	char *name; /* of the attachment, NULL when it is not pinned */
	char *pin; /* of the link */
	struct bpf_blk_stats stats;
};

/* Programs of a device, and one more */
#define CHAIN_MAX 64

struct chain {
	char *device;
	char *key;
	dev_t dev;
	int fd; /* of the device, -1 when it is gone */
	__u64 revision;
	struct entry *entries;
	unsigned int nr;
};

int chain_open(struct chain *chain, const char *device);
int chain_query(struct chain *chain);
void chain_free_entries(struct chain *chain);
int chain_defunct(struct chain *chain, const char *device);
struct entry *chain_find(struct chain *chain, const char *ref, enum op op);
bool chain_device_is_gone(const char *device);
const char *entry_label(const struct entry *entry);
#define MAPS_MAX 64
int entry_maps(const struct entry *entry, __u32 ids[MAPS_MAX]);

/* policy.c */
struct policy_args {
	const char *policy;
	const char *prog;
	const char *name;
	char **sets;
	unsigned int nr_sets;
	char **targets;
	unsigned int nr_targets;
};

struct policy {
	char *path;
	char *name;
	struct bpf_object *object;
	struct bpf_program *program;
};

extern const struct argp policy_argp;
extern const struct argp targets_argp;

char *policy_find(const char *name);
char *policy_name(const char *path);
int policy_open(struct policy *policy, const struct policy_args *args,
		const char *device);
int policy_load(struct policy *policy, const char *device);
void policy_close(struct policy *policy);
json_t *policy_json(const struct policy *policy);
/* A map that user space can name: not .rodata and its like. */
bool map_is_named(const struct bpf_map *map);
void list_add(char ***list, unsigned int *nr, char *item);

/* log.c */
void log_start(void);
/* What libbpf said since log_start(); NULL if it said nothing. */
char *log_finish(void);

/* set.c */
int set_globals(struct bpf_object *object, char **sets, unsigned int nr,
		char **error);
char *set_known(const struct bpf_object *object);

/* target.c */
int target_fill(const struct policy *policy, char **targets, unsigned int nr,
		const char *device);

/* place.c: where in the chain, and how the change is made */
struct place_args {
	const char *before;
	const char *after;
	bool first;
	bool last;
	bool barrier;
	bool freeze;
	bool have_revision;
	__u64 revision;
};

extern const struct argp place_argp;
extern const struct argp barrier_argp;

int place_resolve(const struct place_args *args, struct chain *chain,
		  __u32 *flags, __u32 *relative_id);

/* detach.c */
int link_detach(int link, __u32 flags);

/* where.c */
enum whereabouts { PLACE_ELSEWHERE, PLACE_ON_IT, PLACE_UNKNOWN };

struct libmnt_fs;

dev_t device_disk(dev_t dev);
bool device_is_above(dev_t dev, dev_t base);
bool device_rests_on(dev_t dev, dev_t base);
bool device_is_stacked_on(dev_t dev, dev_t base);
enum whereabouts file_place(const char *path, dev_t base);
bool mount_is_above(struct libmnt_fs *fs, dev_t base);
bool device_is_mounted(dev_t dev);

/* redirects.c */
dev_t *device_redirects(dev_t dev);

/* freeze.c */
struct frozen;

int freeze_filesystems(dev_t dev, const char *device, struct frozen **frozen);
int freeze_device(dev_t dev, const char *device, struct frozen **frozen);
int freeze_device_watched(dev_t dev, const char *device,
			  void (*hangs)(void *arg), void *arg,
			  struct frozen **frozen);
int guard_only(const char *device, struct frozen **frozen);
int frozen_flush(struct frozen *frozen, const char *device);
int frozen_suspend(struct frozen *frozen, const char *name);
int frozen_suspend_hanging(struct frozen *frozen, const char *name);
int frozen_resume(struct frozen *frozen, const char *name);
json_t *frozen_json(const struct frozen *frozen);
int thaw_filesystems(struct frozen *frozen, const char *device);

/* ops.c */
const char *op_name(__u32 op);
int op_by_name(const char *name);
int flag_by_name(const char *name);
const char *verdict_name(unsigned int verdict);

/* stats.c */
json_t *stats_json(const struct bpf_blk_stats *stats);
void stats_print(const json_t *stats, const char *indent);

#endif /* BIOCTL_H */
