/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * FSYNC and FSYNCDIR: fields, errors, and ENOSYS, which is success from then on.
 */
#include "mock/fileio.h"

static long
sync_it(struct actor *a)
{
	open_f(a, (int)(intptr_t)a->arg);
	step(a, fsync(a->fd));
	step(a, fdatasync(a->fd));
	return step(a, close(a->fd));
}

MOCK_CASE(fields)
{
	static const int flags[] = { O_RDWR, O_RDONLY }; /* what can only be read can be synced as well */

	for (int i = 0; i < 2; i++) {
		struct actor *a = start_arg(m, sync_it, (void *)(intptr_t)flags[i]);
		struct req *r;

		if (i == 0)
			answer_lookup(m, WIRE_ROOT_ID, "f", F_ID, REG, 0);
		answer_open(m, F_ID, FH, 0);
		r = expect_of(m, WIRE_FSYNC, F_ID);
		check_u(r->in.fsync.fh, FH);
		check_u(r->in.fsync.fsync_flags, 0);
		check_u(r->in.fsync.padding, 0);
		check_u(r->hdr.uid, 0);
		check_u(r->hdr.pid, a->pid);
		reply_empty(m, r);
		r = expect_of(m, WIRE_FSYNC, F_ID);
		check_u(r->in.fsync.fh, FH);
		check_u(r->in.fsync.fsync_flags, WIRE_FSYNC_FDATASYNC);
		reply_empty(m, r);
		answer_close(m, F_ID, FH);
		finish(a);
		check_step(a, 1, 0, 0);
		check_step(a, 2, 0, 0);
		expect_none(m);
	}
}

MOCK_CASE(enosys)
{
	struct actor *a = start_arg(m, sync_it, (void *)(intptr_t)O_RDWR);

	answer_file(m, 0, FH, 0);
	reply_err(m, expect_of(m, WIRE_FSYNC, F_ID), ENOSYS);
	answer_close(m, F_ID, FH); /* fdatasync(2) is not asked for */
	finish(a);
	check_step(a, 1, 0, 0);
	check_step(a, 2, 0, 0);
	expect_none(m);
}

MOCK_CASE(errors)
{
	struct actor *a = start_arg(m, sync_it, (void *)(intptr_t)O_RDWR);

	answer_file(m, 0, FH, 0);
	reply_err(m, expect_of(m, WIRE_FSYNC, F_ID), EIO);
	reply_err(m, expect_of(m, WIRE_FSYNC, F_ID), ENOSPC);
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 1, -1, EIO);
	check_step(a, 2, -1, ENOSPC);
	check_step(a, 3, 0, 0); /* not told again */
}

static long
sync_dir(struct actor *a)
{
	a->fd = open(in_mount(a, ""), O_RDONLY | O_DIRECTORY);
	step(a, a->fd < 0 ? -1 : 0);
	step(a, fsync(a->fd));
	step(a, fdatasync(a->fd));
	return step(a, close(a->fd));
}

MOCK_CASE(dir)
{
	struct actor *a = start(m, sync_dir);
	struct req *r;

	answer_opendir(m, WIRE_ROOT_ID, FH, 0);
	r = expect_of(m, WIRE_FSYNCDIR, WIRE_ROOT_ID);
	check_u(r->in.fsync.fh, FH);
	check_u(r->in.fsync.fsync_flags, 0);
	check_u(r->hdr.pid, a->pid);
	reply_empty(m, r);
	r = expect_of(m, WIRE_FSYNCDIR, WIRE_ROOT_ID);
	check_u(r->in.fsync.fh, FH);
	check_u(r->in.fsync.fsync_flags, WIRE_FSYNC_FDATASYNC);
	reply_err(m, r, EIO);
	answer_releasedir(m, WIRE_ROOT_ID, FH);
	finish(a);
	check_step(a, 1, 0, 0);
	check_step(a, 2, -1, EIO);
	expect_none(m);
}

/* ENOSYS of the one says nothing of the other. */
MOCK_CASE(dir_enosys)
{
	struct actor *a = start(m, sync_dir);

	answer_opendir(m, WIRE_ROOT_ID, FH, 0);
	reply_err(m, expect_of(m, WIRE_FSYNCDIR, WIRE_ROOT_ID), ENOSYS);
	answer_releasedir(m, WIRE_ROOT_ID, FH);
	finish(a);
	check_step(a, 1, 0, 0);
	check_step(a, 2, 0, 0);
	a = start_arg(m, sync_it, (void *)(intptr_t)O_RDWR);
	answer_file(m, 0, FH, 0);
	reply_empty(m, expect_of(m, WIRE_FSYNC, F_ID));
	reply_empty(m, expect_of(m, WIRE_FSYNC, F_ID));
	answer_close(m, F_ID, FH);
	finish(a);
	expect_none(m);
}

static long
sync_what_is_not_open(struct actor *a)
{
	open_f(a, O_PATH);
	step(a, fsync(a->fd));
	return 0;
}

MOCK_CASE(path_descriptor)
{
	struct actor *a = start(m, sync_what_is_not_open);

	answer_lookup(m, WIRE_ROOT_ID, "f", F_ID, REG, 0);
	finish(a);
	check_step(a, 1, -1, EBADF);
	expect_none(m);
}

static long
write_and_sync(struct actor *a)
{
	open_f(a, O_WRONLY);
	step(a, write(a->fd, "hello", 5));
	step(a, fsync(a->fd));
	step(a, sync_file_range(a->fd, 0, 5, SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER));
	return step(a, close(a->fd));
}

/* What was written is with the daemon already; sync_file_range(2) is about the cache alone. */
MOCK_CASE(after_a_write)
{
	struct actor *a = start(m, write_and_sync);

	answer_file(m, 0, FH, 0);
	answer_no_caps(m, F_ID);
	reply_write(m, expect_write(m, FH, 0, 5), 5);
	reply_empty(m, expect_of(m, WIRE_FSYNC, F_ID));
	answer_close(m, F_ID, FH);
	finish(a);
	check_step(a, 2, 0, 0);
	check_step(a, 3, 0, 0);
	expect_none(m);
}
