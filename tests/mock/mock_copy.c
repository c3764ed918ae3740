/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * COPY_FILE_RANGE and COPY_FILE_RANGE_64: both files' handles and nodeids, counts, and copying by reading and writing where the daemon
 * cannot do it. The 64-bit one is tried first, whatever the daemon's minor.
 */
#include "mock/fileio.h"

#define G_ID 3 /* nodeid of "g", the target */

static long
copy(struct actor *a)
{
	const size_t len = a->arg ? *(const size_t *)a->arg : 1000;
	off_t in = 10, out = 20;

	a->fd = open(in_mount(a, "f"), O_RDONLY);
	a->fd2 = open(in_mount(a, "g"), O_RDWR);
	step(a, copy_file_range(a->fd, &in, a->fd2, &out, len, 0));
	a->n[0] = in;
	a->n[1] = out;
	if (a->arg == NULL)
		step(a, copy_file_range(a->fd, &in, a->fd2, &out, len, 0));
	step(a, close(a->fd));
	return step(a, close(a->fd2));
}

static void
answer_both(struct mock *m, uint64_t size)
{
	answer_lookup(m, WIRE_ROOT_ID, "f", F_ID, REG, size);
	answer_open(m, F_ID, FH, 0);
	answer_lookup(m, WIRE_ROOT_ID, "g", G_ID, REG, size);
	answer_open(m, G_ID, FH + 1, 0);
}

static void
answer_ends(struct mock *m)
{
	answer_close(m, F_ID, FH);
	answer_close(m, G_ID, FH + 1);
}

#define expect_copy(m, opcode, off_in, off_out, len) expect_copy_at(__FILE__, __LINE__, m, opcode, off_in, off_out, len)
static struct req *
expect_copy_at(
    const char *file, int line, struct mock *m, uint32_t opcode, uint64_t off_in, uint64_t off_out, uint64_t len)
{
	struct req *r = expect_of_at(file, line, m, opcode, F_ID);

	check_u_at(file, line, "fh_in", r->in.copy_file_range.fh_in, FH);
	check_u_at(file, line, "off_in", r->in.copy_file_range.off_in, off_in);
	check_u_at(file, line, "nodeid_out", r->in.copy_file_range.nodeid_out, G_ID);
	check_u_at(file, line, "fh_out", r->in.copy_file_range.fh_out, FH + 1);
	check_u_at(file, line, "off_out", r->in.copy_file_range.off_out, off_out);
	check_u_at(file, line, "len", r->in.copy_file_range.len, len);
	check_u_at(file, line, "flags", r->in.copy_file_range.flags, 0);
	return r;
}

static void
reply_copied(struct mock *m, struct req *r, uint64_t n)
{
	reply_out(m, r, &(union wire_out){ .copy_file_range = { .bytes_copied = n } });
}

MOCK_CASE(fields, .needs_minor = 45)
{
	struct actor *a = start(m, copy);
	struct req *r;

	answer_both(m, 100000);
	answer_no_caps(m, G_ID);
	r = expect_copy(m, WIRE_COPY_FILE_RANGE_64, 10, 20, 1000);
	check_u(r->hdr.uid, 0);
	check_u(r->hdr.pid, a->pid);
	reply_copied(m, r, 1000);
	reply_copied(m, expect_copy(m, WIRE_COPY_FILE_RANGE_64, 1010, 1020, 1000), 7); /* fewer */
	answer_ends(m);
	finish(a);
	check_step(a, 0, 1000, 0);
	check_i(a->n[0], 1010);
	check_i(a->n[1], 1020);
	check_step(a, 1, 7, 0);
	expect_none(m);
}

/* ENOSYS for the 64-bit one: the old one from then on, whose count has 32 bits. */
MOCK_CASE(the_old_one, .needs_minor = 45)
{
	struct actor *a = start(m, copy);

	answer_both(m, 100000);
	answer_no_caps(m, G_ID);
	reply_err(m, expect_copy(m, WIRE_COPY_FILE_RANGE_64, 10, 20, 1000), ENOSYS);
	reply_write(m, expect_copy(m, WIRE_COPY_FILE_RANGE, 10, 20, 1000), 1000);
	reply_write(m, expect_copy(m, WIRE_COPY_FILE_RANGE, 1010, 1020, 1000), 500);
	answer_ends(m);
	finish(a);
	check_step(a, 0, 1000, 0);
	check_step(a, 1, 500, 0);
	expect_none(m);
}

static const size_t huge = (size_t)5 << 30;

