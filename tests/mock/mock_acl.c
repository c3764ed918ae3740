/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * POSIX ACLs: passed through as any extended attribute without POSIX_ACL, and with it asked for, kept and obeyed by the kernel.
 */
#include <sys/xattr.h>

#include "mock/names.h"

static const char *acl_name = "system.posix_acl_access";

static long
do_get(struct actor *a)
{
	return step(a, getxattr(in_mount(a, "file"), acl_name, a->buf, 100));
}

struct acl {
	const void *bytes;
	size_t len;
};

static long
do_set(struct actor *a)
{
	const struct acl *acl = a->arg;

	return step(a, setxattr(in_mount(a, "file"), acl_name, acl->bytes, acl->len, 0));
}

static long
do_remove(struct actor *a)
{
	return step(a, removexattr(in_mount(a, "file"), acl_name));
}

static struct actor *
set(struct mock *m, const void *bytes, size_t len)
{
	static struct acl acl;

	acl = (struct acl){ bytes, len };
	return start_arg(m, do_set, &acl);
}

static void
known(struct mock *m)
{
	know(m, "file", 42, S_IFREG | 0644, 0);
}

#define ACL_ENTRY(tag, perm, id)                                                                                       \
	(tag) & 0xff, (tag) >> 8, (perm), 0, (id)&0xff, ((id) >> 8) & 0xff, ((id) >> 16) & 0xff, ((id) >> 24) & 0xff
#define NO_ID 0xffffffffu

/* Owner rw-, OTHER_UID r--, group ---, mask r--, others ---. */
static const uint8_t an_acl[] = { 2, 0, 0, 0, ACL_ENTRY(1, 6, NO_ID), ACL_ENTRY(2, 4, OTHER_UID),
	ACL_ENTRY(4, 0, NO_ID), ACL_ENTRY(16, 4, NO_ID), ACL_ENTRY(32, 0, NO_ID) };

/* Without POSIX_ACL they go through as they are. */
MOCK_CASE(passed_through)
{
	struct actor *a;
	struct req *r;

	known(m);
	a = set(m, an_acl, sizeof(an_acl));
	r = expect_named(m, WIRE_SETXATTR, 42, "system.posix_acl_access");
	check_u(r->datalen, sizeof(an_acl));
	check_mem(r->data, an_acl, sizeof(an_acl));
	reply_empty(m, r);
	finish(a);
	check_step(a, 0, 0, 0);
	for (int i = 0; i < 2; i++) { /* not cached */
		a = start(m, do_get);
		reply_data(m, expect_named(m, WIRE_GETXATTR, 42, "system.posix_acl_access"), an_acl, sizeof(an_acl));
		finish(a);
		check_step(a, 0, sizeof(an_acl), 0);
		check_mem(a->buf, an_acl, sizeof(an_acl));
	}
}

MOCK_CASE(that_is_none)
{
	struct actor *a;

	known(m);
	check_silent(m, set(m, "rubbish", 7), -1, EOPNOTSUPP); /* no version of them */
	check_silent(m, set(m, an_acl, sizeof(an_acl) - 1), -1, EINVAL);
	a = start(m, do_get);
	reply_data(m, expect_named(m, WIRE_GETXATTR, 42, "system.posix_acl_access"), "rubbish", 7);
	finish(a);
	check_step(a, 0, -1, EOPNOTSUPP);
}

MOCK_CASE(removed)
{
	struct actor *a;

	known(m);
	a = start(m, do_remove);
	reply_empty(m, expect_named(m, WIRE_REMOVEXATTR, 42, "system.posix_acl_access"));
	finish(a);
	check_step(a, 0, 0, 0);
}

static long
do_open_file(struct actor *a)
{
	a->fd = open(in_mount(a, "file"), O_RDONLY);
	step(a, a->fd == -1 ? -1 : 0);
	if (a->fd != -1)
		step(a, close(a->fd));
	return 0;
}

