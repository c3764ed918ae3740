/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SETATTR: which fields of it each call that changes attributes makes valid, truncation at open, the clearing of set-id bits, and
 * what its answer is good for.
 */
#include "mock/names.h"

/* Everything but these fields of a SETATTR is 0. */
static void
check_only(const struct req *r, uint32_t valid, struct wire_setattr_in want)
{
	want.valid = valid;
	check_u(r->in.setattr.valid, valid);
	check_u(r->in.setattr.fh, want.fh);
	check_u(r->in.setattr.size, want.size);
	check_i(r->in.setattr.atime, want.atime);
	check_i(r->in.setattr.mtime, want.mtime);
	check_u(r->in.setattr.atimensec, want.atimensec);
	check_u(r->in.setattr.mtimensec, want.mtimensec);
	check_u(r->in.setattr.mode, want.mode);
	check_u(r->in.setattr.uid, want.uid);
	check_u(r->in.setattr.gid, want.gid);
	check_that((r->in.setattr.lock_owner != 0) == ((valid & WIRE_FATTR_LOCKOWNER) != 0));
	if ((valid & WIRE_FATTR_CTIME) == 0) {
		check_i(r->in.setattr.ctime, 0);
		check_u(r->in.setattr.ctimensec, 0);
	}
	check_u(r->rawlen, sizeof(struct wire_in_header) + sizeof(struct wire_setattr_in));
}

/* A change of a file's owner or size first asks whether the file has capabilities, once for a daemon that has no xattrs. */
static void
no_capabilities(struct mock *m, uint64_t nodeid)
{
	reply_err(m, expect_named(m, WIRE_GETXATTR, nodeid, "security.capability"), ENOSYS);
}

static long
chmod_it(struct actor *a)
{
	return step(a, chmod(arg_path(a), 04751));
}

MOCK_CASE(chmod)
{
	struct actor *a;
	struct req *r;

	know(m, "file", 42, S_IFREG | 0644, 0);
	a = on(m, chmod_it, "file");
	r = expect_on(m, WIRE_SETATTR, 42);
	check_caller(r, a, 0, 0);
	check_only(r, WIRE_FATTR_MODE, (struct wire_setattr_in){ .mode = S_IFREG | 04751 });
	reply_attr(m, r, LONG, an_attr(42, S_IFREG | 0750, 3));
	finish(a);
	check_step(a, 0, 0, 0);
	a = on(m, do_stat, "file"); /* what the daemon answered, not what was asked for */
	finish(a);
	check_u(a->st.st_mode, S_IFREG | 0750);
	check_u(a->st.st_size, 3);
	expect_none(m);
}

MOCK_CASE(chmod_of_a_directory_revalidates_it)
{
	struct actor *a;

	know(m, "dir", 42, S_IFDIR | 0755, 0);
	a = on(m, chmod_it, "dir");
	reply_attr(m, expect_on(m, WIRE_SETATTR, 42), LONG, an_attr(42, S_IFDIR | 04751, 0));
	finish(a);
	check_step(a, 0, 0, 0);
	a = on(m, do_stat, "dir");
	answer_lookup(m, WIRE_ROOT_ID, "dir", 42, S_IFDIR | 04751, 0);
	finish(a);
	check_step(a, 0, 0, 0);
}

static long
chown_it(struct actor *a)
{
	return step(a, chown(arg_path(a), 1001, 1002));
}

static long
chown_uid(struct actor *a)
{
	return step(a, chown(arg_path(a), 1001, (gid_t)-1));
}

static long
chgrp_it(struct actor *a)
{
	return step(a, chown(arg_path(a), (uid_t)-1, 1002));
}

