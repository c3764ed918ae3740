/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GETXATTR, SETXATTR, LISTXATTR and REMOVEXATTR: their fields, sizes of all kinds, what a daemon that lacks one of them is asked
 * for, and names that the kernel treats in its own way. (POSIX ACLs are in mock_acl.c.)
 */
#include <sys/xattr.h>

#include "mock/names.h"

enum { MOST = 65536 }; /* XATTR_SIZE_MAX, XATTR_LIST_MAX */

struct xattr {
	const char *name;
	const void *value;
	size_t size;
	int flags;
};

static long
do_get(struct actor *a)
{
	const struct xattr *x = a->arg;

	return step(a, lgetxattr(in_mount(a, "file"), x->name, a->buf, x->size));
}

static long
do_set(struct actor *a)
{
	const struct xattr *x = a->arg;

	return step(a, lsetxattr(in_mount(a, "file"), x->name, x->value, x->size, x->flags));
}

static long
do_list(struct actor *a)
{
	const struct xattr *x = a->arg;

	return step(a, llistxattr(in_mount(a, "file"), a->buf, x->size));
}

static long
do_remove(struct actor *a)
{
	const struct xattr *x = a->arg;

	return step(a, lremovexattr(in_mount(a, "file"), x->name));
}

static struct actor *
call(struct mock *m, long (*fn)(struct actor *a), struct xattr x)
{
	static struct xattr kept[8];
	static unsigned n;
	struct xattr *k = &kept[n++ % 8];

	*k = x;
	return start_arg(m, fn, k);
}

#define get(m, nm, sz) call(m, do_get, (struct xattr){ .name = (nm), .size = (sz) })
#define set(m, nm, v, sz, f) call(m, do_set, (struct xattr){ .name = (nm), .value = (v), .size = (sz), .flags = (f) })
#define list(m, sz) call(m, do_list, (struct xattr){ .size = (sz) })
#define removal(m, nm) call(m, do_remove, (struct xattr){ .name = (nm) })

static void
known(struct mock *m)
{
	know(m, "file", 42, S_IFREG | 0644, 0);
}

static void
reply_size(struct mock *m, struct req *r, uint32_t size)
{
	union wire_out out = { .getxattr.size = size };

	reply_out(m, r, &out);
}

/* ---- get ---- */

MOCK_CASE(get)
{
	struct actor *a;
	struct req *r;

	known(m);
	a = get(m, "user.name", 100);
	r = expect_named(m, WIRE_GETXATTR, 42, "user.name");
	check_caller(r, a, 0, 0);
	check_u(r->in.getxattr.size, 100);
	check_u(r->in.getxattr.padding, 0);
	check_u(r->rawlen, sizeof(struct wire_in_header) + sizeof(struct wire_getxattr_in) + 10);
	reply_data(m, r, "some\0value", 10);
	finish(a);
	check_step(a, 0, 10, 0);
	check_mem(a->buf, "some\0value", 10);
	/* never cached */
	a = get(m, "user.name", 100);
	reply_data(m, expect_named(m, WIRE_GETXATTR, 42, "user.name"), "other", 5);
	finish(a);
	check_step(a, 0, 5, 0);
	check_cached(m, "file"); /* nothing has changed */
}

MOCK_CASE(get_size)
{
	struct actor *a;
	struct req *r;

	known(m);
	a = get(m, "user.name", 0);
	r = expect_named(m, WIRE_GETXATTR, 42, "user.name");
	check_u(r->in.getxattr.size, 0);
	reply_size(m, r, 1234);
	finish(a);
	check_step(a, 0, 1234, 0);
}

MOCK_CASE(get_size_beyond_all)
{
	struct actor *a;

	known(m);
	a = get(m, "user.name", 0);
	reply_size(m, expect(m, WIRE_GETXATTR), UINT32_MAX);
	finish(a);
	check_step(a, 0, MOST, 0);
}

MOCK_CASE(get_empty)
{
	struct actor *a;

	known(m);
	a = get(m, "user.name", 10);
	reply_data(m, expect(m, WIRE_GETXATTR), "", 0);
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(get_most)
{
	static char value[MOST];
	struct actor *a;
	struct req *r;

	memset(value, 'v', sizeof(value));
	known(m);
	a = get(m, "user.name", MOCK_BUF); /* more than there can be */
	r = expect(m, WIRE_GETXATTR);
	check_u(r->in.getxattr.size, MOST);
	reply_data(m, r, value, sizeof(value));
	finish(a);
	check_step(a, 0, MOST, 0);
	check_mem(a->buf, value, sizeof(value));
}

/* The daemon judges whether the room is enough. */
MOCK_CASE(get_errors)
{
	static const int errors[] = { ERANGE, ENODATA, EPERM, EIO, EOPNOTSUPP };

	known(m);
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct actor *a = get(m, "user.name", 4);

		reply_err(m, expect(m, WIRE_GETXATTR), errors[i]);
		finish(a);
		check_step(a, 0, -1, errors[i]);
	}
}

