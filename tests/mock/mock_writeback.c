/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * WRITEBACK_CACHE: writes stay in the kernel until fsync(2), close(2) or memory asks for them, and size and times are the kernel's.
 */
#include "mock/fileio.h"

#define WRITEBACK .flags = WIRE_INIT_WRITEBACK_CACHE

/* SETATTR of the times that the kernel has kept. */
#define answer_times(m, fh) answer_times_at(__FILE__, __LINE__, m, fh)
static struct req *
answer_times_at(const char *file, int line, struct mock *m, uint64_t fh)
{
	struct req *r = expect_of_at(file, line, m, WIRE_SETATTR, F_ID);
	struct wire_attr attr = an_attr(F_ID, REG, 0);

	check_u_at(
	    file, line, "setattr.valid", r->in.setattr.valid, WIRE_FATTR_MTIME | WIRE_FATTR_CTIME | WIRE_FATTR_FH);
	check_u_at(file, line, "setattr.fh", r->in.setattr.fh, fh);
	if (r->in.setattr.mtime <= attr.mtime || r->in.setattr.ctime <= attr.ctime)
		mock_fail(file, line, "these times are not now");
	reply_attr(m, r, LONG, attr);
	return r;
}

/* WRITE from the cache. */
#define expect_late(m, fh, off, size) expect_late_at(__FILE__, __LINE__, m, fh, off, size)
static struct req *
expect_late_at(const char *file, int line, struct mock *m, uint64_t fh, uint64_t off, uint32_t size)
{
	struct req *r = expect_write_at(file, line, m, fh, off, size);

	check_u_at(file, line, "write_flags", r->in.write.write_flags, WIRE_WRITE_CACHE);
	check_u_at(file, line, "lock_owner", r->in.write.lock_owner, 0);
	check_u_at(file, line, "pid", r->hdr.pid, 0);
	return r;
}

static long
write_ten(struct actor *a)
{
	open_f(a, O_WRONLY);
	for (int i = 0; i < 10; i++)
		step(a, write(a->fd, "0123456789", 10));
	hold(a);
	step(a, fsync(a->fd));
	return step(a, close(a->fd));
}

MOCK_CASE(merged, WRITEBACK)
{
	struct actor *a = start(m, write_ten);
	struct req *r;

	answer_file(m, 0, FH, 0);
	answer_no_caps(m, F_ID);
	reached(a);
	expect_none(m); /* ten writes, no message */
	proceed(a);
	r = expect_late(m, FH, 0, 100);
	for (int i = 0; i < 10; i++)
		check_mem(r->data + 10 * i, "0123456789", 10);
	reply_write(m, r, 100);
	answer_times(m, FH);
	r = expect_of(m, WIRE_FSYNC, F_ID);
	check_u(r->in.fsync.fh, FH);
	reply_empty(m, r);
	answer_close(m, F_ID, FH);
	finish(a);
	for (int i = 1; i < 11; i++)
		check_step(a, i, 10, 0);
	check_step(a, 11, 0, 0);
	check_step(a, 12, 0, 0);
	expect_none(m);
}

static long
write_close(struct actor *a)
{
	open_f(a, O_WRONLY);
	step(a, write(a->fd, "hello", 5));
	return step(a, close(a->fd));
}

MOCK_CASE(close_writes, WRITEBACK)
{
	struct actor *a = start(m, write_close);
	struct req *r;

	answer_file(m, 0, FH, 0);
	answer_no_caps(m, F_ID);
	r = expect_late(m, FH, 0, 5);
	check_mem(r->data, "hello", 5);
	reply_write(m, r, 5);
	answer_times(m, FH);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 5, 0);
	check_step(a, 2, 0, 0);
}

/* The error of a write that comes late is told by whoever waits for it: here close(2). */
MOCK_CASE(late_error, WRITEBACK)
{
	struct actor *a = start(m, write_close);

	answer_file(m, 0, FH, 0);
	answer_no_caps(m, F_ID);
	reply_err(m, expect_late(m, FH, 0, 5), ENOSPC);
	answer_times(m, FH);
	answer_release(m, F_ID, FH); /* no FLUSH after that */
	finish(a);
	check_step(a, 1, 5, 0);
	check_step(a, 2, -1, ENOSPC);
}

MOCK_CASE(late_error_of_fsync, WRITEBACK)
{
	struct actor *a = start(m, write_ten);

	answer_file(m, 0, FH, 0);
	answer_no_caps(m, F_ID);
	reached(a);
	proceed(a);
	reply_err(m, expect_late(m, FH, 0, 100), ENOSPC);
	answer_times(m, FH);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 11, -1, ENOSPC); /* no FSYNC after that */
}

