// SPDX-License-Identifier: GPL-2.0
/*
 * usage: path_fscrypt key|policy DIRECTORY
 *
 * key gives the filesystem of DIRECTORY a key, always the same; policy also
 * has everything encrypted with it that is made in DIRECTORY, which is empty.
 * Exits with 1 and names the error if it fails.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <linux/fscrypt.h>

static void fatal(const char *what)
{
	fprintf(stderr, "path_fscrypt: %s: %s\n", what, strerror(errno));
	exit(1);
}

int main(int argc, char **argv)
{
	struct fscrypt_policy_v2 policy = {
		.version = FSCRYPT_POLICY_V2,
		.contents_encryption_mode = FSCRYPT_MODE_AES_256_XTS,
		.filenames_encryption_mode = FSCRYPT_MODE_AES_256_CTS,
		.flags = FSCRYPT_POLICY_FLAGS_PAD_32,
	};
	struct fscrypt_add_key_arg *key;
	int fd, i;

	if (argc != 3 ||
	    (strcmp(argv[1], "key") && strcmp(argv[1], "policy"))) {
		fprintf(stderr, "usage: see the top of path_fscrypt.c\n");
		return 1;
	}
	fd = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		fatal(argv[2]);
	key = calloc(1, sizeof(*key) + FSCRYPT_MAX_KEY_SIZE);
	if (!key)
		fatal("memory");
	key->key_spec.type = FSCRYPT_KEY_SPEC_TYPE_IDENTIFIER;
	key->raw_size = FSCRYPT_MAX_KEY_SIZE;
	for (i = 0; i < FSCRYPT_MAX_KEY_SIZE; i++)
		key->raw[i] = i + 1;
	if (ioctl(fd, FS_IOC_ADD_ENCRYPTION_KEY, key))
		fatal("FS_IOC_ADD_ENCRYPTION_KEY");
	if (!strcmp(argv[1], "key"))
		return 0;
	memcpy(policy.master_key_identifier, key->key_spec.u.identifier,
	       FSCRYPT_KEY_IDENTIFIER_SIZE);
	if (ioctl(fd, FS_IOC_SET_ENCRYPTION_POLICY, &policy))
		fatal("FS_IOC_SET_ENCRYPTION_POLICY");
	return 0;
}