MOCK_CASE(get_more_than_asked_for, .unbalanced = true)
{
	struct actor *a;
	struct req *r;

	known(m);
	a = get(m, "user.name", 4);
	r = expect(m, WIRE_GETXATTR);
	if (mock_is_native(m)) {
		check_i(send_reply(m, r, 0, "12345", 5), EINVAL);
		finish(a);
		check_step(a, 0, -1, EIO);
	} else { /* an over-long answer ends the connection */
		check_i(send_reply(m, r, 0, "12345", 5), 0);
		expect_dead(m);
		finish(a);
		check_that(a->step[0].ret == -1 && (a->step[0].err == ENOTCONN || a->step[0].err == ECONNABORTED));
	}
}

/* ---- set ---- */

MOCK_CASE(set)
{
	static const int flags[] = { 0, XATTR_CREATE, XATTR_REPLACE };

	known(m);
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		struct actor *a = set(m, "user.name", "a\0value", 7, flags[i]);
		struct req *r = expect_named(m, WIRE_SETXATTR, 42, "user.name");

		check_caller(r, a, 0, 0);
		check_u(r->in.setxattr.size, 7);
		check_u(r->in.setxattr.flags, flags[i]);
		check_u(r->datalen, 7);
		check_mem(r->data, "a\0value", 7);
		/* (without SETXATTR_EXT the fixed part has 8 bytes) */
		check_u(r->rawlen, sizeof(struct wire_in_header) + 8 + 10 + 7);
		reply_empty(m, r);
		finish(a);
		check_step(a, 0, 0, 0);
	}
	/* Its ctime has changed. */
	{
		struct actor *a = on(m, do_stat, "file");

		answer_getattr(m, 42, S_IFREG | 0644, 0);
		finish(a);
		check_step(a, 0, 0, 0);
	}
}

