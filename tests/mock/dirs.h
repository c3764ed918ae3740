/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the cases about directories share: listing by getdents64(2) itself, whose buffer a case can choose, and the READDIR that
 * feeds it. The directory is the root.
 */
#ifndef TESTS_MOCK_DIRS_H
#define TESTS_MOCK_DIRS_H

#include <dirent.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "mock/fileio.h"

enum { DIR_BUF = 32768 };

struct dents { /* as getdents64(2) lays it out */
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

/* In the actor: open the root into a->fd. */
static inline void
open_root(struct actor *a, int flags)
{
	a->fd = open(in_mount(a, ""), O_RDONLY | O_DIRECTORY | flags);
	(void)step(a, a->fd < 0 ? -1 : 0);
}

/* In the actor: one getdents64(2) of at most room bytes; names and blanks are appended to a->buf. The number of entries, or -1. */
static inline long
dents(struct actor *a, int fd, size_t room)
{
	static char buf[DIR_BUF] __attribute__((aligned(8)));
	long n = syscall(SYS_getdents64, fd, buf, room), entries = 0;

	for (long at = 0; at < n; entries++) {
		const struct dents *d = (const void *)(buf + at);

		(void)snprintf(a->buf + strlen(a->buf), 4096, "%s ", d->name);
		at += d->reclen;
	}
	return n < 0 ? -1 : entries;
}

/* In the actor: the same to the end. */
static inline long
list(struct actor *a, int fd)
{
	long n, all = 0;

	while ((n = dents(a, fd, DIR_BUF)) > 0)
		all += n;
	return n < 0 ? -1 : all;
}

/* Actors. */
static inline long
list_once(struct actor *a)
{
	open_root(a, 0);
	step(a, list(a, a->fd));
	return step(a, close(a->fd));
}

static inline long
list_twice(struct actor *a)
{
	list_once(a);
	return list_once(a);
}

/* In the actor: list, rewind and list again. */
static inline long
list_rewind(struct actor *a)
{
	open_root(a, 0);
	step(a, list(a, a->fd));
	step(a, lseek(a->fd, 0, SEEK_SET));
	step(a, list(a, a->fd));
	return step(a, close(a->fd));
}

/* READDIR from off on, of the buffer that list() has. */
#define expect_dir(m, fh, off) expect_dir_at(__FILE__, __LINE__, m, fh, off)
static inline struct req *
expect_dir_at(const char *file, int line, struct mock *m, uint64_t fh, uint64_t off)
{
	struct req *r = expect_of_at(file, line, m, WIRE_READDIR, WIRE_ROOT_ID);

	check_u_at(file, line, "read.fh", r->in.read.fh, fh);
	check_u_at(file, line, "read.offset", r->in.read.offset, off);
	check_u_at(file, line, "read.size", r->in.read.size, DIR_BUF);
	return r;
}

/* The same, answered with these names: of type DT_REG, ino 100 and up, each with the offset after its own place. */
#define answer_dir(m, fh, off, names) answer_dir_at(__FILE__, __LINE__, m, fh, off, names)
static inline void
answer_dir_at(const char *file, int line, struct mock *m, uint64_t fh, uint64_t off, const char *names)
{
	struct req *r = expect_dir_at(file, line, m, fh, off);
	char buf[4096] __attribute__((aligned(8))), name[256];
	size_t len = 0;
	int n;

	for (; sscanf(names, " %255s%n", name, &n) == 1; names += n) {
		off++;
		mock_dirent(buf, sizeof(buf), &len, 99 + off, off, DT_REG, name);
	}
	reply_data(m, r, buf, len);
}

#define answer_dir_end(m, fh, off) answer_dir_at(__FILE__, __LINE__, m, fh, off, "")

#endif
