/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the cases about names and attributes share: actors that do one system call on the name they are given, the check of who a
 * request says its caller is, and the two questions asked most often afterwards: is it cached, and is it asked for again.
 * Everything is static inline: each mock_X.c is a program of its own.
 */
#ifndef TESTS_MOCK_NAMES_H
#define TESTS_MOCK_NAMES_H

#include <time.h>

#include "mock/mock.h"

enum { OTHER_UID = 1234, OTHER_GID = 4321 }; /* somebody who is not root */

/* Start fn with a name in the mount as its argument. */
static inline struct actor *
on(struct mock *m, long (*fn)(struct actor *a), const char *name)
{
	return start_arg(m, fn, (void *)(uintptr_t)name);
}

/* The same as somebody else, without supplementary groups. */
static inline struct actor *
on_as_other(struct mock *m, long (*fn)(struct actor *a), const char *name)
{
	return start_as(m, OTHER_UID, OTHER_GID, NULL, 0, fn, (void *)(uintptr_t)name);
}

/* In the actor: the path of its argument. */
static inline const char *
arg_path(const struct actor *a)
{
	return in_mount(a, a->arg);
}

static inline long
do_stat(struct actor *a)
{
	return step(a, lstat(arg_path(a), &a->st));
}

/* In the actor: open and keep in a->fd. */
static inline long
do_open(struct actor *a, int flags)
{
	return a->fd = (int)step(a, open(arg_path(a), flags));
}

static inline long
open_ro(struct actor *a)
{
	return do_open(a, O_RDONLY);
}

/* Open, and keep it open until told. Step 0 is the open, step 1 the close. */
static inline long
open_and_hold(struct actor *a)
{
	if (do_open(a, O_RDWR) < 0)
		return -1;
	hold(a);
	return step(a, close(a->fd));
}

/* Let time go by in which a validity of a millisecond ends (jiffies of 10 ms at most). */
static inline void
let_expire(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
}

/* The request came from this actor. */
#define check_caller(r, a, u, g)                                                                                       \
	do {                                                                                                           \
		check_u((r)->hdr.uid, u);                                                                              \
		check_u((r)->hdr.gid, g);                                                                              \
		check_u((r)->hdr.pid, (a)->pid);                                                                       \
	} while (0)

/* An actor's first step is done, with this outcome, and no request was sent. */
#define check_silent(m, a, ret, err)                                                                                   \
	do {                                                                                                           \
		struct actor *silent_ = (a);                                                                           \
		finish(silent_);                                                                                       \
		check_step(silent_, 0, ret, err);                                                                      \
		expect_none(m);                                                                                        \
	} while (0)

/* lstat(name) is answered from caches. */
#define check_cached(m, name) check_silent(m, on(m, do_stat, name), 0, 0)
/* lstat(name) is answered from a negative entry. */
#define check_cached_negative(m, name) check_silent(m, on(m, do_stat, name), -1, ENOENT)

/* lstat(name) asks for the name in the root: it is not cached. It is said to be absent. */
#define check_asked_again(m, name)                                                                                     \
	do {                                                                                                           \
		struct actor *asked_ = on(m, do_stat, name);                                                           \
		answer_noent(m, WIRE_ROOT_ID, name);                                                                   \
		finish(asked_);                                                                                        \
		check_step(asked_, 0, -1, ENOENT);                                                                     \
	} while (0)

/* Make a name known: lstat() it, answered with this node. */
static inline void
know(struct mock *m, const char *name, uint64_t nodeid, uint32_t mode, uint64_t size)
{
	struct actor *a = on(m, do_stat, name);

	answer_lookup(m, WIRE_ROOT_ID, name, nodeid, mode, size);
	finish(a);
	check_step(a, 0, 0, 0);
}

/* Expect LOOKUP of name in parent; the request. */
#define expect_lookup(m, parent, nm) expect_lookup_at(__FILE__, __LINE__, m, parent, nm)
static inline struct req *
expect_lookup_at(const char *file, int line, struct mock *m, uint64_t parent, const char *name)
{
	struct req *r = expect_at(file, line, m, WIRE_LOOKUP);

	check_u_at(file, line, "LOOKUP: parent", r->hdr.nodeid, parent);
	check_str_at(file, line, "LOOKUP: name", r->name[0], name);
	return r;
}

/* Expect an operation on a node; the request. */
#define expect_on(m, opcode, node) expect_on_at(__FILE__, __LINE__, m, opcode, node)
static inline struct req *
expect_on_at(const char *file, int line, struct mock *m, uint32_t opcode, uint64_t nodeid)
{
	struct req *r = expect_at(file, line, m, opcode);

	check_u_at(file, line, "nodeid", r->hdr.nodeid, nodeid);
	return r;
}

/* Expect an operation on a name in a directory; the request. */
#define expect_named(m, opcode, node, nm) expect_named_at(__FILE__, __LINE__, m, opcode, node, nm)
static inline struct req *
expect_named_at(const char *file, int line, struct mock *m, uint32_t opcode, uint64_t nodeid, const char *name)
{
	struct req *r = expect_on_at(file, line, m, opcode, nodeid);

	check_str_at(file, line, "name", r->name[0], name);
	return r;
}

#endif