static long
write_inside(struct actor *a)
{
	open_f(a, O_RDWR);
	step(a, pwrite(a->fd, "hello", 5, 100));
	step(a, pread(a->fd, a->buf, 9, 98));
	return step(a, close(a->fd));
}

/* A part of a page that the file has: the page is read first, and written whole. */
MOCK_CASE(part_of_a_page, WRITEBACK)
{
	struct actor *a = start(m, write_inside);
	char page[4096];
	struct req *r;

	memset(page, '.', sizeof(page));
	answer_file(m, 4096, FH, 0);
	answer_no_caps(m, F_ID);
	reply_data(m, expect_read(m, FH, 0, 4096), page, 4096);
	r = expect_of(m, WIRE_WRITE, F_ID);
	check_u(r->in.write.offset, 0);
	check_u(r->in.write.size, 4096);
	memcpy(page + 100, "hello", 5);
	check_mem(r->data, page, 4096);
	reply_write(m, r, 4096);
	answer_times(m, FH);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 5, 0);
	check_step(a, 2, 9, 0);
	check_mem(a->buf, "..hello..", 9);
}

static long
write_stat(struct actor *a)
{
	open_f(a, O_WRONLY);
	step(a, pwrite(a->fd, "hello", 5, 8192));
	hold(a);
	step(a, fstat(a->fd, &a->st));
	return step(a, close(a->fd));
}

/* Size and mtime are the kernel's: what the daemon says of them meanwhile is not believed. */
MOCK_CASE(own_size_and_mtime, WRITEBACK)
{
	struct wire_entry_out e = an_entry(F_ID, REG, 100);
	struct actor *a = start(m, write_stat);
	struct req *r;

	e.attr_valid = 0;
	reply_entry(m, expect(m, WIRE_LOOKUP), e);
	answer_open(m, F_ID, FH, 0);
	r = expect_of(m, WIRE_GETATTR, F_ID); /* a write wants to know size and mode */
	check_u(r->in.getattr.getattr_flags, WIRE_GETATTR_FH);
	check_u(r->in.getattr.fh, FH);
	reply_attr(m, r, 0, e.attr);
	answer_no_caps(m, F_ID);
	reached(a);
	proceed(a);
	e.attr.uid = 77;
	reply_attr(m, expect_of(m, WIRE_GETATTR, F_ID), LONG, e.attr);
	r = expect_late(m, FH, 8192, 5);
	reply_write(m, r, 5);
	answer_times(m, FH);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 2, 0, 0);
	check_i(a->st.st_size, 8197);
	check_that(a->st.st_mtime > 1000000000);
	check_i(a->st.st_uid, 77);
}

static long
append(struct actor *a)
{
	open_f(a, O_WRONLY | O_APPEND);
	step(a, write(a->fd, "abc", 3));
	step(a, write(a->fd, "def", 3));
	return step(a, close(a->fd));
}

/* O_APPEND: the kernel knows the end. */
MOCK_CASE(appended, WRITEBACK)
{
	struct actor *a = start(m, append);
	struct req *r;

	answer_file(m, 8192, FH, 0);
	answer_no_caps(m, F_ID);
	r = expect_late(m, FH, 8192, 6);
	check_mem(r->data, "abcdef", 6);
	reply_write(m, r, 6);
	answer_times(m, FH);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 2, 3, 0);
}

/* ... and asks for it when it is not sure any more, like the mode. */
MOCK_CASE(appended_to_stale, WRITEBACK)
{
	struct wire_entry_out e = an_entry(F_ID, REG, 8192);
	struct actor *a = start(m, append);
	struct req *r;

	e.attr_valid = 0;
	reply_entry(m, expect(m, WIRE_LOOKUP), e);
	answer_open(m, F_ID, FH, 0);
	r = expect_of(m, WIRE_GETATTR, F_ID);
	check_u(r->in.getattr.fh, FH);
	reply_attr(m, r, LONG, e.attr);
	answer_no_caps(m, F_ID);
	reply_write(m, expect_late(m, FH, 8192, 6), 6);
	answer_times(m, FH);
	answer_close(m, F_ID, FH);
	finish(a);
}

static long
write_truncate(struct actor *a)
{
	open_f(a, O_WRONLY);
	step(a, write(a->fd, "0123456789", 10));
	step(a, ftruncate(a->fd, 4));
	return step(a, close(a->fd));
}

