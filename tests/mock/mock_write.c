/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * WRITE as programs write (through the cache or with direct_io; the writeback cache has its own file): fields, splitting, counts
 * that do not match, appending, and the set-id bits that a write takes away.
 */
#include <signal.h>
#include <sys/resource.h>
#include <sys/uio.h>

#include "mock/fileio.h"

static long
write_direct(struct actor *a)
{
	open_f(a, O_WRONLY);
	step(a, pwrite(a->fd, "x", 1, 0));
	step(a, pwrite(a->fd, "0123456789", 10, INT64_C(1) << 40));
	step(a, pwrite(a->fd, "0123456789", 0, 3));
	step(a, write(a->fd, "abc", 3));
	step(a, write(a->fd, "def", 3));
	return step(a, close(a->fd));
}

MOCK_CASE(direct_fields)
{
	static const struct {
		uint64_t off;
		const char *data;
	} want[] = { { 0, "x" }, { UINT64_C(1) << 40, "0123456789" }, { 0, "abc" }, { 3, "def" } };
	struct actor *a = start(m, write_direct);
	uint64_t owner = 0;
	struct req *r;

	answer_file(m, 100, FH, WIRE_FOPEN_DIRECT_IO);
	for (int i = 0; i < 4; i++) {
		r = expect_write(m, FH, want[i].off, (uint32_t)strlen(want[i].data));
		check_mem(r->data, want[i].data, r->datalen);
		check_u(r->in.write.write_flags, WIRE_WRITE_LOCKOWNER);
		check_u(r->in.write.flags, O_WRONLY | LARGE);
		check_that(r->in.write.lock_owner != 0 && (i == 0 || r->in.write.lock_owner == owner));
		check_u(r->hdr.uid, 0);
		check_u(r->hdr.gid, 0);
		check_u(r->hdr.pid, a->pid);
		owner = r->in.write.lock_owner;
		reply_write(m, r, r->in.write.size);
	}
	r = expect_of(m, WIRE_FLUSH, F_ID);
	check_u(r->in.flush.lock_owner, owner);
	reply_empty(m, r);
	answer_release(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 1, 0);
	check_step(a, 2, 10, 0);
	check_step(a, 3, 0, 0);
	check_step(a, 4, 3, 0);
	check_step(a, 5, 3, 0);
}

static long
write_through(struct actor *a)
{
	char page[4096];

	pattern(page, sizeof(page), 1);
	open_f(a, O_RDWR);
	step(a, pwrite(a->fd, page, 4096, 4096));
	step(a, pread(a->fd, a->buf, 4096, 4096));
	step(a, fstat(a->fd, &a->st));
	return step(a, close(a->fd));
}

/* Through the cache: sent at once, for nobody's lock owner, and a whole page that was written is not read again. */
MOCK_CASE(cached_fields)
{
	struct actor *a = start(m, write_through);
	struct req *r;
	char page[4096];

	pattern(page, sizeof(page), 1);
	answer_file(m, 8192, FH, 0);
	answer_no_caps(m, F_ID);
	r = expect_write(m, FH, 4096, 4096);
	check_mem(r->data, page, 4096);
	check_u(r->in.write.write_flags, 0);
	check_u(r->in.write.lock_owner, 0);
	check_u(r->in.write.flags, O_RDWR | LARGE);
	check_u(r->hdr.uid, 0);
	check_u(r->hdr.pid, a->pid);
	reply_write(m, r, 4096);
	answer_getattr(m, F_ID, REG, 8192); /* size and times changed: asked for again */
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 4096, 0);
	check_step(a, 2, 4096, 0);
	check_mem(a->buf, page, 4096);
	check_step(a, 3, 0, 0);
}

static long
write_piece(struct actor *a)
{
	open_f(a, O_RDWR);
	step(a, pwrite(a->fd, "hello", 5, 100));
	step(a, pread(a->fd, a->buf, 10, 98));
	return step(a, close(a->fd));
}

