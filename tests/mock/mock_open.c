/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * OPEN: which flags the daemon sees and which the kernel keeps to itself, a handle per open, and what each FOPEN_ flag of the answer
 * changes. Caching across opens in detail is in mock_cache.c.
 */
#include <sys/mount.h>

#include "mock/fileio.h"

static long
open_close(struct actor *a)
{
	int flags = (int)(intptr_t)a->arg;

	if (open_f(a, flags) < 0)
		return -1;
	a->n[0] = fcntl(a->fd, F_GETFL);
	return step(a, close(a->fd));
}

static struct actor *
start_open(struct mock *m, int flags)
{
	return start_arg(m, open_close, (void *)(intptr_t)flags);
}

MOCK_CASE(fields)
{
	struct actor *a = start_open(m, O_RDONLY);
	struct req *r;

	answer_lookup(m, WIRE_ROOT_ID, "f", F_ID, REG, 0);
	r = expect_of(m, WIRE_OPEN, F_ID);
	check_u(r->in.open.flags, O_RDONLY | LARGE);
	check_u(r->in.open.open_flags, 0);
	check_u(r->hdr.uid, 0);
	check_u(r->hdr.gid, 0);
	check_u(r->hdr.pid, a->pid);
	check_u(r->rawlen, sizeof(r->hdr) + sizeof(r->in.open));
	reply_open(m, r, FH, 0);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 0, 0, 0);
	check_step(a, 1, 0, 0);
	expect_none(m);
}

MOCK_CASE(fields_of_a_user, .options = "allow_other")
{
	static const gid_t groups[] = { 44 };
	struct actor *a = start_as(m, 1000, 1001, groups, 1, open_close, (void *)(intptr_t)O_WRONLY);
	struct req *r;

	answer_lookup(m, WIRE_ROOT_ID, "f", F_ID, REG, 0);
	r = expect_of(m, WIRE_OPEN, F_ID);
	check_u(r->in.open.flags, O_WRONLY | LARGE);
	check_u(r->hdr.uid, 1000);
	check_u(r->hdr.gid, 1001);
	check_u(r->hdr.pid, a->pid);
	reply_open(m, r, FH, 0);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(flags_passed_on)
{
	static const int flags[] = { O_WRONLY, O_RDWR, O_RDONLY | O_NONBLOCK, O_WRONLY | O_APPEND, O_RDWR | O_SYNC,
		O_RDWR | O_DSYNC, O_RDONLY | O_NOATIME, O_RDONLY | O_NOFOLLOW, O_RDWR | O_DIRECT, O_RDWR | O_ASYNC };

	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		struct actor *a = start_open(m, flags[i]);
		struct req *r;

		if (i == 0)
			answer_lookup(m, WIRE_ROOT_ID, "f", F_ID, REG, 0);
		r = expect_of(m, WIRE_OPEN, F_ID);
		check_u(r->in.open.flags, (unsigned)flags[i] | LARGE);
		reply_open(m, r, FH + i, 0);
		answer_close(m, F_ID, FH + i);
		finish(a);
		check_step(a, 1, 0, 0);
	}
}

MOCK_CASE(flags_kept_back)
{
	static const int flags[] = { O_RDWR | O_CREAT | O_NOCTTY, O_RDWR | O_CLOEXEC, O_RDWR | O_CREAT | O_CLOEXEC };

	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		struct actor *a = start_open(m, flags[i]);
		struct req *r;

		if (i == 0)
			answer_lookup(m, WIRE_ROOT_ID, "f", F_ID, REG, 0);
		r = expect_of(m, WIRE_OPEN, F_ID);
		check_u(r->in.open.flags, O_RDWR | LARGE);
		reply_open(m, r, FH, 0);
		answer_close(m, F_ID, FH);
		finish(a);
		check_step(a, 1, 0, 0);
	}
}

MOCK_CASE(excl_of_what_exists)
{
	struct actor *a = start_open(m, O_RDWR | O_CREAT | O_EXCL);

	answer_lookup(m, WIRE_ROOT_ID, "f", F_ID, REG, 0);
	finish(a);
	check_step(a, 0, -1, EEXIST);
	expect_none(m);
}

