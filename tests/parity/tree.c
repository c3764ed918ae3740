/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A whole tree as text: an object a line, in the order of its names, with all that can be equal in two trees: type, mode, links,
 * owners, size, device, times that a program set, extended attributes, the hash of the data, the target. Read after each sequence
 * from the mount and, unmounted, from the backing folder.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "parity.h"

enum { HASHED = 1 << 20 }; /* of a file's beginning; the sparse ones are long */

static void
print_time(FILE *to, char letter, struct timespec when)
{
	if (recent(when))
		fprintf(to, " %c=now", letter);
	else
		fprintf(to, " %c=%lld.%09ld", letter, (long long)when.tv_sec, when.tv_nsec);
}

static void
print_data(FILE *to, const char *path)
{
	static char room[65536];
	uint64_t hash = 1;
	ssize_t n = 0, total = 0;
	int fd = open(path, O_RDONLY | O_NONBLOCK);

	while (fd >= 0 && total < HASHED && (n = read(fd, room, sizeof(room))) > 0) {
		hash = hash_bytes(hash, room, (size_t)n);
		total += n;
	}
	if (fd < 0 || n < 0)
		fprintf(to, " data=%s", strerrorname_np(errno));
	else
		fprintf(to, " data=%016jx", (uintmax_t)hash);
	if (fd >= 0)
		close(fd);
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
print_attributes(FILE *to, const char *path)
{
	static char names[16384], value[65536];
	ssize_t size = llistxattr(path, names, sizeof(names)), n;
	char *name[256];
	size_t count = 0;

	for (ssize_t at = 0; at < size && count < 256; at += (ssize_t)strlen(names + at) + 1)
		name[count++] = names + at;
	qsort(name, count, sizeof(name[0]), by_text);
	for (size_t i = 0; i < count; i++) {
		n = lgetxattr(path, name[i], value, sizeof(value));
		if (n < 0)
			fprintf(to, " %s=%s", name[i], strerrorname_np(errno));
		else
			fprintf(to, " %s=%zd:%08x", name[i], n, (unsigned)hash_bytes(1, value, (size_t)n));
	}
}

static void
print_object(FILE *to, const char *path, const char *shown, const struct stat *st, unsigned mask)
{
	char target[4096];
	ssize_t n;

	quote(to, shown);
	fprintf(to, " mode=%o nlink=%ju uid=%u gid=%u", st->st_mode, (uintmax_t)st->st_nlink, st->st_uid, st->st_gid);
	if (!S_ISDIR(st->st_mode) || (mask & MASK_DIRSIZE) == 0)
		fprintf(to, " size=%jd", (intmax_t)st->st_size);
	if ((mask & MASK_BLOCKS) == 0)
		fprintf(to, " blocks=%jd", (intmax_t)st->st_blocks);
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
		fprintf(to, " rdev=%u:%u", major(st->st_rdev), minor(st->st_rdev));
	if ((mask & MASK_ATIME) == 0)
		print_time(to, 'a', st->st_atim);
	print_time(to, 'm', st->st_mtim);
	if (S_ISREG(st->st_mode))
		print_data(to, path);
	print_attributes(to, path);
	if (S_ISLNK(st->st_mode) && (n = readlink(path, target, sizeof(target) - 1)) >= 0) {
		target[n] = '\0';
		fputs(" -> ", to);
		quote(to, target);
	}
	fputc('\n', to);
}

static int
print_below(FILE *to, const char *path, size_t root, unsigned mask)
{
	struct dirent **entry;
	struct stat st;
	char *below;
	int error = 0, n;

	if (lstat(path, &st) < 0) {
		quote(to, path + root);
		fprintf(to, " %s\n", strerrorname_np(errno));
		return 0;
	}
	print_object(to, path, path + root, &st, mask);
	if (!S_ISDIR(st.st_mode))
		return 0;
	n = scandir(path, &entry, NULL, alphasort);
	if (n < 0) {
		fprintf(to, "  %s\n", strerrorname_np(errno));
		return 0;
	}
	for (int i = 0; i < n; i++) {
		if (error == 0 && strcmp(entry[i]->d_name, ".") != 0 && strcmp(entry[i]->d_name, "..") != 0) {
			if (asprintf(&below, "%s/%s", path, entry[i]->d_name) < 0) {
				error = ENOMEM;
			} else {
				error = print_below(to, below, root, mask);
				free(below);
			}
		}
		free(entry[i]);
	}
	free(entry);
	return error;
}

int
tree_print(FILE *to, const char *path, unsigned mask)
{
	return print_below(to, path, strlen(path), mask);
}