/* A part of a page: only that part is sent, and the page has to be read afterwards. */
MOCK_CASE(cached_part_of_a_page)
{
	struct actor *a = start(m, write_piece);
	struct req *r;
	char page[4096];

	answer_file(m, 4096, FH, 0);
	answer_no_caps(m, F_ID);
	r = expect_write(m, FH, 100, 5);
	check_mem(r->data, "hello", 5);
	reply_write(m, r, 5);
	r = expect_read(m, FH, 0, 4096);
	memset(page, '.', sizeof(page));
	memcpy(page + 100, "hello", 5);
	reply_data(m, r, page, 4096);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 5, 0);
	check_step(a, 2, 10, 0);
	check_mem(a->buf, "..hello...", 10);
}

static long
write_all(struct actor *a)
{
	size_t len = (size_t)(intptr_t)a->arg;
	char *p = pages(len);

	pattern(p, len, 3);
	open_f(a, O_WRONLY);
	step(a, pwrite(a->fd, p, len, 0));
	return step(a, close(a->fd));
}

/* WRITE at off of what write_all() writes, answered with written. */
#define answer_piece(m, off, size, written) answer_piece_at(__FILE__, __LINE__, m, off, size, written)
static void
answer_piece_at(const char *file, int line, struct mock *m, uint64_t off, uint32_t size, uint32_t written)
{
	struct req *r = expect_write_at(file, line, m, FH, off, size);

	check_i_at(file, line, "wrong bytes", wrong_bytes(r->data, (size_t)off, size, 3), 0);
	reply_write(m, r, written);
}

MOCK_CASE(cached_one_mebibyte)
{
	struct actor *a = start_arg(m, write_all, (void *)(intptr_t)(1 << 20));

	answer_file(m, 0, FH, 0);
	answer_no_caps(m, F_ID);
	answer_piece(m, 0, 1 << 20, 1 << 20);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 1 << 20, 0);
}

MOCK_CASE(direct_one_mebibyte)
{
	struct actor *a = start_arg(m, write_all, (void *)(intptr_t)(1 << 20));

	answer_file(m, 0, FH, WIRE_FOPEN_DIRECT_IO);
	answer_piece(m, 0, 1 << 20, 1 << 20);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 1 << 20, 0);
}

MOCK_CASE(cached_split_by_max_write, .max_write = 8192)
{
	struct actor *a = start_arg(m, write_all, (void *)(intptr_t)20000);

	answer_file(m, 0, FH, 0);
	answer_no_caps(m, F_ID);
	answer_piece(m, 0, 8192, 8192);
	answer_piece(m, 8192, 8192, 8192);
	answer_piece(m, 16384, 20000 - 16384, 20000 - 16384);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 20000, 0);
}

MOCK_CASE(direct_split_by_max_write, .max_write = 10000)
{
	struct actor *a = start_arg(m, write_all, (void *)(intptr_t)25000);

	answer_file(m, 0, FH, WIRE_FOPEN_DIRECT_IO);
	answer_piece(m, 0, 10000, 10000);
	answer_piece(m, 10000, 10000, 10000);
	answer_piece(m, 20000, 5000, 5000);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 25000, 0);
}

MOCK_CASE(without_big_writes, .no_flags = WIRE_INIT_BIG_WRITES)
{
	struct actor *a = start_arg(m, write_all, (void *)(intptr_t)10000);

	answer_file(m, 0, FH, 0);
	answer_no_caps(m, F_ID);
	answer_piece(m, 0, 4096, 4096);
	answer_piece(m, 4096, 4096, 4096);
	answer_piece(m, 8192, 10000 - 8192, 10000 - 8192);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 10000, 0);
}

/* Fewer bytes than were sent: the program gets that count, and the rest is not tried. */
MOCK_CASE(short_count, .max_write = 8192)
{
	struct actor *a = start_arg(m, write_all, (void *)(intptr_t)20000);

	answer_file(m, 0, FH, 0);
	answer_no_caps(m, F_ID);
	answer_piece(m, 0, 8192, 8192);
	answer_piece(m, 8192, 8192, 100);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 8292, 0);

	a = start_arg(m, write_all, (void *)(intptr_t)20000);
	answer_open(m, F_ID, FH, WIRE_FOPEN_DIRECT_IO);
	answer_piece(m, 0, 8192, 8192);
	answer_piece(m, 8192, 8192, 100);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 8292, 0);
}

