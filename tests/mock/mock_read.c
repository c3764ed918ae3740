/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * READ: what is asked for with the cache and without, how it is split, and what a program sees of answers that are shorter or
 * longer than that.
 */
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "mock/fileio.h"

static long
read_direct(struct actor *a)
{
	char *p = pages(2 << 20);

	open_f(a, O_RDONLY);
	step(a, pread(a->fd, p, 1, 0));
	step(a, pread(a->fd, p, 4096, 5));
	step(a, pread(a->fd, p, 70000, INT64_C(1) << 40));
	step(a, pread(a->fd, p, 0, 7));
	step(a, read(a->fd, p, 10));
	step(a, read(a->fd, p, 10));
	return step(a, close(a->fd));
}

MOCK_CASE(direct_fields)
{
	static const struct {
		uint64_t off;
		uint32_t size, answer;
	} want[] = { { 0, 1, 1 }, { 5, 4096, 4096 }, { UINT64_C(1) << 40, 70000, 70000 }, { 0, 10, 10 },
		{ 10, 10, 10 } };
	static char zeros[70000];
	struct actor *a = start(m, read_direct);
	uint64_t owner = 0;
	struct req *r;

	answer_file(m, 100, FH, WIRE_FOPEN_DIRECT_IO);
	for (int i = 0; i < 5; i++) {
		r = expect_read(m, FH, want[i].off, want[i].size);
		check_u(r->in.read.read_flags, WIRE_READ_LOCKOWNER);
		check_u(r->in.read.flags, O_RDONLY | LARGE);
		check_that(r->in.read.lock_owner != 0 && (i == 0 || r->in.read.lock_owner == owner));
		check_u(r->hdr.uid, 0);
		check_u(r->hdr.gid, 0);
		check_u(r->hdr.pid, a->pid);
		owner = r->in.read.lock_owner;
		reply_data(m, r, zeros, want[i].answer);
	}
	r = expect_of(m, WIRE_FLUSH, F_ID);
	check_u(r->in.flush.lock_owner, owner);
	reply_empty(m, r);
	answer_release(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 1, 0);
	check_step(a, 2, 4096, 0);
	check_step(a, 3, 70000, 0);
	check_step(a, 4, 0, 0);
	check_step(a, 5, 10, 0);
	check_step(a, 6, 10, 0);
}

static long
read_all(struct actor *a)
{
	char *p = pages(2 << 20);

	open_f(a, O_RDONLY);
	a->n[0] = step(a, pread(a->fd, p, (size_t)(intptr_t)a->arg, 0));
	a->n[1] = wrong_bytes(p, 0, a->n[0] > 0 ? (size_t)a->n[0] : 0, 3);
	return step(a, close(a->fd));
}

MOCK_CASE(direct_one_mebibyte)
{
	struct actor *a = start_arg(m, read_all, (void *)(intptr_t)(1 << 20));

	answer_file(m, 1 << 20, FH, WIRE_FOPEN_DIRECT_IO);
	answer_read(m, FH, 0, 1 << 20, 1 << 20, 3);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 1 << 20, 0);
	check_i(a->n[1], 0);
}

MOCK_CASE(direct_split_by_max_pages, .max_pages = 4)
{
	struct actor *a = start_arg(m, read_all, (void *)(intptr_t)40000);

	answer_file(m, 40000, FH, WIRE_FOPEN_DIRECT_IO);
	answer_read(m, FH, 0, 16384, 40000, 3);
	answer_read(m, FH, 16384, 16384, 40000, 3);
	answer_read(m, FH, 32768, 40000 - 32768, 40000, 3);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 40000, 0);
	check_i(a->n[1], 0);
}

MOCK_CASE(direct_split_by_max_read, .options = "max_read=8192")
{
	struct actor *a = start_arg(m, read_all, (void *)(intptr_t)20000);

	answer_file(m, 20000, FH, WIRE_FOPEN_DIRECT_IO);
	answer_read(m, FH, 0, 8192, 20000, 3);
	answer_read(m, FH, 8192, 8192, 20000, 3);
	answer_read(m, FH, 16384, 20000 - 16384, 20000, 3);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 20000, 0);
	check_i(a->n[1], 0);
}

