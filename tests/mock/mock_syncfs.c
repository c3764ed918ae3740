/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SYNCFS: syncfs(2) of a file system on a block device goes to the daemon; that of any other does not (it could be held up for ever).
 */
#include "mock/fileio.h"

static long
sync_fs(struct actor *a)
{
	a->fd = open(in_mount(a, ""), O_RDONLY | O_DIRECTORY);
	step(a, syncfs(a->fd));
	step(a, syncfs(a->fd));
	return step(a, close(a->fd));
}

MOCK_CASE(fields, .blkdev = true)
{
	struct actor *a = start(m, sync_fs);
	struct req *r;

	answer_opendir(m, WIRE_ROOT_ID, FH, 0);
	r = expect_of(m, WIRE_SYNCFS, WIRE_ROOT_ID);
	check_u(r->in.syncfs.padding, 0);
	reply_empty(m, r);
	r = expect_of(m, WIRE_SYNCFS, WIRE_ROOT_ID);
	reply_err(m, r, EIO);
	answer_releasedir(m, WIRE_ROOT_ID, FH);
	finish(a);
	check_step(a, 0, 0, 0);
	check_step(a, 1, -1, EIO);
}

MOCK_CASE(enosys, .blkdev = true)
{
	struct actor *a = start(m, sync_fs);

	answer_opendir(m, WIRE_ROOT_ID, FH, 0);
	reply_err(m, expect_of(m, WIRE_SYNCFS, WIRE_ROOT_ID), ENOSYS);
	answer_releasedir(m, WIRE_ROOT_ID, FH);
	finish(a);
	check_step(a, 0, 0, 0);
	check_step(a, 1, 0, 0);
	expect_none(m);
}

MOCK_CASE(no_device)
{
	struct actor *a = start(m, sync_fs);

	answer_opendir(m, WIRE_ROOT_ID, FH, 0);
	answer_releasedir(m, WIRE_ROOT_ID, FH);
	finish(a);
	check_step(a, 0, 0, 0);
	check_step(a, 1, 0, 0);
	expect_none(m);
}