MOCK_CASE(what_needs_no_open)
{
	struct actor *a = start_open(m, O_PATH);

	answer_lookup(m, WIRE_ROOT_ID, "f", F_ID, REG, 0);
	finish(a);
	check_step(a, 0, 0, 0);
	check_step(a, 1, 0, 0);
	expect_none(m); /* neither OPEN nor FLUSH nor RELEASE */

	a = start_open(m, O_RDONLY | O_DIRECTORY);
	finish(a);
	check_step(a, 0, -1, ENOTDIR);
	expect_none(m);
}

MOCK_CASE(wrong_type)
{
	struct actor *a = start_open(m, O_WRONLY);

	answer_lookup(m, WIRE_ROOT_ID, "f", F_ID, S_IFDIR | 0755, 0);
	finish(a);
	check_step(a, 0, -1, EISDIR);
	expect_none(m);
}

MOCK_CASE(read_only_mount, .ms_flags = MS_RDONLY)
{
	struct actor *a = start_open(m, O_RDWR);

	answer_lookup(m, WIRE_ROOT_ID, "f", F_ID, REG, 0);
	finish(a);
	check_step(a, 0, -1, EROFS);
	expect_none(m);
}

/* Without ATOMIC_O_TRUNC the daemon never sees O_TRUNC: the kernel truncates by SETATTR, after OPEN and without its handle. */
MOCK_CASE(trunc)
{
	struct actor *a = start_open(m, O_WRONLY | O_TRUNC);
	struct req *r;

	answer_lookup(m, WIRE_ROOT_ID, "f", F_ID, REG, 100);
	r = expect_of(m, WIRE_OPEN, F_ID);
	check_u(r->in.open.flags, O_WRONLY | LARGE);
	reply_open(m, r, FH, 0);
	answer_no_caps(m, F_ID);
	r = expect_of(m, WIRE_SETATTR, F_ID);
	check_u(r->in.setattr.valid, WIRE_FATTR_SIZE | WIRE_FATTR_LOCKOWNER);
	check_u(r->in.setattr.size, 0);
	check_u(r->in.setattr.fh, 0);
	check_that(r->in.setattr.lock_owner != 0);
	reply_attr(m, r, LONG, an_attr(F_ID, REG, 0));
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 0, 0, 0);
	check_u(a->n[0] & O_TRUNC, 0);
}

static long
trunc_stat(struct actor *a)
{
	open_f(a, O_WRONLY | O_TRUNC);
	step(a, fstat(a->fd, &a->st));
	return step(a, close(a->fd));
}

MOCK_CASE(trunc_atomic, .flags = WIRE_INIT_ATOMIC_O_TRUNC)
{
	struct actor *a = start(m, trunc_stat);
	struct req *r;

	answer_lookup(m, WIRE_ROOT_ID, "f", F_ID, REG, 100);
	r = expect_of(m, WIRE_OPEN, F_ID);
	check_u(r->in.open.flags, O_WRONLY | O_TRUNC | LARGE);
	reply_open(m, r, FH, 0);
	answer_no_caps(m, F_ID);
	/* no SETATTR; the attributes are not known any more */
	answer_getattr(m, F_ID, REG, 0);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 0, 0, 0);
	check_step(a, 1, 0, 0);
	check_u(a->st.st_size, 0);
	expect_none(m);
}

static long
read_both(struct actor *a)
{
	char b[8];

	a->fd = open(in_mount(a, "f"), O_RDONLY);
	a->fd2 = open(in_mount(a, "f"), O_RDWR | O_APPEND);
	step(a, pread(a->fd2, b, 8, 0));
	step(a, pread(a->fd, b, 8, 8));
	step(a, close(a->fd));
	step(a, pread(a->fd2, b, 8, 16));
	return step(a, close(a->fd2));
}

