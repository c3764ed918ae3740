/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TMPFILE: a file without a name, and the name it may get.
 */
#include <stdio.h>

#include "mock/names.h"

#define TMPFILE_MINOR 37

static int tmp_flags = O_RDWR;

static long
do_tmpfile(struct actor *a)
{
	umask(022);
	a->fd = open(arg_path(a), O_TMPFILE | tmp_flags, 0666);
	step(a, a->fd == -1 ? -1 : 0);
	return a->fd;
}

static long
tmpfile_fstat_close(struct actor *a)
{
	if (do_tmpfile(a) == -1)
		return -1;
	step(a, fstat(a->fd, &a->st));
	return step(a, close(a->fd));
}

static struct wire_entry_out
unnamed(uint64_t nodeid)
{
	struct wire_entry_out e = an_entry(nodeid, S_IFREG | 0644, 0);

	e.attr.nlink = 0;
	return e;
}

MOCK_CASE(fields, .needs_minor = TMPFILE_MINOR)
{
	struct actor *a;
	struct req *r;

	know(m, "dir", 42, S_IFDIR | 0755, 0);
	a = on(m, tmpfile_fstat_close, "dir");
	r = expect_on(m, WIRE_TMPFILE, 42);
	check_caller(r, a, 0, 0);
	check_u(r->in.create.flags & (O_ACCMODE | O_EXCL | O_TMPFILE), O_RDWR | O_TMPFILE);
	check_u(r->in.create.mode, S_IFREG | 0644);
	check_u(r->in.create.umask, 022);
	check_u(r->in.create.open_flags, 0);
	check_str(r->name[0], "/"); /* a name that cannot be */
	check_u(r->extlen, 0);
	reply_create(m, r, unnamed(43), 70, 0);
	answer_close(m, 43, 70);
	finish(a);
	check_step(a, 0, 0, 0);
	check_step(a, 1, 0, 0);
	check_u(a->st.st_ino, 43);
	check_u(a->st.st_nlink, 0);
	expect_forgotten(m, 43);
}

static long
tmpfile_linked(struct actor *a)
{
	char path[64];

	if (do_tmpfile(a) == -1)
		return -1;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", a->fd);
	step(a, linkat(AT_FDCWD, path, AT_FDCWD, in_mount(a, "named"), AT_SYMLINK_FOLLOW));
	return step(a, close(a->fd));
}

MOCK_CASE(gets_a_name, .needs_minor = TMPFILE_MINOR)
{
	struct actor *a = on(m, tmpfile_linked, "");
	struct req *r;

	reply_create(m, expect_on(m, WIRE_TMPFILE, WIRE_ROOT_ID), unnamed(43), 70, 0);
	answer_noent(m, WIRE_ROOT_ID, "named");
	r = expect_named(m, WIRE_LINK, WIRE_ROOT_ID, "named");
	check_u(r->in.link.oldnodeid, 43);
	reply_entry(m, r, an_entry(43, S_IFREG | 0644, 0));
	answer_close(m, 43, 70);
	finish(a);
	check_step(a, 1, 0, 0);
	check_cached(m, "named");
	check_u(lookups_out(m, 43), 2);
}

/* With O_EXCL it never gets one. */
MOCK_CASE(never_gets_a_name, .needs_minor = TMPFILE_MINOR)
{
	struct actor *a;
	struct req *r;

	tmp_flags = O_RDWR | O_EXCL;
	a = on(m, tmpfile_linked, "");
	r = expect_on(m, WIRE_TMPFILE, WIRE_ROOT_ID);
	check_u(r->in.create.flags & O_EXCL, O_EXCL);
	reply_create(m, r, unnamed(43), 70, 0);
	answer_noent(m, WIRE_ROOT_ID, "named");
	answer_close(m, 43, 70);
	finish(a);
	check_step(a, 1, -1, ENOENT);
}

MOCK_CASE(no_tmpfile, .needs_minor = TMPFILE_MINOR)
{
	struct actor *a = on(m, do_tmpfile, "");

	reply_err(m, expect_on(m, WIRE_TMPFILE, WIRE_ROOT_ID), ENOSYS);
	finish(a);
	check_step(a, 0, -1, EOPNOTSUPP);
	check_silent(m, on(m, do_tmpfile, ""), -1, EOPNOTSUPP);
}

MOCK_CASE(errors, .needs_minor = TMPFILE_MINOR)
{
	static const int errors[] = { EPERM, ENOSPC, EOPNOTSUPP, EIO };

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct actor *a = on(m, do_tmpfile, "");

		reply_err(m, expect_on(m, WIRE_TMPFILE, WIRE_ROOT_ID), errors[i]);
		finish(a);
		check_step(a, 0, -1, errors[i]);
	}
}

MOCK_CASE(another_type, .needs_minor = TMPFILE_MINOR, .unbalanced = true)
{
	struct actor *a = on(m, do_tmpfile, "");

	reply_create(m, expect_on(m, WIRE_TMPFILE, WIRE_ROOT_ID), an_entry(43, S_IFDIR | 0644, 0), 70, 0);
	finish(a);
	check_step(a, 0, -1, EIO);
	if (!mock_is_native(m)) /* (the kernel forgets what it was given; perfuse gives it back) */
		answer_release(m, 43, 70);
}

/* A daemon of an older minor is asked whether it knows it all the same. */
MOCK_CASE(minor_31, .minor = 31, .needs_minor = TMPFILE_MINOR)
{
	struct actor *a = on(m, do_tmpfile, "");

	reply_err(m, expect_on(m, WIRE_TMPFILE, WIRE_ROOT_ID), ENOSYS);
	finish(a);
	check_step(a, 0, -1, EOPNOTSUPP);
}