MOCK_CASE(set_ext, .flags = WIRE_INIT_SETXATTR_EXT, .needs_flags = WIRE_INIT_SETXATTR_EXT)
{
	struct actor *a;
	struct req *r;

	known(m);
	a = set(m, "user.name", "value", 5, XATTR_CREATE);
	r = expect_named(m, WIRE_SETXATTR, 42, "user.name");
	check_u(r->rawlen, sizeof(struct wire_in_header) + sizeof(struct wire_setxattr_in) + 10 + 5);
	check_u(r->in.setxattr.size, 5);
	check_u(r->in.setxattr.flags, XATTR_CREATE);
	check_u(r->in.setxattr.setxattr_flags, 0);
	check_u(r->in.setxattr.padding, 0);
	check_mem(r->data, "value", 5);
	reply_empty(m, r);
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(set_empty)
{
	struct actor *a;
	struct req *r;

	known(m);
	a = set(m, "user.name", "", 0, 0);
	r = expect_named(m, WIRE_SETXATTR, 42, "user.name");
	check_u(r->in.setxattr.size, 0);
	check_u(r->datalen, 0);
	reply_empty(m, r);
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(set_most)
{
	static char value[MOST + 1];
	struct actor *a;
	struct req *r;

	for (size_t i = 0; i < sizeof(value); i++)
		value[i] = (char)(i * 31 + (i >> 8));
	known(m);
	a = set(m, "user.name", value, MOST, 0);
	r = expect_named(m, WIRE_SETXATTR, 42, "user.name");
	check_u(r->in.setxattr.size, MOST);
	check_u(r->datalen, MOST);
	check_mem(r->data, value, MOST);
	reply_empty(m, r);
	finish(a);
	check_step(a, 0, 0, 0);
	check_silent(m, set(m, "user.name", value, MOST + 1, 0), -1, E2BIG);
}

MOCK_CASE(set_errors)
{
	static const int errors[] = { EEXIST, ENODATA, ENOSPC, EPERM, EDQUOT, E2BIG, EOPNOTSUPP };

	known(m);
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct actor *a = set(m, "user.name", "v", 1, 0);

		reply_err(m, expect(m, WIRE_SETXATTR), errors[i]);
		finish(a);
		check_step(a, 0, -1, errors[i]);
	}
	check_cached(m, "file");
}

MOCK_CASE(set_impossible_flags)
{
	known(m);
	check_silent(m, set(m, "user.name", "v", 1, 4), -1, EINVAL);
}

MOCK_CASE(read_only_mount, .ms_flags = 1 /* MS_RDONLY */)
{
	struct actor *a;

	known(m);
	check_silent(m, set(m, "user.name", "v", 1, 0), -1, EROFS);
	check_silent(m, removal(m, "user.name"), -1, EROFS);
	a = get(m, "user.name", 10);
	reply_data(m, expect(m, WIRE_GETXATTR), "v", 1);
	finish(a);
	check_step(a, 0, 1, 0);
}

/* ---- list ---- */

MOCK_CASE(list)
{
	struct actor *a;
	struct req *r;

	known(m);
	a = list(m, 100);
	r = expect_on(m, WIRE_LISTXATTR, 42);
	check_caller(r, a, 0, 0);
	check_u(r->in.getxattr.size, 100);
	check_u(r->rawlen, sizeof(struct wire_in_header) + sizeof(struct wire_getxattr_in));
	reply_data(m, r, "user.a\0trusted.b\0x", 19);
	finish(a);
	check_step(a, 0, 19, 0);
	check_mem(a->buf, "user.a\0trusted.b\0x", 19);
}

MOCK_CASE(list_size)
{
	struct actor *a;
	struct req *r;

	known(m);
	a = list(m, 0);
	r = expect_on(m, WIRE_LISTXATTR, 42);
	check_u(r->in.getxattr.size, 0);
	reply_size(m, r, 19);
	finish(a);
	check_step(a, 0, 19, 0);
	a = list(m, 0);
	reply_size(m, expect_on(m, WIRE_LISTXATTR, 42), MOST + 1);
	finish(a);
	check_step(a, 0, MOST, 0);
}

MOCK_CASE(list_empty)
{
	struct actor *a;

	known(m);
	a = list(m, 100);
	reply_data(m, expect_on(m, WIRE_LISTXATTR, 42), "", 0);
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(list_most)
{
	static char names[MOST];
	struct actor *a;
	struct req *r;

	memset(names, 'n', sizeof(names));
	for (size_t i = 99; i < sizeof(names); i += 100)
		names[i] = '\0';
	names[sizeof(names) - 1] = '\0';
	known(m);
	a = list(m, MOCK_BUF);
	r = expect_on(m, WIRE_LISTXATTR, 42);
	check_u(r->in.getxattr.size, MOST);
	reply_data(m, r, names, sizeof(names));
	finish(a);
	check_step(a, 0, MOST, 0);
	check_mem(a->buf, names, sizeof(names));
}

/* What is no list of names is not shown. */
MOCK_CASE(list_of_rubbish)
{
	static const struct {
		const char *bytes;
		size_t len;
	} t[] = { { "user.a", 6 }, { "user.a\0user.b", 13 }, { "", 1 }, { "user.a\0", 8 }, { "\0user.a", 8 } };

	known(m);
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct actor *a = list(m, 100);

		reply_data(m, expect_on(m, WIRE_LISTXATTR, 42), t[i].bytes, t[i].len);
		finish(a);
		check_step(a, 0, -1, EIO);
	}
}

MOCK_CASE(list_errors)
{
	static const int errors[] = { ERANGE, EPERM, EIO, EOPNOTSUPP };

	known(m);
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct actor *a = list(m, 4);

		reply_err(m, expect_on(m, WIRE_LISTXATTR, 42), errors[i]);
		finish(a);
		check_step(a, 0, -1, errors[i]);
	}
}

/* ---- remove ---- */

MOCK_CASE(remove)
{
	struct actor *a;
	struct req *r;

	known(m);
	a = removal(m, "user.name");
	r = expect_named(m, WIRE_REMOVEXATTR, 42, "user.name");
	check_caller(r, a, 0, 0);
	check_u(r->rawlen, sizeof(struct wire_in_header) + 10);
	reply_empty(m, r);
	finish(a);
	check_step(a, 0, 0, 0);
	a = on(m, do_stat, "file");
	answer_getattr(m, 42, S_IFREG | 0644, 0);
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(remove_errors)
{
	static const int errors[] = { ENODATA, EPERM, EIO };

	known(m);
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct actor *a = removal(m, "user.name");

		reply_err(m, expect(m, WIRE_REMOVEXATTR), errors[i]);
		finish(a);
		check_step(a, 0, -1, errors[i]);
	}
	check_cached(m, "file");
}

/* ---- daemons that lack them: each is found out by itself, once ---- */