/* 5 GiB go to the new one whole, to the old one as much as it can count in whole pages. */
MOCK_CASE(long_range, .needs_minor = 45)
{
	struct actor *a = start_arg(m, copy, (void *)&huge);

	answer_both(m, (uint64_t)6 << 30);
	answer_no_caps(m, G_ID);
	reply_copied(m, expect_copy(m, WIRE_COPY_FILE_RANGE_64, 10, 20, huge), huge);
	answer_ends(m);
	finish(a);
	check_step(a, 0, (long)huge, 0);

	a = start_arg(m, copy, (void *)&huge);
	answer_open(m, F_ID, FH, 0);
	answer_open(m, G_ID, FH + 1, 0);
	reply_err(m, expect_copy(m, WIRE_COPY_FILE_RANGE_64, 10, 20, huge), ENOSYS);
	reply_write(m, expect_copy(m, WIRE_COPY_FILE_RANGE, 10, 20, 0xfffff000), 0xfffff000);
	answer_ends(m);
	finish(a);
	check_step(a, 0, 0xfffff000, 0);
}

/* A daemon of an older minor is asked by the new one, too: its ENOSYS tells. */
MOCK_CASE(older_minor, .minor = 31, .needs_minor = 45)
{
	struct actor *a = start(m, copy);

	answer_both(m, 100000);
	answer_no_caps(m, G_ID);
	reply_err(m, expect_copy(m, WIRE_COPY_FILE_RANGE_64, 10, 20, 1000), ENOSYS);
	reply_write(m, expect_copy(m, WIRE_COPY_FILE_RANGE, 10, 20, 1000), 1000);
	reply_write(m, expect_copy(m, WIRE_COPY_FILE_RANGE, 1010, 1020, 1000), 500);
	answer_ends(m);
	finish(a);
	check_step(a, 0, 1000, 0);
	check_step(a, 1, 500, 0);
	expect_none(m);
}

/* More bytes than asked for are not believed. */
MOCK_CASE(too_many, .needs_minor = 45)
{
	struct actor *a = start(m, copy);

	answer_both(m, 100000);
	answer_no_caps(m, G_ID);
	reply_copied(m, expect_copy(m, WIRE_COPY_FILE_RANGE_64, 10, 20, 1000), 1001);
	reply_copied(m, expect_copy(m, WIRE_COPY_FILE_RANGE_64, 10, 20, 1000), UINT64_MAX);
	answer_ends(m);
	finish(a);
	check_step(a, 0, -1, EIO);
	check_step(a, 1, -1, EIO);
}

MOCK_CASE(errors, .needs_minor = 45)
{
	struct actor *a = start(m, copy);

	answer_both(m, 100000);
	answer_no_caps(m, G_ID);
	reply_err(m, expect_copy(m, WIRE_COPY_FILE_RANGE_64, 10, 20, 1000), ENOSPC);
	reply_err(m, expect_copy(m, WIRE_COPY_FILE_RANGE_64, 10, 20, 1000), EIO);
	answer_ends(m);
	finish(a);
	check_step(a, 0, -1, ENOSPC);
	check_step(a, 1, -1, EIO);
}

/* The copy by hand: a READ and a WRITE. */
static void
by_hand(struct mock *m, struct actor *a, int refusals)
{
	char page[4096];
	struct req *r;

	pattern(page, sizeof(page), 3);
	r = expect_of(m, WIRE_READ, F_ID);
	check_u(r->in.read.fh, FH);
	reply_data(m, r, page, 1110);
	r = expect_of(m, WIRE_WRITE, G_ID);
	check_u(r->in.write.fh, FH + 1);
	check_u(r->in.write.offset, 20);
	check_u(r->in.write.size, 1000);
	check_mem(r->data, page + 10, 1000);
	reply_write(m, r, 1000);
	if (refusals > 1)
		reply_err(m, expect_copy(m, WIRE_COPY_FILE_RANGE_64, 1010, 1020, 100), EXDEV);
	r = expect_of(m, WIRE_WRITE, G_ID);
	check_u(r->in.write.offset, 1020);
	check_u(r->in.write.size, 100); /* to the end of "f" */
	reply_write(m, r, 100);
	answer_ends(m);
	finish(a);
	check_step(a, 0, 1000, 0);
	check_step(a, 1, 100, 0);
	expect_none(m);
}

MOCK_CASE(enosys_for_both, .needs_minor = 45)
{
	struct actor *a = start(m, copy);

	answer_both(m, 1110);
	answer_no_caps(m, G_ID);
	reply_err(m, expect_copy(m, WIRE_COPY_FILE_RANGE_64, 10, 20, 1000), ENOSYS);
	reply_err(m, expect_copy(m, WIRE_COPY_FILE_RANGE, 10, 20, 1000), ENOSYS);
	by_hand(m, a, 1);
}

/* EXDEV and EOPNOTSUPP are not remembered. */
MOCK_CASE(exdev, .needs_minor = 45)
{
	struct actor *a = start(m, copy);

	answer_both(m, 1110);
	answer_no_caps(m, G_ID);
	reply_err(m, expect_copy(m, WIRE_COPY_FILE_RANGE_64, 10, 20, 1000), EOPNOTSUPP);
	by_hand(m, a, 2);
}

