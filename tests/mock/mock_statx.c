/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * STATX: sent when the birth time is asked for, which GETATTR does not know, and until the daemon says that it does not
 * know it either. (With what flags and mask a program calls statx(2) is for the kernel's caches; the daemon is asked for everything.)
 */
#include <sys/sysmacros.h>

#include "mock/names.h"

#define STATX_MINOR 39

static unsigned stx_mask = STATX_BASIC_STATS | STATX_BTIME;
static int stx_flags = AT_SYMLINK_NOFOLLOW;

static long
do_statx(struct actor *a)
{
	return step(a, statx(AT_FDCWD, arg_path(a), stx_flags, stx_mask, &a->stx));
}

static struct actor *
asking(struct mock *m, const char *name, unsigned mask, int flags)
{
	stx_mask = mask;
	stx_flags = AT_SYMLINK_NOFOLLOW | flags;
	return on(m, do_statx, name);
}

static union wire_out
an_answer(uint64_t valid)
{
	return (union wire_out){
		.statx = {
			.attr_valid = valid,
			.stat = {
				.mask = STATX_BASIC_STATS | STATX_BTIME,
				.blksize = 8192,
				.attributes = STATX_ATTR_IMMUTABLE,
				.attributes_mask = STATX_ATTR_IMMUTABLE,
				.nlink = 3,
				.uid = 1001,
				.gid = 1002,
				.mode = S_IFREG | 0640,
				.ino = 77,
				.size = 123456,
				.blocks = 300,
				.atime = { .tv_sec = 1000000001, .tv_nsec = 11 },
				.btime = { .tv_sec = 900000000, .tv_nsec = 55 },
				.ctime = { .tv_sec = 1000000003, .tv_nsec = 33 },
				.mtime = { .tv_sec = 1000000002, .tv_nsec = 22 },
			},
		},
	};
}

static void
check_answer(const struct statx *stx)
{
	check_u(stx->stx_mask & (STATX_BASIC_STATS | STATX_BTIME), STATX_BASIC_STATS | STATX_BTIME);
	check_u(stx->stx_blksize, 8192);
	check_u(stx->stx_nlink, 3);
	check_u(stx->stx_uid, 1001);
	check_u(stx->stx_gid, 1002);
	check_u(stx->stx_mode, S_IFREG | 0640);
	check_u(stx->stx_ino, 77);
	check_u(stx->stx_size, 123456);
	check_u(stx->stx_blocks, 300);
	check_i(stx->stx_atime.tv_sec, 1000000001);
	check_u(stx->stx_atime.tv_nsec, 11);
	check_i(stx->stx_btime.tv_sec, 900000000);
	check_u(stx->stx_btime.tv_nsec, 55);
	check_i(stx->stx_ctime.tv_sec, 1000000003);
	check_u(stx->stx_ctime.tv_nsec, 33);
	check_i(stx->stx_mtime.tv_sec, 1000000002);
	check_u(stx->stx_mtime.tv_nsec, 22);
	/* Attributes are not the daemon's to say. */
	check_u(stx->stx_attributes & STATX_ATTR_IMMUTABLE, 0);
}

static void
known(struct mock *m)
{
	know(m, "file", 42, S_IFREG | 0644, 10);
}

MOCK_CASE(fields, .needs_minor = STATX_MINOR)
{
	union wire_out out = an_answer(LONG);
	struct actor *a;
	struct req *r;

	known(m);
	a = asking(m, "file", STATX_BASIC_STATS | STATX_BTIME, 0);
	r = expect_on(m, WIRE_STATX, 42);
	check_caller(r, a, 0, 0);
	check_u(r->in.statx.getattr_flags, 0);
	check_u(r->in.statx.reserved, 0);
	check_u(r->in.statx.fh, 0);
	check_u(r->in.statx.sx_flags, 0);
	check_u(r->in.statx.sx_mask, STATX_BASIC_STATS | STATX_BTIME);
	check_u(r->rawlen, sizeof(struct wire_in_header) + sizeof(struct wire_statx_in));
	reply_out(m, r, &out);
	finish(a);
	check_step(a, 0, 0, 0);
	check_answer(&a->stx);
	/* All of it is kept. */
	a = asking(m, "file", STATX_BASIC_STATS | STATX_BTIME, 0);
	finish(a);
	check_step(a, 0, 0, 0);
	check_answer(&a->stx);
	expect_none(m);
	check_cached(m, "file");
}

/* For anything but the birth time GETATTR is enough. */
MOCK_CASE(basic, .needs_minor = STATX_MINOR)
{
	struct actor *a;

	known(m);
	a = asking(m, "file", STATX_BASIC_STATS, 0);
	finish(a);
	check_step(a, 0, 0, 0);
	check_u(a->stx.stx_size, 10);
	expect_none(m);
	a = asking(m, "file", STATX_BASIC_STATS, AT_STATX_FORCE_SYNC);
	reply_attr(m, expect_on(m, WIRE_GETATTR, 42), LONG, an_attr(42, S_IFREG | 0644, 20));
	finish(a);
	check_step(a, 0, 0, 0);
	check_u(a->stx.stx_size, 20);
}

MOCK_CASE(do_not_ask, .needs_minor = STATX_MINOR)
{
	struct wire_entry_out e = an_entry(42, S_IFREG | 0644, 10);
	struct actor *a = on(m, do_stat, "file");

	e.attr_valid = 0;
	reply_entry(m, expect_lookup(m, WIRE_ROOT_ID, "file"), e);
	reply_attr(m, expect_on(m, WIRE_GETATTR, 42), 0, an_attr(42, S_IFREG | 0644, 10));
	finish(a);
	a = asking(m, "file", STATX_BASIC_STATS | STATX_BTIME, AT_STATX_DONT_SYNC);
	finish(a);
	check_step(a, 0, 0, 0);
	check_u(a->stx.stx_size, 10); /* out of date as it may be */
	check_u(a->stx.stx_mask & STATX_BTIME, 0);
	expect_none(m);
}

MOCK_CASE(asked_by_force, .needs_minor = STATX_MINOR)
{
	union wire_out out = an_answer(LONG);

	known(m);
	for (int i = 0; i < 2; i++) {
		struct actor *a = asking(m, "file", STATX_BASIC_STATS | STATX_BTIME, AT_STATX_FORCE_SYNC);

		reply_out(m, expect_on(m, WIRE_STATX, 42), &out);
		finish(a);
		check_step(a, 0, 0, 0);
		check_answer(&a->stx);
	}
}

MOCK_CASE(of_no_time, .needs_minor = STATX_MINOR)
{
	union wire_out out = an_answer(0);

	known(m);
	for (int i = 0; i < 2; i++) {
		struct actor *a = asking(m, "file", STATX_BASIC_STATS | STATX_BTIME, 0);

		reply_out(m, expect_on(m, WIRE_STATX, 42), &out);
		finish(a);
		check_step(a, 0, 0, 0);
	}
}

/* A daemon that does not know it is asked once, and by GETATTR from then on. */
MOCK_CASE(no_statx, .needs_minor = STATX_MINOR)
{
	struct actor *a;

	known(m);
	a = asking(m, "file", STATX_BASIC_STATS | STATX_BTIME, AT_STATX_FORCE_SYNC);
	reply_err(m, expect_on(m, WIRE_STATX, 42), ENOSYS);
	reply_attr(m, expect_on(m, WIRE_GETATTR, 42), LONG, an_attr(42, S_IFREG | 0600, 30));
	finish(a);
	check_step(a, 0, 0, 0);
	check_u(a->stx.stx_size, 30);
	check_u(a->stx.stx_mask & (STATX_BASIC_STATS | STATX_BTIME), STATX_BASIC_STATS);
	a = asking(m, "file", STATX_BASIC_STATS | STATX_BTIME, AT_STATX_FORCE_SYNC);
	reply_attr(m, expect_on(m, WIRE_GETATTR, 42), LONG, an_attr(42, S_IFREG | 0600, 40));
	finish(a);
	check_u(a->stx.stx_size, 40);
	a = asking(m, "file", STATX_BASIC_STATS | STATX_BTIME, 0);
	finish(a);
	check_step(a, 0, 0, 0);
	expect_none(m);
}

/* The daemon has no birth time for this file. */
MOCK_CASE(without_btime, .needs_minor = STATX_MINOR)
{
	union wire_out out = an_answer(LONG);
	struct actor *a;

	out.statx.stat.mask = STATX_BASIC_STATS;
	known(m);
	a = asking(m, "file", STATX_BASIC_STATS | STATX_BTIME, 0);
	reply_out(m, expect_on(m, WIRE_STATX, 42), &out);
	finish(a);
	check_step(a, 0, 0, 0);
	check_u(a->stx.stx_mask & (STATX_BASIC_STATS | STATX_BTIME), STATX_BASIC_STATS);
	check_u(a->stx.stx_size, 123456);
	check_cached(m, "file");
}

MOCK_CASE(errors, .needs_minor = STATX_MINOR)
{
	static const int errors[] = { EIO, EACCES, ENOENT };

	known(m);
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct actor *a = asking(m, "file", STATX_BTIME, 0);

		reply_err(m, expect_on(m, WIRE_STATX, 42), errors[i]);
		finish(a);
		check_step(a, 0, -1, errors[i]);
	}
	check_cached(m, "file");
}

