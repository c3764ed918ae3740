/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the actors of the cases about a mount's life (init, early, destroy, death, interrupt, notify, hostile and races) do. Each takes
 * the name of its file from a->arg ("file" when there is none), and notes each system call as a step.
 */
#ifndef TESTS_MOCK_LIFE_H
#define TESTS_MOCK_LIFE_H

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/xattr.h>

#include "mock.h"

enum { REG = S_IFREG | 0644, DIR_MODE = S_IFDIR | 0755, LNK = S_IFLNK | 0777 };

#define ACTOR(name) static inline __attribute__((unused)) long name(struct actor *a)

static inline const char *
its_file(const struct actor *a)
{
	return in_mount(a, a->arg != NULL ? a->arg : "file");
}

ACTOR(do_stat)
{
	return step(a, stat(its_file(a), &a->st));
}
ACTOR(do_stat_root)
{
	return step(a, stat(in_mount(a, ""), &a->st));
}
ACTOR(do_statfs)
{
	return step(a, statfs(in_mount(a, ""), &a->sfs));
}
ACTOR(do_mkdir)
{
	return step(a, mkdir(its_file(a), 0755));
}
ACTOR(do_mknod)
{
	return step(a, mknod(its_file(a), S_IFREG | 0644, 0));
}
ACTOR(do_mkfifo)
{
	return step(a, mknod(its_file(a), S_IFIFO | 0644, 0));
}
ACTOR(do_symlink)
{
	return step(a, symlink("target", its_file(a)));
}
ACTOR(do_unlink)
{
	return step(a, unlink(its_file(a)));
}
ACTOR(do_rmdir)
{
	return step(a, rmdir(its_file(a)));
}
ACTOR(do_chmod)
{
	return step(a, chmod(its_file(a), 0600));
}
ACTOR(do_truncate)
{
	return step(a, truncate(its_file(a), 5));
}
ACTOR(do_readlink)
{
	return step(a, readlink(its_file(a), a->buf, 4096));
}
ACTOR(do_access)
{
	return step(a, access(its_file(a), R_OK));
}
ACTOR(do_getxattr)
{
	return step(a, getxattr(its_file(a), "user.a", a->buf, 100));
}
ACTOR(do_setxattr)
{
	return step(a, setxattr(its_file(a), "user.a", "value", 5, 0));
}
ACTOR(do_listxattr)
{
	return step(a, listxattr(its_file(a), a->buf, 100));
}
ACTOR(do_removexattr)
{
	return step(a, removexattr(its_file(a), "user.a"));
}
ACTOR(do_open)
{
	return step(a, open(its_file(a), O_RDONLY) == -1 ? -1 : 0);
}
ACTOR(do_opendir)
{
	return step(a, open(its_file(a), O_RDONLY | O_DIRECTORY) == -1 ? -1 : 0);
}
ACTOR(do_create)
{
	return step(a, open(its_file(a), O_RDWR | O_CREAT | O_EXCL, 0644) == -1 ? -1 : 0);
}
ACTOR(do_rename)
{
	return step(a, rename(its_file(a), in_mount(a, "new")));
}
ACTOR(do_link)
{
	return step(a, link(its_file(a), in_mount(a, "new")));
}

/* Open, then read 100 bytes at the beginning. */
ACTOR(do_read)
{
	a->fd = open(its_file(a), O_RDONLY);
	step(a, a->fd == -1 ? -1 : 0);
	return step(a, pread(a->fd, a->buf, 100, 0));
}

/* Open, then write 5 bytes at the beginning, and close. */
ACTOR(do_write)
{
	a->fd = open(its_file(a), O_WRONLY);
	step(a, a->fd == -1 ? -1 : 0);
	step(a, pwrite(a->fd, "hello", 5, 0));
	return step(a, close(a->fd));
}

/* Open and read the first entries of the root. Steps: open, getdents. */
ACTOR(do_readdir)
{
	a->fd = open(in_mount(a, ""), O_RDONLY | O_DIRECTORY);
	step(a, a->fd == -1 ? -1 : 0);
	return step(a, getdents64(a->fd, a->buf, 4096));
}

/* What an operation ends with that is at the daemon when it dies. */
static inline int
waiters_error(const struct mock *m)
{
	return mock_is_native(m) ? ECONNABORTED : ENOTCONN;
}

/* The beginning of a case about a file that is open: LOOKUP of "file" as nodeid 2 and OPEN as fh 7. */
static inline void
answer_opened(struct mock *m, uint64_t size, uint32_t open_flags)
{
	answer_lookup(m, WIRE_ROOT_ID, "file", 2, REG, size);
	answer_open(m, 2, 7, open_flags);
}

/* Before a cached write the kernel asks, once per mount, whether there are capabilities to be taken off the file. */
static inline void
answer_no_caps(struct mock *m)
{
	struct req *r = expect(m, WIRE_GETXATTR);

	check_str(r->name[0], "security.capability");
	reply_err(m, r, ENOSYS);
}

/* A READ at this offset is answered with size bytes of c (less at the end, when size is less than was asked). */
static inline void
answer_read(struct mock *m, uint64_t nodeid, uint64_t offset, uint32_t size, char c)
{
	struct req *r = expect(m, WIRE_READ);
	char *buf = malloc(size + 1);

	check_u(r->hdr.nodeid, nodeid);
	check_u(r->in.read.offset, offset);
	check_that(r->in.read.size >= size);
	memset(buf, c, size);
	reply_data(m, r, buf, size);
	free(buf);
}

/* The mount works: a stat of this name, which was not looked up before, is answered. */
static inline __attribute__((unused)) void
works(struct mock *m, const char *name)
{
	struct actor *a = start_arg(m, do_stat, (void *)(uintptr_t)name);

	answer_lookup(m, WIRE_ROOT_ID, name, 99, REG, 10);
	finish(a);
	check_step(a, 0, 0, 0);
}

/* Answer a request as a daemon that agrees with everything. */
static inline void
agree(struct mock *m, struct req *r)
{
	switch (r->hdr.opcode) {
	case WIRE_WRITE:
		reply_write(m, r, r->in.write.size);
		break;
	case WIRE_SETATTR:
		reply_attr(m, r, LONG, an_attr(r->hdr.nodeid, REG, 10));
		break;
	case WIRE_GETXATTR:
		reply_err(m, r, ENOSYS);
		break;
	default:
		reply_empty(m, r);
		break;
	}
}

/* ... until the actor has ended, and what it has left to the kernel is done, too. */
static inline __attribute__((unused)) void
serve(struct mock *m, struct actor *a)
{
	struct req *r;
	bool ended;

	do {
		ended = has_ended(a);
		while ((r = next_request(m, ended ? 0 : 1)) != NULL)
			agree(m, r);
	} while (!ended);
}

/* Starts with "file" found (nodeid 2), not found, found and opened (fh 7). */
static inline __attribute__((unused)) struct actor *
with_file(struct mock *m, long (*fn)(struct actor *a), uint32_t mode)
{
	struct actor *a = start(m, fn);

	answer_lookup(m, WIRE_ROOT_ID, "file", 2, mode, 100);
	return a;
}

static inline __attribute__((unused)) struct actor *
without_file(struct mock *m, long (*fn)(struct actor *a))
{
	struct actor *a = start(m, fn);

	answer_noent(m, WIRE_ROOT_ID, "file");
	return a;
}

static inline __attribute__((unused)) struct actor *
with_open_file(struct mock *m, long (*fn)(struct actor *a), uint32_t open_flags)
{
	struct actor *a = with_file(m, fn, REG);

	answer_open(m, 2, 7, open_flags);
	return a;
}

#endif
