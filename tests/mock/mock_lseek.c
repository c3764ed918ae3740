/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * LSEEK: only SEEK_DATA and SEEK_HOLE are the daemon's; SEEK_END needs the size, the others nothing.
 */
#include "mock/fileio.h"

static long
seek_holes(struct actor *a)
{
	open_f(a, O_RDONLY);
	step(a, lseek(a->fd, 5, SEEK_DATA));
	step(a, lseek(a->fd, 0, SEEK_CUR));
	step(a, lseek(a->fd, 4096, SEEK_HOLE));
	step(a, lseek(a->fd, 0, SEEK_CUR));
	return step(a, close(a->fd));
}

static void
answer_lseek(struct mock *m, struct req *r, uint64_t offset)
{
	reply_out(m, r, &(union wire_out){ .lseek = { .offset = offset } });
}

MOCK_CASE(fields)
{
	struct actor *a = start(m, seek_holes);
	struct req *r;

	answer_file(m, 100000, FH, 0);
	r = expect_of(m, WIRE_LSEEK, F_ID);
	check_u(r->in.lseek.fh, FH);
	check_u(r->in.lseek.offset, 5);
	check_u(r->in.lseek.whence, SEEK_DATA);
	check_u(r->in.lseek.padding, 0);
	check_u(r->hdr.uid, 0);
	check_u(r->hdr.pid, a->pid);
	answer_lseek(m, r, 8192);
	r = expect_of(m, WIRE_LSEEK, F_ID);
	check_u(r->in.lseek.fh, FH);
	check_u(r->in.lseek.offset, 4096);
	check_u(r->in.lseek.whence, SEEK_HOLE);
	answer_lseek(m, r, 100000);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 8192, 0);
	check_step(a, 2, 8192, 0);
	check_step(a, 3, 100000, 0);
	check_step(a, 4, 100000, 0);
	expect_none(m);
}

MOCK_CASE(errors)
{
	struct actor *a = start(m, seek_holes);

	answer_file(m, 100000, FH, 0);
	reply_err(m, expect_of(m, WIRE_LSEEK, F_ID), ENXIO);
	reply_err(m, expect_of(m, WIRE_LSEEK, F_ID), EINVAL);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, -1, ENXIO);
	check_step(a, 2, 0, 0); /* where it was */
	check_step(a, 3, -1, EINVAL);
}

/* ENOSYS: from then on all is data, and the hole is at the end. */
MOCK_CASE(enosys)
{
	struct actor *a = start(m, seek_holes);

	answer_file(m, 100000, FH, 0);
	reply_err(m, expect_of(m, WIRE_LSEEK, F_ID), ENOSYS);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 5, 0);
	check_step(a, 2, 5, 0);
	check_step(a, 3, 100000, 0);
	expect_none(m);
}

/* An offset that no file has is no place to go to. */
MOCK_CASE(impossible_answer)
{
	struct actor *a = start(m, seek_holes);

	answer_file(m, 100000, FH, 0);
	answer_lseek(m, expect_of(m, WIRE_LSEEK, F_ID), UINT64_C(1) << 63);
	answer_lseek(m, expect_of(m, WIRE_LSEEK, F_ID), UINT64_MAX);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, -1, EINVAL);
	check_step(a, 2, 0, 0);
	check_step(a, 3, -1, EINVAL);
}

static long
seek_ends(struct actor *a)
{
	open_f(a, O_RDONLY);
	step(a, lseek(a->fd, 10, SEEK_SET));
	step(a, lseek(a->fd, 10, SEEK_CUR));
	step(a, lseek(a->fd, -10, SEEK_END));
	step(a, lseek(a->fd, 10, SEEK_END));
	step(a, lseek(a->fd, -1, SEEK_SET));
	step(a, lseek(a->fd, 0, 99));
	return step(a, close(a->fd));
}

MOCK_CASE(known_size)
{
	struct actor *a = start(m, seek_ends);

	answer_file(m, 100, FH, 0);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 10, 0);
	check_step(a, 2, 20, 0);
	check_step(a, 3, 90, 0);
	check_step(a, 4, 110, 0);
	check_step(a, 5, -1, EINVAL);
	check_step(a, 6, -1, EINVAL);
	expect_none(m);
}

/* A size that has expired is asked for, of this handle, and only for SEEK_END. */
MOCK_CASE(stale_size)
{
	struct wire_entry_out e = an_entry(F_ID, REG, 100);
	struct actor *a = start(m, seek_ends);
	struct req *r;

	e.attr_valid = 0;
	reply_entry(m, expect(m, WIRE_LOOKUP), e);
	answer_open(m, F_ID, FH, 0);
	r = expect_of(m, WIRE_GETATTR, F_ID);
	check_u(r->in.getattr.getattr_flags, WIRE_GETATTR_FH);
	check_u(r->in.getattr.fh, FH);
	reply_attr(m, r, 0, an_attr(F_ID, REG, 200));
	r = expect_of(m, WIRE_GETATTR, F_ID);
	reply_err(m, r, EIO);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 10, 0);
	check_step(a, 2, 20, 0);
	check_step(a, 3, 190, 0);
	check_step(a, 4, -1, EIO);
	expect_none(m);
}
