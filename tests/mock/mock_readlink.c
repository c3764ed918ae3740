/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * READLINK: what it carries, when its answer is kept, and targets of all kinds.
 */
#include <limits.h>

#include "mock/names.h"

static long
do_readlink(struct actor *a)
{
	return step(a, readlink(arg_path(a), a->buf, MOCK_BUF));
}

static long
do_stat_follow(struct actor *a)
{
	return step(a, stat(arg_path(a), &a->st));
}

/* readlink("link"), answered with this; what it returned is checked. */
static void
read_as(struct mock *m, const void *target, size_t len, size_t seen)
{
	struct actor *a = on(m, do_readlink, "link");
	struct req *r = expect_on(m, WIRE_READLINK, 42);

	check_caller(r, a, 0, 0);
	check_u(r->rawlen, sizeof(struct wire_in_header));
	reply_data(m, r, target, len);
	finish(a);
	check_step(a, 0, (long)seen, 0);
	check_mem(a->buf, target, seen);
}

MOCK_CASE(plain)
{
	know(m, "link", 42, S_IFLNK | 0777, 6);
	read_as(m, "target", 6, 6);
	read_as(m, "/other", 6, 6); /* not cached */
}

MOCK_CASE(cached, .flags = WIRE_INIT_CACHE_SYMLINKS)
{
	struct actor *a;

	know(m, "link", 42, S_IFLNK | 0777, 6);
	read_as(m, "target", 6, 6);
	a = on(m, do_readlink, "link");
	finish(a);
	check_step(a, 0, 6, 0);
	check_mem(a->buf, "target", 6);
	expect_none(m);
}

MOCK_CASE(cached_until_forgotten, .flags = WIRE_INIT_CACHE_SYMLINKS)
{
	know(m, "link", 42, S_IFLNK | 0777, 6);
	read_as(m, "target", 6, 6);
	shrink(m);
	expect_forgotten(m, 42);
	know(m, "link", 42, S_IFLNK | 0777, 6);
	read_as(m, "elsewhere", 9, 9);
}

MOCK_CASE(cached_until_told, .flags = WIRE_INIT_CACHE_SYMLINKS)
{
	know(m, "link", 42, S_IFLNK | 0777, 6);
	read_as(m, "target", 6, 6);
	check_i(notify_inval_inode(m, 42, 0, 0), 0);
	notify_settled(m);
	read_as(m, "elsewhere", 9, 9);
}

MOCK_CASE(atime_is_asked_for_afterwards)
{
	struct actor *a;

	know(m, "link", 42, S_IFLNK | 0777, 6);
	read_as(m, "target", 6, 6);
	a = on(m, do_stat, "link");
	answer_getattr(m, 42, S_IFLNK | 0777, 6);
	finish(a);
	check_step(a, 0, 0, 0);
}

static char target[PATH_MAX + 1];

MOCK_CASE(of_4095_bytes)
{
	memset(target, 't', PATH_MAX - 1);
	know(m, "link", 42, S_IFLNK | 0777, PATH_MAX - 1);
	read_as(m, target, PATH_MAX - 1, PATH_MAX - 1);
}

/* Sizes are the daemon's affair. */
MOCK_CASE(of_another_length_than_its_size)
{
	know(m, "link", 42, S_IFLNK | 0777, 3);
	read_as(m, "target", 6, 6);
	read_as(m, "t", 1, 1);
}

MOCK_CASE(with_a_nul)
{
	know(m, "link", 42, S_IFLNK | 0777, 6);
	read_as(m, "ta\0get", 6, 2);
}

MOCK_CASE(empty)
{
	struct actor *a;

	know(m, "link", 42, S_IFLNK | 0777, 0);
	read_as(m, "", 0, 0);
	a = on(m, do_stat_follow, "link");
	reply_data(m, expect_on(m, WIRE_READLINK, 42), "", 0);
	answer_getattr(m, WIRE_ROOT_ID, S_IFDIR | 0755, 0); /* it leads nowhere: to its directory */
	finish(a);
	check_step(a, 0, 0, 0);
	check_u(a->st.st_ino, 1);
}

MOCK_CASE(errors)
{
	static const int errors[] = { EIO, EINVAL, ENOENT, ENOSYS, EACCES };

	know(m, "link", 42, S_IFLNK | 0777, 0);
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct actor *a = on(m, do_readlink, "link");

		reply_err(m, expect_on(m, WIRE_READLINK, 42), errors[i]);
		finish(a);
		check_step(a, 0, -1, errors[i]);
	}
	read_as(m, "target", 6, 6);
}

MOCK_CASE(error_is_not_cached, .flags = WIRE_INIT_CACHE_SYMLINKS)
{
	struct actor *a;

	know(m, "link", 42, S_IFLNK | 0777, 0);
	a = on(m, do_readlink, "link");
	reply_err(m, expect_on(m, WIRE_READLINK, 42), EACCES);
	finish(a);
	check_step(a, 0, -1, EACCES);
	read_as(m, "target", 6, 6);
}

MOCK_CASE(loop, .flags = WIRE_INIT_CACHE_SYMLINKS)
{
	struct actor *a = on(m, do_stat_follow, "link");

	answer_lookup(m, WIRE_ROOT_ID, "link", 42, S_IFLNK | 0777, 4);
	reply_data(m, expect_on(m, WIRE_READLINK, 42), "link", 4);
	finish(a);
	check_step(a, 0, -1, ELOOP);
	expect_none(m);
}

MOCK_CASE(of_no_link)
{
	know(m, "file", 42, S_IFREG | 0644, 0);
	check_silent(m, on(m, do_readlink, "file"), -1, EINVAL);
}

/* One byte more than there can be. */
MOCK_CASE(of_4096_bytes, .unbalanced = true)
{
	struct actor *a;
	struct req *r;

	memset(target, 't', PATH_MAX);
	know(m, "link", 42, S_IFLNK | 0777, PATH_MAX);
	a = on(m, do_readlink, "link");
	r = expect_on(m, WIRE_READLINK, 42);
	if (mock_is_native(m)) {
		check_i(send_reply(m, r, 0, target, PATH_MAX), EINVAL);
		finish(a);
		check_step(a, 0, -1, EIO);
	} else { /* an over-long answer ends the connection */
		check_i(send_reply(m, r, 0, target, PATH_MAX), 0);
		expect_dead(m);
		finish(a);
		check_that(a->step[0].ret == -1 && (a->step[0].err == ENOTCONN || a->step[0].err == ECONNABORTED));
	}
}
