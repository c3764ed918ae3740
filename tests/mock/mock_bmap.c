/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * BMAP: only a file system on a block device (type fuseblk) is asked where its blocks are.
 */
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "mock/fileio.h"

static long
bmap(struct actor *a)
{
	int block = 5;

	open_f(a, O_RDONLY);
	step(a, ioctl(a->fd, FIBMAP, &block));
	a->n[0] = block;
	block = 6;
	step(a, ioctl(a->fd, FIBMAP, &block));
	a->n[1] = block;
	return step(a, close(a->fd));
}

MOCK_CASE(fields, .blkdev = true)
{
	struct actor *a = start(m, bmap);
	struct req *r;

	answer_file(m, 100000, FH, 0);
	r = expect_of(m, WIRE_BMAP, F_ID);
	check_u(r->in.bmap.block, 5);
	check_that(r->in.bmap.blocksize >= 512 && (r->in.bmap.blocksize & (r->in.bmap.blocksize - 1)) == 0);
	check_u(r->in.bmap.padding, 0);
	reply_out(m, r, &(union wire_out){ .bmap = { .block = 1234 } });
	r = expect_of(m, WIRE_BMAP, F_ID);
	check_u(r->in.bmap.block, 6);
	reply_out(m, r, &(union wire_out){ .bmap = { .block = 0 } }); /* a hole */
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, 0, 0);
	check_i(a->n[0], 1234);
	check_step(a, 2, 0, 0);
	check_i(a->n[1], 0);
}

MOCK_CASE(enosys, .blkdev = true)
{
	struct actor *a = start(m, bmap);

	answer_file(m, 100000, FH, 0);
	reply_err(m, expect_of(m, WIRE_BMAP, F_ID), ENOSYS);
	answer_close(m, F_ID, FH);
	finish(a);
	check_i(a->n[0], 0);
	check_i(a->n[1], 0);
	expect_none(m);
}

/* Without a block device there is nothing to ask. */
MOCK_CASE(no_device)
{
	struct actor *a = start(m, bmap);

	answer_file(m, 100000, FH, 0);
	answer_close(m, F_ID, FH);
	finish(a);
	check_i(a->n[0], 0);
	check_i(a->n[1], 0);
	expect_none(m);
}
