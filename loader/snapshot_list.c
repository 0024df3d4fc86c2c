// SPDX-License-Identifier: GPL-2.0
/* 'bioctl snapshot list' and 'status' */
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "dm.h"
#include "snapshot.h"
#include "stack.h"

static json_t *snapshot_json(const char *dm_name, const struct dm_state *dm)
{
	unsigned long long used = 0, total = 0, metadata = 0, length = 0;
	char *key = strf("%s", dm->uuid + strlen(SNAPSHOT_UUID));
	char *name = strchr(key, '.');
	char word[32] = "", *state = "valid";

	if (name)
		*name++ = '\0';
	sscanf(dm->status, "%*u %llu snapshot %31s", &length, word);
	if (!dm->live)
		state = "incomplete";
	else if (sscanf(dm->status, "%*u %*u snapshot %llu/%llu %llu", &used,
			&total, &metadata) < 2)
		state = !strcmp(word, "Overflow") ? "overflow" : "invalid";
	return json_pack("{s:o, s:o, s:s, s:s, s:I, s:I, s:I, s:b}", "device",
			 json_string_or_null(device_path(key)), "name",
			 json_string_or_null(name), "path",
			 strf("/dev/mapper/%s", dm_name), "state", state,
			 "used_sectors", (json_int_t)used, "store_sectors",
			 (json_int_t)total, "sectors", (json_int_t)length,
			 "open", dm->open > 0);
}

static void list_print(const json_t *result)
{
	json_t *entry;
	size_t i;

	for (i = 0; (entry = json_element(result, "snapshots", i)); i++) {
		json_int_t used = json_int(entry, "used_sectors");
		json_int_t total = json_int(entry, "store_sectors");
		const char *state = json_text(entry, "state", "?");

		printf("%s %s: %s", json_text(entry, "device", "?"),
		       json_text(entry, "name", "?"),
		       json_text(entry, "path", "?"));
		if (!strcmp(state, "valid"))
			printf(", %.1f%% of the store is used (%lld of %lld "
			       "MiB)\n",
			       total ? 100.0 * used / total : 0.0,
			       (long long)used / 2048, (long long)total / 2048);
		else if (!strcmp(state, "incomplete"))
			puts(", incomplete: a bioctl was stopped when it made "
			     "it; remove it");
		else
			printf(", %s: its store was full%s, and what it held "
			       "is lost; the device is not affected\n",
			       state,
			       strcmp(state, "overflow") ? ", or failed" : "");
	}
}

/* Those of the devices that were named, or all. */
int snapshot_list(const struct snapshot_args *args)
{
	char **names = dm_names(SNAPSHOT_UUID);
	json_t *found = json_array();

	if (!names)
		return BIOCTL_FAILED;
	for (; *names; names++) {
		struct dm_state dm;
		bool wanted = !args->nr_devices;
		json_t *entry;

		if (dm_find(*names, &dm) || !dm.exists)
			continue;
		entry = snapshot_json(*names, &dm);
		for (unsigned int i = 0; i < args->nr_devices; i++) {
			if (same_file(json_text(entry, "device", ""),
				      device_path(args->devices[i])))
				wanted = true;
		}
		if (wanted)
			json_array_append_new(found, entry);
	}
	emit(json_pack("{s:o}", "snapshots", found), list_print);
	return BIOCTL_OK;
}

/* How many there are of what is below a device; one, if nobody knows */
unsigned int snapshots_of(const struct stack *stack)
{
	char **names = dm_names(strf(SNAPSHOT_UUID "%s.", stack->key));
	unsigned int nr = 0;

	if (!names)
		return 1;
	while (names[nr])
		nr++;
	return nr;
}

/* Does what is written to a device go to @base, too, as an old block? */
bool snapshots_rest_on(const struct stack *stack, dev_t base)
{
	char **names = dm_names(strf(SNAPSHOT_UUID "%s.", stack->key));
	unsigned int major_nr, minor_nr;
	struct dm_state dm;

	for (; names && *names; names++) {
		if (!dm_find(*names, &dm) &&
		    sscanf(dm.targets, "%*u %*u snapshot %*s %u:%u", &major_nr,
			   &minor_nr) == 2 &&
		    device_rests_on(makedev(major_nr, minor_nr), base))
			return true;
	}
	return !names;
}
