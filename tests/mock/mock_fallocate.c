/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * FALLOCATE: the modes that go to the daemon and those that do not, the size afterwards, the pages that a hole drops.
 */
#include <linux/falloc.h>

#include "mock/fileio.h"

static long
allocate(struct actor *a)
{
	const int mode = (int)(intptr_t)a->arg;

	open_f(a, O_RDWR);
	step(a, fallocate(a->fd, mode, 4096, 10000));
	step(a, fstat(a->fd, &a->st));
	return step(a, close(a->fd));
}

static void
one_mode(struct mock *m, int mode, uint64_t size)
{
	struct actor *a = start_arg(m, allocate, (void *)(intptr_t)mode);
	struct req *r;

	answer_file(m, 100, FH, 0);
	answer_no_caps(m, F_ID);
	r = expect_of(m, WIRE_FALLOCATE, F_ID);
	check_u(r->in.fallocate.fh, FH);
	check_u(r->in.fallocate.offset, 4096);
	check_u(r->in.fallocate.length, 10000);
	check_u(r->in.fallocate.mode, mode);
	check_u(r->in.fallocate.padding, 0);
	check_u(r->hdr.uid, 0);
	check_u(r->hdr.pid, a->pid);
	reply_empty(m, r);
	answer_getattr(m, F_ID, REG, size); /* blocks, times and perhaps the size are others now */
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 0, 0);
	check_step(a, 2, 0, 0);
	check_i(a->st.st_size, size);
	expect_none(m);
}

MOCK_CASE(plain)
{
	one_mode(m, 0, 14096);
}
MOCK_CASE(keep_size)
{
	one_mode(m, FALLOC_FL_KEEP_SIZE, 100);
}
MOCK_CASE(punch_hole)
{
	one_mode(m, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100);
}
MOCK_CASE(zero_range)
{
	one_mode(m, FALLOC_FL_ZERO_RANGE, 14096);
}
MOCK_CASE(zero_range_keep_size)
{
	one_mode(m, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 100);
}

/* Modes that FUSE does not have never reach the daemon. */
MOCK_CASE(other_modes)
{
	static const int modes[] = { FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_INSERT_RANGE, FALLOC_FL_UNSHARE_RANGE };

	for (int i = 0; i < 3; i++) {
		struct actor *a = start_arg(m, allocate, (void *)(intptr_t)modes[i]);

		if (i == 0)
			answer_lookup(m, WIRE_ROOT_ID, "f", F_ID, REG, 100000);
		answer_open(m, F_ID, FH, 0);
		answer_close(m, F_ID, FH);
		finish(a);
		check_step(a, 1, -1, EOPNOTSUPP);
		expect_none(m);
	}
}

static long
allocate_twice(struct actor *a)
{
	open_f(a, O_RDWR);
	step(a, fallocate(a->fd, 0, 0, 4096));
	step(a, fallocate(a->fd, FALLOC_FL_KEEP_SIZE, 0, 4096));
	return step(a, close(a->fd));
}

MOCK_CASE(enosys)
{
	struct actor *a = start(m, allocate_twice);

	answer_file(m, 100, FH, 0);
	answer_no_caps(m, F_ID);
	reply_err(m, expect_of(m, WIRE_FALLOCATE, F_ID), ENOSYS);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, -1, EOPNOTSUPP);
	check_step(a, 2, -1, EOPNOTSUPP);
	expect_none(m);
}

/* EOPNOTSUPP is about this call alone. */
MOCK_CASE(errors)
{
	struct actor *a = start(m, allocate_twice);

	answer_file(m, 100, FH, 0);
	answer_no_caps(m, F_ID);
	reply_err(m, expect_of(m, WIRE_FALLOCATE, F_ID), EOPNOTSUPP);
	reply_err(m, expect_of(m, WIRE_FALLOCATE, F_ID), ENOSPC);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, -1, EOPNOTSUPP);
	check_step(a, 2, -1, ENOSPC);
}

static long
hole_in_cache(struct actor *a)
{
	char *p = pages(12288);

	open_f(a, O_RDWR);
	step(a, pread(a->fd, p, 12288, 0));
	step(a, fallocate(a->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4096));
	step(a, pread(a->fd, p, 12288, 0));
	a->n[0] = wrong_bytes(p, 0, 4096, 3) + wrong_bytes(p + 8192, 8192, 4096, 3);
	for (int i = 4096; i < 8192; i++)
		a->n[1] += p[i] != 0;
	return step(a, close(a->fd));
}

/* The pages in the hole are read again, the others are not. */
MOCK_CASE(hole_drops_pages, .max_readahead = 1)
{
	struct actor *a = start(m, hole_in_cache);
	char zeros[4096] = { 0 };

	answer_file(m, 12288, FH, 0);
	for (uint64_t off = 0; off < 12288; off += 4096)
		answer_read(m, FH, off, 4096, 12288, 3);
	answer_no_caps(m, F_ID);
	reply_empty(m, expect_of(m, WIRE_FALLOCATE, F_ID));
	reply_data(m, expect_read(m, FH, 4096, 4096), zeros, 4096);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 2, 0, 0);
	check_step(a, 3, 12288, 0);
	check_i(a->n[0], 0);
	check_i(a->n[1], 0);
	expect_none(m);
}

static long
allocate_badly(struct actor *a)
{
	open_f(a, O_RDONLY);
	step(a, fallocate(a->fd, 0, 0, 4096));
	step(a, close(a->fd));
	open_f(a, O_RDWR);
	step(a, fallocate(a->fd, 0, -1, 4096));
	step(a, fallocate(a->fd, 0, 0, 0));
	step(a, fallocate(a->fd, 0, INT64_MAX, 4096));
	step(a, fallocate(a->fd, FALLOC_FL_PUNCH_HOLE, 0, 4096));
	return step(a, close(a->fd));
}

MOCK_CASE(never_sent)
{
	struct actor *a = start(m, allocate_badly);

	answer_file(m, 100, FH, 0);
	answer_close(m, F_ID, FH);
	answer_open(m, F_ID, FH, 0);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, -1, EBADF);
	check_step(a, 4, -1, EINVAL);
	check_step(a, 5, -1, EINVAL);
	check_step(a, 6, -1, EFBIG);
	check_step(a, 7, -1, EOPNOTSUPP);
	expect_none(m);
}