MOCK_CASE(nothing_written)
{
	struct actor *a = start_arg(m, write_all, (void *)(intptr_t)100);

	answer_file(m, 0, FH, 0);
	answer_no_caps(m, F_ID);
	answer_piece(m, 0, 100, 0);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, -1, EIO);

	a = start_arg(m, write_all, (void *)(intptr_t)100);
	answer_open(m, F_ID, FH, WIRE_FOPEN_DIRECT_IO);
	answer_piece(m, 0, 100, 0);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 0, 0);
}

MOCK_CASE(more_written_than_asked)
{
	struct actor *a = start_arg(m, write_all, (void *)(intptr_t)100);

	answer_file(m, 0, FH, 0);
	answer_no_caps(m, F_ID);
	answer_piece(m, 0, 100, 101);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, -1, EIO);

	a = start_arg(m, write_all, (void *)(intptr_t)100);
	answer_open(m, F_ID, FH, WIRE_FOPEN_DIRECT_IO);
	answer_piece(m, 0, 100, UINT32_MAX);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, -1, EIO);
}

MOCK_CASE(errors)
{
	static const int errors[] = { ENOSPC, EDQUOT, EIO, EFBIG, EROFS, EACCES };

	for (size_t i = 0; i < 2 * sizeof(errors) / sizeof(*errors); i++) { /* each with the cache and without */
		struct actor *a = start_arg(m, write_all, (void *)(intptr_t)100);

		if (i == 0)
			answer_lookup(m, WIRE_ROOT_ID, "f", F_ID, REG, 0);
		answer_open(m, F_ID, FH, i % 2 ? WIRE_FOPEN_DIRECT_IO : 0);
		if (i == 0)
			answer_no_caps(m, F_ID);
		reply_err(m, expect_write(m, FH, 0, 100), errors[i / 2]);
		answer_close(m, F_ID, FH);
		finish(a);
		check_step(a, 1, -1, errors[i / 2]);
		check_step(a, 2, 0, 0);
	}
}

/* The second half meets the full disk: the first counts. */
MOCK_CASE(full_half_way, .max_write = 8192)
{
	struct actor *a = start_arg(m, write_all, (void *)(intptr_t)16384);

	answer_file(m, 0, FH, 0);
	answer_no_caps(m, F_ID);
	answer_piece(m, 0, 8192, 8192);
	reply_err(m, expect_write(m, FH, 8192, 8192), ENOSPC);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 8192, 0);
}

static long
append(struct actor *a)
{
	open_f(a, O_WRONLY | O_APPEND);
	hold(a);
	step(a, write(a->fd, a->arg, strlen(a->arg)));
	hold(a);
	step(a, write(a->fd, a->arg, strlen(a->arg)));
	a->n[0] = lseek(a->fd, 0, SEEK_CUR);
	hold(a);
	return step(a, close(a->fd));
}

/* Two processes append by turns: each WRITE is where the one before it ended, and says O_APPEND. */
static void
append_both(struct mock *m, uint32_t flags)
{
	struct actor *a, *b;
	uint64_t end = 10;

	a = start_arg(m, append, "aaaa");
	answer_file(m, 10, FH, flags);
	reached(a);
	b = start_arg(m, append, "bb");
	answer_open(m, F_ID, FH + 1, flags);
	reached(b);
	for (int i = 0; i < 4; i++) {
		bool first = i % 2 == 0;
		struct req *r;

		proceed(first ? a : b);
		if (i == 0 && !(flags & WIRE_FOPEN_DIRECT_IO))
			answer_no_caps(m, F_ID);
		r = expect_write(m, first ? FH : FH + 1, end, first ? 4 : 2);
		check_mem(r->data, first ? "aaaa" : "bb", r->datalen);
		check_u(r->in.write.flags, O_WRONLY | O_APPEND | LARGE);
		reply_write(m, r, r->in.write.size);
		end += r->in.write.size;
		reached(first ? a : b);
	}
	proceed(a);
	answer_close(m, F_ID, FH);
	finish(a);
	proceed(b);
	answer_close(m, F_ID, FH + 1);
	finish(b);
	check_step(a, 1, 4, 0);
	check_step(a, 2, 4, 0);
	check_step(b, 2, 2, 0);
	check_i(a->n[0], 20);
	check_i(b->n[0], 22);
}

