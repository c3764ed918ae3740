/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RMDIR: its fields, what is known afterwards, and what becomes of a directory that somebody is in.
 */
#include "mock/names.h"

static long
do_rmdir(struct actor *a)
{
	return step(a, rmdir(arg_path(a)));
}

static void
gone(struct mock *m)
{
	struct actor *a = on(m, do_rmdir, "dir");
	struct req *r = expect_named(m, WIRE_RMDIR, WIRE_ROOT_ID, "dir");

	check_caller(r, a, 0, 0);
	check_u(r->rawlen, sizeof(struct wire_in_header) + 4);
	reply_empty(m, r);
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(fields)
{
	know(m, "dir", 42, S_IFDIR | 0755, 0);
	gone(m);
	check_asked_again(m, "dir");
	expect_forgotten(m, 42);
}

MOCK_CASE(directory_is_asked_about_afterwards)
{
	struct wire_attr attr = an_attr(WIRE_ROOT_ID, S_IFDIR | 0755, 0);
	struct actor *a = on(m, do_stat, "");

	attr.nlink = 3;
	reply_attr(m, expect_on(m, WIRE_GETATTR, WIRE_ROOT_ID), LONG, attr);
	finish(a);
	check_u(a->st.st_nlink, 3);
	know(m, "dir", 42, S_IFDIR | 0755, 0);
	gone(m);
	a = on(m, do_stat, "");
	answer_getattr(m, WIRE_ROOT_ID, S_IFDIR | 0755, 0);
	finish(a);
	check_u(a->st.st_nlink, 2);
}

/* Names below it that are known go with it. */
MOCK_CASE(with_known_names_below)
{
	struct actor *a = on(m, do_stat, "dir/file");

	answer_lookup(m, WIRE_ROOT_ID, "dir", 42, S_IFDIR | 0755, 0);
	answer_lookup(m, 42, "file", 43, S_IFREG | 0644, 0);
	finish(a);
	a = on(m, do_stat, "dir/nothing");
	reply_negative(m, expect_lookup(m, 42, "nothing"), LONG);
	finish(a);
	gone(m);
	expect_forgotten(m, 43);
	expect_forgotten(m, 42);
}

MOCK_CASE(not_empty)
{
	struct actor *a;

	know(m, "dir", 42, S_IFDIR | 0755, 0);
	a = on(m, do_rmdir, "dir");
	reply_err(m, expect_named(m, WIRE_RMDIR, WIRE_ROOT_ID, "dir"), ENOTEMPTY);
	finish(a);
	check_step(a, 0, -1, ENOTEMPTY);
	check_cached(m, "dir");
}

static long
stay_in(struct actor *a)
{
	if (step(a, chdir(arg_path(a))) != 0)
		return -1;
	hold(a);
	step(a, stat(".", &a->st));
	step(a, open("new", O_CREAT | O_WRONLY, 0600));
	step(a, open("old", O_RDONLY));
	return 0;
}

/* Who is in it can still look at it, and at nothing in it. */
MOCK_CASE(of_a_working_directory)
{
	struct wire_attr attr = an_attr(42, S_IFDIR | 0755, 0);
	struct actor *a = on(m, stay_in, "dir");

	answer_lookup(m, WIRE_ROOT_ID, "dir", 42, S_IFDIR | 0755, 0);
	reply_err(m, expect_on(m, WIRE_ACCESS, 42), ENOSYS);
	reached(a);
	gone(m);
	check_asked_again(m, "dir");
	proceed(a);
	attr.nlink = 0;
	reply_attr(m, expect_on(m, WIRE_GETATTR, 42), LONG, attr);
	finish(a);
	check_step(a, 1, 0, 0);
	check_u(a->st.st_nlink, 0);
	check_step(a, 2, -1, ENOENT);
	check_step(a, 3, -1, ENOENT);
	expect_forgotten(m, 42);
}

MOCK_CASE(of_no_directory)
{
	know(m, "file", 42, S_IFREG | 0644, 0);
	check_silent(m, on(m, do_rmdir, "file"), -1, ENOTDIR);
}

MOCK_CASE(of_dots)
{
	know(m, "dir", 42, S_IFDIR | 0755, 0);
	check_silent(m, on(m, do_rmdir, "dir/."), -1, EINVAL);
	check_silent(m, on(m, do_rmdir, "dir/.."), -1, ENOTEMPTY);
	check_silent(m, on(m, do_rmdir, ""), -1, EBUSY);
}

MOCK_CASE(errors)
{
	static const int errors[] = { EPERM, EBUSY, EIO, ENOSYS };

	know(m, "dir", 42, S_IFDIR | 0755, 0);
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct actor *a = on(m, do_rmdir, "dir");

		reply_err(m, expect_named(m, WIRE_RMDIR, WIRE_ROOT_ID, "dir"), errors[i]);
		finish(a);
		check_step(a, 0, -1, errors[i]);
		check_cached(m, "dir");
	}
}

MOCK_CASE(gone_already, .needs_minor = 45)
{
	struct actor *a;

	know(m, "dir", 42, S_IFDIR | 0755, 0);
	a = on(m, do_rmdir, "dir");
	reply_err(m, expect_named(m, WIRE_RMDIR, WIRE_ROOT_ID, "dir"), ENOENT);
	finish(a);
	check_step(a, 0, -1, ENOENT);
	expect_forgotten(m, 42);
	check_asked_again(m, "dir");
}
