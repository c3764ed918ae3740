/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * O_DIRECT on files that the daemon has opened for the cache: sizes, where the end is, and both kinds of descriptor on one file.
 */
#include <linux/aio_abi.h>
#include <sys/syscall.h>

#include "mock/fileio.h"

static long
direct_io(struct actor *a)
{
	char *p = pages(2 << 20);

	pattern(p, 10000, 3);
	open_f(a, O_RDWR | O_DIRECT);
	step(a, pwrite(a->fd, p, 10000, 1));
	step(a, pread(a->fd, p, 5000, 7));
	step(a, pread(a->fd, p, 5000, 20000));
	return step(a, close(a->fd));
}

/* No alignment is asked for; each call is a message, for a lock owner. */
MOCK_CASE(fields)
{
	struct actor *a = start(m, direct_io);
	static char data[5000];
	struct req *r;

	answer_lookup(m, WIRE_ROOT_ID, "f", F_ID, REG, 16384);
	r = expect_of(m, WIRE_OPEN, F_ID);
	check_u(r->in.open.flags, O_RDWR | O_DIRECT | LARGE);
	reply_open(m, r, FH, 0);
	answer_no_caps(m, F_ID);
	r = expect_write(m, FH, 1, 10000);
	check_u(r->in.write.write_flags, WIRE_WRITE_LOCKOWNER);
	check_that(r->in.write.lock_owner != 0);
	check_u(r->in.write.flags, O_RDWR | O_DIRECT | LARGE);
	check_u(r->hdr.pid, a->pid);
	check_i(wrong_bytes(r->data, 0, 10000, 3), 0);
	reply_write(m, r, 10000);
	r = expect_read(m, FH, 7, 5000);
	check_u(r->in.read.read_flags, WIRE_READ_LOCKOWNER);
	check_that(r->in.read.lock_owner != 0);
	check_u(r->in.read.flags, O_RDWR | O_DIRECT | LARGE);
	reply_data(m, r, data, 5000);
	r = expect_of(m, WIRE_GETATTR, F_ID); /* past the end, and the write has made the size uncertain */
	check_u(r->in.getattr.getattr_flags, WIRE_GETATTR_FH);
	reply_attr(m, r, LONG, an_attr(F_ID, REG, 16384));
	/* behind the end: no READ */
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 10000, 0);
	check_step(a, 2, 5000, 0);
	check_step(a, 3, 0, 0);
}

static long
read_big(struct actor *a)
{
	char *p = pages(2 << 20);

	open_f(a, O_RDONLY | O_DIRECT);
	step(a, pread(a->fd, p, 2 << 20, 0));
	a->n[0] = wrong_bytes(p, 0, 2 << 20, 3);
	return step(a, close(a->fd));
}

MOCK_CASE(one_after_the_other)
{
	struct actor *a = start(m, read_big);
	struct req *r;
	static char all[2 << 20];

	pattern(all, sizeof(all), 3);
	answer_file(m, 2 << 20, FH, 0);
	r = expect_read(m, FH, 0, 1 << 20);
	expect_none(m);
	reply_data(m, r, all, 1 << 20);
	r = expect_read(m, FH, 1 << 20, 1 << 20);
	reply_data(m, r, all + (1 << 20), 1 << 20);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 2 << 20, 0);
	check_i(a->n[0], 0);
}

/* ASYNC_DIO: the parts of a large read are with the daemon at the same time. */
MOCK_CASE(async, .flags = WIRE_INIT_ASYNC_DIO)
{
	struct actor *a = start(m, read_big);
	struct req *r, *s;
	static char all[2 << 20];

	pattern(all, sizeof(all), 3);
	answer_file(m, 2 << 20, FH, 0);
	r = expect_read(m, FH, 0, 1 << 20);
	s = expect_read(m, FH, 1 << 20, 1 << 20);
	reply_data(m, s, all + (1 << 20), 1 << 20);
	reply_data(m, r, all, 1 << 20);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 2 << 20, 0);
	check_i(a->n[0], 0);
}

/* A short answer in the middle: what is behind it does not count, and the kernel looks for the rest through its cache. */
MOCK_CASE(async_short, .flags = WIRE_INIT_ASYNC_DIO)
{
	struct actor *a = start(m, read_big);
	struct req *r, *s;
	static char all[2 << 20];

	answer_file(m, 2 << 20, FH, 0);
	r = expect_read(m, FH, 0, 1 << 20);
	s = expect_read(m, FH, 1 << 20, 1 << 20);
	reply_data(m, s, all, 1 << 20);
	reply_data(m, r, all, 1000);
	r = expect_of(m, WIRE_READ, F_ID);
	check_u(r->in.read.offset, 0);
	check_u(r->in.read.read_flags, 0);
	reply_data(m, r, all, 1000);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 1000, 0);
}