MOCK_CASE(append_from_two_processes)
{
	append_both(m, 0);
}
MOCK_CASE(append_from_two_processes_direct)
{
	append_both(m, WIRE_FOPEN_DIRECT_IO);
}

static long
change_flags(struct actor *a)
{
	struct iovec v = { "abc", 3 };

	open_f(a, O_WRONLY);
	step(a, fcntl(a->fd, F_SETFL, O_APPEND | O_NONBLOCK));
	step(a, write(a->fd, "abc", 3));
	step(a, fcntl(a->fd, F_SETFL, 0));
	step(a, pwritev2(a->fd, &v, 1, 0, RWF_APPEND));
	step(a, pwrite(a->fd, "abc", 3, 0));
	return step(a, close(a->fd));
}

/* The flags are those of the descriptor now, not those of open(2). */
MOCK_CASE(flags_changed)
{
	struct actor *a = start(m, change_flags);
	struct req *r;

	answer_file(m, 10, FH, WIRE_FOPEN_DIRECT_IO);
	r = expect_write(m, FH, 10, 3);
	check_u(r->in.write.flags, O_WRONLY | O_APPEND | O_NONBLOCK | LARGE);
	reply_write(m, r, 3);
	r = expect_write(m, FH, 13, 3);
	check_u(r->in.write.flags, O_WRONLY | LARGE);
	reply_write(m, r, 3);
	r = expect_write(m, FH, 0, 3);
	check_u(r->in.write.flags, O_WRONLY | LARGE);
	reply_write(m, r, 3);
	r = expect_of(m, WIRE_FLUSH, F_ID);
	reply_empty(m, r);
	r = expect_of(m, WIRE_RELEASE, F_ID);
	check_u(r->in.release.flags, O_WRONLY | LARGE);
	reply_empty(m, r);
	finish(a);
	check_step(a, 2, 3, 0);
	check_step(a, 4, 3, 0);
	check_step(a, 5, 3, 0);
}

static long
write_sync(struct actor *a)
{
	struct iovec v = { "abc", 3 };

	open_f(a, (int)(intptr_t)a->arg);
	if (((intptr_t)a->arg & O_SYNC) == 0)
		step(a, pwritev2(a->fd, &v, 1, 0, RWF_DSYNC));
	else
		step(a, write(a->fd, "abc", 3));
	return step(a, close(a->fd));
}

/* O_SYNC, O_DSYNC and their per-call forms: the WRITE says so, and FSYNC follows it. */
static void
sync_write(struct mock *m, int flags, uint32_t write_flags, uint32_t fsync_flags)
{
	struct actor *a = start_arg(m, write_sync, (void *)(intptr_t)flags);
	struct req *r;

	answer_file(m, 0, FH, 0);
	answer_no_caps(m, F_ID);
	r = expect_write(m, FH, 0, 3);
	check_u(r->in.write.flags, write_flags | LARGE);
	reply_write(m, r, 3);
	r = expect_of(m, WIRE_FSYNC, F_ID);
	check_u(r->in.fsync.fh, FH);
	check_u(r->in.fsync.fsync_flags, fsync_flags);
	reply_empty(m, r);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 3, 0);
}

MOCK_CASE(o_sync)
{
	sync_write(m, O_WRONLY | O_SYNC, O_WRONLY | O_SYNC, 0);
}
MOCK_CASE(o_dsync)
{
	sync_write(m, O_WRONLY | O_DSYNC, O_WRONLY | O_DSYNC, WIRE_FSYNC_FDATASYNC);
}
MOCK_CASE(rwf_dsync)
{
	sync_write(m, O_WRONLY, O_WRONLY | O_DSYNC, WIRE_FSYNC_FDATASYNC);
}

static long
write_once(struct actor *a)
{
	open_f(a, O_WRONLY);
	step(a, pwrite(a->fd, "abc", 3, 0));
	return step(a, close(a->fd));
}

