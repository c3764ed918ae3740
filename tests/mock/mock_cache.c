/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What drops cached data: an open without KEEP_CACHE (mock_open.c), another size, another mtime where that was agreed, a notification.
 * And what does not.
 */
#include "mock/fileio.h"

/* Reads, waits, stats, reads again. */
static long
read_stat_read(struct actor *a)
{
	open_f(a, O_RDONLY);
	step(a, pread(a->fd, a->buf, 100, 0));
	hold(a);
	step(a, fstat(a->fd, &a->st));
	memset(a->buf, 0, 200);
	step(a, pread(a->fd, a->buf, 200, 0));
	return step(a, close(a->fd));
}

/*
 * "f" of 100 bytes, read once; the stat after that is answered with this size and mtime. dropped: the second read is a READ, of
 * pattern(2); else the bytes of pattern(1) are still there.
 */
static void
changed_attributes(struct mock *m, uint64_t size, uint64_t mtime, bool dropped)
{
	struct wire_entry_out e = an_entry(F_ID, REG, 100);
	struct wire_attr attr = an_attr(F_ID, REG, size);
	bool autoinval = (mock_answer(m)->flags & WIRE_INIT_AUTO_INVAL_DATA) != 0;
	struct actor *a = start(m, read_stat_read);
	struct req *r;

	e.attr_valid = 0;
	reply_entry(m, expect(m, WIRE_LOOKUP), e);
	answer_open(m, F_ID, FH, 0);
	if (autoinval) /* it wants to know before each read */
		reply_attr(m, expect_of(m, WIRE_GETATTR, F_ID), 0, e.attr);
	answer_read(m, FH, 0, 4096, 100, 1);
	reached(a);
	proceed(a);
	attr.mtime = mtime;
	r = expect_of(m, WIRE_GETATTR, F_ID);
	check_u(r->in.getattr.getattr_flags, 0); /* fstat(2) does not name the handle */
	check_u(r->in.getattr.fh, 0);
	reply_attr(m, r, LONG, attr);
	if (dropped)
		answer_read(m, FH, 0, 4096, size, 2);
	answer_close(m, F_ID, FH);
	finish(a);
	check_i(a->step[3].ret, size < 200 ? size : 200);
	check_i(wrong_bytes(a->buf, 0, 50, dropped ? 2 : 1), 0);
	expect_none(m);
}

#define T0 1000000000 /* the mtime of an_attr() */

MOCK_CASE(same_attributes)
{
	changed_attributes(m, 100, T0, false);
}
MOCK_CASE(other_size)
{
	changed_attributes(m, 120, T0, true);
}
MOCK_CASE(smaller_size)
{
	changed_attributes(m, 80, T0, true);
}
MOCK_CASE(other_mtime)
{
	changed_attributes(m, 100, T0 + 5, false);
}
MOCK_CASE(auto_same, .flags = WIRE_INIT_AUTO_INVAL_DATA)
{
	changed_attributes(m, 100, T0, false);
}
MOCK_CASE(auto_mtime, .flags = WIRE_INIT_AUTO_INVAL_DATA)
{
	changed_attributes(m, 100, T0 + 5, true);
}
MOCK_CASE(auto_older_mtime, .flags = WIRE_INIT_AUTO_INVAL_DATA)
{
	changed_attributes(m, 100, T0 - 5, true);
}
MOCK_CASE(auto_size, .flags = WIRE_INIT_AUTO_INVAL_DATA)
{
	changed_attributes(m, 120, T0, true);
}
MOCK_CASE(explicit_mtime, .flags = WIRE_INIT_EXPLICIT_INVAL_DATA)
{
	changed_attributes(m, 100, T0 + 5, false);
}
/* Explicit: even another size keeps the pages that remain (what is behind the old end is zeros of the page). */
MOCK_CASE(explicit_size, .flags = WIRE_INIT_EXPLICIT_INVAL_DATA)
{
	changed_attributes(m, 80, T0, false);
}

/* With AUTO_INVAL_DATA expired attributes are asked for by read(2) itself. */
MOCK_CASE(auto_read_asks, .flags = WIRE_INIT_AUTO_INVAL_DATA)
{
	struct wire_entry_out e = an_entry(F_ID, REG, 100);
	struct actor *a = start(m, read_stat_read);
	struct req *r;

	e.attr_valid = 0;
	reply_entry(m, expect(m, WIRE_LOOKUP), e);
	answer_open(m, F_ID, FH, 0);
	r = expect_of(m, WIRE_GETATTR, F_ID);
	check_u(r->in.getattr.getattr_flags, WIRE_GETATTR_FH);
	reply_attr(m, r, 0, e.attr);
	answer_read(m, FH, 0, 4096, 100, 1);
	reached(a);
	proceed(a);
	reply_attr(m, expect_of(m, WIRE_GETATTR, F_ID), 0, e.attr); /* of fstat(2) */
	e.attr.mtime++;
	reply_attr(m, expect_of(m, WIRE_GETATTR, F_ID), 0, e.attr); /* of pread(2) */
	answer_read(m, FH, 0, 4096, 100, 2);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 3, 100, 0);
	check_i(wrong_bytes(a->buf, 0, 100, 2), 0);
}

