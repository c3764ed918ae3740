/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who may: allow_other and not, default_permissions with owner, group, other, supplementary groups, sticky directories and
 * set-id bits, and the daemon's own judgement where the kernel has none.
 */
#include "mock/names.h"

static struct actor *
on_as(struct mock *m, uid_t uid, gid_t gid, const gid_t *groups, int n, long (*fn)(struct actor *a), const char *name)
{
	return start_as(m, uid, gid, groups, n, fn, (void *)(uintptr_t)name);
}

static long
do_unlink(struct actor *a)
{
	return step(a, unlink(arg_path(a)));
}

static long
do_chmod(struct actor *a)
{
	return step(a, chmod(arg_path(a), 02755));
}

static long
do_mkdir(struct actor *a)
{
	return step(a, mkdir(arg_path(a), 0755));
}

static long
open_close(struct actor *a)
{
	a->fd = open(arg_path(a), O_RDONLY);
	step(a, a->fd == -1 ? -1 : 0);
	return a->fd == -1 ? -1 : close(a->fd);
}

static long
open_rw_close(struct actor *a)
{
	a->fd = open(arg_path(a), O_RDWR);
	step(a, a->fd == -1 ? -1 : 0);
	return a->fd == -1 ? -1 : close(a->fd);
}

static long
do_stat_mount(struct actor *a)
{
	return step(a, stat(in_mount(a, ""), &a->st));
}

/* ---- whose mount it is ---- */

MOCK_CASE(others_are_kept_out)
{
	know(m, "file", 42, S_IFREG | 0777, 0);
	check_silent(m, on_as_other(m, do_stat, "file"), -1, EACCES);
	check_silent(m, on_as_other(m, do_stat_mount, NULL), -1, EACCES);
	check_silent(m, on_as_other(m, open_close, "file"), -1, EACCES);
	check_silent(m, on_as_other(m, do_mkdir, "dir"), -1, EACCES);
	check_silent(m, on_as_other(m, open_close, ""), -1, EACCES);
}

/* Root is somebody else, too. */
MOCK_CASE(root_is_kept_out, .options = "user_id=1234,group_id=4321")
{
	struct actor *a = on_as_other(m, do_stat, "file");
	struct req *r = expect_lookup(m, WIRE_ROOT_ID, "file");

	check_caller(r, a, OTHER_UID, OTHER_GID);
	reply_entry(m, r, an_entry(42, S_IFREG | 0777, 0));
	finish(a);
	check_step(a, 0, 0, 0);
	check_silent(m, on(m, do_stat, "file"), -1, EACCES);
	check_silent(m, on(m, do_stat_mount, NULL), -1, EACCES);
}

/* The group, too, has to be the one of the mount. */
MOCK_CASE(of_another_group)
{
	know(m, "file", 42, S_IFREG | 0777, 0);
	check_silent(m, on_as(m, 0, OTHER_GID, NULL, 0, do_stat, "file"), -1, EACCES);
}

static long
stat_as_set_id(struct actor *a)
{
	if (setresuid(0, 0, OTHER_UID) != 0)
		return -1;
	return do_stat(a);
}

/* As do all three user ids: a set-id program is not its caller's. */
MOCK_CASE(set_id_programs_are_kept_out)
{
	know(m, "file", 42, S_IFREG | 0777, 0);
	check_silent(m, on(m, stat_as_set_id, "file"), -1, EACCES);
}