/* Without HANDLE_KILLPRIV the kernel clears the set-id bits itself, by what the daemon says the mode is now. */
MOCK_CASE(set_id_cleared_by_the_kernel, .options = "allow_other")
{
	struct actor *a = start_as(m, 1000, 1000, NULL, 0, write_once, NULL);
	struct req *r;

	answer_lookup(m, WIRE_ROOT_ID, "f", F_ID, S_IFREG | 06777, 10);
	answer_open(m, F_ID, FH, 0);
	answer_no_caps(m, F_ID);
	r = expect_of(m, WIRE_GETATTR, F_ID);
	reply_attr(m, r, LONG, an_attr(F_ID, S_IFREG | 06775, 10));
	r = expect_of(m, WIRE_SETATTR, F_ID);
	check_u(r->in.setattr.valid & ~(uint32_t)WIRE_FATTR_FH, WIRE_FATTR_MODE);
	check_u(r->in.setattr.mode, S_IFREG | 0775);
	reply_attr(m, r, LONG, an_attr(F_ID, S_IFREG | 0775, 10));
	r = expect_write(m, FH, 0, 3);
	check_u(r->in.write.write_flags, 0);
	reply_write(m, r, 3);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 3, 0);
}

MOCK_CASE(set_id_kept_for_root)
{
	struct actor *a = start(m, write_once);
	struct req *r;

	answer_lookup(m, WIRE_ROOT_ID, "f", F_ID, S_IFREG | 06777, 10);
	answer_open(m, F_ID, FH, 0);
	answer_no_caps(m, F_ID);
	r = expect_write(m, FH, 0, 3);
	check_u(r->in.write.write_flags, 0);
	reply_write(m, r, 3);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 3, 0);
}

MOCK_CASE(kill_suidgid, .options = "allow_other", .flags = WIRE_INIT_HANDLE_KILLPRIV_V2)
{
	struct actor *a = start_as(m, 1000, 1000, NULL, 0, write_once, NULL);
	struct req *r;

	answer_lookup(m, WIRE_ROOT_ID, "f", F_ID, S_IFREG | 06777, 10);
	answer_open(m, F_ID, FH, 0);
	answer_no_caps(m, F_ID);
	r = expect_of(m, WIRE_SETATTR, F_ID); /* which changes nothing: the daemon clears the bits at the WRITE */
	check_u(r->in.setattr.valid, 0);
	reply_attr(m, r, LONG, an_attr(F_ID, S_IFREG | 06777, 10));
	r = expect_write(m, FH, 0, 3);
	check_u(r->in.write.write_flags, WIRE_WRITE_KILL_SUIDGID);
	reply_write(m, r, 3);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 3, 0);
}

MOCK_CASE(kill_suidgid_direct, .options = "allow_other", .flags = WIRE_INIT_HANDLE_KILLPRIV_V2)
{
	struct actor *a = start_as(m, 1000, 1000, NULL, 0, write_once, NULL);
	struct req *r;

	answer_lookup(m, WIRE_ROOT_ID, "f", F_ID, S_IFREG | 06777, 10);
	answer_open(m, F_ID, FH, WIRE_FOPEN_DIRECT_IO);
	r = expect_write(m, FH, 0, 3);
	check_u(r->in.write.write_flags, WIRE_WRITE_KILL_SUIDGID | WIRE_WRITE_LOCKOWNER);
	reply_write(m, r, 3);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 3, 0);

	a = start(m, write_once); /* root may: no flag */
	answer_open(m, F_ID, FH, WIRE_FOPEN_DIRECT_IO);
	r = expect_write(m, FH, 0, 3);
	check_u(r->in.write.write_flags, WIRE_WRITE_LOCKOWNER);
	reply_write(m, r, 3);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 3, 0);
}

static long
write_pieces(struct actor *a)
{
	struct iovec v[3] = { { "0123456789", 10 }, { "abcdef", 6 }, { "XYZ", 3 } };

	open_f(a, O_WRONLY);
	step(a, pwritev(a->fd, v, 3, 4));
	return step(a, close(a->fd));
}

MOCK_CASE(vector)
{
	for (int direct = 0; direct < 2; direct++) {
		struct actor *a = start(m, write_pieces);
		struct req *r;

		if (!direct)
			answer_lookup(m, WIRE_ROOT_ID, "f", F_ID, REG, 100);
		answer_open(m, F_ID, FH, direct ? WIRE_FOPEN_DIRECT_IO : 0);
		if (!direct)
			answer_no_caps(m, F_ID);
		r = expect_write(m, FH, 4, 19);
		check_mem(r->data, "0123456789abcdefXYZ", 19);
		reply_write(m, r, 19);
		answer_close(m, F_ID, FH);
		finish(a);
		check_step(a, 1, 19, 0);
	}
}