/* ASYNC_DIO believes the size that is known: only the message that it ends in is sent. */
MOCK_CASE(async_to_the_end, .flags = WIRE_INIT_ASYNC_DIO)
{
	struct actor *a = start(m, read_big);
	static char all[5000];

	answer_file(m, 5000, FH, 0);
	reply_data(m, expect_read(m, FH, 0, 1 << 20), all, 5000);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 5000, 0);
	expect_none(m);
}

static long
mixed(struct actor *a)
{
	char *p = pages(4096);

	a->fd = open(in_mount(a, "f"), O_RDONLY);
	a->fd2 = open(in_mount(a, "f"), O_RDWR | O_DIRECT);
	step(a, pread(a->fd, a->buf, 4, 0));
	memcpy(p, "NEW!", 4);
	step(a, pwrite(a->fd2, p, 4, 0));
	step(a, pread(a->fd, a->buf, 4, 0));
	step(a, pread(a->fd2, p, 4, 0));
	memcpy(a->buf + 4, p, 4);
	step(a, close(a->fd));
	return step(a, close(a->fd2));
}

/* A direct write drops the cached page; a direct read asks even though the page is there. */
MOCK_CASE(beside_the_cache)
{
	struct actor *a = start(m, mixed);
	struct req *r;

	answer_file(m, 4, FH, 0);
	answer_open(m, F_ID, FH + 1, WIRE_FOPEN_KEEP_CACHE);
	reply_data(m, expect_read(m, FH, 0, 4096), "old.", 4);
	answer_no_caps(m, F_ID);
	r = expect_write(m, FH + 1, 0, 4);
	check_mem(r->data, "NEW!", 4);
	reply_write(m, r, 4);
	reply_data(m, expect_read(m, FH, 0, 4096), "new.", 4);
	reply_data(m, expect_read(m, FH + 1, 0, 4), "NEW?", 4);
	answer_close(m, F_ID, FH);
	answer_close(m, F_ID, FH + 1);
	finish(a);
	check_step(a, 2, 4, 0);
	check_mem(a->buf, "new.NEW?", 8);
}

static long
dirty_then_direct(struct actor *a)
{
	char *p = pages(4096);

	a->fd = open(in_mount(a, "f"), O_WRONLY);
	a->fd2 = open(in_mount(a, "f"), O_RDONLY | O_DIRECT);
	step(a, pwrite(a->fd, "dirty", 5, 0));
	step(a, pread(a->fd2, p, 5, 0));
	step(a, close(a->fd2));
	return step(a, close(a->fd));
}

/* With the writeback cache what is not written yet goes out before a direct read. */
MOCK_CASE(writes_back_first, .flags = WIRE_INIT_WRITEBACK_CACHE)
{
	struct actor *a = start(m, dirty_then_direct);
	struct req *r;

	answer_file(m, 0, FH, WIRE_FOPEN_KEEP_CACHE);
	answer_open(m, F_ID, FH + 1, WIRE_FOPEN_KEEP_CACHE);
	answer_no_caps(m, F_ID);
	r = expect_write(m, FH, 0, 5);
	check_u(r->in.write.write_flags, WIRE_WRITE_CACHE);
	reply_write(m, r, 5);
	reply_data(m, expect_read(m, FH + 1, 0, 5), "dirty", 5);
	r = expect_of(m, WIRE_SETATTR, F_ID); /* the times, at the first close */
	check_u(r->in.setattr.valid, WIRE_FATTR_MTIME | WIRE_FATTR_CTIME | WIRE_FATTR_FH);
	reply_attr(m, r, LONG, an_attr(F_ID, REG, 5));
	answer_close(m, F_ID, FH + 1);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 0, 5, 0);
	check_step(a, 1, 5, 0);
}

static long
set_direct(struct actor *a)
{
	char *p = pages(4096);

	open_f(a, O_RDONLY);
	step(a, pread(a->fd, p, 4, 0));
	step(a, fcntl(a->fd, F_SETFL, O_DIRECT));
	step(a, pread(a->fd, p, 4, 0));
	memcpy(a->buf, p, 4);
	return step(a, close(a->fd));
}