/* With it, the kernel asks for them, keeps them, and decides by them. */
MOCK_CASE(decides, .flags = WIRE_INIT_POSIX_ACL, .options = "allow_other", .needs_flags = WIRE_INIT_POSIX_ACL)
{
	struct actor *a = on(m, do_stat, "file");
	struct req *r;

	answer_getattr(m, WIRE_ROOT_ID, S_IFDIR | 0755, 0);
	answer_lookup(m, WIRE_ROOT_ID, "file", 42, S_IFREG | 0640, 0);
	finish(a);
	for (int i = 0; i < 2; i++) {
		a = on_as_other(m, do_open_file, "file");
		/* (The root's is not kept: the root was made before INIT said that there are any.) */
		reply_err(m, expect_named(m, WIRE_GETXATTR, 1, "system.posix_acl_access"), ENODATA);
		if (i == 0) {
			r = expect_named(m, WIRE_GETXATTR, 42, "system.posix_acl_access");
			check_u(r->in.getxattr.size, 4096);
			reply_data(m, r, an_acl, sizeof(an_acl));
		}
		answer_open(m, 42, 70, 0);
		answer_close(m, 42, 70);
		finish(a);
		check_step(a, 0, 0, 0);
	}
	/* A third is nobody in it. */
	a = start_as(m, OTHER_UID + 1, OTHER_GID, NULL, 0, do_open_file, NULL);
	reply_err(m, expect_named(m, WIRE_GETXATTR, 1, "system.posix_acl_access"), ENODATA);
	answer_getattr(m, 42, S_IFREG | 0640, 0); /* who is refused is refused by what is so now */
	reply_data(m, expect_named(m, WIRE_GETXATTR, 42, "system.posix_acl_access"), an_acl, sizeof(an_acl));
	finish(a);
	check_step(a, 0, -1, EACCES);
}

/* Setting one drops what is known of the file, and says when a set-group-id bit must not survive it. */
MOCK_CASE(set, .flags = WIRE_INIT_POSIX_ACL | WIRE_INIT_SETXATTR_EXT, .options = "allow_other",
    .needs_flags = WIRE_INIT_POSIX_ACL | WIRE_INIT_SETXATTR_EXT)
{
	struct wire_entry_out e = an_entry(42, S_IFREG | 02775, 0);
	struct actor *a = on(m, do_stat, "file");
	struct req *r;

	answer_getattr(m, WIRE_ROOT_ID, S_IFDIR | 0755, 0);
	e.attr.uid = OTHER_UID;
	e.attr.gid = OTHER_GID + 1;
	reply_entry(m, expect_lookup(m, WIRE_ROOT_ID, "file"), e);
	finish(a);
	a = set(m, an_acl, sizeof(an_acl));
	r = expect_named(m, WIRE_SETXATTR, 42, "system.posix_acl_access");
	check_u(r->in.setxattr.setxattr_flags, 0); /* root may keep it */
	reply_empty(m, r);
	finish(a);
	check_step(a, 0, 0, 0);
	a = start_as(m, OTHER_UID, OTHER_GID, NULL, 0, do_set, &(struct acl){ an_acl, sizeof(an_acl) });
	reply_err(m, expect_named(m, WIRE_GETXATTR, 1, "system.posix_acl_access"), ENODATA);
	r = expect_named(m, WIRE_SETXATTR, 42, "system.posix_acl_access");
	check_u(r->in.setxattr.setxattr_flags, WIRE_SETXATTR_ACL_KILL_SGID);
	check_mem(r->data, an_acl, sizeof(an_acl));
	reply_empty(m, r);
	finish(a);
	check_step(a, 0, 0, 0);
	a = on(m, do_stat, "file");
	answer_getattr(m, 42, S_IFREG | 0640, 0);
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(of_a_directory)
{
	struct actor *a;
	struct req *r;

	know(m, "file", 42, S_IFDIR | 0755, 0);
	acl_name = "system.posix_acl_default";
	a = set(m, an_acl, sizeof(an_acl));
	r = expect_named(m, WIRE_SETXATTR, 42, "system.posix_acl_default");
	check_mem(r->data, an_acl, sizeof(an_acl));
	reply_empty(m, r);
	finish(a);
	check_step(a, 0, 0, 0);
}