MOCK_CASE(two_opens_are_two_handles)
{
	struct actor *a = start(m, read_both);
	struct req *r;

	answer_lookup(m, WIRE_ROOT_ID, "f", F_ID, REG, 100);
	r = expect_of(m, WIRE_OPEN, F_ID);
	check_u(r->in.open.flags, O_RDONLY | LARGE);
	reply_open(m, r, FH, WIRE_FOPEN_DIRECT_IO);
	r = expect_of(m, WIRE_OPEN, F_ID);
	check_u(r->in.open.flags, O_RDWR | O_APPEND | LARGE);
	reply_open(m, r, FH + 1, WIRE_FOPEN_DIRECT_IO);
	r = expect_read(m, FH + 1, 0, 8);
	check_u(r->in.read.flags, O_RDWR | O_APPEND | LARGE);
	reply_data(m, r, "12345678", 8);
	r = expect_read(m, FH, 8, 8);
	check_u(r->in.read.flags, O_RDONLY | LARGE);
	reply_data(m, r, "12345678", 8);
	answer_close(m, F_ID, FH);
	r = expect_read(m, FH + 1, 16, 8);
	reply_data(m, r, "12345678", 8);
	answer_close(m, F_ID, FH + 1);
	finish(a);
	check_step(a, 0, 8, 0);
	check_step(a, 1, 8, 0);
	check_step(a, 3, 8, 0);
}

static long
open_twice_read(struct actor *a)
{
	open_f(a, O_RDONLY);
	step(a, pread(a->fd, a->buf, 10, 0));
	step(a, close(a->fd));
	open_f(a, O_RDONLY);
	step(a, pread(a->fd, a->buf, 10, 0));
	return step(a, close(a->fd));
}

/* The same fh from a daemon that gives all opens one: each of them is released. */
MOCK_CASE(the_same_handle_twice)
{
	struct actor *a = start(m, read_both);
	struct req *r;

	answer_file(m, 100, 0, WIRE_FOPEN_DIRECT_IO);
	answer_open(m, F_ID, 0, WIRE_FOPEN_DIRECT_IO);
	for (int i = 0; i < 2; i++) {
		r = expect_of(m, WIRE_READ, F_ID);
		check_u(r->in.read.fh, 0);
		reply_data(m, r, "12345678", 8);
	}
	answer_close(m, F_ID, 0);
	r = expect_read(m, 0, 16, 8);
	reply_data(m, r, "12345678", 8);
	answer_close(m, F_ID, 0);
	finish(a);
	expect_none(m);
}

/* ENOSYS: OPEN is not sent again, no handle is released, and data stays cached from one open to the next. */
MOCK_CASE(no_open, .flags = WIRE_INIT_NO_OPEN_SUPPORT)
{
	struct actor *a = start(m, open_twice_read);
	struct req *r;

	answer_lookup(m, WIRE_ROOT_ID, "f", F_ID, REG, 10);
	r = expect_of(m, WIRE_OPEN, F_ID);
	reply_err(m, r, ENOSYS);
	r = expect_read(m, 0, 0, 4096);
	reply_data(m, r, "0123456789", 10);
	r = expect_of(m, WIRE_FLUSH, F_ID);
	check_u(r->in.flush.fh, 0);
	reply_empty(m, r);
	r = expect_of(m, WIRE_FLUSH, F_ID);
	check_u(r->in.flush.fh, 0);
	reply_empty(m, r);
	finish(a);
	check_step(a, 0, 0, 0);
	check_step(a, 1, 10, 0);
	check_step(a, 3, 0, 0);
	check_step(a, 4, 10, 0);
	check_mem(a->buf, "0123456789", 10);
	expect_none(m);
}

static long
no_open_write(struct actor *a)
{
	open_f(a, O_RDWR | O_TRUNC);
	step(a, pwrite(a->fd, "hello", 5, 0));
	step(a, ftruncate(a->fd, 3));
	return step(a, close(a->fd));
}

/* The handle of such a file is 0 everywhere. */
MOCK_CASE(no_open_write, .flags = WIRE_INIT_NO_OPEN_SUPPORT)
{
	struct actor *a = start(m, no_open_write);
	struct req *r;

	answer_lookup(m, WIRE_ROOT_ID, "f", F_ID, REG, 10);
	r = expect_of(m, WIRE_OPEN, F_ID);
	reply_err(m, r, ENOSYS);
	answer_no_caps(m, F_ID);
	r = expect_of(m, WIRE_SETATTR, F_ID);
	check_u(r->in.setattr.valid, WIRE_FATTR_SIZE | WIRE_FATTR_LOCKOWNER);
	reply_attr(m, r, LONG, an_attr(F_ID, REG, 0));
	r = expect_write(m, 0, 0, 5);
	check_mem(r->data, "hello", 5);
	reply_write(m, r, 5);
	r = expect_of(m, WIRE_SETATTR, F_ID);
	check_u(r->in.setattr.valid, WIRE_FATTR_SIZE | WIRE_FATTR_FH | WIRE_FATTR_LOCKOWNER);
	check_u(r->in.setattr.fh, 0);
	check_u(r->in.setattr.size, 3);
	reply_attr(m, r, LONG, an_attr(F_ID, REG, 3));
	r = expect_of(m, WIRE_FLUSH, F_ID);
	reply_empty(m, r);
	finish(a);
	check_step(a, 0, 0, 0);
	check_step(a, 1, 5, 0);
	check_step(a, 2, 0, 0);
	expect_none(m);
}

