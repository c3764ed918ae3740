/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mappings: pages are read when touched, shared ones written back by msync(2), munmap(2) or close, with a handle that can write.
 * A program that a mapping kills does it in a handler, which notes the fault and goes on.
 */
#include <setjmp.h>
#include <signal.h>

#include "mock/fileio.h"

static sigjmp_buf fault;

static void
on_fault(int sig)
{
	siglongjmp(fault, sig);
}

/* In the actor: the byte at p, or -1 for SIGBUS. */
static int
peek(const volatile char *p)
{
	int sig = sigsetjmp(fault, 1);

	signal(SIGBUS, on_fault);
	return sig ? -1 : *(const volatile uint8_t *)p;
}

static long
map_shared(struct actor *a)
{
	char *p;

	open_f(a, O_RDWR);
	p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, a->fd, 0);
	step(a, p == MAP_FAILED ? -1 : 0);
	a->n[0] = peek(p + 10);
	p[5000] = 'x';
	step(a, msync(p, 8192, MS_SYNC));
	step(a, munmap(p, 8192));
	return step(a, close(a->fd));
}

/* Touching reads a page, changing it sends nothing until msync(2): a whole page then, from nobody in particular. */
MOCK_CASE(shared, .max_readahead = 1)
{
	struct actor *a = start(m, map_shared);
	char page[4096];
	struct req *r;

	pattern(page, 4096, 1);
	answer_file(m, 8192, FH, 0);
	reply_data(m, expect_read(m, FH, 0, 4096), page, 4096);
	reply_data(m, expect_read(m, FH, 4096, 4096), page, 4096);
	r = expect_write(m, FH, 4096, 4096);
	check_u(r->in.write.write_flags, WIRE_WRITE_CACHE);
	check_u(r->in.write.lock_owner, 0);
	check_u(r->hdr.uid, 0);
	check_u(r->hdr.pid, 0);
	page[904] = 'x';
	check_mem(r->data, page, 4096);
	reply_write(m, r, 4096);
	r = expect_of(m, WIRE_FSYNC, F_ID);
	check_u(r->in.fsync.fh, FH);
	check_u(r->in.fsync.fsync_flags, WIRE_FSYNC_FDATASYNC);
	reply_empty(m, r);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 0, 0, 0);
	check_i(a->n[0], 10 * 7 + 1);
	check_step(a, 2, 0, 0);
	expect_none(m);
}

/* The last page is written as far as the file goes. */
MOCK_CASE(shared_end_of_file, .max_readahead = 1)
{
	struct actor *a = start(m, map_shared);
	char page[4096];
	struct req *r;

	pattern(page, 4096, 1);
	answer_file(m, 5500, FH, 0);
	reply_data(m, expect_read(m, FH, 0, 4096), page, 4096);
	reply_data(m, expect_read(m, FH, 4096, 4096), page, 5500 - 4096);
	r = expect_write(m, FH, 4096, 5500 - 4096);
	check_u(r->in.write.write_flags, WIRE_WRITE_CACHE);
	reply_write(m, r, 5500 - 4096);
	reply_empty(m, expect_of(m, WIRE_FSYNC, F_ID));
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 2, 0, 0);
}

static long
map_and_close(struct actor *a)
{
	char *p;

	open_f(a, O_RDWR);
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, a->fd, 0);
	p[0] = 'x';
	step(a, close(a->fd));
	hold(a);
	p[1] = 'y';
	return step(a, munmap(p, 4096));
}

/* close(2) writes what is changed so far; what changes later is written before RELEASE, with the same handle. */
MOCK_CASE(after_close)
{
	struct actor *a = start(m, map_and_close);
	struct req *r;

	answer_file(m, 4096, FH, 0);
	answer_read(m, FH, 0, 4096, 4096, 1);
	r = expect_write(m, FH, 0, 4096);
	check_i(r->data[0], 'x');
	reply_write(m, r, 4096);
	reply_empty(m, expect_of(m, WIRE_FLUSH, F_ID));
	reached(a);
	proceed(a);
	r = expect_write(m, FH, 0, 4096);
	check_i(r->data[0], 'x');
	check_i(r->data[1], 'y');
	check_u(r->in.write.write_flags, WIRE_WRITE_CACHE);
	reply_write(m, r, 4096);
	answer_release(m, F_ID, FH);
	finish(a);
	expect_none(m);
}

