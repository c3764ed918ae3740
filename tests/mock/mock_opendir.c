/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * OPENDIR and RELEASEDIR: fields, handles, ENOSYS, and what FOPEN_CACHE_DIR and FOPEN_KEEP_CACHE mean from one open to the next.
 */
#include "mock/dirs.h"

static long
open_close(struct actor *a)
{
	open_root(a, (int)(intptr_t)a->arg);
	return step(a, close(a->fd));
}

MOCK_CASE(fields, .options = "allow_other")
{
	struct actor *a = start_as(m, 1000, 1001, NULL, 0, open_close, (void *)(intptr_t)(O_NONBLOCK | O_CLOEXEC));
	struct req *r;

	r = expect_of(m, WIRE_OPENDIR, WIRE_ROOT_ID);
	check_u(r->in.open.flags, O_RDONLY | O_DIRECTORY | O_NONBLOCK | LARGE);
	check_u(r->in.open.open_flags, 0);
	check_u(r->hdr.uid, 1000);
	check_u(r->hdr.gid, 1001);
	check_u(r->hdr.pid, a->pid);
	reply_open(m, r, FH, 0);
	r = expect_of(m, WIRE_RELEASEDIR, WIRE_ROOT_ID); /* no FLUSH */
	check_u(r->in.release.fh, FH);
	check_u(r->in.release.flags, O_RDONLY | O_DIRECTORY | O_NONBLOCK | LARGE);
	check_u(r->in.release.release_flags, 0);
	check_u(r->in.release.lock_owner, 0);
	check_u(r->hdr.uid, 0);
	check_u(r->hdr.pid, 0);
	reply_empty(m, r);
	finish(a);
	check_step(a, 0, 0, 0);
	check_step(a, 1, 0, 0);
	expect_none(m);
}

MOCK_CASE(errors)
{
	static const int errors[] = { EACCES, ENOENT, EIO, ENOTDIR };

	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		struct actor *a = start_arg(m, open_close, NULL);

		reply_err(m, expect_of(m, WIRE_OPENDIR, WIRE_ROOT_ID), errors[i]);
		finish(a);
		check_step(a, 0, -1, errors[i]);
		expect_none(m);
	}
}

static long
open_two(struct actor *a)
{
	a->fd = open(in_mount(a, ""), O_RDONLY | O_DIRECTORY);
	a->fd2 = open(in_mount(a, ""), O_RDONLY | O_DIRECTORY);
	step(a, list(a, a->fd2));
	step(a, list(a, a->fd));
	step(a, close(a->fd2));
	return step(a, close(a->fd));
}

MOCK_CASE(two_opens)
{
	struct actor *a = start(m, open_two);

	answer_opendir(m, WIRE_ROOT_ID, FH, 0);
	answer_opendir(m, WIRE_ROOT_ID, FH + 1, 0);
	answer_dir(m, FH + 1, 0, "a b");
	answer_dir_end(m, FH + 1, 2);
	answer_dir(m, FH, 0, "c");
	answer_dir_end(m, FH, 1);
	answer_releasedir(m, WIRE_ROOT_ID, FH + 1);
	answer_releasedir(m, WIRE_ROOT_ID, FH);
	finish(a);
	check_step(a, 0, 2, 0);
	check_step(a, 1, 1, 0);
	check_str(a->buf, "a b c ");
}

/* ENOSYS: OPENDIR is not sent again, nothing is released, and the listing is cached. */
MOCK_CASE(no_opendir, .flags = WIRE_INIT_NO_OPENDIR_SUPPORT)
{
	struct actor *a = start(m, list_twice);

	reply_err(m, expect_of(m, WIRE_OPENDIR, WIRE_ROOT_ID), ENOSYS);
	answer_dir(m, 0, 0, "a b");
	answer_dir_end(m, 0, 2);
	finish(a);
	check_step(a, 1, 2, 0);
	check_step(a, 4, 2, 0);
	check_str(a->buf, "a b a b ");
	expect_none(m);
}