MOCK_CASE(direct_without_max_pages, .no_flags = WIRE_INIT_MAX_PAGES)
{
	struct actor *a = start_arg(m, read_all, (void *)(intptr_t)200000);

	answer_file(m, 200000, FH, WIRE_FOPEN_DIRECT_IO);
	answer_read(m, FH, 0, 32 * 4096, 200000, 3); /* 32 pages, as before 7.28 */
	answer_read(m, FH, 32 * 4096, 200000 - 32 * 4096, 200000, 3);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 200000, 0);
	check_i(a->n[1], 0);
}

/* A short answer ends the read: the rest is not asked for. */
MOCK_CASE(direct_short, .max_pages = 4)
{
	struct actor *a = start_arg(m, read_all, (void *)(intptr_t)40000);

	answer_file(m, 40000, FH, WIRE_FOPEN_DIRECT_IO);
	answer_read(m, FH, 0, 16384, 40000, 3);
	answer_read(m, FH, 16384, 16384, 16484, 3);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 16484, 0);
	check_i(a->n[1], 0);
	expect_none(m);
}

MOCK_CASE(direct_end)
{
	struct actor *a = start_arg(m, read_all, (void *)(intptr_t)100);

	answer_file(m, 1000, FH, WIRE_FOPEN_DIRECT_IO);
	answer_read(m, FH, 0, 100, 0, 3); /* no byte: the end, whatever the size says */
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 0, 0);
}

/* The end of a file with direct_io is where the daemon says, not where the attributes do. */
MOCK_CASE(direct_past_the_size)
{
	struct actor *a = start_arg(m, read_all, (void *)(intptr_t)100);

	answer_file(m, 0, FH, WIRE_FOPEN_DIRECT_IO);
	answer_read(m, FH, 0, 100, 100, 3);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 100, 0);
	check_i(a->n[1], 0);
}

MOCK_CASE(direct_error, .max_pages = 4)
{
	struct actor *a = start_arg(m, read_all, (void *)(intptr_t)16384);

	answer_file(m, 16384, FH, WIRE_FOPEN_DIRECT_IO);
	reply_err(m, expect_read(m, FH, 0, 16384), EIO);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, -1, EIO);

	a = start_arg(m, read_all, (void *)(intptr_t)32768);
	answer_open(m, F_ID, FH, WIRE_FOPEN_DIRECT_IO);
	answer_read(m, FH, 0, 16384, 32768, 3);
	reply_err(m, expect_read(m, FH, 16384, 16384), EACCES); /* what came before it counts */
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 16384, 0);
	check_i(a->n[1], 0);
}

/* More than was asked for: the kernel refuses the answer and fails this one request; perfuse ends the connection. */
MOCK_CASE(over_long)
{
	static char big[200];
	struct actor *a = start_arg(m, read_all, (void *)(intptr_t)100);
	struct req *r;
	int e;

	answer_file(m, 1000, FH, WIRE_FOPEN_DIRECT_IO);
	r = expect_read(m, FH, 0, 100);
	e = send_reply(m, r, 0, big, 101);
	if (mock_is_native(m)) {
		check_i(e, EINVAL);
		answer_close(m, F_ID, FH);
	} else {
		engine_logs(m, "longer than what was asked for");
		expect_dead(m);
	}
	finish(a);
	if (mock_is_native(m)) {
		check_step(a, 1, -1, EIO);
	} else {
		check_i(a->step[1].ret, -1);
		check_i(a->n[1], 0);
	}
}

static long
read_pieces(struct actor *a)
{
	struct iovec v[3] = { { a->buf, 10 }, { a->buf + 100, 20 }, { a->buf + 200, 30 } };

	open_f(a, O_RDONLY);
	step(a, preadv(a->fd, v, 3, 4));
	return step(a, close(a->fd));
}