static long
map_private(struct actor *a)
{
	char *p;

	open_f(a, O_RDONLY);
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, a->fd, 0);
	step(a, p == MAP_FAILED ? -1 : 0);
	a->n[0] = peek(p);
	p[0] = 'x';
	a->n[1] = peek(p);
	step(a, msync(p, 4096, MS_SYNC));
	step(a, pread(a->fd, a->buf, 1, 0));
	step(a, munmap(p, 4096));
	return step(a, close(a->fd));
}

/* A private change stays private. */
MOCK_CASE(private)
{
	struct actor *a = start(m, map_private);

	answer_file(m, 100, FH, 0);
	answer_read(m, FH, 0, 4096, 100, 1);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 0, 0, 0);
	check_i(a->n[0], 1);
	check_i(a->n[1], 'x');
	check_step(a, 2, 0, 0);
	check_i(a->buf[0], 1);
	expect_none(m);
}

static long
map_denied(struct actor *a)
{
	open_f(a, O_RDONLY);
	step(a, mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, a->fd, 0) == MAP_FAILED ? -1 : 0);
	step(a, close(a->fd));
	open_f(a, O_WRONLY);
	step(a, mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, a->fd, 0) == MAP_FAILED ? -1 : 0);
	return step(a, close(a->fd));
}

MOCK_CASE(denied)
{
	struct actor *a = start(m, map_denied);

	answer_file(m, 100, FH, 0);
	answer_close(m, F_ID, FH);
	answer_open(m, F_ID, FH, 0);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, -1, EACCES);
	check_step(a, 4, -1, EACCES);
	expect_none(m);
}

static long
map_truncate(struct actor *a)
{
	char *p;

	open_f(a, O_RDWR);
	p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, a->fd, 0);
	a->n[0] = peek(p + 4096);
	a->n[1] = peek(p + 50);
	step(a, ftruncate(a->fd, 10));
	a->n[2] = peek(p + 4096); /* its page is gone */
	a->n[3] = peek(p + 50);   /* behind the end, but on the last page */
	a->n[4] = peek(p + 5);
	step(a, munmap(p, 8192));
	return step(a, close(a->fd));
}

MOCK_CASE(truncated, .max_readahead = 1)
{
	struct actor *a = start(m, map_truncate);
	struct req *r;

	answer_file(m, 8192, FH, 0);
	answer_read(m, FH, 4096, 4096, 8192, 1);
	answer_read(m, FH, 0, 4096, 8192, 1);
	answer_no_caps(m, F_ID);
	r = expect_of(m, WIRE_SETATTR, F_ID);
	check_u(r->in.setattr.size, 10);
	reply_attr(m, r, LONG, an_attr(F_ID, REG, 10));
	answer_read(m, FH, 0, 4096, 10, 1); /* another size: all pages are gone */
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 0, 0);
	check_i(a->n[0], (uint8_t)(4096 * 7 + 16 + 1));
	check_i(a->n[1], (uint8_t)(50 * 7 + 1));
	check_i(a->n[2], -1);
	check_i(a->n[3], 0);
	check_i(a->n[4], 5 * 7 + 1);
	expect_none(m);
}

static long
map_past_end(struct actor *a)
{
	char *p;

	open_f(a, O_RDONLY);
	p = mmap(NULL, 8192, PROT_READ, MAP_SHARED, a->fd, 0);
	a->n[0] = peek(p + 4096);
	a->n[1] = peek(p);
	step(a, munmap(p, 8192));
	return step(a, close(a->fd));
}