/* fcntl(2) switches it on as well. */
MOCK_CASE(by_fcntl)
{
	struct actor *a = start(m, set_direct);
	struct req *r;

	answer_file(m, 4, FH, 0);
	reply_data(m, expect_read(m, FH, 0, 4096), "old.", 4);
	r = expect_read(m, FH, 0, 4);
	check_u(r->in.read.flags, O_RDONLY | O_DIRECT | LARGE);
	reply_data(m, r, "new.", 4);
	r = expect_of(m, WIRE_FLUSH, F_ID);
	reply_empty(m, r);
	r = expect_of(m, WIRE_RELEASE, F_ID);
	check_u(r->in.release.flags, O_RDONLY | O_DIRECT | LARGE);
	reply_empty(m, r);
	finish(a);
	check_step(a, 3, 4, 0);
	check_mem(a->buf, "new.", 4);
}

static long
aio_two(struct actor *a)
{
	char *p = pages(8192);
	aio_context_t ctx = 0;
	struct iocb cb[2], *list[2] = { &cb[0], &cb[1] };
	struct io_event ev[2];

	open_f(a, O_RDONLY | O_DIRECT);
	memset(cb, 0, sizeof(cb));
	for (unsigned i = 0; i < 2; i++) {
		cb[i].aio_lio_opcode = IOCB_CMD_PREAD;
		cb[i].aio_fildes = (uint32_t)a->fd;
		cb[i].aio_buf = (uintptr_t)(p + 4096 * i);
		cb[i].aio_nbytes = 4096;
		cb[i].aio_offset = 4096 * i;
		cb[i].aio_data = i;
	}
	if (syscall(SYS_io_setup, 8, &ctx) != 0)
		return -1;
	step(a, syscall(SYS_io_submit, ctx, 2, list));
	hold(a);
	step(a, syscall(SYS_io_getevents, ctx, 2, 2, ev, NULL));
	a->n[0] = (long)ev[0].res;
	a->n[1] = (long)ev[1].res;
	a->n[2] = (long)ev[0].data;
	a->n[3] = wrong_bytes(p, 0, 8192, 3);
	syscall(SYS_io_destroy, ctx);
	return step(a, close(a->fd));
}

/* ASYNC_DIO: one thread has two reads under way, and io_submit(2) waits for neither. */
MOCK_CASE(aio, .flags = WIRE_INIT_ASYNC_DIO)
{
	struct actor *a = start(m, aio_two);
	char data[8192];
	struct req *r, *s;

	pattern(data, 8192, 3);
	answer_file(m, 8192, FH, 0);
	r = expect_read(m, FH, 0, 4096);
	s = expect_read(m, FH, 4096, 4096);
	reached(a);
	reply_data(m, s, data + 4096, 4096);
	reply_data(m, r, data, 4096);
	proceed(a);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 2, 0);
	check_step(a, 2, 2, 0);
	check_i(a->n[0], 4096);
	check_i(a->n[1], 4096);
	check_i(a->n[3], 0);
}

/* Without it io_submit(2) does one after the other. */
MOCK_CASE(aio_not_agreed)
{
	struct actor *a = start(m, aio_two);
	char data[8192];

	pattern(data, 8192, 3);
	answer_file(m, 8192, FH, 0);
	reply_data(m, expect_read(m, FH, 0, 4096), data, 4096);
	reply_data(m, expect_read(m, FH, 4096, 4096), data + 4096, 4096);
	reached(a);
	proceed(a);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 2, 0);
	check_step(a, 2, 2, 0);
	check_i(a->n[3], 0);
}

static long
write_split(struct actor *a)
{
	char *p = pages(20480);

	pattern(p, 20480, 3);
	open_f(a, O_WRONLY | O_DIRECT);
	step(a, pwrite(a->fd, p, 20480, 0));
	return step(a, close(a->fd));
}

MOCK_CASE(write_split_by_max_write, .max_write = 8192)
{
	struct actor *a = start(m, write_split);
	struct req *r;

	answer_file(m, 20480, FH, 0);
	answer_no_caps(m, F_ID);
	for (uint64_t off = 0; off < 20480; off += r->in.write.size) {
		r = expect_write(m, FH, off, off < 16384 ? 8192 : 4096);
		check_u(r->in.write.write_flags, WIRE_WRITE_LOCKOWNER);
		check_i(wrong_bytes(r->data, off, r->datalen, 3), 0);
		reply_write(m, r, r->in.write.size);
	}
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 20480, 0);
}
