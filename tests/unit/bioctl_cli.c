// SPDX-License-Identifier: GPL-2.0
/* bioctl's command line: verbs, options, exit status, JSON of every error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../loader/bioctl.h"
#include "../../loader/target.h"

#define WORDS_MAX 16

/* Splits @line at blanks into an argument vector. */
static int split(const char *line, char **argv)
{
	char *word, *rest = strf("%s", line);
	int argc = 0;

	while ((word = strsep(&rest, " "))) {
		assert_true(argc < WORDS_MAX);
		argv[argc++] = word;
	}
	argv[argc] = NULL;
	return argc;
}

static char out[65536];

/* Runs a command line in this process with its output caught. */
static int run(const char *line)
{
	char *argv[WORDS_MAX + 1];
	int argc = split(line, argv), status, stdout_was, stderr_was;
	FILE *file = tmpfile(), *null = fopen("/dev/null", "w");
	size_t len;

	fflush(NULL);
	stdout_was = dup(STDOUT_FILENO);
	stderr_was = dup(STDERR_FILENO);
	dup2(fileno(file), STDOUT_FILENO);
	dup2(fileno(null), STDERR_FILENO);
	memset(&settings, 0, sizeof(settings));
	status = bioctl_main(argc, argv);
	fflush(NULL);
	dup2(stdout_was, STDOUT_FILENO);
	dup2(stderr_was, STDERR_FILENO);
	close(stdout_was);
	close(stderr_was);
	rewind(file);
	len = fread(out, 1, sizeof(out) - 1, file);
	out[len] = '\0';
	fclose(file);
	fclose(null);
	settings.json = false;
	return status;
}

/* Wrong usage: status 2, and with -j an object that says what is wrong. */
static void wrong(const char *line, const char *because)
{
	json_t *json, *error;

	if (run(line) != BIOCTL_USAGE)
		fail_msg("'%s' is not wrong usage", line);
	if (out[0])
		fail_msg("'%s' wrote to stdout: %s", line, out);
	line = strf("bioctl -j%s", line + strlen("bioctl"));
	if (run(line) != BIOCTL_USAGE)
		fail_msg("'%s' is not wrong usage", line);
	json = json_loads(out, 0, NULL);
	if (!json)
		fail_msg("'%s' is not JSON: %s", line, out);
	error = json_object_get(json, "error");
	if (!strstr(json_text(error, "cause", ""), because))
		fail_msg("'%s': '%s' does not say '%s'", line,
			 json_text(error, "cause", ""), because);
	assert_non_null(json_text(error, "next", NULL));
	json_decref(json);
}