static long
copy_stat(struct actor *a)
{
	off_t in = 0, out = 0;

	a->fd = open(in_mount(a, "f"), O_RDWR);
	a->fd2 = open(in_mount(a, "g"), O_RDWR);
	step(a, pread(a->fd2, a->buf, 4, 0));
	step(a, copy_file_range(a->fd, &in, a->fd2, &out, 4, 0));
	step(a, pread(a->fd2, a->buf + 4, 4, 0));
	step(a, fstat(a->fd2, &a->st));
	step(a, close(a->fd));
	return step(a, close(a->fd2));
}

/* The target's cached pages are gone and its attributes asked for again. */
MOCK_CASE(target_is_read_again, .needs_minor = 45)
{
	struct actor *a = start(m, copy_stat);
	struct req *r;

	answer_both(m, 10);
	r = expect_of(m, WIRE_READ, G_ID);
	reply_data(m, r, "oldoldoldo", 10);
	answer_no_caps(m, G_ID);
	reply_copied(m, expect_copy(m, WIRE_COPY_FILE_RANGE_64, 0, 0, 4), 4);
	r = expect_of(m, WIRE_READ, G_ID);
	reply_data(m, r, "new!oldold", 10);
	answer_getattr(m, G_ID, REG, 10);
	answer_ends(m);
	finish(a);
	check_step(a, 1, 4, 0);
	check_mem(a->buf, "oldonew!", 8);
}

static long
copy_within(struct actor *a)
{
	off_t in = 0, out = 5000, near = 50;

	a->fd = open(in_mount(a, "f"), O_RDWR);
	step(a, copy_file_range(a->fd, &in, a->fd, &out, 100, 0));
	in = 0;
	step(a, copy_file_range(a->fd, &in, a->fd, &near, 100, 0)); /* overlaps */
	in = 0;
	step(a, copy_file_range(a->fd, &in, a->fd, &near, 0, 0));
	in = 100000;
	step(a, copy_file_range(a->fd, &in, a->fd, &out, 100, 0)); /* behind the end */
	return step(a, close(a->fd));
}

/* In one file: the same handle and node twice. What overlaps or is empty is not sent. */
MOCK_CASE(within_a_file, .needs_minor = 45)
{
	struct actor *a = start(m, copy_within);
	struct req *r;

	answer_file(m, 100000, FH, 0);
	answer_no_caps(m, F_ID);
	r = expect_of(m, WIRE_COPY_FILE_RANGE_64, F_ID);
	check_u(r->in.copy_file_range.nodeid_out, F_ID);
	check_u(r->in.copy_file_range.fh_in, FH);
	check_u(r->in.copy_file_range.fh_out, FH);
	check_u(r->in.copy_file_range.off_out, 5000);
	check_u(r->in.copy_file_range.len, 100);
	reply_copied(m, r, 100);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 0, 100, 0);
	check_step(a, 1, -1, EINVAL);
	check_step(a, 2, 0, 0);
	check_step(a, 3, 0, 0);
	expect_none(m);
}

static long
copy_outside(struct actor *a)
{
	char name[] = "/tmp/mock-copy-XXXXXX";
	off_t in = 0, out = 0;

	a->fd = open(in_mount(a, "f"), O_RDONLY);
	a->fd2 = mkstemp(name);
	unlink(name);
	step(a, copy_file_range(a->fd, &in, a->fd2, &out, 10, 0));
	step(a, close(a->fd));
	return 0;
}

/* To another file system: no message but those of a copy by hand, if the kernel makes one. */
MOCK_CASE(to_another_file_system)
{
	struct actor *a = start(m, copy_outside);

	answer_file(m, 100, FH, 0);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 0, -1, EXDEV);
	expect_none(m);
}

static long
copy_denied(struct actor *a)
{
	off_t in = 0, out = 0;

	a->fd = open(in_mount(a, "f"), O_RDONLY);
	a->fd2 = open(in_mount(a, "f"), O_WRONLY | O_APPEND);
	step(a, copy_file_range(a->fd, &in, a->fd2, &out, 10, 0));
	step(a, copy_file_range(a->fd2, &in, a->fd, &out, 10, 0));
	step(a, close(a->fd));
	return step(a, close(a->fd2));
}

MOCK_CASE(never_sent)
{
	struct actor *a = start(m, copy_denied);

	answer_file(m, 100, FH, 0);
	answer_open(m, F_ID, FH + 1, 0);
	answer_close(m, F_ID, FH);
	answer_close(m, F_ID, FH + 1);
	finish(a);
	check_step(a, 0, -1, EBADF);
	check_step(a, 1, -1, EBADF);
	expect_none(m);
}
