// SPDX-License-Identifier: GPL-2.0
/*
 * --set NAME=VALUE: fills the read-only globals of a policy by their BTF.
 *
 *	error=-ENODATA			an integer; 0x, K/M/G/T, errno names
 *	enabled=yes label=abc mode=name	bool, char array, enum
 *	ranges[2].first=2048		an element of an array, a struct's member
 *	ranges=0-2047,4096-8191		a whole array; a struct's members in
 *					order, separated by '-' or ':'
 *
 * An array "ranges" with a companion "nr_ranges" counts itself: unless the
 * user sets it, nr_ranges follows the highest element that was set.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bioctl.h"
#include "set.h"

#define RODATA ".rodata"

/* Follows "[2]" or ".first"; @path is moved past it. */
static int step_into(struct place *at, char **path, char **error)
{
	const struct btf_type *type = value_type(at);
	char *word = *path + 1, *end;

	if (**path == '[') {
		unsigned long long index;

		end = strchr(word, ']');
		if (!end || !btf_is_array(type))
			return complain(error,
					strf("%s has no elements",
					     type_name(at->btf, at->type_id)));
		*end++ = '\0';
		if (!parse_u64(word, &index) ||
		    index >= btf_array(type)->nelems)
			return complain(error,
					strf("%s has no element '%s'",
					     type_name(at->btf, at->type_id),
					     word));
		at->type_id = btf_array(type)->type;
		at->data += index * btf__resolve_size(at->btf, at->type_id);
		*path = end;
		return 0;
	}
	if (**path != '.')
		return complain(error,
				strf("'%s' begins neither with '.' nor '['",
				     *path));
	end = word + strcspn(word, ".[");
	for (unsigned int i = 0; btf_is_struct(type) && i < btf_vlen(type);
	     i++) {
		const struct btf_member *member = &btf_members(type)[i];
		const char *name =
			btf__name_by_offset(at->btf, member->name_off);

		if (strlen(name) != (size_t)(end - word) ||
		    strncmp(name, word, end - word))
			continue;
		if (value_is_bitfield(type, i))
			return complain(error,
					strf("bit fields cannot be set"));
		at->type_id = member->type;
		at->data += btf_member_bit_offset(type, i) / 8;
		*path = end;
		return 0;
	}
	return complain(error, strf("%s has no member '%.*s'",
				    type_name(at->btf, at->type_id),
				    (int)(end - word), word));
}

typedef bool (*global_fn)(void *arg, const struct btf *btf,
			  const struct btf_type *var, char *data);

static char *section_data(const struct bpf_object *object, const char *section)
{
	struct bpf_map *map;
	size_t size;

	bpf_object__for_each_map(map, object) {
		const char *suffix = strstr(bpf_map__name(map), RODATA);

		if (suffix && !strcmp(suffix, section))
			return bpf_map__initial_value(map, &size);
	}
	return NULL;
}

/* Calls @fn for each read-only global, strings and statics left out. */
static void each_global(const struct bpf_object *object, global_fn fn,
			void *arg)
{
	const struct btf *btf = bpf_object__btf(object);
	__u32 nr = btf ? btf__type_cnt(btf) : 0;

	for (__u32 id = 1; id < nr; id++) {
		const struct btf_type *section = btf__type_by_id(btf, id);
		const char *name;
		char *data;

		if (!btf_is_datasec(section))
			continue;
		name = btf__name_by_offset(btf, section->name_off);
		if (strncmp(name, RODATA, strlen(RODATA)))
			continue;
		data = section_data(object, name);
		if (!data)
			continue;
		for (unsigned int i = 0; i < btf_vlen(section); i++) {
			const struct btf_var_secinfo *info =
				&btf_var_secinfos(section)[i];
			const struct btf_type *var =
				btf__type_by_id(btf, info->type);

			if (btf_var(var)->linkage != BTF_VAR_STATIC &&
			    fn(arg, btf, var, data + info->offset))
				return;
		}
	}
}

struct search {
	const char *name;
	struct place found;
};

static bool is_searched(void *arg, const struct btf *btf,
			const struct btf_type *var, char *data)
{
	struct search *search = arg;

	if (strcmp(btf__name_by_offset(btf, var->name_off), search->name))
		return false;
	search->found = (struct place){
		.btf = btf,
		.type_id = var->type,
		.data = data,
	};
	return true;
}

static bool find_global(const struct bpf_object *object, const char *name,
			struct place *found)
{
	struct search search = { .name = name };

	each_global(object, is_searched, &search);
	*found = search.found;
	return found->data;
}

static bool append_name(void *arg, const struct btf *btf,
			const struct btf_type *var, char *data)
{
	char **names = arg;

	(void)data;
	*names = strf("%s%s%s (%s)", *names, **names ? ", " : "",
		      btf__name_by_offset(btf, var->name_off),
		      type_name(btf, var->type));
	return false;
}

char *set_known(const struct bpf_object *object)
{
	char *names = strf("%s", "");

	each_global(object, append_name, &names);
	return names;
}

static bool was_set(char **sets, unsigned int nr, const char *name)
{
	for (unsigned int i = 0; i < nr; i++) {
		if (!strncmp(sets[i], name, strlen(name)) &&
		    sets[i][strlen(name)] == '=')
			return true;
	}
	return false;
}

/* How many elements "NAME[3]..." or "NAME=a,b,c" makes the array have. */
static unsigned long long elements_set(const char *path, const char *value)
{
	unsigned long long nr = 1;

	if (*path == '[')
		return strtoull(path + 1, NULL, number_base(path + 1)) + 1;
	for (; *value; value++)
		nr += *value == ',';
	return nr;
}

static int count_elements(struct bpf_object *object, const char *name,
			  unsigned long long nr, char **error)
{
	unsigned long long now = 0;
	struct place counter;
	__s64 size;

	if (!find_global(object, strf("nr_%s", name), &counter))
		return 0;
	size = btf__resolve_size(counter.btf, counter.type_id);
	if (size != 4 && size != 8)
		return 0;
	memcpy(&now, counter.data, size);
	if (now >= nr)
		return 0;
	return value_set(&counter, strf("%llu", nr), error);
}

static int set_one(struct bpf_object *object, const char *assignment,
		   char **sets, unsigned int nr_sets, char **error)
{
	char *path = strf("%s", assignment), *value, *rest;
	unsigned long long nr;
	struct place at;
	char *name;
	bool array;
	int err;

	value = strchr(path, '=');
	if (!value || value == path)
		return complain(error,
				strf("'%s' is not NAME=VALUE", assignment));
	*value++ = '\0';
	rest = path + strcspn(path, ".[");
	name = strf("%.*s", (int)(rest - path), path);
	if (!find_global(object, name, &at))
		return complain(error,
				strf("the policy has no setting '%s'", name));
	array = btf_is_array(value_type(&at));
	nr = elements_set(rest, value);
	while (*rest) {
		err = step_into(&at, &rest, error);
		if (err)
			return err;
	}
	err = value_set(&at, value, error);
	if (!err && array && !was_set(sets, nr_sets, strf("nr_%s", name)))
		err = count_elements(object, name, nr, error);
	return err;
}

int set_globals(struct bpf_object *object, char **sets, unsigned int nr,
		char **error)
{
	int err = 0;

	for (unsigned int i = 0; !err && i < nr; i++)
		err = set_one(object, sets[i], sets, nr, error);
	return err;
}