/* No page behind the end, and a page that cannot be read is a SIGBUS as well. */
MOCK_CASE(faults)
{
	struct actor *a = start(m, map_past_end);

	answer_file(m, 100, FH, 0);
	for (int i = 0; i < 3; i++) /* it is tried more than once */
		reply_err(m, expect_read(m, FH, 0, 4096), EIO);
	answer_close(m, F_ID, FH);
	finish(a);
	check_i(a->n[0], -1);
	check_i(a->n[1], -1);
	expect_none(m);
}

static long
map_shared_to_read(struct actor *a)
{
	open_f(a, O_RDONLY);
	step(a, mmap(NULL, 4096, PROT_READ, MAP_SHARED, a->fd, 0) == MAP_FAILED ? -1 : 0);
	return step(a, close(a->fd));
}

/* direct_io: a shared mapping is refused, even one to read. */
MOCK_CASE(direct_io_shared)
{
	struct actor *a = start(m, map_shared_to_read);

	answer_file(m, 100, FH, WIRE_FOPEN_DIRECT_IO);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, -1, ENODEV);
	expect_none(m);
}

static long
map_direct(struct actor *a)
{
	char *p;

	open_f(a, O_RDWR);
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, a->fd, 0);
	step(a, p == MAP_FAILED ? -1 : 0);
	if (p == MAP_FAILED)
		return step(a, close(a->fd));
	p[1] = 'x';
	step(
	    a, pread(a->fd, a->buf, 10, 0)); /* what is in the mapping goes out first, then it is read past the cache */
	step(a, munmap(p, 4096));
	return step(a, close(a->fd));
}

MOCK_CASE(direct_io_without_mmap)
{
	struct actor *a = start(m, map_direct);

	answer_file(m, 4096, FH, WIRE_FOPEN_DIRECT_IO);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 0, 0, 0);
	check_step(a, 1, -1, ENODEV);
	expect_none(m);
}

MOCK_CASE(direct_io_allow_mmap, .flags = WIRE_INIT_DIRECT_IO_ALLOW_MMAP, .needs_flags = WIRE_INIT_DIRECT_IO_ALLOW_MMAP)
{
	struct actor *a = start(m, map_direct);
	struct req *r;

	answer_file(m, 4096, FH, WIRE_FOPEN_DIRECT_IO);
	answer_read(m, FH, 0, 4096, 4096, 1);
	r = expect_write(m, FH, 0, 4096);
	check_u(r->in.write.write_flags, WIRE_WRITE_CACHE);
	check_i(r->data[1], 'x');
	reply_write(m, r, 4096);
	r = expect_read(m, FH, 0, 10);
	check_u(r->in.read.read_flags, WIRE_READ_LOCKOWNER);
	reply_data(m, r, "0123456789", 10);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 0, 0);
	check_step(a, 2, 10, 0);
	check_mem(a->buf, "0123456789", 10);
}

MOCK_CASE(direct_io_private)
{
	struct actor *a = start(m, map_private);
	struct req *r;

	answer_file(m, 100, FH, WIRE_FOPEN_DIRECT_IO);
	answer_read(m, FH, 0, 4096, 100, 1);
	r = expect_read(m, FH, 0, 1); /* pread(2) */
	reply_data(m, r, "z", 1);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 0, 0, 0);
	check_i(a->n[0], 1);
	check_i(a->n[1], 'x');
	check_i(a->buf[0], 'z');
}

static long
write_under_mapping(struct actor *a)
{
	char *p;

	open_f(a, O_RDWR);
	p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, a->fd, 0);
	a->n[0] = peek(p + 1);
	step(a, pwrite(a->fd, "xyz", 3, 0));
	a->n[1] = peek(p + 1);
	step(a, munmap(p, 4096));
	return step(a, close(a->fd));
}

/* write(2) and mapping share the page. */
MOCK_CASE(write_is_seen)
{
	struct actor *a = start(m, write_under_mapping);

	answer_file(m, 100, FH, 0);
	answer_read(m, FH, 0, 4096, 100, 1);
	answer_no_caps(m, F_ID);
	reply_write(m, expect_write(m, FH, 0, 3), 3);
	answer_close(m, F_ID, FH);
	finish(a);
	check_i(a->n[0], 7 + 1);
	check_i(a->n[1], 'y');
	expect_none(m);
}