MOCK_CASE(without_keep_cache)
{
	struct actor *a = start(m, open_twice_read);

	answer_file(m, 10, FH, 0);
	answer_read(m, FH, 0, 4096, 10, 1);
	answer_close(m, F_ID, FH);
	answer_open(m, F_ID, FH + 1, 0);
	answer_read(m, FH + 1, 0, 4096, 10, 2); /* read anew */
	answer_close(m, F_ID, FH + 1);
	finish(a);
	check_step(a, 4, 10, 0);
	check_i(wrong_bytes(a->buf, 0, 10, 2), 0);
}

MOCK_CASE(keep_cache)
{
	struct actor *a = start(m, open_twice_read);

	answer_file(m, 10, FH, 0);
	answer_read(m, FH, 0, 4096, 10, 1);
	answer_close(m, F_ID, FH);
	answer_open(m, F_ID, FH + 1, WIRE_FOPEN_KEEP_CACHE);
	answer_close(m, F_ID, FH + 1); /* no READ */
	finish(a);
	check_step(a, 4, 10, 0);
	check_i(wrong_bytes(a->buf, 0, 10, 1), 0);
}

static long
seek_about(struct actor *a)
{
	open_f(a, O_RDWR);
	step(a, lseek(a->fd, 5, SEEK_SET));
	step(a, pread(a->fd, a->buf, 4, 2));
	step(a, read(a->fd, a->buf, 4));
	step(a, read(a->fd, a->buf + 4, 4));
	return step(a, close(a->fd));
}

MOCK_CASE(nonseekable)
{
	struct actor *a = start(m, seek_about);
	struct req *r;

	answer_file(m, 100, FH, WIRE_FOPEN_NONSEEKABLE | WIRE_FOPEN_DIRECT_IO);
	r = expect_read(m, FH, 0, 4);
	reply_data(m, r, "abcd", 4);
	r = expect_read(m, FH, 4, 4); /* it counts its position all the same */
	reply_data(m, r, "efgh", 4);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, -1, ESPIPE);
	check_step(a, 2, -1, ESPIPE);
	check_step(a, 3, 4, 0);
	check_step(a, 4, 4, 0);
	check_mem(a->buf, "abcdefgh", 8);
	expect_none(m);
}

MOCK_CASE(stream)
{
	struct actor *a = start(m, seek_about);
	struct req *r;

	answer_file(m, 100, FH, WIRE_FOPEN_STREAM | WIRE_FOPEN_DIRECT_IO);
	r = expect_read(m, FH, 0, 4);
	reply_data(m, r, "abcd", 4);
	r = expect_read(m, FH, 0, 4); /* no position at all */
	reply_data(m, r, "efgh", 4);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, -1, ESPIPE);
	check_step(a, 2, -1, ESPIPE);
	check_step(a, 3, 4, 0);
	check_step(a, 4, 4, 0);
	check_mem(a->buf, "abcdefgh", 8);
	expect_none(m);
}

static long
read_write_stream(struct actor *a)
{
	open_f(a, O_RDWR);
	hold(a);
	if (a->arg)
		step(a, write(a->fd, "w", 1));
	else
		step(a, read(a->fd, a->buf, 4));
	return step(a, close(a->fd));
}

/* What a stream is for: its reader waits in the daemon, and its writer is not held up by that. */
MOCK_CASE(stream_both_ways)
{
	struct actor *rd, *wr;
	struct req *r, *w;

	rd = start(m, read_write_stream);
	answer_file(m, 0, FH, WIRE_FOPEN_STREAM | WIRE_FOPEN_DIRECT_IO);
	reached(rd);
	wr = start_arg(m, read_write_stream, m);
	answer_open(m, F_ID, FH + 1, WIRE_FOPEN_STREAM | WIRE_FOPEN_DIRECT_IO);
	reached(wr);
	proceed(rd);
	r = expect_read(m, FH, 0, 4);
	proceed(wr);
	w = expect_write(m, FH + 1, 0, 1);
	reply_write(m, w, 1);
	answer_close(m, F_ID, FH + 1);
	finish(wr);
	check_step(wr, 1, 1, 0);
	reply_data(m, r, "w", 1);
	answer_close(m, F_ID, FH);
	finish(rd);
	check_step(rd, 1, 1, 0);
}

