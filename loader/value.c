// SPDX-License-Identifier: GPL-2.0
/* From the text of a value to its bytes, as its BTF type wants it. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bioctl.h"
#include "set.h"

static const struct btf_type *resolve(const struct btf *btf, __u32 type_id)
{
	return btf__type_by_id(btf, btf__resolve_type(btf, type_id));
}

const struct btf_type *value_type(const struct place *at)
{
	return resolve(at->btf, at->type_id);
}

const char *type_name(const struct btf *btf, __u32 type_id)
{
	const struct btf_type *type = btf__type_by_id(btf, type_id);

	while (btf_is_mod(type)) {
		type_id = type->type;
		type = btf__type_by_id(btf, type_id);
	}
	if (btf_is_array(type))
		return strf("%s[%u]", type_name(btf, btf_array(type)->type),
			    btf_array(type)->nelems);
	return strf("%s%s%s",
		    btf_is_struct(type)			    ? "struct " :
		    btf_is_any_enum(type) && type->name_off ? "enum " :
							      "",
		    btf__name_by_offset(btf, type->name_off),
		    type->name_off ? "" : "unnamed");
}

int complain(char **error, char *text)
{
	*error = text;
	return -EINVAL;
}

static bool parse_errno(const char *text, long long *value)
{
	bool negative = *text == '-';

	for (int err = 1; err < 4096; err++) {
		const char *name = strerrorname_np(err);

		if (name && !strcmp(text + negative, name)) {
			*value = negative ? -err : err;
			return true;
		}
	}
	return false;
}

/* A magnitude with an optional K, M, G or T. */
static bool parse_magnitude(const char *text, unsigned long long *value)
{
	static const char suffixes[] = "KMGT";
	const char *suffix;
	char *end;
	int shift;

	if (!isdigit(*text))
		return false;
	errno = 0;
	*value = strtoull(text, &end, number_base(text));
	if (errno)
		return false;
	if (!*end)
		return true;
	suffix = strchr(suffixes, toupper(*end));
	if (!suffix || end[1])
		return false;
	shift = 10 * (int)(suffix - suffixes + 1);
	if (*value > ~0ULL >> shift)
		return false;
	*value <<= shift;
	return true;
}

static void store(void *data, __u32 size, unsigned long long value)
{
	/* Little endian or not, a cast keeps the low bytes. */
	switch (size) {
	case 1:
		*(__u8 *)data = value;
		break;
	case 2:
		*(__u16 *)data = value;
		break;
	case 4:
		*(__u32 *)data = value;
		break;
	default:
		*(__u64 *)data = value;
		break;
	}
}

static int set_int(const struct place *at, __u32 size, bool is_signed,
		   const char *text, char **error)
{
	unsigned long long limit, magnitude;
	bool negative = *text == '-';
	long long number;

	if (size > 8)
		return complain(error, strf("%s is wider than 64 bits",
					    type_name(at->btf, at->type_id)));
	if (is_signed && parse_errno(text, &number)) {
		store(at->data, size, number);
		return 0;
	}
	if (!parse_magnitude(text + negative, &magnitude))
		return complain(error, strf("'%s' is not a number", text));
	limit = ~0ULL >> (64 - 8 * size);
	if (is_signed)
		limit = (limit >> 1) + negative;
	else if (negative && magnitude)
		return complain(error,
				strf("'%s' is negative, but the type "
				     "is %s",
				     text, type_name(at->btf, at->type_id)));
	if (magnitude > limit)
		return complain(error, strf("'%s' does not fit into %s", text,
					    type_name(at->btf, at->type_id)));
	store(at->data, size, negative ? -magnitude : magnitude);
	return 0;
}

static int set_bool(const struct place *at, const char *text, char **error)
{
	static const char *const words[][2] = {
		{ "0", "1" },
		{ "no", "yes" },
		{ "off", "on" },
		{ "false", "true" },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(words); i++) {
		for (int value = 0; value < 2; value++) {
			if (!strcasecmp(text, words[i][value])) {
				*at->data = value;
				return 0;
			}
		}
	}
	return complain(error, strf("'%s' is neither yes nor no", text));
}

