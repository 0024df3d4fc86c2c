// SPDX-License-Identifier: GPL-2.0
/*
 * What a failure means. bpf(2) says no more than an errno here, so one table
 * turns (operation, errno) into a cause and a next step.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bioctl.h"

struct row {
	int err;
	struct explanation text;
};

static const struct row kernel_rows[] = {
	{ ENOENT,
	  { "the running kernel has no BTF",
	    "boot a kernel built with CONFIG_DEBUG_INFO_BTF" } },
	{ EPERM,
	  { "this needs CAP_BPF and CAP_SYS_ADMIN", "run bioctl as root" } },
	{}
};

static const struct row device_rows[] = {
	{ ENOENT,
	  { "there is no such device", "see lsblk for what there is" } },
	{ ENOTBLK,
	  { "it is not a block device",
	    "name a block device such as /dev/sda" } },
	{ ENXIO,
	  { "no driver answers for this device node",
	    "the device may have been removed; see lsblk" } },
	{ ENODEV,
	  { "no driver answers for this device node",
	    "the device may have been removed; see lsblk" } },
	{ ENOMEDIUM, { "there is no medium in the drive", "insert one" } },
	{ EACCES,
	  { "no permission to open the device",
	    "run bioctl as root or as a member of the device's group" } },
	{ EPERM, { "no permission to open the device", "run bioctl as root" } },
	{ EBUSY,
	  { "something else has claimed the device exclusively",
	    "see lsblk and /sys/block/*/holders for who" } },
	{}
};

static const struct row policy_rows[] = {
	{ ENOENT,
	  { "there is no such file and no shipped policy of that name",
	    "give a path, or set BIOCTL_POLICY_PATH to where policies are" } },
	{ EACCES, { "no permission to read the file", "run bioctl as root" } },
	{ LIBBPF_ERRNO__FORMAT,
	  { "it is not a BPF object file",
	    "compile the policy with clang -target bpf -g -O2" } },
	{}
};

static const struct row load_rows[] = {
	{ EPERM, { "loading a program needs CAP_BPF", "run bioctl as root" } },
	{ EACCES,
	  { "the verifier rejected the program",
	    "read the verifier's log; the last lines say where and why" } },
	{ EINVAL,
	  { "the verifier or the kernel rejected the program",
	    "read the log; the last lines say where and why" } },
	{ E2BIG,
	  { "the program is too large or too complex for the verifier",
	    "simplify its loops and branches" } },
	{ ENOSPC,
	  { "the verifier ran out of room for its log",
	    "simplify the program" } },
	{ ESRCH,
	  { "the kernel lacks a type or function that the program uses",
	    "compare the log with what 'bioctl features' reports" } },
	{ ENOMEM,
	  { "the kernel has no memory for the program or its maps",
	    "make the maps smaller" } },
	{}
};

static const struct row attach_rows[] = {
	{ EBADF,
	  { "the device is not open for reading",
	    "check the permissions of the device node" } },
	{ ENOTBLK,
	  { "it is not a block device",
	    "name a block device such as /dev/sda" } },
	{ EPERM, { "attaching needs CAP_SYS_ADMIN", "run bioctl as root" } },
	{ EACCES,
	  { "attaching needs write permission on the device node",
	    "run bioctl as root or change the node's mode" } },
	{ ENODEV, { "the device was removed", "see lsblk for what there is" } },
	{ EOPNOTSUPP,
	  { "it is a lower device, which has no programs, or the kernel was "
	    "booted with blk_interposer=off",
	    "name the device that it belongs to, or boot without that "
	    "parameter" } },
	{ ELOOP,
	  { "a target of the program's device map stacks on this device, or "
	    "redirects to what does, so its bios would come back",
	    "choose a target below or beside the device" } },
	{ EINVAL,
	  { "the program is not of type blk_interposer, or the kernel does "
	    "not know a flag",
	    "check that the program's section is blk/submit" } },
	{ EEXIST,
	  { "this very program is attached there already, or the device has a "
	    "lower device already",
	    "see 'bioctl list' and 'bioctl stack list'" } },
	{ ENOENT,
	  { "the program to attach before or after is not attached there",
	    "see 'bioctl list' for what is" } },
	{ ESTALE,
	  { "the list of programs changed: its revision is not the expected one",
	    "look at 'bioctl list' again and decide anew" } },
	{ ERANGE,
	  { "the device has 63 programs, which is the limit",
	    "detach one first" } },
	{ EBUSY,
	  { "the program in that place belongs to a link",
	    "use 'bioctl replace' or detach the link" } },
	{ EDOM,
	  { "no place in the list is both before and after those programs",
	    "see 'bioctl list' for the order" } },
	{ ENOMEM, { "the kernel has no memory for it", "try again" } },
	{ ETIMEDOUT,
	  { "bios sent by the old list of programs did not complete in time; "
	    "the change was made and stands",
	    "find what holds them, and use --barrier again with the next "
	    "change" } },
	{ EINTR,
	  { "the wait for earlier bios was interrupted; the change was made "
	    "and stands",
	    "do not rely on earlier bios having completed" } },
	{}
};