MOCK_CASE(direct_vector)
{
	struct actor *a = start(m, read_pieces);
	char data[60];
	struct req *r;

	pattern(data, 60, 1);
	answer_file(m, 100, FH, WIRE_FOPEN_DIRECT_IO);
	r = expect_read(m, FH, 4, 60); /* one message for all pieces */
	reply_data(m, r, data, 60);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 60, 0);
	check_mem(a->buf, data, 10);
	check_mem(a->buf + 100, data + 10, 20);
	check_mem(a->buf + 200, data + 30, 30);
}

static long
read_at(struct actor *a)
{
	open_f(a, O_RDONLY);
	hold(a);
	step(a, pread(a->fd, a->buf, 10, (off_t)(intptr_t)a->arg));
	hold(a);
	return step(a, close(a->fd));
}

/* Two reads of one file are with the daemon at the same time, and answered the other way round. */
MOCK_CASE(direct_out_of_order)
{
	struct actor *a, *b;
	struct req *r, *s;

	a = start_arg(m, read_at, (void *)(intptr_t)0);
	answer_file(m, 100, FH, WIRE_FOPEN_DIRECT_IO);
	reached(a);
	b = start_arg(m, read_at, (void *)(intptr_t)10);
	answer_open(m, F_ID, FH + 1, WIRE_FOPEN_DIRECT_IO);
	reached(b);
	proceed(a);
	r = expect_read(m, FH, 0, 10);
	proceed(b);
	s = expect_read(m, FH + 1, 10, 10);
	check_that(r->hdr.unique != s->hdr.unique);
	check_that(r->in.read.lock_owner != s->in.read.lock_owner); /* two processes */
	reply_data(m, s, "bbbbbbbbbb", 10);
	reached(b);
	reply_data(m, r, "aaaaaaaaaa", 10);
	reached(a);
	proceed(a);
	answer_close(m, F_ID, FH);
	finish(a);
	proceed(b);
	answer_close(m, F_ID, FH + 1);
	finish(b);
	check_step(a, 1, 10, 0);
	check_step(b, 1, 10, 0);
	check_mem(a->buf, "aaaaaaaaaa", 10);
	check_mem(b->buf, "bbbbbbbbbb", 10);
}

static long
read_cached(struct actor *a)
{
	open_f(a, O_RDONLY);
	step(a, pread(a->fd, a->buf, 4, 0));
	step(a, pread(a->fd, a->buf, 100, 2));
	step(a, pread(a->fd, a->buf + 100, 100, 10));
	step(a, pread(a->fd, a->buf + 100, 100, 5000));
	return step(a, close(a->fd));
}

/* The cache asks for whole pages, for nobody in particular, and only once. */
MOCK_CASE(cached)
{
	struct actor *a = start(m, read_cached);
	struct req *r;

	answer_file(m, 10, FH, 0);
	r = expect_read(m, FH, 0, 4096);
	check_u(r->in.read.read_flags, 0);
	check_u(r->in.read.lock_owner, 0);
	check_u(r->in.read.flags, O_RDONLY | LARGE);
	reply_data(m, r, "0123456789", 10);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 4, 0);
	check_step(a, 2, 8, 0);
	check_step(a, 3, 0, 0);
	check_step(a, 4, 0, 0);
	check_mem(a->buf, "23456789", 8);
	expect_none(m);
}

/* Less than the size promised: the file is as short as that (the attributes that said otherwise are older). */
MOCK_CASE(cached_short)
{
	struct actor *a = start_arg(m, read_all, (void *)(intptr_t)4096);

	answer_file(m, 4096, FH, 0);
	answer_read(m, FH, 0, 4096, 100, 3);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 100, 0);
	check_i(a->n[1], 0);
}

MOCK_CASE(cached_error)
{
	struct actor *a = start_arg(m, read_all, (void *)(intptr_t)100);

	answer_file(m, 100, FH, 0);
	reply_err(m, expect_read(m, FH, 0, 4096), EACCES); /* readahead: tried again for the reader */
	reply_err(m, expect_read(m, FH, 0, 4096), ENXIO);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, -1, ENXIO);
}

