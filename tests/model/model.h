/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A differential fuzzer for the data path: random traces of attaching, rules,
 * targets and I/O, and a model in user space that predicts every sector of
 * every device, every errno and, where that is exact, every counter.
 *
 * How it hangs together
 * ---------------------
 *	gen.c	  seed -> trace (steps, one a line)
 *	trace.c	  trace <-> text
 *	config.c  what a step makes of programs, lists and slots
 *	route.c	  where the sectors of a bio go, by the contract
 *	flush.c	  which devices a flush has to reach
 *	plan.c	  a round of I/O: what each step may see and leave behind
 *	own.c	  which thread may do it
 *	run.c	  executes a trace: plan, do, compare
 *	real.c, io.c  the kernel
 *	sim.c	  a kernel in memory, for tests on the host and planted faults
 *	watch.c	  I/O that never ends
 *	shrink.c  delta debugging of a failing trace
 *
 * A sector holds one 64-bit stamp (step that wrote it, device and sector it was
 * written to), repeated in a pattern; the model only knows stamps. 0 stands for
 * zeroes.
 *
 * A trace is cut into rounds. In a round several threads do I/O at the same
 * time; plan.c drops steps whose sectors another thread uses, so that the
 * order of the trace predicts each. A change during a round ("live") makes two
 * outcomes possible for each bio: each sector has a set of stamps then, and
 * what is found in the end makes it one again.
 *
 * Steps that cannot be carried out, or whose outcome the contract leaves open,
 * are skipped, which depends on the trace alone. So each subset of a trace is a
 * trace: shrink.c needs to know nothing.
 */
#ifndef __MODEL_H
#define __MODEL_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <linux/types.h>
#include <linux/blk_interposer.h>
#include "../bpf/rule.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define SECTOR 512U
#define WINDOW 8192U /* sectors of a device that are modelled */
#define PAGE 8U /* sectors */
#define CHUNK 64U /* sectors that are compared together */
#define MAX_IO 1024U /* sectors */
#define MAX_DEVS 10
#define MAX_PROGS 6
#define MAX_KEYS 4
#define MAX_SEGMENTS 4
#define MAX_THREADS 3
#define MAX_LIVE 2 /* changes during a round */
#define MAX_ERRORS 8
#define MAX_STAMPS 6
#define TORN (~0ULL) /* a sector that is no stamp's */

/* Words of an operation. A trace has its name. */
enum io_op { IO_READ, IO_WRITE, IO_ZERO, IO_DISCARD, IO_OPS };
/* How it gets to the block layer. */
enum io_way {
	WAY_DIRECT,
	WAY_DSYNC,
	WAY_NOWAIT,
	WAY_URING,
	WAY_BUFFERED,
	WAY_MMAP,
	IO_WAYS
};

enum fault {
	FAULT_NONE,
	FAULT_ORDER, /* the chain runs backwards */
	FAULT_TWICE, /* an offset is applied twice */
	FAULT_HOPS, /* one hop more than allowed */
	FAULT_REMAINDER, /* what a driver splits off meets the chain again */
	FAULT_FLUSH, /* only the source is flushed */
	FAULT_CLOSE, /* a target is closed without its flush */
	FAULT_REST, /* the rest of a partly accepted bio is not asked about */
	FAULT_FALLBACK, /* a missing key passes, whatever the fallback */
	FAULT_APART, /* parts that pass do not stay together */
	FAULTS
};

extern const char *const fault_names[FAULTS];
extern const char *const op_names[IO_OPS];
extern const char *const way_names[IO_WAYS];

/* Devices: layout.c */
enum dev_kind { DEV_LEAF, DEV_PART, DEV_LINEAR };

struct segment {
	__u64 first;
	__u64 len;
	int dev;
	__u64 offset;
};

/**
 * struct dev - a block device
 * @sectors: its size
 * @window: the first of them are modelled, or used if it is no leaf
 * @block: logical block in sectors
 * @parent: disk of a partition
 * @start: of a partition
 * @segments: of a dm-linear device
 * @cache: has a write cache
 * @counts: its flushes can be counted
 * @stable: needs stable pages
 * @discard: takes discards
 */
struct dev {
	char path[64];
	enum dev_kind kind;
	__u64 sectors;
	__u32 window;
	__u32 block;
	int parent;
	__u64 start;
	struct segment segments[MAX_SEGMENTS];
	int nr_segments;
	bool cache;
	bool counts;
	bool stable;
	bool discard;
};

struct layout {
	struct dev devs[MAX_DEVS];
	int nr;
	__u32 unit; /* sectors, the largest logical block */
	bool stacked; /* a device is dm-linear */
};

extern struct layout layout;

void layout_add(const char *spec);
int whole_of(int dev);

/* Configuration: config.c */
struct slot {
	int dev; /* -1: none */
	bool ro;
};

struct prog {
	struct rule rules[RULE_MAX];
	__u32 nr_rules;
	struct slot slots[MAX_KEYS];
	int dev; /* attached to, -1: not */
};

