/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ACCESS: sent for access(2) and chdir(2) alone, and only where the kernel does not check permissions itself.
 */
#include <sys/syscall.h>

#include "mock/names.h"

static int access_mask;

static long
do_access(struct actor *a)
{
	return step(a, access(arg_path(a), access_mask));
}

static struct actor *
asking(struct mock *m, const char *name, int mask)
{
	access_mask = mask;
	return on(m, do_access, name);
}

static long
do_chdir(struct actor *a)
{
	return step(a, chdir(arg_path(a)));
}

static long
do_chroot(struct actor *a)
{
	return step(a, chroot(arg_path(a)));
}

MOCK_CASE(masks)
{
	know(m, "file", 42, S_IFREG | 0755, 0);
	for (int mask = F_OK; mask < 8; mask++) { /* (that it exists is known, and asked all the same) */
		struct actor *a = asking(m, "file", mask);
		struct req *r = expect_on(m, WIRE_ACCESS, 42);

		check_caller(r, a, 0, 0);
		check_u(r->in.access.mask, mask);
		check_u(r->in.access.padding, 0);
		check_u(r->rawlen, sizeof(struct wire_in_header) + sizeof(struct wire_access_in));
		reply_empty(m, r);
		finish(a);
		check_step(a, 0, 0, 0);
	}
}

MOCK_CASE(of_the_root)
{
	struct actor *a = asking(m, "", R_OK | X_OK);
	struct req *r = expect_on(m, WIRE_ACCESS, WIRE_ROOT_ID);

	check_u(r->in.access.mask, R_OK | X_OK);
	reply_empty(m, r);
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(errors)
{
	static const int errors[] = { EACCES, EPERM, EIO, ENOENT };

	know(m, "file", 42, S_IFREG | 0644, 0);
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct actor *a = asking(m, "file", R_OK);

		reply_err(m, expect_on(m, WIRE_ACCESS, 42), errors[i]);
		finish(a);
		check_step(a, 0, -1, errors[i]);
	}
}

/* A daemon that does not know it allows everything, and is not asked again. */
MOCK_CASE(no_access)
{
	struct actor *a;

	know(m, "file", 42, S_IFREG | 0644, 0);
	know(m, "dir", 43, S_IFDIR | 0755, 0);
	a = asking(m, "file", R_OK);
	reply_err(m, expect_on(m, WIRE_ACCESS, 42), ENOSYS);
	finish(a);
	check_step(a, 0, 0, 0);
	check_silent(m, asking(m, "file", W_OK), 0, 0);
	check_silent(m, asking(m, "dir", X_OK), 0, 0);
	check_silent(m, on(m, do_chdir, "dir"), 0, 0);
}

MOCK_CASE(chdir)
{
	struct actor *a;
	struct req *r;

	know(m, "dir", 42, S_IFDIR | 0755, 0);
	a = on(m, do_chdir, "dir");
	r = expect_on(m, WIRE_ACCESS, 42);
	check_u(r->in.access.mask, X_OK);
	reply_err(m, r, EACCES);
	finish(a);
	check_step(a, 0, -1, EACCES);
	a = on(m, do_chroot, "dir");
	r = expect_on(m, WIRE_ACCESS, 42);
	check_u(r->in.access.mask, X_OK);
	reply_empty(m, r);
	finish(a);
	check_step(a, 0, 0, 0);
}

/* access(2) asks as the real user. */
static long
do_access_real(struct actor *a)
{
	if (setresuid(OTHER_UID, 0, 0) != 0)
		return -1;
	step(a, access(arg_path(a), R_OK));
	return step(a, syscall(SYS_faccessat2, AT_FDCWD, arg_path(a), R_OK, AT_EACCESS));
}

MOCK_CASE(real_user, .options = "allow_other")
{
	struct actor *a;
	struct req *r;

	know(m, "file", 42, S_IFREG | 0644, 0);
	a = on(m, do_access_real, "file");
	r = expect_on(m, WIRE_ACCESS, 42);
	check_caller(r, a, OTHER_UID, 0);
	reply_empty(m, r);
	r = expect_on(m, WIRE_ACCESS, 42);
	check_caller(r, a, 0, 0);
	reply_empty(m, r);
	finish(a);
	check_step(a, 0, 0, 0);
	check_step(a, 1, 0, 0);
}

/* Where the kernel checks, it asks nobody. */
MOCK_CASE(default_permissions, .options = "default_permissions,allow_other")
{
	struct actor *a = on(m, do_stat, "file");

	answer_getattr(m, WIRE_ROOT_ID, S_IFDIR | 0755, 0);
	answer_lookup(m, WIRE_ROOT_ID, "file", 42, S_IFREG | 0640, 0);
	finish(a);
	know(m, "dir", 43, S_IFDIR | 0700, 0);
	check_silent(m, asking(m, "file", R_OK | W_OK), 0, 0);
	check_silent(m, on(m, do_chdir, "dir"), 0, 0);
	/* (Who is refused is not refused by what may have changed.) */
	a = on_as_other(m, do_access, "file");
	answer_getattr(m, 42, S_IFREG | 0640, 0);
	finish(a);
	check_step(a, 0, -1, EACCES);
	a = on_as_other(m, do_chdir, "dir");
	answer_getattr(m, 43, S_IFDIR | 0711, 0);
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(read_only_mount, .ms_flags = 1 /* MS_RDONLY */)
{
	struct actor *a;

	know(m, "file", 42, S_IFREG | 0644, 0);
	a = asking(m, "file", W_OK);
	finish(a);
	check_step(a, 0, -1, EROFS);
	expect_none(m);
	a = asking(m, "file", R_OK);
	reply_empty(m, expect_on(m, WIRE_ACCESS, 42));
	finish(a);
	check_step(a, 0, 0, 0);
}

/* Nothing else asks: an open is the daemon's to refuse. */
MOCK_CASE(not_for_open)
{
	struct actor *a = on(m, open_ro, "file");

	answer_lookup(m, WIRE_ROOT_ID, "file", 42, S_IFREG | 0, 0);
	reply_err(m, expect_on(m, WIRE_OPEN, 42), EACCES);
	finish(a);
	check_step(a, 0, -1, EACCES);
}