/* Attributes that have expired: a read past the end asks for them, and sees the file's growth. */
MOCK_CASE(cached_growth)
{
	struct wire_entry_out e = an_entry(F_ID, REG, 10);
	struct actor *a = start_arg(m, read_all, (void *)(intptr_t)100);
	struct req *r = expect(m, WIRE_LOOKUP);

	e.attr_valid = 0;
	reply_entry(m, r, e);
	answer_open(m, F_ID, FH, 0);
	r = expect_of(m, WIRE_GETATTR, F_ID);
	check_u(r->in.getattr.getattr_flags, WIRE_GETATTR_FH);
	check_u(r->in.getattr.fh, FH);
	reply_attr(m, r, LONG, an_attr(F_ID, REG, 50));
	answer_read(m, FH, 0, 4096, 50, 3);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 50, 0);
	check_i(a->n[1], 0);
}

static long
read_some_pages(struct actor *a)
{
	char *p = pages(16384);

	open_f(a, O_RDONLY);
	step(a, pread(a->fd, p, 4096, 0));
	step(a, pread(a->fd, p + 8192, 8192, 8192));
	a->n[0] = wrong_bytes(p, 0, 4096, 3) + wrong_bytes(p + 8192, 8192, 8192, 3);
	return step(a, close(a->fd));
}

/* Without readahead one page at a time, and no page that nobody wanted. */
MOCK_CASE(cached_without_readahead, .max_readahead = 1)
{
	struct actor *a = start(m, read_some_pages);

	answer_file(m, 16384, FH, 0);
	answer_read(m, FH, 0, 4096, 16384, 3);
	answer_read(m, FH, 8192, 4096, 16384, 3);
	answer_read(m, FH, 12288, 4096, 16384, 3);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 4096, 0);
	check_step(a, 2, 8192, 0);
	check_i(a->n[0], 0);
	expect_none(m);
}

static long
read_through(struct actor *a)
{
	char *p = pages(65536);

	open_f(a, O_RDONLY);
	for (size_t at = 0; at < 1 << 20; at += 65536) {
		if (pread(a->fd, p, 65536, (off_t)at) != 65536)
			return step(a, -1);
		a->n[0] += wrong_bytes(p, at, 65536, 3);
	}
	step(a, 0);
	return step(a, close(a->fd));
}

/* A sequential reader: each page is asked for once, in pieces no longer than max_pages and readahead allow. */
static void
sequential(struct mock *m, uint32_t most)
{
	struct actor *a = start(m, read_through);
	static char all[1 << 20];
	static bool seen[256];
	struct req *r;

	memset(seen, 0, sizeof(seen));
	pattern(all, sizeof(all), 3);
	answer_file(m, sizeof(all), FH, 0);
	for (size_t got = 0; got < sizeof(all); got += r->in.read.size) {
		r = expect_of(m, WIRE_READ, F_ID);
		check_u(r->in.read.fh, FH);
		check_u(r->in.read.read_flags, 0);
		check_u(r->in.read.offset % 4096, 0);
		check_u(r->in.read.size % 4096, 0);
		check_that(r->in.read.size <= most && r->in.read.offset + r->in.read.size <= sizeof(all));
		for (uint64_t pg = r->in.read.offset / 4096; pg < (r->in.read.offset + r->in.read.size) / 4096; pg++) {
			check_that(!seen[pg]);
			seen[pg] = true;
		}
		reply_data(m, r, all + r->in.read.offset, r->in.read.size);
	}
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 0, 0);
	check_i(a->n[0], 0);
	expect_none(m);
}

MOCK_CASE(sequential_whole)
{
	sequential(m, 1 << 20);
}
MOCK_CASE(sequential_small, .max_pages = 4)
{
	sequential(m, 16384);
}
MOCK_CASE(sequential_sync, .no_flags = WIRE_INIT_ASYNC_READ)
{
	sequential(m, 1 << 20);
}