static void wrong_usage(void **state)
{
	(void)state;
	wrong("bioctl", "verb is missing");
	wrong("bioctl bogus", "no verb 'bogus'");
	wrong("bioctl --bogus", "--bogus");
	wrong("bioctl attach", "DEVICE is missing");
	wrong("bioctl attach vda", "POLICY is missing");
	wrong("bioctl attach vda count more", "'more' is too much");
	wrong("bioctl attach vda count --bogus", "--bogus");
	wrong("bioctl attach vda count --pin", "requires an argument");
	wrong("bioctl attach vda count --pin relative", "no absolute path");
	wrong("bioctl attach vda count --pin /a --transient", "exclude");
	wrong("bioctl attach vda count --before a --after b", "exclude");
	wrong("bioctl attach vda count --first --last", "exclude");
	wrong("bioctl attach vda count --first --after b", "exclude");
	wrong("bioctl attach vda count --cookie x", "no number");
	wrong("bioctl attach vda count --cookie -1", "no number");
	wrong("bioctl attach vda count --expect-revision 0", "no revision");
	wrong("bioctl attach vda count --name a.b", "dot or a slash");
	wrong("bioctl attach vda count --name a/b", "dot or a slash");
	wrong("bioctl detach", "DEVICE is missing");
	wrong("bioctl detach vda count --all", "exclude");
	wrong("bioctl detach vda --link 0", "no id");
	wrong("bioctl detach vda --link 4294967296", "no id");
	wrong("bioctl replace", "DEVICE is missing");
	wrong("bioctl replace vda", "OLD is missing");
	wrong("bioctl replace vda count", "POLICY is missing");
	wrong("bioctl replace vda a b c", "'c' is too much");
	wrong("bioctl list vda vdb", "Too many arguments");
	wrong("bioctl stats", "DEVICE is missing");
	wrong("bioctl stats vda --interval 0", "no number of seconds");
	wrong("bioctl stats vda --interval x", "no number of seconds");
	wrong("bioctl stats vda --count 0", "no number");
	wrong("bioctl target", "one of add, del, list");
	wrong("bioctl target move", "none of add, del, list");
	wrong("bioctl target add", "DEVICE is missing");
	wrong("bioctl target add vda", "PROGRAM is missing");
	wrong("bioctl target add vda redirect", "KEY is missing");
	wrong("bioctl target list vda redirect 0", "'0' is too much");
	wrong("bioctl verify", "POLICY is missing");
	wrong("bioctl verify a b", "one POLICY");
	wrong("bioctl t", "beginning of several verbs");
	wrong("bioctl test", "POLICY is missing");
	wrong("bioctl test p --op jump", "'jump' is not known");
	wrong("bioctl test p --flags sync,x", "'sync,x' is not known");
	wrong("bioctl test p --length 4294967296", "is not known");
	wrong("bioctl test p --length 0", "only a flush has no sectors");
	wrong("bioctl test p --op flush --length 1", "flush has no sectors");
	wrong("bioctl help bogus", "no verb 'bogus'");
	wrong("bioctl stack", "one of insert, remove");
	wrong("bioctl stack push vda", "'push' is none of insert");
	wrong("bioctl stack insert", "DEVICE is missing");
	wrong("bioctl stack insert vda", "one of --table and --device");
	wrong("bioctl stack insert vda --table t --device d",
	      "one of --table and --device");
	wrong("bioctl stack remove vda --table t", "only insert takes");
	wrong("bioctl stack remove vda vdb", "'vdb' is too much");
	wrong("bioctl snapshot", "one of create, list");
	wrong("bioctl snapshot make vda", "'make' is none of create");
	wrong("bioctl snapshot create", "DEVICE is missing");
	wrong("bioctl snapshot create a b --store x", "as many --store");
	wrong("bioctl snapshot create a --store x --size 0",
	      "no number of MiB");
	wrong("bioctl snapshot create a --store x --chunk 12", "power of two");
	wrong("bioctl snapshot create a --store x --name a.b", "dots or slash");
	wrong("bioctl snapshot remove a --store x", "only create takes");
	wrong("bioctl snapshot remove a --chunk 16", "only create takes");
	wrong("bioctl migrate", "SOURCE is missing");
	wrong("bioctl migrate a", "one of TARGET and --cancel");
	wrong("bioctl migrate a b --cancel", "one of TARGET and --cancel");
	wrong("bioctl migrate a b c", "'c' is too much");
	wrong("bioctl migrate a b --rate 0", "no number of MiB");
}

static void beginnings_of_verbs(void **state)
{
	bool ambiguous;

	(void)state;
	assert_ptr_equal(command_find("att", &ambiguous), &cmd_attach);
	assert_ptr_equal(command_find("l", &ambiguous), &cmd_list);
	assert_null(command_find("", &ambiguous));
	assert_false(ambiguous);
	assert_null(command_find("t", &ambiguous));
	assert_true(ambiguous);
	assert_ptr_equal(command_find("te", &ambiguous), &cmd_test);
	assert_false(ambiguous);
	assert_null(command_find("attached", &ambiguous));
	assert_false(ambiguous);
	for (unsigned int i = 0; bioctl_commands()[i]; i++) {
		const struct command *cmd = bioctl_commands()[i];

		assert_ptr_equal(command_find(cmd->name, &ambiguous), cmd);
	}
}