static long
write_limited(struct actor *a)
{
	struct rlimit l = { 100, 100 };

	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &l);
	open_f(a, O_WRONLY);
	step(a, pwrite(a->fd, "0123456789", 10, 95));
	step(a, pwrite(a->fd, "0123456789", 10, 100));
	step(a, pwrite(a->fd, "0123456789", 10, INT64_MAX - 3));
	return step(a, close(a->fd));
}

/* The limits of the process and of off_t are kept by the kernel: the daemon sees the part that may be written. */
MOCK_CASE(limits)
{
	struct actor *a = start(m, write_limited);
	struct req *r;

	answer_file(m, 0, FH, WIRE_FOPEN_DIRECT_IO);
	r = expect_write(m, FH, 95, 5);
	reply_write(m, r, 5);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 5, 0);
	check_step(a, 2, -1, EFBIG);
	check_step(a, 3, -1, EINVAL);
	expect_none(m);
}

static long
write_denied(struct actor *a)
{
	open_f(a, O_RDONLY);
	step(a, pwrite(a->fd, "abc", 3, 0));
	return step(a, close(a->fd));
}

MOCK_CASE(read_only_descriptor)
{
	struct actor *a = start(m, write_denied);

	answer_file(m, 10, FH, 0);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, -1, EBADF);
	expect_none(m);
}

/* Before 7.9 a WRITE has no lock owner and no flags, and is shorter for it. */
MOCK_CASE(before_7_9, .minor = 8)
{
	struct actor *a = start(m, write_once);
	struct req *r;

	answer_file(m, 100, FH, WIRE_FOPEN_DIRECT_IO);
	r = expect_write(m, FH, 0, 3);
	check_u(r->rawlen, sizeof(r->hdr) + 24 + 3);
	check_u(r->in.write.lock_owner, 0);
	check_u(r->in.write.flags, 0);
	check_mem(r->data, "abc", 3);
	reply_write(m, r, 3);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 3, 0);
}

static long
write_beyond(struct actor *a)
{
	open_f(a, O_RDWR);
	step(a, pwrite(a->fd, "abc", 3, 10000));
	step(a, lseek(a->fd, 0, SEEK_END));
	step(a, pread(a->fd, a->buf, 4, 5000));
	return step(a, close(a->fd));
}

/* A write behind the end moves it. The gap is the daemon's to fill: it is asked for it. */
MOCK_CASE(behind_the_end, .max_readahead = 1)
{
	struct actor *a = start(m, write_beyond);
	struct req *r;

	answer_file(m, 100, FH, 0);
	answer_no_caps(m, F_ID);
	r = expect_write(m, FH, 10000, 3);
	reply_write(m, r, 3);
	r = expect_of(m, WIRE_GETATTR, F_ID); /* of lseek(2) */
	check_u(r->in.getattr.fh, FH);
	reply_attr(m, r, LONG, an_attr(F_ID, REG, 10003));
	r = expect_read(m, FH, 4096, 4096);
	reply_data(m, r, (char[4096]){ 0 }, 4096);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 3, 0);
	check_step(a, 2, 10003, 0);
	check_step(a, 3, 4, 0);
	check_mem(a->buf, "\0\0\0\0", 4);
}

static long
write_from_nowhere(struct actor *a)
{
	char *p = pages(8192);

	if (munmap(p + 4096, 4096) != 0)
		return -1;
	memset(p, 'x', 4096);
	open_f(a, O_WRONLY);
	step(a, pwrite(a->fd, p + 4096, 10, 0));
	step(a, pwrite(a->fd, p + 4090, 100, 0));
	return step(a, close(a->fd));
}

/* Memory that is not there: what can be read of it is written. */
MOCK_CASE(bad_memory)
{
	struct actor *a = start(m, write_from_nowhere);
	struct req *r;

	answer_file(m, 100, FH, 0);
	answer_no_caps(m, F_ID);
	r = expect_write(m, FH, 0, 6);
	check_mem(r->data, "xxxxxx", 6);
	reply_write(m, r, 6);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, -1, EFAULT);
	check_step(a, 2, 6, 0);
}