/* A truncation writes first what it does not cut; it carries the times. */
MOCK_CASE(truncated, WRITEBACK)
{
	struct actor *a = start(m, write_truncate);
	struct req *r;

	answer_file(m, 0, FH, 0);
	answer_no_caps(m, F_ID);
	r = expect_of(m, WIRE_SETATTR, F_ID);
	check_u(r->in.setattr.valid,
	    WIRE_FATTR_SIZE | WIRE_FATTR_FH | WIRE_FATTR_LOCKOWNER | WIRE_FATTR_MTIME | WIRE_FATTR_CTIME);
	check_u(r->in.setattr.size, 4);
	reply_attr(m, r, LONG, an_attr(F_ID, REG, 4));
	r = expect_late(m, FH, 0, 4);
	check_mem(r->data, "0123", 4);
	reply_write(m, r, 4);
	answer_times(m, FH);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 2, 0, 0);
}

static long
write_far(struct actor *a)
{
	char *p = pages(40000);

	pattern(p, 40000, 3);
	open_f(a, O_WRONLY);
	step(a, pwrite(a->fd, p, 40000, 0));
	step(a, pwrite(a->fd, "z", 1, 100000));
	return step(a, close(a->fd));
}

/* max_write bounds what is sent; pages that nobody wrote are not. In which pieces is the kernel's choice. */
MOCK_CASE(split, WRITEBACK, .max_write = 16384)
{
	struct actor *a = start(m, write_far);
	uint64_t low = 0, high = 0; /* bytes that came of the two writes */

	answer_file(m, 0, FH, 0);
	answer_no_caps(m, F_ID);
	while (low < 40000 || high == 0) {
		struct req *r = expect_of(m, WIRE_WRITE, F_ID);
		uint64_t off = r->in.write.offset, size = r->in.write.size;

		check_u(r->in.write.fh, FH);
		check_u(r->in.write.write_flags, WIRE_WRITE_CACHE);
		check_that(size <= 16384);
		if (off < 40000) {
			uint64_t n = off + size <= 40000 ? size : 40000 - off;

			check_that(off + size <= 40960); /* the rest of the page, at most */
			check_i(wrong_bytes(r->data, off, n, 3), 0);
			low += n;
		} else {
			check_that(off <= 100000 && off >= 98304);
			check_u(off + size, 100001);
			check_u(r->data[100000 - off], 'z');
			high += size;
		}
		reply_write(m, r, r->in.write.size);
	}
	check_u(low, 40000);
	answer_times(m, FH);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 40000, 0);
	check_step(a, 2, 1, 0);
	expect_none(m);
}

static long
write_and_read_elsewhere(struct actor *a)
{
	open_f(a, O_WRONLY);
	step(a, write(a->fd, "hello", 5));
	a->fd2 = open(in_mount(a, "f"), O_RDONLY);
	step(a, pread(a->fd2, a->buf, 10, 0));
	step(a, close(a->fd2));
	return step(a, close(a->fd));
}

/* Another descriptor sees what is not written yet, without a message, when it keeps the cache. */
MOCK_CASE(seen_by_others, WRITEBACK)
{
	struct actor *a = start(m, write_and_read_elsewhere);

	answer_file(m, 0, FH, WIRE_FOPEN_KEEP_CACHE);
	answer_no_caps(m, F_ID);
	answer_open(m, F_ID, FH + 1, WIRE_FOPEN_KEEP_CACHE);
	reply_write(m, expect_late(m, FH, 0, 5), 5); /* closing any of them writes, with the handle that can */
	answer_times(m, FH);
	answer_close(m, F_ID, FH + 1);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 2, 5, 0);
	check_mem(a->buf, "hello", 5);
}

/* Set-id bits that the daemon is to clear: such a write cannot wait. */
MOCK_CASE(
    not_for_set_id_files, .flags = WIRE_INIT_WRITEBACK_CACHE | WIRE_INIT_HANDLE_KILLPRIV_V2, .options = "allow_other")
{
	struct actor *a = start_as(m, 1000, 1000, NULL, 0, write_close, NULL);
	struct req *r;

	answer_lookup(m, WIRE_ROOT_ID, "f", F_ID, S_IFREG | 06777, 0);
	answer_open(m, F_ID, FH, 0);
	answer_no_caps(m, F_ID);
	r = expect_of(m, WIRE_SETATTR, F_ID);
	check_u(r->in.setattr.valid & WIRE_FATTR_MODE, 0);
	reply_attr(m, r, LONG, an_attr(F_ID, S_IFREG | 06777, 0));
	r = expect_write(m, FH, 0, 5);
	check_u(r->in.write.write_flags, WIRE_WRITE_KILL_SUIDGID);
	check_u(r->hdr.uid, 1000);
	reply_write(m, r, 5);
	answer_times(m, FH);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 5, 0);
}