static long
read_again(struct actor *a)
{
	char *p = pages(12288);

	open_f(a, O_RDONLY);
	step(a, pread(a->fd, p, 12288, 0));
	hold(a);
	step(a, pread(a->fd, p, 12288, 0));
	a->n[0] = wrong_bytes(p, 0, 4096, 1) + wrong_bytes(p + 8192, 8192, 4096, 1);
	a->n[1] = wrong_bytes(p + 4096, 4096, 4096, 2);
	return step(a, close(a->fd));
}

/* A notification drops the pages that it names, of a file that is open. */
MOCK_CASE(notified, .max_readahead = 1)
{
	struct actor *a = start(m, read_again);

	answer_file(m, 12288, FH, 0);
	for (uint64_t off = 0; off < 12288; off += 4096)
		answer_read(m, FH, off, 4096, 12288, 1);
	reached(a);
	check_i(notify_inval_inode(m, F_ID, 5000, 100), 0);
	notify_settled(m);
	proceed(a);
	/* the attributes went with it, but the read does not reach past the end that is known */
	answer_read(m, FH, 4096, 4096, 12288, 2);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 2, 12288, 0);
	check_i(a->n[0], 0);
	check_i(a->n[1], 0);
	expect_none(m);
}

/* Data that the daemon stores is in the cache without a READ. */
MOCK_CASE(stored)
{
	struct actor *a = start(m, read_again);
	static char data[12288];

	pattern(data, sizeof(data), 1);
	answer_file(m, 12288, FH, 0);
	for (uint64_t got = 0; got < 12288;) {
		struct req *r = expect_of(m, WIRE_READ, F_ID);

		reply_data(m, r, data + r->in.read.offset, r->in.read.size);
		got += r->in.read.size;
	}
	reached(a);
	pattern(data, sizeof(data), 2);
	check_i(notify_store(m, F_ID, 4096, data + 4096, 4096), 0);
	notify_settled(m);
	proceed(a);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 2, 12288, 0);
	check_i(a->n[0], 0);
	check_i(a->n[1], 0);
	expect_none(m);
}

static long
write_then_read(struct actor *a)
{
	open_f(a, O_RDWR);
	step(a, pread(a->fd, a->buf, 10, 0));
	step(a, pwrite(a->fd, "XYZ", 3, 2));
	step(a, pread(a->fd, a->buf, 10, 0));
	hold(a);
	step(a, fstat(a->fd, &a->st));
	step(a, pread(a->fd, a->buf + 10, 10, 0));
	return step(a, close(a->fd));
}

/* One's own write goes to the daemon and into the cached page; the mtime that it causes drops nothing by itself. */
MOCK_CASE(own_write)
{
	struct wire_attr attr = an_attr(F_ID, REG, 10);
	struct actor *a = start(m, write_then_read);

	answer_file(m, 10, FH, 0);
	reply_data(m, expect_read(m, FH, 0, 4096), "0123456789", 10);
	answer_no_caps(m, F_ID);
	reply_write(m, expect_write(m, FH, 2, 3), 3);
	reached(a);
	proceed(a);
	attr.mtime += 100;
	reply_attr(m, expect_of(m, WIRE_GETATTR, F_ID), LONG, attr);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 3, 10, 0);
	check_mem(a->buf, "01XYZ56789", 10);
	check_mem(a->buf + 10, "01XYZ56789", 10);
	expect_none(m);
}

static long
stat_it(struct actor *a)
{
	return step(a, stat(in_mount(a, "f"), &a->st));
}

static long
write_slowly(struct actor *a)
{
	open_f(a, O_WRONLY);
	step(a, pwrite(a->fd, "0123456789", 10, 100));
	step(a, fstat(a->fd, &a->st));
	return step(a, close(a->fd));
}