MOCK_CASE(noflush)
{
	struct actor *a = start_open(m, O_RDWR);

	answer_file(m, 0, FH, WIRE_FOPEN_NOFLUSH);
	answer_release(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 0, 0);
	expect_none(m);
}

static long
write_at(struct actor *a)
{
	open_f(a, O_WRONLY);
	hold(a);
	step(a, pwrite(a->fd, "0123456789", 10, (off_t)(intptr_t)a->arg));
	hold(a);
	return step(a, close(a->fd));
}

/* Two writers with direct_io: at once only when the daemon says it can, and never beyond the end. */
static void
two_writers(struct mock *m, uint32_t flags, int off, bool parallel)
{
	struct actor *a, *b;
	struct req *r, *s;

	a = start_arg(m, write_at, (void *)(intptr_t)0);
	answer_file(m, 100, FH, WIRE_FOPEN_DIRECT_IO | flags);
	reached(a);
	b = start_arg(m, write_at, (void *)(intptr_t)off);
	answer_open(m, F_ID, FH + 1, WIRE_FOPEN_DIRECT_IO | flags);
	reached(b);
	proceed(a);
	r = expect_write(m, FH, 0, 10);
	proceed(b);
	if (parallel) {
		s = expect_write(m, FH + 1, off, 10);
		reply_write(m, s, 10);
		reached(b);
		reply_write(m, r, 10);
	} else {
		for (int i = 0; i < 20; i++) { /* it has every chance to come */
			expect_none(m);
			usleep(1000);
		}
		reply_write(m, r, 10);
		s = expect_write(m, FH + 1, off, 10);
		reply_write(m, s, 10);
		reached(b);
	}
	reached(a);
	proceed(a);
	answer_close(m, F_ID, FH);
	finish(a);
	proceed(b);
	answer_close(m, F_ID, FH + 1);
	finish(b);
	check_step(a, 1, 10, 0);
	check_step(b, 1, 10, 0);
}

MOCK_CASE(direct_writes_one_at_a_time)
{
	two_writers(m, 0, 10, false);
}
MOCK_CASE(parallel_direct_writes)
{
	two_writers(m, WIRE_FOPEN_PARALLEL_DIRECT_WRITES, 10, true);
}
MOCK_CASE(parallel_direct_writes_not_beyond_the_end)
{
	two_writers(m, WIRE_FOPEN_PARALLEL_DIRECT_WRITES, 95, false);
}

MOCK_CASE(errors)
{
	static const int errors[] = { EACCES, EIO, ENOENT, EMFILE, ETXTBSY, EROFS, ENXIO, EOPNOTSUPP, 511 };

	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		struct actor *a = start_open(m, O_RDONLY);
		struct req *r;

		if (i == 0)
			answer_lookup(m, WIRE_ROOT_ID, "f", F_ID, REG, 0);
		r = expect_of(m, WIRE_OPEN, F_ID);
		reply_err(m, r, errors[i]);
		finish(a);
		check_step(a, 0, -1, errors[i]);
	}
	expect_none(m); /* nothing was opened: nothing to release */
}

/* ESTALE makes the kernel look the name up again, once: here it has become another file, so that a second LOOKUP follows. */
MOCK_CASE(stale)
{
	struct actor *a = start_open(m, O_RDONLY);
	struct req *r;

	answer_lookup(m, WIRE_ROOT_ID, "f", F_ID, REG, 0);
	r = expect_of(m, WIRE_OPEN, F_ID);
	reply_err(m, r, ESTALE);
	answer_lookup(m, WIRE_ROOT_ID, "f", 3, REG, 0);
	answer_lookup(m, WIRE_ROOT_ID, "f", 3, REG, 0);
	answer_open(m, 3, FH, 0);
	answer_close(m, 3, FH);
	finish(a);
	check_step(a, 0, 0, 0);
}