/* As with GETATTR, a node of another type is dead. */
MOCK_CASE(another_type, .needs_minor = STATX_MINOR)
{
	union wire_out out = an_answer(LONG);
	struct actor *a;

	out.statx.stat.mode = S_IFDIR | 0755;
	known(m);
	a = asking(m, "file", STATX_BTIME, 0);
	reply_out(m, expect_on(m, WIRE_STATX, 42), &out);
	finish(a);
	check_step(a, 0, -1, EIO);
	check_asked_again(m, "file");
}

static long
do_statx_fd(struct actor *a)
{
	if (do_open(a, O_RDONLY) < 0)
		return -1;
	step(a, statx(a->fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &a->stx));
	return step(a, close(a->fd));
}

MOCK_CASE(of_an_open_file, .needs_minor = STATX_MINOR)
{
	union wire_out out = an_answer(LONG);
	struct actor *a = on(m, do_statx_fd, "file");
	struct req *r;

	answer_lookup(m, WIRE_ROOT_ID, "file", 42, S_IFREG | 0644, 10);
	answer_open(m, 42, 70, 0);
	r = expect_on(m, WIRE_STATX, 42);
	check_u(r->in.statx.getattr_flags, 0); /* (the open file is not named, as with fstat()) */
	check_u(r->in.statx.fh, 0);
	reply_out(m, r, &out);
	answer_close(m, 42, 70);
	finish(a);
	check_step(a, 1, 0, 0);
	check_answer(&a->stx);
}

/* Who asks for nothing is told nothing, and may be anybody. */
MOCK_CASE(of_nothing, .needs_minor = STATX_MINOR)
{
	struct actor *a;

	stx_mask = 0;
	stx_flags = AT_SYMLINK_NOFOLLOW;
	a = on_as_other(m, do_statx, "");
	finish(a);
	check_step(a, 0, 0, 0);
	expect_none(m);
	stx_mask = STATX_BASIC_STATS;
	a = on_as_other(m, do_statx, "");
	finish(a);
	check_step(a, 0, -1, EACCES);
	expect_none(m);
}

/* A daemon of an older minor is asked whether it knows it all the same. */
MOCK_CASE(minor_31, .minor = 31, .needs_minor = STATX_MINOR)
{
	struct actor *a;

	known(m);
	a = asking(m, "file", STATX_BASIC_STATS | STATX_BTIME, 0);
	reply_err(m, expect_on(m, WIRE_STATX, 42), ENOSYS);
	finish(a);
	check_step(a, 0, 0, 0);
	check_u(a->stx.stx_size, 10);
	expect_none(m);
}
