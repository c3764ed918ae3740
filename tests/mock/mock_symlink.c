/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SYMLINK: what it carries, and answers that cannot be.
 */
#include <limits.h>

#include "mock/names.h"

static const char *link_target = "the/target";

static long
do_symlink(struct actor *a)
{
	return step(a, symlink(link_target, arg_path(a)));
}

/* symlink("link") up to its SYMLINK. */
static struct req *
to_symlink(struct mock *m, struct actor **a)
{
	*a = on(m, do_symlink, "link");
	answer_noent(m, WIRE_ROOT_ID, "link");
	return expect_named(m, WIRE_SYMLINK, WIRE_ROOT_ID, "link");
}

MOCK_CASE(fields)
{
	struct actor *a;
	struct req *r = to_symlink(m, &a);

	check_caller(r, a, 0, 0);
	check_str(r->name[1], "the/target");
	check_u(r->namelen[1], 10);
	check_u(r->extlen, 0);
	check_u(r->rawlen, sizeof(struct wire_in_header) + 5 + 11);
	reply_entry(m, r, an_entry(42, S_IFLNK | 0777, 10));
	finish(a);
	check_step(a, 0, 0, 0);
	a = on(m, do_stat, "link");
	finish(a);
	check_u(a->st.st_mode, S_IFLNK | 0777);
	check_u(a->st.st_size, 10);
	expect_none(m);
}

/* The directory it is in has changed. */
MOCK_CASE(directory_is_asked_about_afterwards)
{
	struct actor *a = on(m, do_stat, "");
	struct req *r;

	answer_getattr(m, WIRE_ROOT_ID, S_IFDIR | 0755, 0);
	finish(a);
	r = to_symlink(m, &a);
	reply_entry(m, r, an_entry(42, S_IFLNK | 0777, 10));
	finish(a);
	a = on(m, do_stat, "");
	answer_getattr(m, WIRE_ROOT_ID, S_IFDIR | 0755, 0);
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(longest)
{
	static char t[PATH_MAX];
	struct actor *a;
	struct req *r;

	memset(t, 't', sizeof(t) - 1);
	link_target = t;
	r = to_symlink(m, &a);
	check_u(r->namelen[1], PATH_MAX - 1);
	check_str(r->name[1], t);
	reply_entry(m, r, an_entry(42, S_IFLNK | 0777, PATH_MAX - 1));
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(any_bytes)
{
	struct actor *a;
	struct req *r;

	link_target = "\001\377 \n/..//\"\\";
	r = to_symlink(m, &a);
	check_str(r->name[1], link_target);
	reply_entry(m, r, an_entry(42, S_IFLNK | 0777, 10));
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(errors)
{
	static const int errors[] = { EEXIST, EPERM, ENOSPC, ENOSYS };

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct actor *a;

		reply_err(m, to_symlink(m, &a), errors[i]);
		finish(a);
		check_step(a, 0, -1, errors[i]);
	}
}

/* A name that is known is made sure of, as with everything that creates. */
MOCK_CASE(exists)
{
	struct actor *a;

	know(m, "link", 42, S_IFREG | 0644, 0);
	a = on(m, do_symlink, "link");
	answer_lookup(m, WIRE_ROOT_ID, "link", 42, S_IFREG | 0644, 0);
	finish(a);
	check_step(a, 0, -1, EEXIST);
	expect_none(m);
}

MOCK_CASE(another_type, .unbalanced = true)
{
	struct actor *a;

	reply_entry(m, to_symlink(m, &a), an_entry(42, S_IFREG | 0777, 10));
	finish(a);
	check_step(a, 0, -1, EIO);
}

MOCK_CASE(nodeid_0, .unbalanced = true)
{
	struct actor *a;

	reply_entry(m, to_symlink(m, &a), an_entry(0, S_IFLNK | 0777, 10));
	finish(a);
	check_step(a, 0, -1, EIO);
}

MOCK_CASE(nodeid_1, .unbalanced = true)
{
	struct actor *a;

	reply_entry(m, to_symlink(m, &a), an_entry(WIRE_ROOT_ID, S_IFLNK | 0777, 10));
	finish(a);
	check_step(a, 0, -1, EIO);
}