struct list {
	int nr;
	int progs[MAX_PROGS];
};

/**
 * struct config - what is attached and chosen
 * @above: a device -> those it may have sent to since the trace began
 */
struct config {
	struct prog progs[MAX_PROGS];
	struct list lists[MAX_DEVS];
	__u32 above[MAX_DEVS];
};

enum verb {
	DO_RULE,
	DO_CLEAR,
	DO_SLOT,
	DO_ATTACH,
	DO_DETACH,
	DO_REPLACE,
	DO_IO,
	DO_SYNC,
	DO_ROUND,
	VERBS
};

enum where { AT_FIRST, AT_LAST, AT_BEFORE, AT_AFTER };

/**
 * struct step - one line of a trace
 * @line: number in the trace as it was made, kept when it shrinks
 * @live: a change while I/O is under way, after @after steps of I/O were begun
 * @prog: of rule, clear, slot, attach, detach, replace
 * @other: program of before, after and replace
 * @dev: of slot (-1: empty it), attach, I/O and sync
 */
struct step {
	int line;
	enum verb verb;
	bool live;
	unsigned int after;
	int prog;
	int other;
	enum where where;
	int key;
	int dev;
	bool ro;
	struct rule rule;
	int thread;
	enum io_way way;
	enum io_op op;
	__u64 sector;
	__u32 nr;
};

struct trace {
	struct step *steps;
	int nr;
	int room;
};

void config_init(struct config *c);
/* 1: not possible, nothing happens; else what the kernel answers */
int config_apply(struct config *c, const struct step *s);
/* Disks that I/O to a disk may get to */
__u32 config_reach(const struct config *c, int disk);
bool config_has_target(const struct config *c, int dev);
/* How many are open: slots with the same device and mode share one. */
int config_targets(const struct config *c);

/* trace.c */
void trace_add(struct trace *t, const struct step *s);
void trace_free(struct trace *t);
void trace_print(const struct trace *t, FILE *to, const char *prefix);
void step_print(const struct step *s, FILE *to);
int step_parse(char *line, struct step *s);
int trace_read(struct trace *t, FILE *from);

/* gen.c */
void rng_seed(__u64 seed);
__u32 rng(__u32 below);
void generate(struct trace *t, __u64 seed);

/* Where sectors go: route.c */
enum end { FATE_PLACE, FATE_DONE, FATE_ERROR, FATE_OPEN };

/**
 * struct outcome - of a part of an I/O
 * @off: first sector, counted from the beginning of the I/O
 * @dev: leaf
 * @target: last redirect target, -1
 * @fua: it has to be on stable storage: FATE_DONE flushes @dev
 */
struct outcome {
	enum end fate;
	__u32 off;
	__u32 nr;
	int dev;
	__u64 sector;
	int target;
	bool fua;
	int error;
};

struct counts {
	__u64 bios[8];
	__u64 sectors[8];
	__u64 refused[16];
};

/**
 * struct router - a bio on its way
 * @versions: the configuration, and as it is after each change of the round
 * @nr_versions: 1: every bio is known, which is counted in @counts
 * @counts: by program, may be NULL
 * @used: of struct caches, may be NULL
 * @may: likewise
 * @fault: what is wrong in this world
 * @exact: it is one bio; otherwise several, of unknown length
 * @zero: without data, if the devices can do that
 * @fua: it is sent with FUA
 * @divided: set if a driver divided it
 */
struct router {
	const struct config *versions;
	int nr_versions;
	struct counts *counts;
	__u32 *used;
	__u32 *may;
	enum fault fault;
	bool exact;
	bool zero;
	bool fua;
	bool divided;
	__u32 op; /* enum bpf_bio_op */
	struct outcome *outcomes;
	int nr;
	int room;
};

void route(struct router *r, int dev, __u64 sector, __u32 nr);
/* A flush through the programs of a device: 0 or what it fails with */
int route_flush(struct router *r, int version, int dev);

/* Flushes: flush.c */
/**
 * struct caches - what is not flushed yet
 * @used: by device: targets that its programs chose
 * @dirty: by target: written to since the last flush; the thread + 2, or 1 if
 *	that was in an earlier round
 * @may: by device: targets that its programs may have chosen
 * @exact: what is not in @dirty is clean
 */
struct caches {
	__u32 used[MAX_DEVS];
	__u32 may[MAX_DEVS];
	bool exact;
	__u8 dirty[MAX_DEVS];
};

/**
 * struct flushed - what a flush comes to
 * @leaves: that get one
 * @targets: because of which
 * @errors: that programs may give
 */
struct flushed {
	__u32 leaves;
	__u32 targets;
	int errors[MAX_ERRORS];
	int nr_errors;
};

/* true: it is sure to fail */
bool flush_reach(const struct caches *c, struct router *r, int version, int dev,
		 int thread, struct flushed *out);

/* What the model knows: plan.c */
/**
 * struct cell - a sector of a leaf
 * @any: whatever is there is right
 * @step: the last that wrote here: a second part of it may come first
 */