static void help_for_every_verb(void **state)
{
	(void)state;
	assert_int_equal(run("bioctl help"), BIOCTL_OK);
	for (unsigned int i = 0; bioctl_commands()[i]; i++) {
		const char *name = bioctl_commands()[i]->name;
		json_t *json;

		assert_int_equal(run("bioctl help"), BIOCTL_OK);
		assert_non_null(strstr(out, name));
		assert_int_equal(run(strf("bioctl help %s", name)), BIOCTL_OK);
		assert_non_null(strstr(out, strf("Usage: bioctl %s", name)));
		assert_int_equal(run(strf("bioctl -j help %s", name)),
				 BIOCTL_OK);
		json = json_loads(out, 0, NULL);
		assert_non_null(json);
		assert_non_null(strstr(json_text(json, "text", ""), name));
		json_decref(json);
	}
	assert_int_equal(run("bioctl --help"), BIOCTL_OK);
	assert_non_null(strstr(out, "attach"));
}

static void list_of_verbs_in_json(void **state)
{
	static const char *const lines[] = { "bioctl -j help",
					     "bioctl --json --help" };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(lines); i++) {
		json_t *json, *list, *entry;
		unsigned int nr;

		assert_int_equal(run(lines[i]), BIOCTL_OK);
		json = json_loads(out, 0, NULL);
		list = json_object_get(json, "commands");
		for (nr = 0; bioctl_commands()[nr]; nr++) {
			entry = json_array_get(list, nr);
			assert_string_equal(json_text(entry, "name", ""),
					    bioctl_commands()[nr]->name);
			assert_string_equal(json_text(entry, "doc", ""),
					    bioctl_commands()[nr]->doc);
		}
		assert_int_equal(json_array_size(list), nr);
		json_decref(json);
	}
}

static void version(void **state)
{
	json_t *json;

	(void)state;
	assert_int_equal(run("bioctl --version"), BIOCTL_OK);
	assert_memory_equal(out, "bioctl ", 7);
	assert_int_equal(run("bioctl --version --json"), BIOCTL_OK);
	json = json_loads(out, 0, NULL);
	assert_non_null(json_text(json, "bioctl", NULL));
	json_decref(json);
}

/* argp fills the caller's struct; its shape is the verb's own. */
static void policy_options(void **state)
{
	struct policy_args args = {};
	char *argv[WORDS_MAX + 1];
	int argc;

	(void)state;
	argc = split("verify protect --set a=1 --set=b=2 --prog p --name n",
		     argv);
	assert_int_equal(command_parse(&cmd_verify, argc, argv, &args), 0);
	assert_string_equal(args.policy, "protect");
	assert_int_equal(args.nr_sets, 2);
	assert_string_equal(args.sets[0], "a=1");
	assert_string_equal(args.sets[1], "b=2");
	assert_string_equal(args.prog, "p");
	assert_string_equal(args.name, "n");
}

static void names_of_operations(void **state)
{
	(void)state;
	for (__u32 op = 1; op <= BPF_BIO_OP_MAX; op++)
		assert_int_equal(op_by_name(op_name(op)), op);
	assert_string_equal(op_name(0), "unknown");
	assert_string_equal(op_name(BPF_BIO_OP_MAX + 1), "unknown");
	assert_int_equal(op_by_name("unknown"), -1);
	assert_int_equal(1U << flag_by_name("sync"), BPF_BIO_F_SYNC);
	assert_int_equal(1U << flag_by_name("fua"), BPF_BIO_F_FUA);
	assert_int_equal(1U << flag_by_name("nowait"), BPF_BIO_F_NOWAIT);
	assert_int_equal(1U << flag_by_name("atomic"), BPF_BIO_F_ATOMIC);
	assert_int_equal(1U << flag_by_name("crypt"), BPF_BIO_F_CRYPT);
	assert_int_equal(flag_by_name(""), -1);
}