MOCK_CASE(allow_other, .options = "allow_other")
{
	struct actor *a;
	struct req *r;

	know(m, "file", 42, S_IFREG | 0600, 0);
	/* Without default_permissions the mode says nothing: the daemon does. */
	a = on_as_other(m, open_close, "file");
	r = expect_on(m, WIRE_OPEN, 42);
	check_caller(r, a, OTHER_UID, OTHER_GID);
	reply_err(m, r, EACCES);
	finish(a);
	check_step(a, 0, -1, EACCES);
	a = on_as_other(m, open_close, "file");
	answer_open(m, 42, 70, 0);
	answer_close(m, 42, 70);
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(names_are_the_daemons_to_refuse, .options = "allow_other")
{
	struct actor *a;

	know(m, "dir", 42, S_IFDIR | 0700, 0);
	a = on_as_other(m, do_stat, "dir/file");
	reply_err(m, expect_lookup(m, 42, "file"), EACCES);
	finish(a);
	check_step(a, 0, -1, EACCES);
	a = on(m, do_stat, "dir/file");
	answer_lookup(m, 42, "file", 43, S_IFREG | 0644, 0);
	finish(a);
	check_silent(m, on_as_other(m, do_stat, "dir/file"), 0, 0); /* what one was told the other sees */
}

/* ---- default_permissions ---- */

#define CHECKED .options = "default_permissions,allow_other"

/* Make the root and "file" (node 42) known with this owner and mode. */
static void
owned(struct mock *m, uint32_t uid, uint32_t gid, uint32_t mode)
{
	struct wire_entry_out e = an_entry(42, mode, 0);
	struct actor *a = on(m, do_stat, "file");

	answer_getattr(m, WIRE_ROOT_ID, S_IFDIR | 0755, 0);
	e.attr.uid = uid;
	e.attr.gid = gid;
	reply_entry(m, expect_lookup(m, WIRE_ROOT_ID, "file"), e);
	finish(a);
	check_step(a, 0, 0, 0);
}

/* Opening "file" is allowed (OPEN comes), or refused after the attributes were asked for again. */
static void
may(struct mock *m, struct actor *a, bool allowed, uint32_t uid, uint32_t gid, uint32_t mode)
{
	struct wire_attr attr = an_attr(42, mode, 0);

	attr.uid = uid;
	attr.gid = gid;
	if (allowed) {
		answer_open(m, 42, 70, 0);
		answer_close(m, 42, 70);
	} else {
		reply_attr(m, expect_on(m, WIRE_GETATTR, 42), LONG, attr);
	}
	finish(a);
	check_step(a, 0, allowed ? 0 : -1, EACCES);
	expect_none(m);
}

MOCK_CASE(owner, CHECKED)
{
	owned(m, 1001, 1002, S_IFREG | 0400);
	may(m, on_as(m, 1001, 5, NULL, 0, open_close, "file"), true, 1001, 1002, S_IFREG | 0400);
	may(m, on_as(m, 1001, 5, NULL, 0, open_rw_close, "file"), false, 1001, 1002, S_IFREG | 0400);
	may(m, on_as(m, 1003, 1002, NULL, 0, open_close, "file"), false, 1001, 1002, S_IFREG | 0400);
}

MOCK_CASE(group, CHECKED)
{
	owned(m, 1001, 1002, S_IFREG | 0040);
	may(m, on_as(m, 1003, 1002, NULL, 0, open_close, "file"), true, 1001, 1002, S_IFREG | 0040);
	may(m, on_as(m, 1003, 1002, NULL, 0, open_rw_close, "file"), false, 1001, 1002, S_IFREG | 0040);
	may(m, on_as(m, 1003, 1003, NULL, 0, open_close, "file"), false, 1001, 1002, S_IFREG | 0040);
	may(m, on_as(m, 1001, 1002, NULL, 0, open_close, "file"), false, 1001, 1002,
	    S_IFREG | 0040); /* the owner has less */
}

MOCK_CASE(supplementary_group, CHECKED)
{
	static const gid_t groups[] = { 7, 1002, 9 };

	owned(m, 1001, 1002, S_IFREG | 0060);
	may(m, on_as(m, 1003, 1003, groups, 3, open_rw_close, "file"), true, 1001, 1002, S_IFREG | 0060);
	may(m, on_as(m, 1003, 1003, groups, 1, open_rw_close, "file"), false, 1001, 1002, S_IFREG | 0060);
}

MOCK_CASE(other, CHECKED)
{
	owned(m, 1001, 1002, S_IFREG | 0006);
	may(m, on_as(m, 1003, 1003, NULL, 0, open_rw_close, "file"), true, 1001, 1002, S_IFREG | 0006);
	may(m, on_as(m, 1003, 1002, NULL, 0, open_close, "file"), false, 1001, 1002, S_IFREG | 0006);
}

MOCK_CASE(root_may_all, CHECKED)
{
	owned(m, 1001, 1002, S_IFREG | 0);
	may(m, on(m, open_rw_close, "file"), true, 1001, 1002, S_IFREG | 0);
}

/* Who is refused by what was known is judged once more by what is so. */
MOCK_CASE(refused_by_old_attributes, CHECKED)
{
	struct actor *a;

	owned(m, 1001, 1002, S_IFREG | 0600);
	a = on_as_other(m, open_close, "file");
	reply_attr(m, expect_on(m, WIRE_GETATTR, 42), LONG, an_attr(42, S_IFREG | 0644, 0));
	answer_open(m, 42, 70, 0);
	answer_close(m, 42, 70);
	finish(a);
	check_step(a, 0, 0, 0);
}

/* Attributes of no time are asked for before each judgement. */
MOCK_CASE(attributes_of_no_time, CHECKED)
{
	struct actor *a = on_as_other(m, open_close, "file");
	struct wire_entry_out e = an_entry(42, S_IFREG | 0644, 0);

	answer_getattr(m, WIRE_ROOT_ID, S_IFDIR | 0755, 0);
	e.attr_valid = 0;
	reply_entry(m, expect_lookup(m, WIRE_ROOT_ID, "file"), e);
	reply_attr(m, expect_on(m, WIRE_GETATTR, 42), 0, an_attr(42, S_IFREG | 0600, 0));
	finish(a);
	check_step(a, 0, -1, EACCES);
}

MOCK_CASE(search_of_a_directory, CHECKED)
{
	struct actor *a = on(m, do_stat, "dir");

	answer_getattr(m, WIRE_ROOT_ID, S_IFDIR | 0755, 0);
	answer_lookup(m, WIRE_ROOT_ID, "dir", 42, S_IFDIR | 0744, 0);
	finish(a);
	a = on_as_other(m, do_stat, "dir/file");
	answer_getattr(m, 42, S_IFDIR | 0744, 0);
	finish(a);
	check_step(a, 0, -1, EACCES);
	expect_none(m);                        /* no LOOKUP */
	a = on_as_other(m, open_close, "dir"); /* reading it is allowed */
	answer_opendir(m, 42, 70, 0);
	answer_releasedir(m, 42, 70);
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(creation_in_a_directory, CHECKED)
{
	struct actor *a = on_as_other(m, do_mkdir, "dir");

	answer_getattr(m, WIRE_ROOT_ID, S_IFDIR | 0755, 0);
	answer_noent(m, WIRE_ROOT_ID, "dir");
	answer_getattr(m, WIRE_ROOT_ID, S_IFDIR | 0755, 0);
	finish(a);
	check_step(a, 0, -1, EACCES);
	expect_none(m);
}

/* In a sticky directory only owners remove. */
static void
sticky(struct mock *m, uid_t uid, bool allowed)
{
	struct wire_entry_out e = an_entry(43, S_IFREG | 0666, 0);
	struct actor *a = on(m, do_stat, "tmp/file");

	if (!allowed || uid == 1001) { /* (the first time) */
		answer_getattr(m, WIRE_ROOT_ID, S_IFDIR | 0755, 0);
		answer_lookup(m, WIRE_ROOT_ID, "tmp", 42, S_IFDIR | 01777, 0);
		e.attr.uid = 1001;
		reply_entry(m, expect_lookup(m, 42, "file"), e);
	}
	finish(a);
	a = on_as(m, uid, 1002, NULL, 0, do_unlink, "tmp/file");
	if (allowed)
		reply_empty(m, expect_named(m, WIRE_UNLINK, 42, "file"));
	finish(a);
	check_step(a, 0, allowed ? 0 : -1, EPERM);
	expect_none(m);
}

MOCK_CASE(sticky_for_others, CHECKED)
{
	sticky(m, 1003, false);
}

MOCK_CASE(sticky_for_the_owner, CHECKED)
{
	sticky(m, 1001, true);
}

/* Without default_permissions sticky is the daemon's affair, too, though it is shown. */
MOCK_CASE(sticky_unchecked, .options = "allow_other")
{
	struct actor *a;

	know(m, "tmp", 42, S_IFDIR | 01755, 0);
	a = on(m, do_stat, "tmp/file");
	answer_lookup(m, 42, "file", 43, S_IFREG | 0666, 0);
	finish(a);
	a = on_as_other(m, do_unlink, "tmp/file");
	reply_err(m, expect_named(m, WIRE_UNLINK, 42, "file"), EPERM);
	finish(a);
	check_step(a, 0, -1, EPERM);
	a = on_as_other(m, do_unlink, "tmp/file");
	reply_empty(m, expect_named(m, WIRE_UNLINK, 42, "file"));
	finish(a);
	check_step(a, 0, 0, 0);
	a = on(m, do_stat, "tmp");
	answer_getattr(m, 42, S_IFDIR | 01755, 0); /* (something in it changed) */
	finish(a);
	check_u(a->st.st_mode, S_IFDIR | 01755);
}

MOCK_CASE(chmod_by_owner_alone, CHECKED)
{
	struct actor *a;
	struct req *r;
	struct wire_attr attr = an_attr(42, S_IFREG | 0755, 0);

	owned(m, 1001, 1002, S_IFREG | 0666);
	check_silent(m, on_as_other(m, do_chmod, "file"), -1, EPERM);
	/* An owner who is not of the group loses the set-group-id bit. */
	a = on_as(m, 1001, 1003, NULL, 0, do_chmod, "file");
	r = expect_on(m, WIRE_SETATTR, 42);
	check_u(r->in.setattr.valid, WIRE_FATTR_MODE);
	check_u(r->in.setattr.mode, S_IFREG | 0755);
	attr.uid = 1001;
	attr.gid = 1002;
	reply_attr(m, r, LONG, attr);
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(chmod_unchecked, .options = "allow_other")
{
	struct actor *a;
	struct req *r;

	know(m, "file", 42, S_IFREG | 0644, 0);
	a = on_as_other(m, do_chmod, "file");
	r = expect_on(m, WIRE_SETATTR, 42);
	check_caller(r, a, OTHER_UID, OTHER_GID);
	reply_err(m, r, EPERM);
	finish(a);
	check_step(a, 0, -1, EPERM);
}

static long
mkdir_and_create_setgid(struct actor *a)
{
	umask(0);
	step(a, mkdir(in_mount(a, "dir/sub"), 0777));
	a->fd = open(in_mount(a, "dir/file"), O_CREAT | O_WRONLY, 02777);
	step(a, a->fd == -1 ? -1 : 0);
	return a->fd == -1 ? -1 : close(a->fd);
}

/* What is made in a set-group-id directory is the daemon's to pass on; who is not of the group cannot make it so. */
MOCK_CASE(in_a_setgid_directory, .options = "allow_other")
{
	struct wire_entry_out e = an_entry(42, S_IFDIR | 02777, 0);
	struct actor *a = on(m, do_stat, "dir");
	struct req *r;

	e.attr.gid = 1002;
	reply_entry(m, expect_lookup(m, WIRE_ROOT_ID, "dir"), e);
	finish(a);
	a = on_as_other(m, mkdir_and_create_setgid, NULL);
	answer_noent(m, 42, "sub");
	r = expect_named(m, WIRE_MKDIR, 42, "sub");
	check_u(r->in.mkdir.mode, 0777);
	reply_entry(m, r, an_entry(43, S_IFDIR | 02777, 0));
	answer_noent(m, 42, "file");
	r = expect_named(m, WIRE_CREATE, 42, "file");
	check_u(r->in.create.mode, S_IFREG | 0777);
	reply_create(m, r, an_entry(44, S_IFREG | 0777, 0), 70, 0);
	answer_close(m, 44, 70);
	finish(a);
	check_step(a, 0, 0, 0);
	check_step(a, 1, 0, 0);
}

/* ---- set-id bits of a file that somebody else writes to ---- */

static long
open_write_close(struct actor *a)
{
	a->fd = open(arg_path(a), O_WRONLY);
	step(a, a->fd == -1 ? -1 : 0);
	step(a, write(a->fd, "x", 1));
	return step(a, close(a->fd));
}

/* They go before the write. */
MOCK_CASE(write_clears_suid, .options = "allow_other")
{
	struct actor *a;
	struct req *r;

	know(m, "file", 42, S_IFREG | 04777, 0);
	a = on_as_other(m, open_write_close, "file");
	answer_open(m, 42, 70, 0);
	reply_err(m, expect_named(m, WIRE_GETXATTR, 42, "security.capability"), ENOSYS);
	reply_attr(m, expect_on(m, WIRE_GETATTR, 42), LONG, an_attr(42, S_IFREG | 04777, 0));
	r = expect_on(m, WIRE_SETATTR, 42);
	check_u(r->in.setattr.valid, WIRE_FATTR_MODE);
	check_u(r->in.setattr.mode, S_IFREG | 0777);
	reply_attr(m, r, LONG, an_attr(42, S_IFREG | 0777, 0));
	r = expect_on(m, WIRE_WRITE, 42);
	check_u(r->in.write.write_flags & WIRE_WRITE_KILL_SUIDGID, 0);
	reply_write(m, r, 1);
	answer_close(m, 42, 70);
	finish(a);
	check_step(a, 1, 1, 0);
}

/* Or the daemon does it with the write. */
MOCK_CASE(write_clears_suid_v2, .options = "allow_other", .flags = WIRE_INIT_HANDLE_KILLPRIV_V2,
    .needs_flags = WIRE_INIT_HANDLE_KILLPRIV_V2)
{
	struct actor *a;
	struct req *r;

	know(m, "file", 42, S_IFREG | 04777, 0);
	a = on_as_other(m, open_write_close, "file");
	answer_open(m, 42, 70, 0);
	reply_err(m, expect_named(m, WIRE_GETXATTR, 42, "security.capability"), ENOSYS);
	r = expect_on(m, WIRE_SETATTR, 42);
	check_u(r->in.setattr.valid, 0); /* (the kernel has left nothing of it but the question) */
	reply_attr(m, r, LONG, an_attr(42, S_IFREG | 04777, 0));
	r = expect_on(m, WIRE_WRITE, 42);
	check_u(r->in.write.write_flags & WIRE_WRITE_KILL_SUIDGID, WIRE_WRITE_KILL_SUIDGID);
	reply_write(m, r, 1);
	answer_close(m, 42, 70);
	finish(a);
	check_step(a, 1, 1, 0);
}

MOCK_CASE(
    write_by_root_clears_nothing, .flags = WIRE_INIT_HANDLE_KILLPRIV_V2, .needs_flags = WIRE_INIT_HANDLE_KILLPRIV_V2)
{
	struct actor *a;
	struct req *r;

	know(m, "file", 42, S_IFREG | 04777, 0);
	a = on(m, open_write_close, "file");
	answer_open(m, 42, 70, 0);
	reply_err(m, expect_named(m, WIRE_GETXATTR, 42, "security.capability"), ENOSYS);
	r = expect_on(m, WIRE_WRITE, 42);
	check_u(r->in.write.write_flags & WIRE_WRITE_KILL_SUIDGID, 0);
	reply_write(m, r, 1);
	answer_close(m, 42, 70);
	finish(a);
	check_step(a, 1, 1, 0);
}

/* ---- execution ---- */

static long
do_exec(struct actor *a)
{
	char *argv[] = { (char *)(uintptr_t) "x", NULL };

	return step(a, execv(arg_path(a), argv));
}

/* A file that nobody may execute is refused by its mode, whatever the options. */
MOCK_CASE(exec_by_the_mode)
{
	struct actor *a;

	know(m, "file", 42, S_IFREG | 0644, 10);
	a = on(m, do_exec, "file");
	answer_getattr(m, 42, S_IFREG | 0644, 10);
	finish(a);
	check_step(a, 0, -1, EACCES);
	expect_none(m);
}

MOCK_CASE(exec_of_what_is_executable)
{
	struct actor *a;
	struct req *r;

	know(m, "file", 42, S_IFREG | 0611, 10);
	a = on(m, do_exec, "file");
	r = expect_on(m, WIRE_OPEN, 42);
	check_u(r->in.open.flags & O_ACCMODE, O_RDONLY);
	check_that((r->in.open.flags & 040) != 0); /* FMODE_EXEC */
	reply_open(m, r, 70, 0);
	reply_data(m, expect_on(m, WIRE_READ, 42), "no program", 10);
	r = expect_on(m, WIRE_RELEASE, 42); /* (nothing flushes it) */
	reply_empty(m, r);
	finish(a);
	check_step(a, 0, -1, ENOEXEC);
}

MOCK_CASE(noexec_mount, .ms_flags = 8 /* MS_NOEXEC */)
{
	know(m, "file", 42, S_IFREG | 0755, 10);
	check_silent(m, on(m, do_exec, "file"), -1, EACCES);
}