MOCK_CASE(not_cached)
{
	struct actor *a = start(m, list_twice);

	for (int i = 0; i < 2; i++) {
		answer_opendir(m, WIRE_ROOT_ID, FH, 0);
		answer_dir(m, FH, 0, i ? "c" : "a b");
		answer_dir_end(m, FH, i ? 1 : 2);
		answer_releasedir(m, WIRE_ROOT_ID, FH);
	}
	finish(a);
	check_str(a->buf, "a b c ");
}

/* KEEP_CACHE of a directory matters only beside CACHE_DIR. */
MOCK_CASE(keep_without_cache)
{
	struct actor *a = start(m, list_twice);

	for (int i = 0; i < 2; i++) {
		answer_opendir(m, WIRE_ROOT_ID, FH, WIRE_FOPEN_KEEP_CACHE);
		answer_dir(m, FH, 0, i ? "c" : "a b");
		answer_dir_end(m, FH, i ? 1 : 2);
		answer_releasedir(m, WIRE_ROOT_ID, FH);
	}
	finish(a);
	check_str(a->buf, "a b c ");
}

MOCK_CASE(cache_dir_kept)
{
	struct actor *a = start(m, list_twice);

	answer_opendir(m, WIRE_ROOT_ID, FH, WIRE_FOPEN_CACHE_DIR | WIRE_FOPEN_KEEP_CACHE);
	answer_dir(m, FH, 0, "a b");
	answer_dir_end(m, FH, 2);
	answer_releasedir(m, WIRE_ROOT_ID, FH);
	answer_opendir(m, WIRE_ROOT_ID, FH + 1, WIRE_FOPEN_CACHE_DIR | WIRE_FOPEN_KEEP_CACHE);
	answer_releasedir(m, WIRE_ROOT_ID, FH + 1);
	finish(a);
	check_str(a->buf, "a b a b ");
	expect_none(m);
}

MOCK_CASE(cache_dir_dropped_at_open)
{
	struct actor *a = start(m, list_twice);

	answer_opendir(m, WIRE_ROOT_ID, FH, WIRE_FOPEN_CACHE_DIR);
	answer_dir(m, FH, 0, "a b");
	answer_dir_end(m, FH, 2);
	answer_releasedir(m, WIRE_ROOT_ID, FH);
	answer_opendir(m, WIRE_ROOT_ID, FH + 1, WIRE_FOPEN_CACHE_DIR);
	answer_dir(m, FH + 1, 0, "c");
	answer_dir_end(m, FH + 1, 1);
	answer_releasedir(m, WIRE_ROOT_ID, FH + 1);
	finish(a);
	check_str(a->buf, "a b c ");
}

static long
seek_dir(struct actor *a)
{
	open_root(a, 0);
	step(a, lseek(a->fd, 5, SEEK_SET));
	step(a, list(a, a->fd));
	return step(a, close(a->fd));
}

MOCK_CASE(nonseekable)
{
	struct actor *a = start(m, seek_dir);

	answer_opendir(m, WIRE_ROOT_ID, FH, WIRE_FOPEN_NONSEEKABLE);
	answer_dir(m, FH, 0, "a");
	answer_dir_end(m, FH, 1);
	answer_releasedir(m, WIRE_ROOT_ID, FH);
	finish(a);
	check_step(a, 1, -1, ESPIPE);
	check_step(a, 2, 1, 0);
}

static long
not_a_file(struct actor *a)
{
	open_root(a, 0);
	step(a, read(a->fd, a->buf, 10));
	step(a, pwrite(a->fd, "x", 1, 0));
	step(a, ftruncate(a->fd, 0));
	step(a, mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, a->fd, 0) == MAP_FAILED ? -1 : 0);
	step(a, open(in_mount(a, ""), O_RDWR));
	return step(a, close(a->fd));
}

/* What is no operation of directories never reaches the daemon. */
MOCK_CASE(not_a_file)
{
	struct actor *a = start(m, not_a_file);

	answer_opendir(m, WIRE_ROOT_ID, FH, 0);
	answer_releasedir(m, WIRE_ROOT_ID, FH);
	finish(a);
	check_step(a, 1, -1, EISDIR);
	check_step(a, 2, -1, EBADF);
	check_step(a, 3, -1, EINVAL);
	check_step(a, 4, -1, ENODEV);
	check_step(a, 5, -1, EISDIR);
	expect_none(m);
}
