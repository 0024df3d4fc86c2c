/* SPDX-License-Identifier: GPL-2.0 */
/* Values of BTF types, between set.c (which one) and value.c (to what). */
#ifndef BIOCTL_SET_H
#define BIOCTL_SET_H

#include <bpf/btf.h>

/* A type, its BTF, and the bytes of a value of that type. */
struct place {
	const struct btf *btf;
	__u32 type_id;
	char *data;
};

int value_set(const struct place *at, const char *text, char **error);
const struct btf_type *value_type(const struct place *at);
bool value_is_bitfield(const struct btf_type *type, unsigned int member);
const char *type_name(const struct btf *btf, __u32 type_id);
/* Sets *@error; returns -EINVAL. */
int complain(char **error, char *text);

#endif /* BIOCTL_SET_H */
