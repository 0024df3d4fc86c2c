// SPDX-License-Identifier: GPL-2.0
/* bioctl's sentences: one for every errno that an operation is known to give. */
#include <errno.h>
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

static const int attach_errnos[] = {
	EBADF, ENOTBLK, EPERM,	EACCES, ENODEV,	   EOPNOTSUPP,
	ELOOP, EINVAL,	EEXIST, ENOENT, ESTALE,	   ERANGE,
	EBUSY, EDOM,	ENOMEM, EINTR,	ETIMEDOUT,
};

static const int target_errnos[] = {
	EBADF,	ENOTBLK, ELOOP, ENODEV, EINVAL, E2BIG,
	EEXIST, ENOENT,	 EPERM, ENFILE, ENOMEM,
};

static const int replace_errnos[] = { ENOLINK, EPERM, EINVAL, EINTR,
				      ETIMEDOUT };
static const int load_errnos[] = { EPERM,  EACCES, EINVAL, E2BIG,
				   ENOSPC, ESRCH,  ENOMEM };

static void check(enum op op, const int *errnos, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		struct explanation text = {};

		if (!explain(op, errnos[i], &text))
			fail_msg("no sentence for %s of %s",
				 strerrorname_np(errnos[i]), op_action(op));
		/* Not just what strerror() says. */
		assert_string_not_equal(text.cause, strerror(errnos[i]));
		if (!text.next || !*text.next)
			fail_msg("no next step for %s of %s",
				 strerrorname_np(errnos[i]), op_action(op));
	}
}

static void every_errno_has_a_sentence(void **state)
{
	(void)state;
	check(OP_ATTACH, attach_errnos, ARRAY_SIZE(attach_errnos));
	check(OP_DETACH, attach_errnos, ARRAY_SIZE(attach_errnos));
	check(OP_QUERY, attach_errnos, ARRAY_SIZE(attach_errnos));
	check(OP_REPLACE, attach_errnos, ARRAY_SIZE(attach_errnos));
	check(OP_REPLACE, replace_errnos, ARRAY_SIZE(replace_errnos));
	check(OP_TARGET_ADD, target_errnos, ARRAY_SIZE(target_errnos));
	check(OP_TARGET_DEL, target_errnos, ARRAY_SIZE(target_errnos));
	check(OP_LOAD, load_errnos, ARRAY_SIZE(load_errnos));
}

static void sentences_differ(void **state)
{
	struct explanation a, b;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(attach_errnos); i++) {
		for (unsigned int j = 0; j < i; j++) {
			explain(OP_ATTACH, attach_errnos[i], &a);
			explain(OP_ATTACH, attach_errnos[j], &b);
			assert_string_not_equal(a.cause, b.cause);
		}
	}
}

static void every_operation_has_a_name(void **state)
{
	(void)state;
	for (int op = 0; op < __OP_MAX; op++)
		assert_non_null(op_action(op));
}

static void every_counter_has_a_name(void **state)
{
	struct bpf_blk_stats stats = {};
	json_t *json;

	(void)state;
	stats.bios[BPF_BIO_REDIRECT] = 3;
	stats.refused[BPF_BIO_REFUSED_FLUSH] = 4;
	json = stats_json(&stats);
	assert_int_equal(json_object_size(json_object_get(json, "refused")),
			 __BPF_BIO_REFUSED_MAX);
	assert_int_equal(json_object_size(json_object_get(json, "verdicts")),
			 __BPF_BIO_VERDICT_MAX);
	assert_int_equal(json_int(json_object_get(json, "refused"), "flush"),
			 4);
	json_decref(json);
}

/* Runs a report with stdout or stderr caught. */
static char *caught(const struct failure *failure, int fd)
{
	static char text[4096];
	FILE *file = tmpfile();
	int saved = dup(fd);
	size_t len;

	fflush(NULL);
	dup2(fileno(file), fd);
	assert_int_equal(fail_report(failure), BIOCTL_FAILED);
	fflush(NULL);
	dup2(saved, fd);
	close(saved);
	rewind(file);
	len = fread(text, 1, sizeof(text) - 1, file);
	text[len] = '\0';
	fclose(file);
	return text;
}

static const struct failure example = {
	.op = OP_ATTACH,
	.what = "protect",
	.device = "/dev/vda",
	.err = EOPNOTSUPP,
};

static void json_error(void **state)
{
	json_t *json, *error;

	(void)state;
	settings.json = true;
	json = json_loads(caught(&example, STDOUT_FILENO), 0, NULL);
	settings.json = false;
	assert_non_null(json);
	error = json_object_get(json, "error");
	assert_string_equal(json_text(error, "action", ""), "attach");
	assert_string_equal(json_text(error, "what", ""), "protect");
	assert_string_equal(json_text(error, "device", ""), "/dev/vda");
	/* One number, two names. */
	assert_int_equal(json_int(error, "code"), EOPNOTSUPP);
	assert_string_equal(json_text(error, "errno", ""), "EOPNOTSUPP");
	assert_non_null(
		strstr(json_text(error, "cause", ""), "blk_interposer=off"));
	assert_non_null(json_text(error, "next", NULL));
	json_decref(json);
}

static void json_error_with_odd_bytes(void **state)
{
	struct failure odd = example;
	json_t *json;

	(void)state;
	odd.device = "/dev/\xff\"\n";
	settings.json = true;
	json = json_loads(caught(&odd, STDOUT_FILENO), 0, NULL);
	settings.json = false;
	assert_non_null(json);
	assert_string_equal(json_text(json_object_get(json, "error"), "device",
				      ""),
			    "/dev/?\"\n");
	json_decref(json);
}

static void text_error(void **state)
{
	char *text;

	(void)state;
	text = caught(&example, STDERR_FILENO);
	assert_non_null(strstr(text, "bioctl: cannot attach protect to "
				     "/dev/vda: "));
	assert_non_null(strstr(text, "(EOPNOTSUPP)"));
	assert_non_null(strstr(text, "boot without"));
}

static void unknown_errno_falls_back_to_the_system(void **state)
{
	struct failure odd = example;

	(void)state;
	odd.err = EXFULL;
	assert_non_null(strstr(caught(&odd, STDERR_FILENO), strerror(EXFULL)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_errno_has_a_sentence),
		cmocka_unit_test(sentences_differ),
		cmocka_unit_test(every_operation_has_a_name),
		cmocka_unit_test(every_counter_has_a_name),
		cmocka_unit_test(json_error),
		cmocka_unit_test(json_error_with_odd_bytes),
		cmocka_unit_test(text_error),
		cmocka_unit_test(unknown_errno_falls_back_to_the_system),
	};

	return cmocka_run_group_tests_name("bioctl errors", tests, NULL, NULL);
}
