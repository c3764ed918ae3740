/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * UNLINK: what is known afterwards of the name, of the node's other names and of open files.
 */
#include "mock/names.h"

static long
do_unlink(struct actor *a)
{
	return step(a, unlink(arg_path(a)));
}

/* unlink("file"), node 42, is done. */
static void
gone(struct mock *m)
{
	struct actor *a = on(m, do_unlink, "file");
	struct req *r = expect_named(m, WIRE_UNLINK, WIRE_ROOT_ID, "file");

	check_caller(r, a, 0, 0);
	check_u(r->rawlen, sizeof(struct wire_in_header) + 5);
	reply_empty(m, r);
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(fields)
{
	know(m, "file", 42, S_IFREG | 0644, 0);
	gone(m);
	check_asked_again(m, "file");
}

MOCK_CASE(looked_up_first)
{
	struct actor *a = on(m, do_unlink, "file");

	answer_lookup(m, WIRE_ROOT_ID, "file", 42, S_IFLNK | 0777, 0);
	reply_empty(m, expect_named(m, WIRE_UNLINK, WIRE_ROOT_ID, "file"));
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(absent)
{
	struct actor *a = on(m, do_unlink, "file");

	answer_noent(m, WIRE_ROOT_ID, "file");
	finish(a);
	check_step(a, 0, -1, ENOENT);
	expect_none(m);
}

MOCK_CASE(of_a_directory)
{
	know(m, "dir", 42, S_IFDIR | 0755, 0);
	check_silent(m, on(m, do_unlink, "dir"), -1, EISDIR);
}

MOCK_CASE(directory_is_asked_about_afterwards)
{
	struct actor *a = on(m, do_stat, "");

	answer_getattr(m, WIRE_ROOT_ID, S_IFDIR | 0755, 0);
	finish(a);
	know(m, "file", 42, S_IFREG | 0644, 0);
	check_cached(m, "");
	gone(m);
	a = on(m, do_stat, "");
	answer_getattr(m, WIRE_ROOT_ID, S_IFDIR | 0755, 0);
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(other_name_stays)
{
	struct wire_attr attr = an_attr(42, S_IFREG | 0644, 0);
	struct actor *a;

	know(m, "file", 42, S_IFREG | 0644, 0);
	know(m, "other", 42, S_IFREG | 0644, 0);
	gone(m);
	a = on(m, do_stat, "other");
	reply_attr(m, expect_on(m, WIRE_GETATTR, 42), LONG, attr); /* its link count and ctime changed */
	finish(a);
	check_step(a, 0, 0, 0);
	check_u(a->st.st_nlink, 1);
	check_cached(m, "other");
	check_u(lookups_out(m, 42), 2);
}

static long
use_when_told(struct actor *a)
{
	if (do_open(a, O_RDWR) < 0)
		return -1;
	hold(a);
	step(a, pread(a->fd, a->buf, 10, 0));
	step(a, fchmod(a->fd, 0600));
	return step(a, close(a->fd));
}

MOCK_CASE(open_file_lives_on)
{
	struct actor *a = on(m, use_when_told, "file");
	struct wire_attr attr = an_attr(42, S_IFREG | 0600, 10);
	struct req *r;

	answer_lookup(m, WIRE_ROOT_ID, "file", 42, S_IFREG | 0644, 10);
	answer_open(m, 42, 70, 0);
	reached(a);
	gone(m);
	check_asked_again(m, "file");
	proceed(a);
	r = expect_on(m, WIRE_READ, 42);
	check_u(r->in.read.fh, 70);
	reply_data(m, r, "still here", 10);
	r = expect_on(m, WIRE_SETATTR, 42);
	check_u(r->in.setattr.mode, S_IFREG | 0600);
	attr.nlink = 0;
	reply_attr(m, r, LONG, attr);
	answer_close(m, 42, 70);
	finish(a);
	check_step(a, 1, 10, 0);
	check_step(a, 2, 0, 0);
	check_mem(a->buf, "still here", 10);
	expect_forgotten(m, 42);
}

/* A new file of the name is another node, while the old one is open. */
MOCK_CASE(name_is_used_again)
{
	struct actor *a = on(m, use_when_told, "file");

	answer_lookup(m, WIRE_ROOT_ID, "file", 42, S_IFREG | 0644, 10);
	answer_open(m, 42, 70, 0);
	reached(a);
	gone(m);
	know(m, "file", 43, S_IFREG | 0644, 20);
	proceed(a);
	reply_data(m, expect_on(m, WIRE_READ, 42), "still here", 10);
	reply_attr(m, expect_on(m, WIRE_SETATTR, 42), LONG, an_attr(42, S_IFREG | 0600, 10));
	answer_close(m, 42, 70);
	finish(a);
	check_step(a, 1, 10, 0);
	a = on(m, do_stat, "file");
	finish(a);
	check_u(a->st.st_size, 20);
	check_u(a->st.st_ino, 43);
	expect_none(m);
}

MOCK_CASE(errors)
{
	static const int errors[] = { EPERM, EBUSY, EIO, ENOSYS };

	know(m, "file", 42, S_IFREG | 0644, 0);
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct actor *a = on(m, do_unlink, "file");

		reply_err(m, expect_named(m, WIRE_UNLINK, WIRE_ROOT_ID, "file"), errors[i]);
		finish(a);
		check_step(a, 0, -1, errors[i]);
		check_cached(m, "file"); /* it is still there, for all the kernel knows */
	}
}

/* The daemon does not have it any more: nor does the kernel. */
MOCK_CASE(gone_already, .needs_minor = 45)
{
	struct actor *a;

	know(m, "file", 42, S_IFREG | 0644, 0);
	a = on(m, do_unlink, "file");
	reply_err(m, expect_named(m, WIRE_UNLINK, WIRE_ROOT_ID, "file"), ENOENT);
	finish(a);
	check_step(a, 0, -1, ENOENT);
	expect_forgotten(m, 42);
	check_asked_again(m, "file");
}