static void names_of_policies(void **state)
{
	(void)state;
	assert_string_equal(policy_name("protect"), "protect");
	assert_string_equal(policy_name("/a/b.c/protect.bpf.o"), "protect");
	assert_string_equal(policy_name("./mine.o"), "mine");
	assert_string_equal(policy_name("a.b.bpf.o"), "a_b");
	assert_string_equal(policy_find("./x.bpf.o"), "./x.bpf.o");
	assert_string_equal(policy_find("x.o"), "x.o");
	assert_null(policy_find("no-such-policy"));
}

static void policies_are_searched(void **state)
{
	char dir[] = "/tmp/bioctl-test-XXXXXX";
	char *file;

	(void)state;
	assert_non_null(mkdtemp(dir));
	file = strf("%s/mine.bpf.o", dir);
	fclose(fopen(file, "w"));
	setenv("BIOCTL_POLICY_PATH", strf("/nowhere::%s", dir), 1);
	assert_string_equal(policy_find("mine"), file);
	setenv("BIOCTL_POLICY_PATH", dir, 1);
	assert_string_equal(policy_find("mine"), file);
	unsetenv("BIOCTL_POLICY_PATH");
	assert_null(policy_find("mine"));
	unlink(file);
	rmdir(dir);
}

static void targets(void **state)
{
	struct target target;

	(void)state;
	assert_true(target_parse(&target, "0=/dev/vdb", true));
	assert_null(target.map);
	assert_int_equal(target.key, 0);
	assert_string_equal(target.device, "/dev/vdb");
	assert_false(target.read_only);

	assert_true(target_parse(&target, "map:0x10=vdb:ro", true));
	assert_string_equal(target.map, "map");
	assert_int_equal(target.key, 16);
	assert_string_equal(target.device, "vdb");
	assert_true(target.read_only);

	assert_true(
		target_parse(&target, "1=/dev/disk/by-path/pci-0:1:2", true));
	assert_string_equal(target.device, "/dev/disk/by-path/pci-0:1:2");

	assert_true(target_parse(&target, "map:7", false));
	assert_string_equal(target.map, "map");
	assert_int_equal(target.key, 7);

	assert_false(target_parse(&target, "0", true));
	assert_false(target_parse(&target, "0=", true));
	assert_false(target_parse(&target, "=vdb", true));
	assert_false(target_parse(&target, "x=vdb", true));
	assert_false(target_parse(&target, "-1=vdb", true));
	assert_false(target_parse(&target, "4294967296=vdb", true));
	assert_false(target_parse(&target, "0=vdb", false));
	assert_false(target_parse(&target, "", false));
}

static void names_of_pins(void **state)
{
	(void)state;
	assert_string_equal(pin_attachment_name("/b/bioctl/vda/x/link"), "x");
	assert_string_equal(pin_dir_of_link("/b/bioctl/vda/x/link"),
			    "/b/bioctl/vda/x");
	assert_string_equal(pin_attachment_name("/b/other"), "other");
	assert_null(pin_dir_of_link("/b/other"));
	assert_string_equal(device_key(0, "/dev/a.b"), "a_b");
	assert_string_equal(device_path("vda"), "/dev/vda");
	assert_string_equal(device_path("./vda"), "./vda");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_usage),
		cmocka_unit_test(beginnings_of_verbs),
		cmocka_unit_test(help_for_every_verb),
		cmocka_unit_test(list_of_verbs_in_json),
		cmocka_unit_test(version),
		cmocka_unit_test(policy_options),
		cmocka_unit_test(names_of_operations),
		cmocka_unit_test(names_of_policies),
		cmocka_unit_test(policies_are_searched),
		cmocka_unit_test(targets),
		cmocka_unit_test(names_of_pins),
	};

	return cmocka_run_group_tests_name("bioctl command line", tests, NULL,
					   NULL);
}