MOCK_CASE(no_getxattr)
{
	struct actor *a;

	known(m);
	a = get(m, "user.name", 100);
	reply_err(m, expect(m, WIRE_GETXATTR), ENOSYS);
	finish(a);
	check_step(a, 0, -1, EOPNOTSUPP);
	check_silent(m, get(m, "user.other", 0), -1, EOPNOTSUPP);
	a = list(m, 100);
	reply_data(m, expect(m, WIRE_LISTXATTR), "user.a", 7);
	finish(a);
	check_step(a, 0, 7, 0);
	a = set(m, "user.name", "v", 1, 0);
	reply_empty(m, expect(m, WIRE_SETXATTR));
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(no_setxattr)
{
	struct actor *a;

	known(m);
	a = set(m, "user.name", "v", 1, 0);
	reply_err(m, expect(m, WIRE_SETXATTR), ENOSYS);
	finish(a);
	check_step(a, 0, -1, EOPNOTSUPP);
	check_silent(m, set(m, "user.other", "v", 1, 0), -1, EOPNOTSUPP);
	a = removal(m, "user.name");
	reply_empty(m, expect(m, WIRE_REMOVEXATTR));
	finish(a);
	check_step(a, 0, 0, 0);
	a = get(m, "user.name", 100);
	reply_data(m, expect(m, WIRE_GETXATTR), "v", 1);
	finish(a);
	check_step(a, 0, 1, 0);
}

MOCK_CASE(no_listxattr)
{
	struct actor *a;

	known(m);
	a = list(m, 100);
	reply_err(m, expect(m, WIRE_LISTXATTR), ENOSYS);
	finish(a);
	check_step(a, 0, -1, EOPNOTSUPP);
	check_silent(m, list(m, 0), -1, EOPNOTSUPP);
	a = get(m, "user.name", 100);
	reply_data(m, expect(m, WIRE_GETXATTR), "v", 1);
	finish(a);
	check_step(a, 0, 1, 0);
}

MOCK_CASE(no_removexattr)
{
	struct actor *a;

	known(m);
	a = removal(m, "user.name");
	reply_err(m, expect(m, WIRE_REMOVEXATTR), ENOSYS);
	finish(a);
	check_step(a, 0, -1, EOPNOTSUPP);
	check_silent(m, removal(m, "user.name"), -1, EOPNOTSUPP);
	a = set(m, "user.name", "v", 1, 0);
	reply_empty(m, expect(m, WIRE_SETXATTR));
	finish(a);
	check_step(a, 0, 0, 0);
}

/* ---- names ---- */

MOCK_CASE(names)
{
	static const char *const names[] = { "user.x", "trusted.x", "security.x", "security.selinux.not", "system.x",
		"nonamespace", "user.\001\377 =\"" };

	known(m);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct actor *a = get(m, names[i], 100);

		reply_data(m, expect_named(m, WIRE_GETXATTR, 42, names[i]), "v", 1);
		finish(a);
		check_step(a, 0, 1, 0);
	}
}

MOCK_CASE(name_of_255_bytes)
{
	static char name[300] = "user.";
	struct actor *a;

	memset(name + 5, 'n', 250);
	known(m);
	a = get(m, name, 100);
	reply_data(m, expect_named(m, WIRE_GETXATTR, 42, name), "v", 1);
	finish(a);
	check_step(a, 0, 1, 0);
	strcat(name, "n");
	check_silent(m, get(m, name, 100), -1, ERANGE);
	check_silent(m, set(m, name, "v", 1, 0), -1, ERANGE);
	check_silent(m, removal(m, name), -1, ERANGE);
	check_silent(m, get(m, "", 100), -1, ERANGE);
}

/* user. is for files and directories; there is no such limit on trusted. */
MOCK_CASE(of_a_symlink)
{
	struct actor *a;

	know(m, "file", 42, S_IFLNK | 0777, 0);
	check_silent(m, get(m, "user.x", 100), -1, ENODATA);
	check_silent(m, set(m, "user.x", "v", 1, 0), -1, EPERM);
	a = get(m, "trusted.x", 100);
	reply_data(m, expect_named(m, WIRE_GETXATTR, 42, "trusted.x"), "v", 1);
	finish(a);
	check_step(a, 0, 1, 0);
	a = list(m, 100);
	reply_data(m, expect_on(m, WIRE_LISTXATTR, 42), "trusted.x", 10);
	finish(a);
	check_step(a, 0, 10, 0);
}

static long
other_users_trusted(struct actor *a)
{
	step(a, getxattr(in_mount(a, "file"), "trusted.x", a->buf, 10));
	step(a, setxattr(in_mount(a, "file"), "trusted.x", "v", 1, 0));
	step(a, removexattr(in_mount(a, "file"), "trusted.x"));
	return step(a, setxattr(in_mount(a, "file"), "security.capability", "v", 1, 0));
}

MOCK_CASE(of_another_user, .options = "allow_other")
{
	struct actor *a;

	known(m);
	a = on_as_other(m, other_users_trusted, "file");
	finish(a);
	check_step(a, 0, -1, ENODATA);
	check_step(a, 1, -1, EPERM);
	check_step(a, 2, -1, EPERM);
	check_that(a->step[3].ret == -1 && (a->step[3].err == EINVAL || a->step[3].err == EPERM));
	expect_none(m);
}