MOCK_CASE(chown)
{
	struct wire_attr attr = an_attr(42, S_IFDIR | 0755, 0);
	struct actor *a;
	struct req *r;

	know(m, "dir", 42, S_IFDIR | 0755, 0);
	a = on(m, chown_it, "dir");
	r = expect_on(m, WIRE_SETATTR, 42);
	check_only(r, WIRE_FATTR_UID | WIRE_FATTR_GID, (struct wire_setattr_in){ .uid = 1001, .gid = 1002 });
	attr.uid = 1001;
	attr.gid = 1002;
	reply_attr(m, r, LONG, attr);
	finish(a);
	check_step(a, 0, 0, 0);
	a = on(m, do_stat, "dir");
	finish(a);
	check_u(a->st.st_uid, 1001);
	check_u(a->st.st_gid, 1002);
	expect_none(m);
}

MOCK_CASE(chown_of_one)
{
	struct actor *a;
	struct req *r;

	know(m, "dir", 42, S_IFDIR | 0755, 0);
	a = on(m, chown_uid, "dir");
	r = expect_on(m, WIRE_SETATTR, 42);
	check_only(r, WIRE_FATTR_UID, (struct wire_setattr_in){ .uid = 1001 });
	reply_attr(m, r, LONG, an_attr(42, S_IFDIR | 0755, 0));
	finish(a);
	a = on(m, chgrp_it, "dir");
	r = expect_on(m, WIRE_SETATTR, 42);
	check_only(r, WIRE_FATTR_GID, (struct wire_setattr_in){ .gid = 1002 });
	reply_attr(m, r, LONG, an_attr(42, S_IFDIR | 0755, 0));
	finish(a);
	check_step(a, 0, 0, 0);
}