static const struct row detach_rows[] = {
	{ ENOENT,
	  { "the program is not attached there", "see 'bioctl list'" } },
	{ ENOLINK,
	  { "the device of the link is gone",
	    "use 'bioctl detach --defunct'" } },
	{ EPERM, { "detaching needs CAP_SYS_ADMIN", "run bioctl as root" } },
	{ EBUSY,
	  { "the program belongs to a link", "detach the link: --link ID" } },
	{}
};

static const struct row replace_rows[] = {
	{ ENOLINK,
	  { "the link is defunct: its device went away",
	    "remove it with 'bioctl detach --defunct'" } },
	{ EPERM,
	  { "the link's program is no longer the one that was to be replaced",
	    "see 'bioctl list' and decide anew" } },
	{ EINVAL,
	  { "the program is not of type blk_interposer, or the kernel does "
	    "not know a flag",
	    "check that the program's section is blk/submit" } },
	{}
};

static const struct row query_rows[] = {
	{ EINVAL,
	  { "the kernel has no blk_interposer",
	    "boot a kernel built with CONFIG_BLK_INTERPOSER" } },
	{ ENOENT, { "no such program, link or map", "see 'bioctl list'" } },
	{ EPERM, { "this needs CAP_SYS_ADMIN", "run bioctl as root" } },
	{}
};

static const struct row target_open_rows[] = {
	{ EBUSY,
	  { "the target is mounted or claimed and the kernel does not let "
	    "others write to such a device",
	    "unmount it, or add ':ro' if it shall serve reads only" } },
	{ EROFS,
	  { "the target is read-only",
	    "add ':ro' if it shall serve reads only" } },
	{ EPERM,
	  { "the kernel does not let anyone write to the target",
	    "add ':ro' if it shall serve reads only" } },
	{}
};

static const struct row target_rows[] = {
	{ EBADF,
	  { "the target is not an open file descriptor",
	    "check the permissions of its device node" } },
	{ ENOTBLK,
	  { "the target is not a block device",
	    "name a block device; a file can be put behind a loop device" } },
	{ ELOOP,
	  { "the target stacks on a device whose attached program uses this "
	    "map, or redirects to what does, so its bios would come back",
	    "choose a target below or beside that device" } },
	{ ENODEV, { "the target was removed", "see lsblk for what there is" } },
	{ EOPNOTSUPP,
	  { "it is a lower device, which is only for what is stacked on it",
	    "put a device mapper device on it, for example linear" } },
	{ EINVAL,
	  { "the kernel does not know a flag of the entry",
	    "use the bioctl that came with this kernel" } },
	{ E2BIG,
	  { "the key is beyond the end of the map",
	    "use a smaller key; 'bioctl target list' shows the size" } },
	{ EEXIST,
	  { "the key has a target already",
	    "leave out --new to exchange it" } },
	{ ENOENT, { "the key has no target", "see 'bioctl target list'" } },
	{ EPERM,
	  { "setting a target needs CAP_SYS_ADMIN", "run bioctl as root" } },
	{ ENFILE,
	  { "all 2047 targets that the kernel can count are in use",
	    "delete entries of device maps that are no longer needed" } },
	{ ENOMEM, { "the kernel has no memory for it", "try again" } },
	{}
};