static long
stat_under_mapping(struct actor *a)
{
	char *p;

	open_f(a, O_RDWR);
	p = mmap(NULL, 8192, PROT_READ, MAP_SHARED, a->fd, 0);
	a->n[0] = peek(p + 4096);
	hold(a);
	step(a, fstat(a->fd, &a->st));
	a->n[1] = peek(p + 4096);
	step(a, munmap(p, 8192));
	return step(a, close(a->fd));
}

/* The daemon makes the file shorter: the mapping notices when the attributes come. */
MOCK_CASE(truncated_by_the_daemon, .max_readahead = 1)
{
	struct wire_entry_out e = an_entry(F_ID, REG, 8192);
	struct actor *a = start(m, stat_under_mapping);

	e.attr_valid = 0;
	reply_entry(m, expect(m, WIRE_LOOKUP), e);
	answer_open(m, F_ID, FH, 0);
	answer_read(m, FH, 4096, 4096, 8192, 1);
	reached(a);
	proceed(a);
	answer_getattr(m, F_ID, REG, 100);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 0, 0);
	check_i(a->st.st_size, 100);
	check_i(a->n[0], (uint8_t)(4096 * 7 + 16 + 1));
	check_i(a->n[1], -1);
	expect_none(m);
}

static long
map_by_two(struct actor *a)
{
	char *p, *q;

	a->fd = open(in_mount(a, "f"), O_RDWR);
	a->fd2 = open(in_mount(a, "f"), O_RDONLY);
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, a->fd, 0);
	q = mmap(NULL, 4096, PROT_READ, MAP_SHARED, a->fd2, 0);
	p[3] = 'x';
	a->n[0] = peek(q + 3);
	step(a, fsync(a->fd2)); /* of the descriptor that only reads */
	step(a, munmap(p, 4096));
	step(a, munmap(q, 4096));
	step(a, close(a->fd));
	return step(a, close(a->fd2));
}

/* What one mapping changes the other sees; fsync(2) of any descriptor writes it, by the handle that can. */
MOCK_CASE(two_mappings)
{
	struct actor *a = start(m, map_by_two);
	struct req *r;

	answer_file(m, 4096, FH, 0);
	answer_open(m, F_ID, FH + 1, WIRE_FOPEN_KEEP_CACHE);
	answer_read(m, FH, 0, 4096, 4096, 1);
	r = expect_write(m, FH, 0, 4096);
	check_u(r->in.write.write_flags, WIRE_WRITE_CACHE);
	check_i(r->data[3], 'x');
	reply_write(m, r, 4096);
	r = expect_of(m, WIRE_FSYNC, F_ID);
	check_u(r->in.fsync.fh, FH + 1);
	reply_empty(m, r);
	answer_close(m, F_ID, FH);
	answer_close(m, F_ID, FH + 1);
	finish(a);
	check_i(a->n[0], 'x');
	check_step(a, 0, 0, 0);
}

static long
msync_fails(struct actor *a)
{
	char *p;

	open_f(a, O_RDWR);
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, a->fd, 0);
	p[3] = 'x';
	step(a, msync(p, 4096, MS_SYNC));
	step(a, msync(p, 4096, MS_SYNC));
	step(a, munmap(p, 4096));
	return step(a, close(a->fd));
}

/* The error of writing back is that of msync(2), once; the page counts as written. */
MOCK_CASE(write_back_error)
{
	struct actor *a = start(m, msync_fails);

	answer_file(m, 4096, FH, 0);
	answer_read(m, FH, 0, 4096, 4096, 1);
	reply_err(m, expect_write(m, FH, 0, 4096), EIO);
	reply_empty(m, expect_of(m, WIRE_FSYNC, F_ID));
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, -1, EIO);
	check_step(a, 2, 0, 0);
}
