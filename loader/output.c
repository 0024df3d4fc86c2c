// SPDX-License-Identifier: GPL-2.0
/* A verb's result, as JSON or rendered for people. */
#include <stdlib.h>

#include "bioctl.h"

/* Takes the reference to @result. */
void emit(json_t *result, void (*human)(const json_t *result))
{
	if (settings.json) {
		json_dumpf(result, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
		putchar('\n');
	} else {
		human(result);
	}
	/* Whoever reads a pipe of --interval or --transient waits for it. */
	fflush(stdout);
	json_decref(result);
}

void emit_text(const char *text)
{
	if (settings.json) {
		json_t *result = json_pack("{s:s}", "text", text);

		json_dumpf(result, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(result);
	} else {
		fputs(text, stdout);
	}
}

/* Paths and names may be any bytes; JSON is UTF-8. */
json_t *json_string_or_null(const char *text)
{
	json_t *value;
	char *ascii;

	if (!text)
		return json_null();
	value = json_string(text);
	if (value)
		return value;
	ascii = strf("%s", text);
	for (char *c = ascii; *c; c++) {
		if (*c & 0x80)
			*c = '?';
	}
	return json_string(ascii);
}

const char *json_text(const json_t *object, const char *key,
		      const char *otherwise)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : otherwise;
}

json_int_t json_int(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

json_t *json_element(const json_t *object, const char *key, size_t index)
{
	return json_array_get(json_object_get(object, key), index);
}