static const struct row pin_rows[] = {
	{ EEXIST,
	  { "something is pinned there already",
	    "detach or replace it, or choose another --name or --pin" } },
	{ EPERM,
	  { "the path is not in a bpffs, or its name has a dot, or bioctl "
	    "lacks CAP_BPF",
	    "choose a path below a bpffs, usually /sys/fs/bpf" } },
	{ EINVAL,
	  { "the path is not in a bpffs, or not in the one that bioctl uses",
	    "choose a path below a bpffs, usually /sys/fs/bpf" } },
	{ ENOENT,
	  { "a directory of the path does not exist",
	    "create it, or choose another --pin" } },
	{ EACCES, { "no permission to pin there", "run bioctl as root" } },
	{ ENODEV, { "there is no bpffs", "mount -t bpf bpf /sys/fs/bpf" } },
	{ ENOTDIR,
	  { "a part of the path is not a directory", "choose another --pin" } },
	{}
};

static const struct row freeze_rows[] = {
	{ EOPNOTSUPP,
	  { "the filesystem cannot be frozen",
	    "unmount it; where --freeze was asked for, leave it out" } },
	{ EPERM, { "freezing needs CAP_SYS_ADMIN", "run bioctl as root" } },
	{}
};

static const struct row stack_rows[] = {
	{ EEXIST,
	  { "there is one of that name already",
	    "see 'bioctl stack list'; remove it, or choose another --name" } },
	{ ENOENT, { "there is no such stack", "see 'bioctl stack list'" } },
	{ EBUSY,
	  { "something has its lower device open",
	    "see what is stacked there: lsblk; remove it, then try again" } },
	{ ETIMEDOUT,
	  { "what was on its way to the device did not end in time",
	    "see what holds it up (dmesg), then 'bioctl stack list', and try "
	    "again" } },
	{}
};

static const struct row test_rows[] = {
	{ EINVAL,
	  { "the kernel does not take such a bio: a flag it does not know, or "
	    "a payload for what is no write",
	    "see 'bioctl test --help'" } },
	{ ENOENT, { "there is no such file", "check the path of --data" } },
	{ EPERM, { "this needs CAP_BPF", "run bioctl as root" } },
	{}
};

/*
 * @fallback: where an errno that the operation has no own sentence for is
 * looked up, because the operation includes that other one.
 */
static const struct {
	const char *action;
	const struct row *rows;
	const struct row *fallback;
} ops[__OP_MAX] = {
	[OP_KERNEL] = { "use this kernel", kernel_rows, NULL },
	[OP_DEVICE] = { "open device", device_rows, NULL },
	[OP_POLICY] = { "open policy", policy_rows, NULL },
	[OP_SET] = { "set", NULL, NULL },
	[OP_LOAD] = { "load", load_rows, NULL },
	[OP_ATTACH] = { "attach", attach_rows, NULL },
	[OP_DETACH] = { "detach", detach_rows, attach_rows },
	[OP_REPLACE] = { "replace", replace_rows, attach_rows },
	[OP_QUERY] = { "query", query_rows, attach_rows },
	[OP_TARGET_OPEN] = { "open target", target_open_rows, device_rows },
	[OP_TARGET_ADD] = { "add target", target_rows, NULL },
	[OP_TARGET_DEL] = { "delete target", target_rows, NULL },
	[OP_TARGET_GET] = { "read target", target_rows, NULL },
	[OP_PIN] = { "pin", pin_rows, NULL },
	[OP_FREEZE] = { "freeze", freeze_rows, NULL },
	[OP_DM] = { "set up device mapper device", NULL, NULL },
	[OP_STACK] = { "stack", stack_rows, attach_rows },
	[OP_SNAPSHOT] = { "make a snapshot", stack_rows, attach_rows },
	[OP_MIGRATE] = { "migrate to", NULL, attach_rows },
	[OP_STORE] = { "use store", NULL, device_rows },
	[OP_EVENTS] = { "read events", query_rows, NULL },
	[OP_TEST] = { "test", test_rows, NULL },
	[OP_USAGE] = { "understand the command line", NULL, NULL },
};