static long
run_it(struct actor *a)
{
	char *argv[] = { (char *)in_mount(a, "f"), NULL }, *envp[] = { NULL };

	return step(a, execve(argv[0], argv, envp)); /* returns only when it fails */
}

/* A program is opened with a flag that open(2) does not have, read through the cache, and closed without FLUSH. */
MOCK_CASE(exec)
{
	static const char script[] = "#!/bin/true\n";
	struct actor *a = start(m, run_it);
	struct req *r;

	answer_lookup(m, WIRE_ROOT_ID, "f", F_ID, S_IFREG | 0755, sizeof(script) - 1);
	r = expect_of(m, WIRE_OPEN, F_ID);
	check_u(r->in.open.flags, O_RDONLY | LARGE | 0x20 /* __FMODE_EXEC */);
	reply_open(m, r, FH, 0);
	r = expect_read(m, FH, 0, 4096);
	reply_data(m, r, script, sizeof(script) - 1);
	r = expect_of(m, WIRE_RELEASE, F_ID);
	check_u(r->in.release.fh, FH);
	reply_empty(m, r);
	finish(a);
	expect_none(m);
}

MOCK_CASE(exec_of_what_is_no_program)
{
	struct actor *a = start(m, run_it);

	answer_lookup(m, WIRE_ROOT_ID, "f", F_ID, REG, 10);
	answer_getattr(m, F_ID, REG, 10); /* is the mode that forbids it still true? */
	finish(a);
	check_step(a, 0, -1, EACCES);
	expect_none(m);
}

/* O_TRUNC done by the daemon, which is to clear set-id bits for who may not keep them. */
MOCK_CASE(
    trunc_kill_suidgid, .options = "allow_other", .flags = WIRE_INIT_ATOMIC_O_TRUNC | WIRE_INIT_HANDLE_KILLPRIV_V2)
{
	struct actor *a = start_as(m, 1000, 1000, NULL, 0, open_close, (void *)(intptr_t)(O_WRONLY | O_TRUNC));
	struct req *r;

	answer_lookup(m, WIRE_ROOT_ID, "f", F_ID, S_IFREG | 06777, 100);
	r = expect_of(m, WIRE_OPEN, F_ID);
	check_u(r->in.open.flags, O_WRONLY | O_TRUNC | LARGE);
	check_u(r->in.open.open_flags, WIRE_OPEN_KILL_SUIDGID);
	reply_open(m, r, FH, 0);
	answer_no_caps(m, F_ID);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 0, 0, 0);

	a = start_open(m, O_WRONLY | O_TRUNC); /* root may keep them */
	r = expect_of(m, WIRE_OPEN, F_ID);
	check_u(r->in.open.open_flags, 0);
	reply_open(m, r, FH, 0);
	answer_close(m, F_ID, FH);
	finish(a);
}

/* Bits of the answer that nobody knows are nobody's. */
MOCK_CASE(unknown_open_flags)
{
	struct actor *a = start_open(m, O_RDONLY);

	answer_file(m, 0, FH, 0xffff0000);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 0, 0, 0);
	check_step(a, 1, 0, 0);
}

/* PASSTHROUGH that was not agreed: the open fails, and what the daemon has opened is released. */
MOCK_CASE(passthrough_not_agreed)
{
	struct actor *a = start_open(m, O_RDONLY);

	answer_file(m, 0, FH, WIRE_FOPEN_PASSTHROUGH);
	answer_release(m, F_ID, FH);
	finish(a);
	check_step(a, 0, -1, EIO);
	expect_none(m);
}

/* A fifo and a device are the kernel's own: opened without the daemon. */
MOCK_CASE(special_files)
{
	struct actor *a = start_open(m, O_RDWR | O_NONBLOCK);

	answer_lookup(m, WIRE_ROOT_ID, "f", F_ID, S_IFIFO | 0644, 0);
	finish(a);
	check_step(a, 0, 0, 0);
	check_step(a, 1, 0, 0);
	expect_none(m);
}

MOCK_CASE(symlink_not_followed)
{
	struct actor *a = start_open(m, O_RDONLY | O_NOFOLLOW);

	answer_lookup(m, WIRE_ROOT_ID, "f", F_ID, S_IFLNK | 0777, 1);
	finish(a);
	check_step(a, 0, -1, ELOOP);
	expect_none(m);
}
