/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The calls on names and attributes: stat, rename, links, directories, extended attributes. As in files.c, each function does
 * one call with the arguments of its row in table.c. A process has its side's mount as its root, so that paths can be absolute.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "parity.h"

#define SLOT(i) ((unsigned)(a[i].n) % FDS)
#define FD(i) (a[i].n < 0 ? -1 : c->fd[SLOT(i)])
#define AT(i) (a[i].n < 0 ? AT_FDCWD : c->fd[SLOT(i)])

/* ---- attributes ---- */

static int64_t
seen(struct ctx *c, struct result *r, int ret, const struct stat *st)
{
	if (ret == 0)
		out_stat(c, r, st);
	return ret;
}

CALL(stat)
{
	struct stat st;

	return seen(c, r, stat(a[0].s, &st), &st);
}

CALL(lstat)
{
	struct stat st;

	return seen(c, r, lstat(a[0].s, &st), &st);
}

CALL(fstat)
{
	struct stat st;

	return seen(c, r, fstat(FD(0), &st), &st);
}

CALL(fstatat)
{
	struct stat st;
	int flags = (int)a[2].n & ((c->mask & MASK_CACHED) != 0 ? ~AT_STATX_DONT_SYNC : ~0);

	return seen(c, r, fstatat(AT(0), a[1].s, &st, flags), &st);
}

CALL(statx)
{
	struct statx stx;
	int flags = (int)a[2].n, ret;
	unsigned wanted = (unsigned)a[3].n;

	if ((c->mask & MASK_CACHED) != 0) {
		flags &= ~AT_STATX_DONT_SYNC;
		wanted |= STATX_BASIC_STATS;
	}
	ret = statx(AT(0), a[1].s, flags, wanted, &stx);

	if (ret == 0)
		out_statx(c, r, &stx);
	return ret;
}

CALL(access)
{
	return access(a[0].s, (int)a[1].n);
}

CALL(faccessat)
{
	return syscall(SYS_faccessat2, AT(0), a[1].s, (int)a[2].n, (int)a[3].n);
}

CALL(chmod)
{
	return chmod(a[0].s, (mode_t)a[1].n);
}

CALL(fchmod)
{
	return fchmod(FD(0), (mode_t)a[1].n);
}

CALL(chown)
{
	return chown(a[0].s, (uid_t)a[1].n, (gid_t)a[2].n);
}

CALL(lchown)
{
	return lchown(a[0].s, (uid_t)a[1].n, (gid_t)a[2].n);
}

CALL(fchown)
{
	return fchown(FD(0), (uid_t)a[1].n, (gid_t)a[2].n);
}

/* -1 is now, -2 is left as it is; else seconds, with nanoseconds made of them. */
static void
times_of(const struct arg *a, struct timespec times[2])
{
	for (int i = 0; i < 2; i++) {
		times[i].tv_sec = a[i].n;
		times[i].tv_nsec = a[i].n == -1   ? UTIME_NOW
				   : a[i].n == -2 ? UTIME_OMIT
						  : (long)((uint64_t)a[i].n * 123456789 % 1000000000);
	}
}

CALL(utimensat)
{
	struct timespec times[2];

	times_of(a + 1, times);
	return utimensat(AT_FDCWD, a[0].s, times, (int)a[3].n);
}

CALL(futimens)
{
	struct timespec times[2];

	times_of(a + 1, times);
	return futimens(FD(0), times);
}

CALL(truncate)
{
	return truncate(a[0].s, a[1].n);
}

/* ---- names ---- */

CALL(link)
{
	return link(a[0].s, a[1].s);
}

CALL(linkat)
{
	return linkat(AT(0), a[1].s, AT(2), a[3].s, (int)a[4].n);
}

CALL(linkempty)
{
	return linkat(FD(0), "", AT_FDCWD, a[1].s, AT_EMPTY_PATH);
}

CALL(symlink)
{
	return symlink(a[0].s, a[1].s);
}

CALL(readlink)
{
	ssize_t n = readlink(a[0].s, c->room, a[1].n <= 0 ? PATH_MAX : (size_t)a[1].n);

	if (n > 0)
		out(r, " -> "), out_bytes(r, c->room, (size_t)n);
	return n;
}

CALL(rename)
{
	return rename(a[0].s, a[1].s);
}

CALL(renameat2)
{
	return renameat2(AT(0), a[1].s, AT(2), a[3].s, (unsigned)a[4].n);
}