static long
read_denied(struct actor *a)
{
	open_f(a, O_WRONLY);
	step(a, pread(a->fd, a->buf, 10, 0));
	step(a, pread(a->fd, a->buf, 10, -1));
	return step(a, close(a->fd));
}

MOCK_CASE(write_only_descriptor)
{
	struct actor *a = start(m, read_denied);

	answer_file(m, 100, FH, 0);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, -1, EBADF);
	check_step(a, 2, -1, EINVAL);
	expect_none(m);
}

static long
read_nowait(struct actor *a)
{
	struct iovec v = { a->buf, 10 };

	open_f(a, O_RDONLY);
	step(a, preadv2(a->fd, &v, 1, 0, RWF_NOWAIT));
	return step(a, close(a->fd));
}

/* A daemon cannot promise not to wait. */
MOCK_CASE(nowait)
{
	struct actor *a = start(m, read_nowait);

	answer_file(m, 100, FH, 0);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, -1, EOPNOTSUPP);
	expect_none(m);
}

static long
send_it(struct actor *a)
{
	int p[2];

	open_f(a, O_RDONLY);
	step(a, pipe(p));
	step(a, sendfile(p[1], a->fd, NULL, 10));
	step(a, read(p[0], a->buf, 20));
	step(a, lseek(a->fd, 0, SEEK_CUR));
	return step(a, close(a->fd));
}

/* sendfile(2) and splice(2) go through pages, even with direct_io. */
MOCK_CASE(spliced)
{
	for (int direct = 0; direct < 2; direct++) {
		struct actor *a = start(m, send_it);
		char data[10];

		pattern(data, 10, 3);
		if (!direct)
			answer_lookup(m, WIRE_ROOT_ID, "f", F_ID, REG, 100);
		answer_open(m, F_ID, FH, direct ? WIRE_FOPEN_DIRECT_IO : 0);
		answer_read(m, FH, 0, 4096, 100, 3);
		answer_close(m, F_ID, FH);
		finish(a);
		check_step(a, 2, 10, 0);
		check_step(a, 3, 10, 0);
		check_step(a, 4, 10, 0);
		check_mem(a->buf, data, 10);
		expect_none(m);
	}
}

static long
read_as_user(struct actor *a)
{
	open_f(a, O_RDONLY);
	if (setresgid(1001, 1001, 1001) != 0 || setresuid(1000, 1000, 1000) != 0)
		return -1;
	step(a, pread(a->fd, a->buf, 10, 0));
	return step(a, close(a->fd));
}

/* Opened by root, read by a user: each message names who sends it. */
MOCK_CASE(credentials_of_the_reader, .options = "allow_other")
{
	struct actor *a = start(m, read_as_user);
	struct req *r;

	answer_lookup(m, WIRE_ROOT_ID, "f", F_ID, REG, 100);
	r = expect_of(m, WIRE_OPEN, F_ID);
	check_u(r->hdr.uid, 0);
	reply_open(m, r, FH, WIRE_FOPEN_DIRECT_IO);
	r = expect_read(m, FH, 0, 10);
	check_u(r->hdr.uid, 1000);
	check_u(r->hdr.gid, 1001);
	reply_data(m, r, "0123456789", 10);
	r = expect_of(m, WIRE_FLUSH, F_ID);
	check_u(r->hdr.uid, 1000);
	reply_empty(m, r);
	answer_release(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 10, 0);
}

/* Without allow_other the user reads nothing: the mount is root's. What is open already is no exception... */
MOCK_CASE(reader_who_is_not_allowed)
{
	struct actor *a = start(m, read_as_user);
	struct req *r;

	answer_file(m, 100, FH, WIRE_FOPEN_DIRECT_IO);
	r = expect_read(m, FH, 0, 10); /* ... of reading: only opening is checked */
	check_u(r->hdr.uid, 1000);
	reply_data(m, r, "0123456789", 10);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 10, 0);
}