struct cell {
	__u64 stamps[MAX_STAMPS];
	__u8 nr;
	bool any;
	int step;
};

struct owner {
	__u8 readers; /* threads */
	__u8 writer; /* thread + 1 */
};

/**
 * struct plan - what a step of I/O has to come to
 * @run: not skipped
 * @thread: that does it
 * @want: by sector of a read
 * @good: it may succeed
 * @errors: it may fail with
 * @flush: leaves that have to be flushed meanwhile
 * @targets: because of which
 * @result: 0 or the errno it ended with
 * @found: stamps that a read found
 * @missed: leaves that were not flushed
 */
struct plan {
	const struct step *step;
	bool run;
	int thread;
	struct cell *want;
	bool good;
	int errors[MAX_ERRORS];
	int nr_errors;
	__u32 flush;
	__u32 targets;
	int result;
	__u64 *found;
	__u32 missed;
};

struct world {
	struct config versions[MAX_LIVE + 1];
	int nr_versions;
	struct cell *cells[MAX_DEVS];
	struct owner *owners[MAX_DEVS];
	struct owner *pages[MAX_DEVS];
	bool *touched[MAX_DEVS]; /* chunks, since the last comparison */
	struct caches caches;
	struct counts counts[MAX_PROGS];
	bool counted; /* all I/O of this round */
	int flushers; /* threads that flush in this round */
	__u32 targets; /* open for redirected writes */
	__u8 cleaners[MAX_DEVS]; /* threads, by target that they may flush */
	enum fault fault;
	struct plan *plans;
	int nr_plans;
	unsigned int skipped;
};

/* flush.c, too */
/*
 * Something below @dev was flushed: no flush is due any more. @thread: does it
 * in this round, -1: between rounds.
 */
void world_clean(struct world *w, int dev, int thread);
/* After each change: targets that are closed are flushed and forgotten. */
void world_forget_targets(struct world *w);

/* own.c: sectors of one step of I/O, and the pages that cache them */
struct use {
	const struct step *step;
	const struct outcome *outcomes;
	int nr;
	bool write;
};

bool step_cached(const struct step *s);
bool step_flushes(const struct step *s);
/* -1: no thread can do it */
int own_thread(struct world *w, const struct step *s, struct use *u, int nr);
void own_take(struct world *w, const struct use *u, int thread);
int own_flushers(const struct step *s, int nr);
void own_nothing(struct world *w);

void world_init(struct world *w, enum fault fault);
void world_free(struct world *w);
void world_reset(struct world *w);
/* The steps of one round, live changes among them */
void plan_round(struct world *w, const struct step *steps, int nr);
void plan_forget(struct world *w);
bool cell_allows(const struct cell *c, __u64 stamp);
void cell_set(struct cell *c, __u64 stamp);
void errors_add(int *errors, int *nr, int error);
__u64 stamp_of(const struct step *s, __u64 sector);

/**
 * struct backend - what the model is compared with
 * @open: for good; with what is wrong in there
 * @reset: detach everything; zeroes on all leaves where something was written
 * @config: carries out a step of configuration: 0 or a negative errno
 * @io: carries out a step of I/O; @found for a read
 * @flushes: that a leaf has done so far
 * @counts: of an attached program
 * @settle: targets are closed after the change: waits until so many are left;
 *	false: it takes too long
 * @read: stamps on a leaf, below the programs
 * @threads: @io can be called by several at the same time
 */
struct backend {
	void (*open)(enum fault fault);
	void (*close)(void);
	void (*reset)(bool *const *touched);
	int (*config)(const struct step *s);
	int (*io)(const struct step *s, int thread, __u64 *found);
	__u64 (*flushes)(int leaf);
	void (*counts)(int prog, struct counts *counts);
	bool (*settle)(int targets);
	void (*read)(int leaf, __u64 sector, __u32 nr, __u64 *found);
	bool threads;
};

extern const struct backend real_backend, sim_backend;

/* io.c: the I/O of real_backend */
void io_open(void);
void io_close(void);
int io_step(const struct step *s, int thread, __u64 *found);
void io_read(int leaf, __u64 sector, __u32 nr, __u64 *found);
void io_zero(int leaf, __u64 sector, __u32 nr);

/* run.c */
struct run_stats {
	unsigned long io, changes, live, skipped, counted, flushes, closes;
};

extern struct run_stats run_stats;

void run_open(const struct backend *b, enum fault fault, enum fault model);
void run_close(void);
/* false: something differed, which was printed to @say */
bool run_trace(const struct trace *t, FILE *say);

/* watch.c: ends the program if a trace takes longer than @limit seconds */
void watch_start(int limit);
void watch_trace(const struct trace *t);
void watch_step(int thread, const struct step *s);

/* shrink.c */
typedef bool (*fails_fn)(const struct trace *t);
void shrink(struct trace *t, fails_fn fails, int seconds);

#endif /* __MODEL_H */