CALL(unlink)
{
	return unlink(a[0].s);
}

CALL(unlinkat)
{
	return unlinkat(AT(0), a[1].s, (int)a[2].n);
}

CALL(rmdir)
{
	return rmdir(a[0].s);
}

CALL(mkdir)
{
	return mkdir(a[0].s, (mode_t)a[1].n);
}

CALL(mkdirat)
{
	return mkdirat(AT(0), a[1].s, (mode_t)a[2].n);
}

CALL(mknod)
{
	mode_t type = (mode_t)a[1].n & S_IFMT;
	int ret = mknod(a[0].s, type | ((mode_t)a[2].n & 07777),
	    type == S_IFCHR   ? makedev(1, 3)
	    : type == S_IFBLK ? makedev(7, 200)
			      : 0);

	if (ret == 0 && type == S_IFIFO)
		c->side->fifo = true;
	return ret;
}

/* ---- directories ---- */

static void
out_entry(struct ctx *c, struct result *r, const struct dirent64 *entry)
{
	out(r, " ");
	out_bytes(r, entry->d_name, strlen(entry->d_name));
	out(r, ":%c", type_letter(entry->d_type));
	if (strcmp(entry->d_name, "..") != 0) /* the root's is outside the mount */
		out(r, "%u", inode_id(c, entry->d_ino));
}

/* As many names as fit into this many bytes; the places after the last ones are remembered. */
CALL(getdents)
{
	ssize_t n = getdents64(FD(0), c->room, (size_t)a[1].n % 4096);
	unsigned count = 0;

	for (ssize_t at = 0; at < n; count++) {
		struct dirent64 *entry = (struct dirent64 *)(c->room + at);
		if ((c->mask & MASK_ORDER) == 0)
			out_entry(c, r, entry);
		c->cookie[SLOT(0)][1 + (count % (COOKIES - 1))] = entry->d_off;
		at += entry->d_reclen;
	}
	return n < 0 ? -1 : (int64_t)count;
}

CALL(dirseek)
{
	return lseek(FD(0), c->cookie[SLOT(0)][(unsigned)a[1].n % COOKIES], SEEK_SET) < 0 ? -1 : 0;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp((*(struct dirent64 *const *)a)->d_name, (*(struct dirent64 *const *)b)->d_name);
}

/* All of a directory, sorted. */
CALL(list)
{
	struct dirent64 *entry[512];
	int fd = open(a[0].s, O_RDONLY | O_DIRECTORY);
	size_t n = 0, used = 0;
	ssize_t got;

	if (fd < 0)
		return -1;
	while ((got = getdents64(fd, c->room + used, ROOM - used < 32768 ? ROOM - used : 32768)) > 0)
		used += (size_t)got;
	close(fd);
	if (got < 0)
		return -1;
	for (size_t at = 0; at < used && n < 512; n++) {
		entry[n] = (struct dirent64 *)(c->room + at);
		at += entry[n]->d_reclen;
	}
	qsort(entry, n, sizeof(entry[0]), by_name);
	for (size_t i = 0; i < n; i++)
		out_entry(c, r, entry[i]);
	return (int64_t)n;
}

/* ---- extended attributes ---- */

/* The value that number VALUE makes for NAME: for an ACL, one that the kernel takes (mostly). */
static size_t
value_of(struct ctx *c, const char *name, int64_t value)
{
	static const struct {
		uint16_t tag, perm;
		uint32_t id;
	} entry[] = {
		{ 0x01, 7, UINT32_MAX }, /* owner */
		{ 0x02, 5, 1000 },       /* a user */
		{ 0x04, 4, UINT32_MAX }, /* the group */
		{ 0x08, 4, 1001 },       /* a group */
		{ 0x10, 6, UINT32_MAX }, /* the mask */
		{ 0x20, 1, UINT32_MAX }, /* others */
	};
	uint32_t version = 2;
	size_t n = (size_t)value % 600;

	if (strncmp(name, "system.posix_acl_", 17) != 0) {
		pattern(c->room, n, (uint64_t)value);
		return n;
	}
	memcpy(c->room, &version, 4);
	n = 4;
	for (unsigned i = 0; i < 6; i++) {
		if ((i == 1 || i == 3 || i == 4) && value % 3 == 0)
			continue; /* a minimal one */
		memcpy(c->room + n, &entry[i], 8);
		c->room[n + 2] = (char)((c->room[n + 2] ^ (value >> i)) & 7);
		n += 8;
	}
	return value % 17 == 0 ? n - 3 : n;
}