static long
write_hold_read(struct actor *a)
{
	open_f(a, O_RDWR);
	step(a, write(a->fd, "hello", 5));
	hold(a);
	step(a, pread(a->fd, a->buf, 5, 0));
	return step(a, close(a->fd));
}

/* What the daemon invalidates is written first: nothing that a program wrote is lost. */
MOCK_CASE(written_before_invalidation, WRITEBACK,
    .native = "there the write(2) of the notification waits for the WRITE, which nobody could answer here")
{
	struct actor *a = start(m, write_hold_read);

	answer_file(m, 0, FH, 0);
	answer_no_caps(m, F_ID);
	reached(a);
	check_i(notify_inval_inode(m, F_ID, 0, 0), 0);
	reply_write(m, expect_late(m, FH, 0, 5), 5);
	notify_settled(m);
	proceed(a);
	reply_data(m, expect_read(m, FH, 0, 4096), "hello", 5);
	answer_times(m, FH);
	answer_close(m, F_ID, FH);
	finish(a);
	check_mem(a->buf, "hello", 5);
}

static long
write_sync_close(struct actor *a)
{
	open_f(a, O_WRONLY | O_SYNC);
	step(a, write(a->fd, "hello", 5));
	return step(a, close(a->fd));
}

/* O_SYNC does not wait for anybody to ask. */
MOCK_CASE(o_sync, WRITEBACK)
{
	struct actor *a = start(m, write_sync_close);
	struct req *r;

	answer_file(m, 0, FH, 0);
	answer_no_caps(m, F_ID);
	reply_write(m, expect_late(m, FH, 0, 5), 5);
	answer_times(m, FH);
	r = expect_of(m, WIRE_FSYNC, F_ID);
	check_u(r->in.fsync.fsync_flags, 0);
	reply_empty(m, r);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 5, 0);
	expect_none(m);
}

/* With direct_io on the file there is no cache to write to. */
MOCK_CASE(not_with_direct_io, WRITEBACK)
{
	struct actor *a = start(m, write_close);
	struct req *r;

	answer_file(m, 0, FH, WIRE_FOPEN_DIRECT_IO);
	r = expect_write(m, FH, 0, 5);
	check_u(r->in.write.write_flags, WIRE_WRITE_LOCKOWNER);
	reply_write(m, r, 5);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 5, 0);
}

/* NOFLUSH does not count here: what is cached has to go out at close(2). */
MOCK_CASE(noflush, WRITEBACK)
{
	struct actor *a = start(m, write_close);

	answer_file(m, 0, FH, WIRE_FOPEN_NOFLUSH);
	answer_no_caps(m, F_ID);
	reply_write(m, expect_late(m, FH, 0, 5), 5);
	answer_times(m, FH);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 2, 0, 0);
}

static long
whole_pages(struct actor *a)
{
	char *p = pages(8192);

	pattern(p, 8192, 3);
	open_f(a, O_WRONLY);
	step(a, pwrite(a->fd, p, 4096, 4096));
	step(a, pwrite(a->fd, p, 100, 16384)); /* behind the end: nothing to read either */
	return step(a, close(a->fd));
}

/* What covers a page, or lies behind the end, is not read first. */
MOCK_CASE(nothing_to_read_first, WRITEBACK)
{
	struct actor *a = start(m, whole_pages);

	answer_file(m, 12288, FH, 0);
	answer_no_caps(m, F_ID);
	reply_write(m, expect_late(m, FH, 4096, 4096), 4096);
	reply_write(m, expect_late(m, FH, 16384, 100), 100);
	answer_times(m, FH);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 4096, 0);
	check_step(a, 2, 100, 0);
}

/* Of a write from the cache the kernel does not look at the count that is answered. */
static void
any_count(struct mock *m, uint32_t count)
{
	struct actor *a = start(m, write_close);

	answer_file(m, 0, FH, 0);
	answer_no_caps(m, F_ID);
	reply_write(m, expect_late(m, FH, 0, 5), count);
	answer_times(m, FH);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 5, 0);
	check_step(a, 2, 0, 0);
	expect_none(m);
}

MOCK_CASE(short_count, WRITEBACK)
{
	any_count(m, 3);
}
MOCK_CASE(no_count, WRITEBACK)
{
	any_count(m, 0);
}
MOCK_CASE(long_count, WRITEBACK)
{
	any_count(m, 1000);
}
