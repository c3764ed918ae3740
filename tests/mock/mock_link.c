/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * LINK: its fields, the one node under two names, and answers that are about another node.
 */
#include "mock/names.h"

static long
do_link(struct actor *a)
{
	return step(a, link(in_mount(a, "old"), arg_path(a)));
}

/* link("old", name) up to its LINK; old is node 42. */
static struct req *
to_link(struct mock *m, const char *name, struct actor **a)
{
	struct req *r;

	*a = on(m, do_link, name);
	answer_noent(m, WIRE_ROOT_ID, name);
	r = expect_named(m, WIRE_LINK, WIRE_ROOT_ID, name);
	check_u(r->in.link.oldnodeid, 42);
	return r;
}

MOCK_CASE(fields)
{
	struct wire_entry_out e = an_entry(42, S_IFREG | 0644, 10);
	struct actor *a;
	struct req *r;

	know(m, "old", 42, S_IFREG | 0644, 10);
	r = to_link(m, "new", &a);
	check_caller(r, a, 0, 0);
	check_u(r->rawlen, sizeof(struct wire_in_header) + sizeof(struct wire_link_in) + 4);
	e.attr.nlink = 2;
	reply_entry(m, r, e);
	finish(a);
	check_step(a, 0, 0, 0);
	check_u(lookups_out(m, 42), 2);
	/* The answer has the attributes of both names. */
	a = on(m, do_stat, "old");
	finish(a);
	check_u(a->st.st_nlink, 2);
	a = on(m, do_stat, "new");
	finish(a);
	check_u(a->st.st_ino, 42);
	check_u(a->st.st_nlink, 2);
	expect_none(m);
}

MOCK_CASE(in_another_directory)
{
	struct actor *a;
	struct req *r;

	know(m, "old", 42, S_IFREG | 0644, 10);
	know(m, "dir", 43, S_IFDIR | 0755, 0);
	a = on(m, do_link, "dir/new");
	answer_noent(m, 43, "new");
	r = expect_named(m, WIRE_LINK, 43, "new");
	check_u(r->in.link.oldnodeid, 42);
	reply_entry(m, r, an_entry(42, S_IFREG | 0644, 10));
	finish(a);
	check_step(a, 0, 0, 0);
	a = on(m, do_stat, "dir");
	answer_getattr(m, 43, S_IFDIR | 0755, 0);
	finish(a);
	check_step(a, 0, 0, 0);
}

/* What looks like one file to us may be two to the daemon. */
MOCK_CASE(answered_with_another_node)
{
	struct actor *a;

	know(m, "old", 42, S_IFREG | 0644, 10);
	reply_entry(m, to_link(m, "new", &a), an_entry(43, S_IFREG | 0644, 20));
	finish(a);
	check_step(a, 0, 0, 0);
	a = on(m, do_stat, "new");
	finish(a);
	check_u(a->st.st_ino, 43);
	expect_none(m);
	check_u(lookups_out(m, 42), 1);
	check_u(lookups_out(m, 43), 1);
}

MOCK_CASE(answered_with_another_type, .unbalanced = true)
{
	struct actor *a;

	know(m, "old", 42, S_IFREG | 0644, 10);
	reply_entry(m, to_link(m, "new", &a), an_entry(43, S_IFLNK | 0644, 20));
	finish(a);
	check_step(a, 0, -1, EIO);
	check_asked_again(m, "new");
}

MOCK_CASE(answered_with_nodeid_0, .unbalanced = true)
{
	struct actor *a;

	know(m, "old", 42, S_IFREG | 0644, 10);
	reply_entry(m, to_link(m, "new", &a), an_entry(0, S_IFREG | 0644, 20));
	finish(a);
	check_step(a, 0, -1, EIO);
}

MOCK_CASE(over_an_existing)
{
	struct actor *a;

	know(m, "old", 42, S_IFREG | 0644, 10);
	know(m, "new", 43, S_IFREG | 0644, 10);
	a = on(m, do_link, "new");
	answer_lookup(m, WIRE_ROOT_ID, "new", 43, S_IFREG | 0644, 10);
	finish(a);
	check_step(a, 0, -1, EEXIST);
	expect_none(m);
}

MOCK_CASE(of_a_directory)
{
	struct actor *a;

	know(m, "old", 42, S_IFDIR | 0755, 0);
	a = on(m, do_link, "new");
	answer_noent(m, WIRE_ROOT_ID, "new");
	finish(a);
	check_step(a, 0, -1, EPERM);
	expect_none(m);
}

MOCK_CASE(of_a_symlink)
{
	struct actor *a;

	know(m, "old", 42, S_IFLNK | 0777, 10);
	reply_entry(m, to_link(m, "new", &a), an_entry(42, S_IFLNK | 0777, 10));
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(errors)
{
	static const int errors[] = { EPERM, EMLINK, EXDEV, EEXIST, EIO };

	know(m, "old", 42, S_IFREG | 0644, 10);
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct actor *a;

		reply_err(m, to_link(m, "new", &a), errors[i]);
		finish(a);
		check_step(a, 0, -1, errors[i]);
		check_cached(m, "old");
	}
}

/* A daemon that has no links is asked once, and its files are then not to be linked. */
MOCK_CASE(no_link, .needs_minor = 45)
{
	struct actor *a;

	know(m, "old", 42, S_IFREG | 0644, 10);
	reply_err(m, to_link(m, "new", &a), ENOSYS);
	finish(a);
	check_step(a, 0, -1, EPERM);
	a = on(m, do_link, "new");
	answer_noent(m, WIRE_ROOT_ID, "new");
	finish(a);
	check_step(a, 0, -1, EPERM);
	expect_none(m);
}