CALL(setxattr)
{
	return setxattr(a[0].s, a[1].s, c->room, value_of(c, a[1].s, a[2].n), (int)a[3].n);
}

CALL(lsetxattr)
{
	return lsetxattr(a[0].s, a[1].s, c->room, value_of(c, a[1].s, a[2].n), (int)a[3].n);
}

CALL(fsetxattr)
{
	return fsetxattr(FD(0), a[1].s, c->room, value_of(c, a[1].s, a[2].n), (int)a[3].n);
}

static int64_t
got_value(struct ctx *c, struct result *r, ssize_t n, size_t size)
{
	if (n > 0 && size > 0)
		out(r, " value=%016jx", (uintmax_t)hash_bytes(1, c->room, (size_t)n));
	return n;
}

CALL(getxattr)
{
	size_t size = (size_t)a[2].n % ROOM;

	return got_value(c, r, getxattr(a[0].s, a[1].s, c->room, size), size);
}

CALL(lgetxattr)
{
	size_t size = (size_t)a[2].n % ROOM;

	return got_value(c, r, lgetxattr(a[0].s, a[1].s, c->room, size), size);
}

CALL(fgetxattr)
{
	size_t size = (size_t)a[2].n % ROOM;

	return got_value(c, r, fgetxattr(FD(0), a[1].s, c->room, size), size);
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int64_t
got_list(struct ctx *c, struct result *r, ssize_t size, size_t room)
{
	char *name[64];
	size_t n = 0;

	for (ssize_t at = 0; room > 0 && at < size && n < 64; at += (ssize_t)strlen(c->room + at) + 1)
		name[n++] = c->room + at;
	qsort(name, n, sizeof(name[0]), by_text);
	for (size_t i = 0; i < n; i++)
		out(r, " "), out_bytes(r, name[i], strlen(name[i]));
	return size;
}

CALL(listxattr)
{
	size_t size = (size_t)a[1].n % ROOM;

	return got_list(c, r, listxattr(a[0].s, c->room, size), size);
}

CALL(flistxattr)
{
	size_t size = (size_t)a[1].n % ROOM;

	return got_list(c, r, flistxattr(FD(0), c->room, size), size);
}

CALL(removexattr)
{
	return removexattr(a[0].s, a[1].s);
}

CALL(lremovexattr)
{
	return lremovexattr(a[0].s, a[1].s);
}

CALL(fremovexattr)
{
	return fremovexattr(FD(0), a[1].s);
}

/* ---- the mount and the process ---- */

/* Only what stays as it is; what is free depends on what the daemon has not let go of yet. */
static int64_t
seen_fs(struct result *r, int ret, const struct statfs *fs)
{
	if (ret == 0)
		out(r, " type=%lx bsize=%jd frsize=%jd blocks=%ju namelen=%jd flags=%jx", (unsigned long)fs->f_type,
		    (intmax_t)fs->f_bsize, (intmax_t)fs->f_frsize, (uintmax_t)fs->f_blocks, (intmax_t)fs->f_namelen,
		    (uintmax_t)fs->f_flags);
	return ret;
}

CALL(statfs)
{
	struct statfs fs;

	return seen_fs(r, statfs(a[0].s, &fs), &fs);
}

CALL(fstatfs)
{
	struct statfs fs;

	return seen_fs(r, fstatfs(FD(0), &fs), &fs);
}

CALL(umask)
{
	return umask((mode_t)a[0].n & 0777);
}

CALL(chdir)
{
	return chdir(a[0].s);
}

CALL(fchdir)
{
	return fchdir(FD(0));
}

CALL(getcwd)
{
	long n = syscall(SYS_getcwd, c->room, PATH_MAX);

	if (n > 0)
		out(r, " "), out_bytes(r, c->room, (size_t)n - 1);
	return n;
}

CALL(handle)
{
	struct {
		struct file_handle head;
		char bytes[MAX_HANDLE_SZ];
	} handle = { .head.handle_bytes = MAX_HANDLE_SZ };
	int mount, ret = name_to_handle_at(AT_FDCWD, a[0].s, &handle.head, &mount, (int)a[1].n);

	if (ret == 0)
		out(r, " bytes=%u type=%x", handle.head.handle_bytes, (unsigned)handle.head.handle_type);
	return ret;
}