/* A GETATTR that was asked before a write and answered after it does not bring the old size back. */
MOCK_CASE(old_size_comes_late)
{
	struct wire_entry_out e = an_entry(F_ID, REG, 100);
	struct actor *w, *s;
	struct req *r, *g;

	e.attr_valid = 0;
	s = start(m, stat_it);
	reply_entry(m, expect(m, WIRE_LOOKUP), e);
	reply_attr(m, expect_of(m, WIRE_GETATTR, F_ID), 0, e.attr);
	finish(s);
	w = start(m, write_slowly);
	answer_open(m, F_ID, FH, 0);
	answer_no_caps(m, F_ID);
	r = expect_write(m, FH, 100, 10);
	s = start(m, stat_it);
	g = expect_of(m, WIRE_GETATTR, F_ID); /* while the write is on its way */
	reply_write(m, r, 10);
	r = expect_of(m, WIRE_GETATTR, F_ID); /* of fstat(2): the write is done */
	reply_attr(m, g, LONG, an_attr(F_ID, REG, 100));
	finish(s);
	reply_attr(m, r, LONG, an_attr(F_ID, REG, 110));
	answer_close(m, F_ID, FH);
	finish(w);
	check_step(w, 1, 10, 0);
	check_i(w->st.st_size, 110);
	s = start(m, stat_it);
	finish(s);
	check_i(s->st.st_size, 110);
	expect_none(m);
}

static long
advise(struct actor *a)
{
	open_f(a, O_RDONLY);
	step(a, posix_fadvise(a->fd, 0, 4096, POSIX_FADV_WILLNEED));
	hold(a);
	step(a, pread(a->fd, a->buf, 100, 0));
	step(a, posix_fadvise(a->fd, 0, 4096, POSIX_FADV_DONTNEED));
	step(a, pread(a->fd, a->buf, 100, 0));
	return step(a, close(a->fd));
}

/* The program's advice: WILLNEED reads ahead of it, DONTNEED drops. */
MOCK_CASE(advice)
{
	struct actor *a = start(m, advise);

	answer_file(m, 100, FH, 0);
	answer_read(m, FH, 0, 4096, 100, 1);
	reached(a);
	proceed(a);
	answer_read(m, FH, 0, 4096, 100, 2);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 2, 100, 0);
	check_step(a, 4, 100, 0);
	check_i(wrong_bytes(a->buf, 0, 100, 2), 0);
	expect_none(m);
}

static long
read_twice(struct actor *a)
{
	open_f(a, O_RDONLY);
	step(a, pread(a->fd, a->buf, 100, 0));
	hold(a);
	step(a, pread(a->fd, a->buf, 100, 0));
	return step(a, close(a->fd));
}

/* One page, two readers at once: one READ for both. */
MOCK_CASE(two_readers_one_read)
{
	struct actor *a, *b;
	struct req *r;

	a = start(m, read_twice);
	answer_file(m, 100, FH, 0);
	r = expect_read(m, FH, 0, 4096);
	b = start(m, read_twice);
	answer_open(m, F_ID, FH + 1, WIRE_FOPEN_KEEP_CACHE);
	for (int i = 0; i < 20; i++) {
		expect_none(m);
		usleep(1000);
	}
	{
		char data[100];

		pattern(data, 100, 1);
		reply_data(m, r, data, 100);
	}
	reached(a);
	reached(b);
	proceed(a);
	answer_close(m, F_ID, FH);
	finish(a);
	proceed(b);
	answer_close(m, F_ID, FH + 1);
	finish(b);
	check_i(wrong_bytes(a->buf, 0, 100, 1) + wrong_bytes(b->buf, 0, 100, 1), 0);
	expect_none(m);
}

static long
truncate_and_read(struct actor *a)
{
	open_f(a, O_RDWR);
	step(a, pread(a->fd, a->buf, 100, 0));
	step(a, ftruncate(a->fd, 50));
	step(a, pread(a->fd, a->buf, 100, 0));
	step(a, ftruncate(a->fd, 100));
	step(a, pread(a->fd, a->buf, 100, 0));
	return step(a, close(a->fd));
}

/* One's own truncation is another size as well: read again, each time. */
MOCK_CASE(own_truncation)
{
	struct actor *a = start(m, truncate_and_read);
	char data[100] = { 0 };

	answer_file(m, 100, FH, 0);
	answer_read(m, FH, 0, 4096, 100, 1);
	answer_no_caps(m, F_ID);
	reply_attr(m, expect_of(m, WIRE_SETATTR, F_ID), LONG, an_attr(F_ID, REG, 50));
	answer_read(m, FH, 0, 4096, 50, 1);
	reply_attr(m, expect_of(m, WIRE_SETATTR, F_ID), LONG, an_attr(F_ID, REG, 100));
	pattern(data, 50, 1);
	reply_data(m, expect_read(m, FH, 0, 4096), data, 100);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 3, 50, 0);
	check_step(a, 5, 100, 0);
	check_mem(a->buf, data, 100);
}