/* Without HANDLE_KILLPRIV the set-id bits go in the SETATTR, by the mode that the daemon has now. */
MOCK_CASE(chown_clears_suid)
{
	struct actor *a;
	struct req *r;

	know(m, "file", 42, S_IFREG | 0755, 0);
	a = on(m, chown_it, "file");
	no_capabilities(m, 42);
	reply_attr(m, expect_on(m, WIRE_GETATTR, 42), LONG, an_attr(42, S_IFREG | 06755, 0));
	r = expect_on(m, WIRE_SETATTR, 42);
	check_only(r, WIRE_FATTR_UID | WIRE_FATTR_GID | WIRE_FATTR_MODE,
	    (struct wire_setattr_in){ .uid = 1001, .gid = 1002, .mode = S_IFREG | 0755 });
	reply_attr(m, r, LONG, an_attr(42, S_IFREG | 0755, 0));
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(chown_handle_killpriv, .flags = WIRE_INIT_HANDLE_KILLPRIV, .needs_flags = WIRE_INIT_HANDLE_KILLPRIV)
{
	struct actor *a;
	struct req *r;

	know(m, "file", 42, S_IFREG | 06755, 0);
	a = on(m, chown_it, "file");
	no_capabilities(m, 42);
	r = expect_on(m, WIRE_SETATTR, 42);
	check_only(r, WIRE_FATTR_UID | WIRE_FATTR_GID, (struct wire_setattr_in){ .uid = 1001, .gid = 1002 });
	reply_attr(m, r, LONG, an_attr(42, S_IFREG | 0755, 0));
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(chown_handle_killpriv_v2, .flags = WIRE_INIT_HANDLE_KILLPRIV_V2, .needs_flags = WIRE_INIT_HANDLE_KILLPRIV_V2)
{
	struct actor *a;
	struct req *r;

	know(m, "file", 42, S_IFREG | 06755, 0);
	a = on(m, chown_it, "file");
	no_capabilities(m, 42);
	r = expect_on(m, WIRE_SETATTR, 42);
	check_only(r, WIRE_FATTR_UID | WIRE_FATTR_GID | WIRE_FATTR_KILL_SUIDGID,
	    (struct wire_setattr_in){ .uid = 1001, .gid = 1002 });
	reply_attr(m, r, LONG, an_attr(42, S_IFREG | 0755, 0));
	finish(a);
	check_step(a, 0, 0, 0);
}

static long
truncate_it(struct actor *a)
{
	return step(a, truncate(arg_path(a), 5000000000));
}

MOCK_CASE(truncate)
{
	struct actor *a;
	struct req *r;

	know(m, "file", 42, S_IFREG | 0644, 10);
	a = on(m, truncate_it, "file");
	no_capabilities(m, 42);
	r = expect_on(m, WIRE_SETATTR, 42);
	check_only(r, WIRE_FATTR_SIZE | WIRE_FATTR_LOCKOWNER, (struct wire_setattr_in){ .size = 5000000000 });
	reply_attr(m, r, LONG, an_attr(42, S_IFREG | 0644, 5000000000));
	finish(a);
	check_step(a, 0, 0, 0);
	a = on(m, do_stat, "file");
	finish(a);
	check_u(a->st.st_size, 5000000000);
	expect_none(m);
}

/* No set-id bits are cleared for who may set them, and for others the daemon does it. */
MOCK_CASE(truncate_killpriv_v2, .flags = WIRE_INIT_HANDLE_KILLPRIV_V2, .needs_flags = WIRE_INIT_HANDLE_KILLPRIV_V2,
    .options = "allow_other")
{
	struct actor *a;
	struct req *r;

	know(m, "file", 42, S_IFREG | 06777, 10);
	a = on(m, truncate_it, "file");
	no_capabilities(m, 42);
	r = expect_on(m, WIRE_SETATTR, 42);
	check_u(r->in.setattr.valid & (WIRE_FATTR_KILL_SUIDGID | WIRE_FATTR_MODE), 0);
	reply_attr(m, r, LONG, an_attr(42, S_IFREG | 06777, 5000000000));
	finish(a);
	check_step(a, 0, 0, 0);
	a = on_as_other(m, truncate_it, "file");
	r = expect_on(m, WIRE_SETATTR, 42);
	check_u(r->in.setattr.valid & (WIRE_FATTR_KILL_SUIDGID | WIRE_FATTR_MODE), WIRE_FATTR_KILL_SUIDGID);
	reply_attr(m, r, LONG, an_attr(42, S_IFREG | 0777, 5000000000));
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(truncate_clears_suid, .options = "allow_other")
{
	struct actor *a;
	struct req *r;

	know(m, "file", 42, S_IFREG | 04777, 10);
	a = on_as_other(m, truncate_it, "file");
	no_capabilities(m, 42);
	reply_attr(m, expect_on(m, WIRE_GETATTR, 42), LONG, an_attr(42, S_IFREG | 04777, 10));
	r = expect_on(m, WIRE_SETATTR, 42);
	check_u(r->in.setattr.valid & (WIRE_FATTR_SIZE | WIRE_FATTR_MODE | WIRE_FATTR_KILL_SUIDGID),
	    WIRE_FATTR_SIZE | WIRE_FATTR_MODE);
	check_u(r->in.setattr.mode, S_IFREG | 0777);
	reply_attr(m, r, LONG, an_attr(42, S_IFREG | 0777, 5000000000));
	finish(a);
	check_step(a, 0, 0, 0);
}

static long
ftruncate_it(struct actor *a)
{
	if (do_open(a, O_RDWR) < 0)
		return -1;
	step(a, ftruncate(a->fd, 3));
	return step(a, close(a->fd));
}

MOCK_CASE(ftruncate)
{
	struct actor *a = on(m, ftruncate_it, "file");
	struct req *r;

	answer_lookup(m, WIRE_ROOT_ID, "file", 42, S_IFREG | 0644, 10);
	answer_open(m, 42, 70, 0);
	no_capabilities(m, 42);
	r = expect_on(m, WIRE_SETATTR, 42);
	check_only(
	    r, WIRE_FATTR_SIZE | WIRE_FATTR_FH | WIRE_FATTR_LOCKOWNER, (struct wire_setattr_in){ .size = 3, .fh = 70 });
	reply_attr(m, r, LONG, an_attr(42, S_IFREG | 0644, 3));
	r = expect_on(m, WIRE_FLUSH, 42);
	reply_empty(m, r);
	answer_release(m, 42, 70);
	finish(a);
	check_step(a, 1, 0, 0);
	check_step(a, 2, 0, 0);
}

static long
lock_owners(struct actor *a)
{
	if (do_open(a, O_RDWR) < 0)
		return -1;
	step(a, ftruncate(a->fd, 3));
	step(a, ftruncate(a->fd, 4));
	return step(a, close(a->fd));
}

/* The owner of locks is the process: the same in all its truncations and its FLUSH, another in another process. */
MOCK_CASE(lock_owner)
{
	uint64_t owner[2] = { 0 };

	for (int i = 0; i < 2; i++) {
		struct actor *a = on(m, lock_owners, "file");
		struct req *r;

		if (i == 0)
			answer_lookup(m, WIRE_ROOT_ID, "file", 42, S_IFREG | 0644, 10);
		answer_open(m, 42, 70, 0);
		if (i == 0)
			no_capabilities(m, 42);
		r = expect_on(m, WIRE_SETATTR, 42);
		owner[i] = r->in.setattr.lock_owner;
		reply_attr(m, r, LONG, an_attr(42, S_IFREG | 0644, 3));
		r = expect_on(m, WIRE_SETATTR, 42);
		check_u(r->in.setattr.lock_owner, owner[i]);
		reply_attr(m, r, LONG, an_attr(42, S_IFREG | 0644, 4));
		r = expect_on(m, WIRE_FLUSH, 42);
		check_u(r->in.flush.lock_owner, owner[i]);
		reply_empty(m, r);
		answer_release(m, 42, 70);
		finish(a);
	}
	check_that(owner[0] != 0);
}

static const struct timespec two_times[2] = { { 1111, 222 }, { -3333, 444 } };
static struct timespec times_now[2] = { { 0, UTIME_NOW }, { 0, UTIME_NOW } };
static struct timespec times_omit_one[2] = { { 1111, 222 }, { 0, UTIME_OMIT } };
static struct timespec times_now_and_set[2] = { { 0, UTIME_NOW }, { 5555, 666 } };
static struct timespec times_omit_both[2] = { { 0, UTIME_OMIT }, { 0, UTIME_OMIT } };

static long
set_times(struct actor *a)
{
	return step(a, utimensat(AT_FDCWD, in_mount(a, "file"), a->arg, 0));
}

static struct actor *
set_times_to(struct mock *m, const struct timespec *times)
{
	return start_arg(m, set_times, (void *)(uintptr_t)times);
}

MOCK_CASE(times)
{
	struct actor *a;
	struct req *r;

	know(m, "file", 42, S_IFREG | 0644, 0);
	a = set_times_to(m, two_times);
	r = expect_on(m, WIRE_SETATTR, 42);
	check_only(r, WIRE_FATTR_ATIME | WIRE_FATTR_MTIME,
	    (struct wire_setattr_in){ .atime = 1111, .atimensec = 222, .mtime = (uint64_t)-3333, .mtimensec = 444 });
	reply_attr(m, r, LONG, an_attr(42, S_IFREG | 0644, 0));
	finish(a);
	check_step(a, 0, 0, 0);
	check_cached(m, "file");
}

static void
check_now(const struct req *r, bool atime, bool mtime)
{
	check_that(!atime || r->in.setattr.atime > 1000000000);
	check_that(!mtime || r->in.setattr.mtime > 1000000000);
}

MOCK_CASE(times_now)
{
	for (int i = 0; i < 2; i++) {
		struct actor *a;
		struct req *r;

		if (i == 0)
			know(m, "file", 42, S_IFREG | 0644, 0);
		a = set_times_to(m, i == 0 ? NULL : times_now);
		r = expect_on(m, WIRE_SETATTR, 42);
		check_u(r->in.setattr.valid,
		    WIRE_FATTR_ATIME | WIRE_FATTR_MTIME | WIRE_FATTR_ATIME_NOW | WIRE_FATTR_MTIME_NOW);
		check_now(r, true, true);
		reply_attr(m, r, LONG, an_attr(42, S_IFREG | 0644, 0));
		finish(a);
		check_step(a, 0, 0, 0);
	}
}

MOCK_CASE(time_omitted)
{
	struct actor *a;
	struct req *r;

	know(m, "file", 42, S_IFREG | 0644, 0);
	a = set_times_to(m, times_omit_one);
	r = expect_on(m, WIRE_SETATTR, 42);
	check_only(r, WIRE_FATTR_ATIME, (struct wire_setattr_in){ .atime = 1111, .atimensec = 222 });
	reply_attr(m, r, LONG, an_attr(42, S_IFREG | 0644, 0));
	finish(a);
	check_step(a, 0, 0, 0);
	check_silent(m, set_times_to(m, times_omit_both), 0, 0);
}

MOCK_CASE(time_now_and_set)
{
	struct actor *a;
	struct req *r;

	know(m, "file", 42, S_IFREG | 0644, 0);
	a = set_times_to(m, times_now_and_set);
	r = expect_on(m, WIRE_SETATTR, 42);
	check_u(r->in.setattr.valid, WIRE_FATTR_ATIME | WIRE_FATTR_ATIME_NOW | WIRE_FATTR_MTIME);
	check_now(r, true, false);
	check_u(r->in.setattr.mtime, 5555);
	check_u(r->in.setattr.mtimensec, 666);
	reply_attr(m, r, LONG, an_attr(42, S_IFREG | 0644, 0));
	finish(a);
	check_step(a, 0, 0, 0);
}

static long
open_trunc(struct actor *a)
{
	if (do_open(a, O_WRONLY | O_TRUNC) < 0)
		return -1;
	return step(a, close(a->fd));
}

/* Truncation at open is a SETATTR of its own after OPEN, which does not know of it ... */
MOCK_CASE(open_trunc)
{
	struct actor *a;
	struct req *r;

	know(m, "file", 42, S_IFREG | 0644, 10);
	a = on(m, open_trunc, "file");
	r = expect_on(m, WIRE_OPEN, 42);
	check_u(r->in.open.flags & (O_ACCMODE | O_TRUNC), O_WRONLY);
	reply_open(m, r, 70, 0);
	no_capabilities(m, 42);
	r = expect_on(m, WIRE_SETATTR, 42);
	check_only(r, WIRE_FATTR_SIZE | WIRE_FATTR_LOCKOWNER, (struct wire_setattr_in){ .size = 0 });
	reply_attr(m, r, LONG, an_attr(42, S_IFREG | 0644, 0));
	answer_close(m, 42, 70);
	finish(a);
	check_step(a, 1, 0, 0);
}

/* ... unless the daemon does it at OPEN. */
MOCK_CASE(open_trunc_atomic, .flags = WIRE_INIT_ATOMIC_O_TRUNC)
{
	struct actor *a;
	struct req *r;

	know(m, "file", 42, S_IFREG | 0644, 10);
	a = on(m, open_trunc, "file");
	r = expect_on(m, WIRE_OPEN, 42);
	check_u(r->in.open.flags & (O_ACCMODE | O_TRUNC), O_WRONLY | O_TRUNC);
	reply_open(m, r, 70, 0);
	no_capabilities(m, 42);
	answer_close(m, 42, 70);
	finish(a);
	check_step(a, 1, 0, 0);
	a = on(m, do_stat, "file");
	reply_attr(m, expect_on(m, WIRE_GETATTR, 42), LONG, an_attr(42, S_IFREG | 0644, 0));
	finish(a);
	check_u(a->st.st_size, 0);
}

/* What is cached of a file that was written by the kernel alone is the kernel's: it says the time of the change, too. */
MOCK_CASE(writeback_says_ctime, .flags = WIRE_INIT_WRITEBACK_CACHE)
{
	struct actor *a;
	struct req *r;

	know(m, "file", 42, S_IFREG | 0644, 10);
	a = on(m, chmod_it, "file");
	r = expect_on(m, WIRE_SETATTR, 42);
	check_only(r, WIRE_FATTR_MODE | WIRE_FATTR_CTIME, (struct wire_setattr_in){ .mode = S_IFREG | 04751 });
	check_that(r->in.setattr.ctime > 1000000000);
	reply_attr(m, r, LONG, an_attr(42, S_IFREG | 04751, 10));
	finish(a);
	check_step(a, 0, 0, 0);
	a = on(m, do_stat, "file");
	finish(a);
	check_u(a->st.st_ctim.tv_sec, r->in.setattr.ctime);
	expect_none(m);
}

MOCK_CASE(writeback_truncate_says_times, .flags = WIRE_INIT_WRITEBACK_CACHE)
{
	struct actor *a;
	struct req *r;

	know(m, "file", 42, S_IFREG | 0644, 10);
	a = on(m, truncate_it, "file");
	no_capabilities(m, 42);
	r = expect_on(m, WIRE_SETATTR, 42);
	check_u(r->in.setattr.valid, WIRE_FATTR_SIZE | WIRE_FATTR_MTIME | WIRE_FATTR_CTIME | WIRE_FATTR_LOCKOWNER);
	check_now(r, false, true);
	reply_attr(m, r, LONG, an_attr(42, S_IFREG | 0644, 5000000000));
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(errors)
{
	static const int errors[] = { EPERM, EROFS, ENOSYS, EIO, EACCES };

	know(m, "file", 42, S_IFREG | 0644, 10);
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct actor *a = on(m, chmod_it, "file");

		reply_err(m, expect_on(m, WIRE_SETATTR, 42), errors[i]);
		finish(a);
		check_step(a, 0, -1, errors[i]);
	}
	check_cached(m, "file"); /* nothing has changed */
}

MOCK_CASE(answer_of_another_type)
{
	struct actor *a;

	know(m, "file", 42, S_IFREG | 0644, 10);
	a = on(m, chmod_it, "file");
	reply_attr(m, expect_on(m, WIRE_SETATTR, 42), LONG, an_attr(42, S_IFDIR | 0644, 10));
	finish(a);
	check_step(a, 0, -1, EIO);
	check_asked_again(m, "file");
}

/* The size is what the daemon says that it is now. */
MOCK_CASE(answer_of_another_size)
{
	struct actor *a;

	know(m, "file", 42, S_IFREG | 0644, 10);
	a = on(m, truncate_it, "file");
	no_capabilities(m, 42);
	reply_attr(m, expect_on(m, WIRE_SETATTR, 42), LONG, an_attr(42, S_IFREG | 0644, 4096));
	finish(a);
	check_step(a, 0, 0, 0);
	a = on(m, do_stat, "file");
	finish(a);
	check_u(a->st.st_size, 4096);
	expect_none(m);
}

MOCK_CASE(answer_of_no_time)
{
	struct actor *a;

	know(m, "file", 42, S_IFREG | 0644, 10);
	a = on(m, chmod_it, "file");
	reply_attr(m, expect_on(m, WIRE_SETATTR, 42), 0, an_attr(42, S_IFREG | 0600, 10));
	finish(a);
	a = on(m, do_stat, "file");
	answer_getattr(m, 42, S_IFREG | 0640, 10);
	finish(a);
	check_u(a->st.st_mode, S_IFREG | 0640);
}

MOCK_CASE(read_only_mount, .ms_flags = 1 /* MS_RDONLY */)
{
	know(m, "file", 42, S_IFREG | 0644, 10);
	check_silent(m, on(m, chmod_it, "file"), -1, EROFS);
	check_silent(m, on(m, truncate_it, "file"), -1, EROFS);
}

MOCK_CASE(minor_8, .minor = 8)
{
	struct actor *a;
	struct req *r;

	know(m, "file", 42, S_IFREG | 0644, 10);
	a = on(m, chmod_it, "file");
	r = expect_on(m, WIRE_SETATTR, 42);
	check_only(r, WIRE_FATTR_MODE, (struct wire_setattr_in){ .mode = S_IFREG | 04751 });
	reply_attr(m, r, LONG, an_attr(42, S_IFREG | 0600, 10));
	finish(a);
	check_step(a, 0, 0, 0);
	check_cached(m, "file");
}