static int set_enum(const struct place *at, const struct btf_type *type,
		    const char *text, char **error)
{
	char *names = strf("%s", "");

	for (unsigned int i = 0; i < btf_vlen(type); i++) {
		bool wide = btf_is_enum64(type);
		__u32 off = wide ? btf_enum64(type)[i].name_off :
				   btf_enum(type)[i].name_off;
		const char *name = btf__name_by_offset(at->btf, off);

		if (!strcmp(name, text)) {
			store(at->data, type->size,
			      wide ? btf_enum64_value(&btf_enum64(type)[i]) :
				     (__u64)btf_enum(type)[i].val);
			return 0;
		}
		names = strf("%s%s%s", names, i ? ", " : "", name);
	}
	if (!set_int(at, type->size, btf_kflag(type), text, error))
		return 0;
	return complain(error, strf("'%s' is none of %s", text, names));
}

static bool is_char(const struct btf *btf, __u32 type_id)
{
	const struct btf_type *type = resolve(btf, type_id);

	return btf_is_int(type) && type->size == 1 &&
	       !strcmp(btf__name_by_offset(btf, type->name_off), "char");
}

static int set_string(const struct place *at, __u32 size, const char *text,
		      char **error)
{
	if (strlen(text) >= size)
		return complain(error, strf("'%s' is longer than %u bytes",
					    text, size - 1));
	memset(at->data, 0, size);
	memcpy(at->data, text, strlen(text));
	return 0;
}

static int set_elements(const struct place *at, const struct btf_array *array,
			const char *text, char **error)
{
	__s64 size = btf__resolve_size(at->btf, array->type);
	char *list = strf("%s", text), *next = list, *item;
	struct place element = *at;
	unsigned int i = 0;
	int err;

	element.type_id = array->type;
	while ((item = strsep(&next, ","))) {
		if (i >= array->nelems)
			return complain(error,
					strf("more than the %u elements "
					     "of %s",
					     array->nelems,
					     type_name(at->btf, at->type_id)));
		element.data = at->data + size * i++;
		err = value_set(&element, item, error);
		if (err)
			return err;
	}
	free(list);
	return 0;
}

/* Cuts the first value off @text: up to ':', or a '-' that is no sign. */
static char *member_value(char **text)
{
	char *start = *text, *end;

	if (!start)
		return NULL;
	end = start + (*start == '-');
	end += strcspn(end, ":-");
	*text = *end ? end + 1 : NULL;
	*end = '\0';
	return start;
}

bool value_is_bitfield(const struct btf_type *type, unsigned int member)
{
	return btf_member_bitfield_size(type, member) ||
	       btf_member_bit_offset(type, member) % 8;
}

static int set_members(const struct place *at, const struct btf_type *type,
		       const char *text, char **error)
{
	char *list = strf("%s", text), *rest = list, *value;
	struct place member = *at;
	int err;

	/* Half a range is none: the other end would be 0. */
	if (btf_vlen(type) > 1 && !list[strcspn(list + 1, ":-") + 1])
		return complain(error,
				strf("'%s' is one value, but %s has %u members",
				     text, type_name(at->btf, at->type_id),
				     btf_vlen(type)));
	for (unsigned int i = 0; i < btf_vlen(type); i++) {
		value = member_value(&rest);
		if (!value)
			break;
		if (value_is_bitfield(type, i))
			return complain(error,
					strf("bit fields cannot be set"));
		member.type_id = btf_members(type)[i].type;
		member.data = at->data + btf_member_bit_offset(type, i) / 8;
		err = value_set(&member, value, error);
		if (err)
			return err;
	}
	if (rest)
		return complain(error,
				strf("'%s' has more values than the %u members "
				     "of %s",
				     text, btf_vlen(type),
				     type_name(at->btf, at->type_id)));
	free(list);
	return 0;
}

int value_set(const struct place *at, const char *text, char **error)
{
	const struct btf_type *type = value_type(at);

	if (btf_is_int(type)) {
		__u8 encoding = btf_int_encoding(type);

		if (encoding & BTF_INT_BOOL)
			return set_bool(at, text, error);
		return set_int(at, type->size, encoding & BTF_INT_SIGNED, text,
			       error);
	}
	if (btf_is_any_enum(type))
		return set_enum(at, type, text, error);
	if (btf_is_array(type)) {
		const struct btf_array *array = btf_array(type);

		if (is_char(at->btf, array->type))
			return set_string(at, array->nelems, text, error);
		return set_elements(at, array, text, error);
	}
	if (btf_is_struct(type))
		return set_members(at, type, text, error);
	return complain(error, strf("values of type %s cannot be set",
				    type_name(at->btf, at->type_id)));
}