static const struct row *row_find(const struct row *rows, int err)
{
	for (; rows && rows->err; rows++) {
		if (rows->err == err)
			return rows;
	}
	return NULL;
}

bool explain(enum op op, int err, struct explanation *explanation)
{
	const struct row *row = row_find(ops[op].rows, err);

	if (!row)
		row = row_find(ops[op].fallback, err);
	if (!row)
		return false;
	*explanation = row->text;
	return true;
}

const char *op_action(enum op op)
{
	return ops[op].action;
}

static const char *errno_text(int err)
{
	static char text[128];

	libbpf_strerror(err, text, sizeof(text));
	return text;
}

static void report_json(const struct failure *failure, const char *cause,
			const char *next)
{
	const char *name = failure->err ? strerrorname_np(failure->err) : NULL;
	json_t *error;

	error = json_pack("{s:s, s:o, s:o, s:o, s:i, s:o, s:o}", "action",
			  op_action(failure->op), "what",
			  json_string_or_null(failure->what), "device",
			  json_string_or_null(failure->device), "errno",
			  json_string_or_null(name), "code", failure->err,
			  "cause", json_string_or_null(cause), "next",
			  json_string_or_null(next));
	if (failure->log)
		json_object_set_new(error, "log",
				    json_string_or_null(failure->log));
	emit(json_pack("{s:o}", "error", error), NULL);
}

static void report_text(const struct failure *failure, const char *cause,
			const char *next)
{
	const char *name = failure->err ? strerrorname_np(failure->err) : NULL;
	static const char *const joints[__OP_MAX] = {
		[OP_ATTACH] = " to ",
		[OP_DETACH] = " from ",
	};
	const char *joint = joints[failure->op];

	if (failure->log)
		fputs(failure->log, stderr);
	fputs("bioctl: ", stderr);
	if (failure->op != OP_USAGE) {
		fprintf(stderr, "cannot %s", op_action(failure->op));
		if (failure->what)
			fprintf(stderr, " %s", failure->what);
		if (failure->device)
			fprintf(stderr, "%s%s",
				!failure->what ? " " :
				joint	       ? joint :
						 " on ",
				failure->device);
		fputs(": ", stderr);
	}
	fputs(cause, stderr);
	if (name)
		fprintf(stderr, " (%s)", name);
	fputc('\n', stderr);
	if (next)
		fprintf(stderr, "bioctl: %s\n", next);
}

static bool held;
static struct failure *waiting;
static unsigned int nr_waiting;

static const char *copy(const char *text)
{
	return text ? strf("%s", text) : NULL;
}

static void keep(const struct failure *failure)
{
	struct failure *grown =
		reallocarray(waiting, nr_waiting + 1, sizeof(*waiting));

	if (!grown)
		return;
	waiting = grown;
	waiting[nr_waiting++] = (struct failure){
		.op = failure->op,
		.what = copy(failure->what),
		.device = copy(failure->device),
		.err = failure->err,
		.cause = copy(failure->cause),
		.next = copy(failure->next),
		.log = copy(failure->log),
	};
}

void fail_hold(void)
{
	held = true;
}

bool fail_is_held(void)
{
	return held;
}

void fail_release(void)
{
	held = false;
	for (unsigned int i = 0; i < nr_waiting; i++)
		fail_report(&waiting[i]);
	nr_waiting = 0;
}

int fail_report(const struct failure *failure)
{
	struct explanation text = {};

	if (held) {
		keep(failure);
		return BIOCTL_FAILED;
	}

	if (failure->err)
		explain(failure->op, failure->err, &text);
	if (failure->cause)
		text.cause = failure->cause;
	else if (!text.cause)
		text.cause = errno_text(failure->err);
	if (failure->next)
		text.next = failure->next;
	(settings.json ? report_json : report_text)(failure, text.cause,
						    text.next);
	return BIOCTL_FAILED;
}
