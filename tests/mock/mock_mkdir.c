/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MKDIR: its fields, the umask, what is known afterwards, and answers that cannot be.
 */
#include "mock/names.h"

static mode_t dir_mode = 0777;
static mode_t dir_umask = 022;

static long
do_mkdir(struct actor *a)
{
	umask(dir_umask);
	return step(a, mkdir(arg_path(a), dir_mode));
}

/* mkdir("dir") up to its MKDIR. */
static struct req *
to_mkdir(struct mock *m, struct actor **a)
{
	*a = on(m, do_mkdir, "dir");
	answer_noent(m, WIRE_ROOT_ID, "dir");
	return expect_named(m, WIRE_MKDIR, WIRE_ROOT_ID, "dir");
}

MOCK_CASE(fields)
{
	struct actor *a;
	struct req *r = to_mkdir(m, &a);

	check_caller(r, a, 0, 0);
	check_u(r->in.mkdir.mode, 0755); /* without a type */
	check_u(r->in.mkdir.umask, 022);
	check_u(r->extlen, 0);
	check_u(r->rawlen, sizeof(struct wire_in_header) + sizeof(struct wire_mkdir_in) + 4);
	reply_entry(m, r, an_entry(42, S_IFDIR | 0755, 0));
	finish(a);
	check_step(a, 0, 0, 0);
	check_cached(m, "dir");
}

MOCK_CASE(mode_bits)
{
	struct actor *a;
	struct req *r;

	dir_mode = 07777; /* of mkdir(2), sticky is the only one beside the permissions */
	dir_umask = 0;
	r = to_mkdir(m, &a);
	check_u(r->in.mkdir.mode, 01777);
	reply_entry(m, r, an_entry(42, S_IFDIR | 01777, 0));
	finish(a);
	check_step(a, 0, 0, 0);
	a = on(m, do_stat, "dir");
	finish(a);
	check_u(a->st.st_mode, S_IFDIR | 01777);
}

MOCK_CASE(dont_mask, .flags = WIRE_INIT_DONT_MASK)
{
	struct actor *a;
	struct req *r = to_mkdir(m, &a);

	check_u(r->in.mkdir.mode, 0777);
	check_u(r->in.mkdir.umask, 022);
	reply_entry(m, r, an_entry(42, S_IFDIR | 0700, 0));
	finish(a);
	check_step(a, 0, 0, 0);
}

/* Before 7.12 there is no umask in it, of the same length. */
MOCK_CASE(minor_11, .minor = 11)
{
	struct actor *a;
	struct req *r = to_mkdir(m, &a);

	check_u(r->rawlen, sizeof(struct wire_in_header) + sizeof(struct wire_mkdir_in) + 4);
	check_u(r->in.mkdir.mode, 0755);
	reply_entry(m, r, an_entry(42, S_IFDIR | 0755, 0));
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(trailing_slash)
{
	struct actor *a = on(m, do_mkdir, "dir//");

	answer_noent(m, WIRE_ROOT_ID, "dir");
	reply_entry(m, expect_named(m, WIRE_MKDIR, WIRE_ROOT_ID, "dir"), an_entry(42, S_IFDIR | 0755, 0));
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(below)
{
	struct actor *a;

	know(m, "dir", 42, S_IFDIR | 0755, 0);
	a = on(m, do_mkdir, "dir/sub");
	answer_noent(m, 42, "sub");
	reply_entry(m, expect_named(m, WIRE_MKDIR, 42, "sub"), an_entry(43, S_IFDIR | 0755, 0));
	finish(a);
	check_step(a, 0, 0, 0);
	/* The directory around it has changed. */
	a = on(m, do_stat, "dir");
	answer_getattr(m, 42, S_IFDIR | 0755, 0);
	finish(a);
	check_cached(m, "dir/sub");
}

MOCK_CASE(exists)
{
	struct actor *a;

	know(m, "dir", 42, S_IFDIR | 0755, 0);
	a = on(m, do_mkdir, "dir");
	answer_lookup(m, WIRE_ROOT_ID, "dir", 42, S_IFDIR | 0755, 0); /* made sure of */
	finish(a);
	check_step(a, 0, -1, EEXIST);
	expect_none(m);
}

/* A name that is known to be absent is made sure of, too. */
MOCK_CASE(on_a_negative_name)
{
	struct actor *a = on(m, do_stat, "dir");

	reply_negative(m, expect_lookup(m, WIRE_ROOT_ID, "dir"), LONG);
	finish(a);
	reply_entry(m, to_mkdir(m, &a), an_entry(42, S_IFDIR | 0755, 0));
	finish(a);
	check_step(a, 0, 0, 0);
	check_cached(m, "dir");
}

/* ... and it is absent still when the daemon refuses. */
MOCK_CASE(refused_on_a_negative_name)
{
	struct actor *a = on(m, do_mkdir, "dir");

	reply_negative(m, expect_lookup(m, WIRE_ROOT_ID, "dir"), LONG);
	reply_err(m, expect_named(m, WIRE_MKDIR, WIRE_ROOT_ID, "dir"), EDQUOT);
	finish(a);
	check_step(a, 0, -1, EDQUOT);
	check_cached_negative(m, "dir");
}

MOCK_CASE(errors)
{
	static const int errors[] = { EEXIST, EPERM, ENOSPC, EMLINK, ENOSYS };

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct actor *a;

		reply_err(m, to_mkdir(m, &a), errors[i]);
		finish(a);
		check_step(a, 0, -1, errors[i]);
	}
}

MOCK_CASE(another_type, .unbalanced = true)
{
	struct actor *a;

	reply_entry(m, to_mkdir(m, &a), an_entry(42, S_IFREG | 0755, 0));
	finish(a);
	check_step(a, 0, -1, EIO);
	check_asked_again(m, "dir");
}

MOCK_CASE(nodeid_0, .unbalanced = true)
{
	struct actor *a;

	reply_entry(m, to_mkdir(m, &a), an_entry(0, S_IFDIR | 0755, 0));
	finish(a);
	check_step(a, 0, -1, EIO);
}

MOCK_CASE(nodeid_1, .unbalanced = true)
{
	struct actor *a;

	reply_entry(m, to_mkdir(m, &a), an_entry(WIRE_ROOT_ID, S_IFDIR | 0755, 0));
	finish(a);
	check_step(a, 0, -1, EIO);
}

/* The daemon says that the name is there: what was known of its absence is dropped. */
MOCK_CASE(exists_after_all, .needs_minor = 45)
{
	struct actor *a = on(m, do_mkdir, "dir");

	reply_negative(m, expect_lookup(m, WIRE_ROOT_ID, "dir"), LONG);
	reply_err(m, expect_named(m, WIRE_MKDIR, WIRE_ROOT_ID, "dir"), EEXIST);
	finish(a);
	check_step(a, 0, -1, EEXIST);
	know(m, "dir", 42, S_IFDIR | 0755, 0);
}
