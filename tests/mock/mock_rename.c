/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RENAME and RENAME2: their fields and flags, and what is known of both names, both nodes and both directories afterwards.
 */
#include <stdio.h>

#include "mock/names.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2
#define RENAME_WHITEOUT 4
#endif

struct moving {
	const char *from, *to;
	unsigned flags;
};

static long
do_rename(struct actor *a)
{
	const struct moving *v = a->arg;

	return step(a, renameat2(AT_FDCWD, in_mount(a, v->from), AT_FDCWD, in_mount(a, v->to), v->flags));
}

static struct actor *
move(struct mock *m, const char *from, const char *to, unsigned flags)
{
	static struct moving v;

	v = (struct moving){ from, to, flags };
	return start_arg(m, do_rename, &v);
}

static void
check_rename(const struct req *r, uint64_t dir, const char *from, uint64_t newdir, const char *to)
{
	check_u(r->hdr.opcode, WIRE_RENAME);
	check_u(r->hdr.nodeid, dir);
	check_u(r->in.rename.newdir, newdir);
	check_str(r->name[0], from);
	check_str(r->name[1], to);
	check_u(r->rawlen,
	    sizeof(struct wire_in_header) + sizeof(struct wire_rename_in) + r->namelen[0] + r->namelen[1] + 2);
}

static void
check_rename2(const struct req *r, uint64_t dir, const char *from, uint64_t newdir, const char *to, uint32_t flags)
{
	check_u(r->hdr.nodeid, dir);
	check_u(r->in.rename2.newdir, newdir);
	check_u(r->in.rename2.flags, flags);
	check_u(r->in.rename2.padding, 0);
	check_str(r->name[0], from);
	check_str(r->name[1], to);
	check_u(r->rawlen,
	    sizeof(struct wire_in_header) + sizeof(struct wire_rename2_in) + r->namelen[0] + r->namelen[1] + 2);
}

/* lstat(name) knows the name and asks for the attributes of its node (whose ctime changed). */
static void
renamed_node(struct mock *m, const char *name, uint64_t nodeid, uint32_t mode)
{
	struct actor *a = on(m, do_stat, name);

	answer_getattr(m, nodeid, mode, 0);
	finish(a);
	check_step(a, 0, 0, 0);
	check_u(a->st.st_ino, nodeid);
	expect_none(m);
}

MOCK_CASE(plain)
{
	struct actor *a;
	struct req *r;

	know(m, "old", 42, S_IFREG | 0644, 0);
	a = move(m, "old", "newname", 0);
	answer_noent(m, WIRE_ROOT_ID, "newname");
	r = expect(m, WIRE_RENAME);
	check_caller(r, a, 0, 0);
	check_rename(r, WIRE_ROOT_ID, "old", WIRE_ROOT_ID, "newname");
	reply_empty(m, r);
	finish(a);
	check_step(a, 0, 0, 0);
	renamed_node(m, "newname", 42, S_IFREG | 0644);
	check_asked_again(m, "old");
}

MOCK_CASE(both_looked_up_first)
{
	struct actor *a = move(m, "old", "new", 0);

	answer_lookup(m, WIRE_ROOT_ID, "old", 42, S_IFREG | 0644, 0);
	answer_lookup(m, WIRE_ROOT_ID, "new", 43, S_IFREG | 0644, 0);
	reply_empty(m, expect(m, WIRE_RENAME));
	finish(a);
	check_step(a, 0, 0, 0);
	expect_forgotten(m, 43);
}

MOCK_CASE(of_nothing)
{
	struct actor *a = move(m, "old", "new", 0);

	answer_noent(m, WIRE_ROOT_ID, "old");
	finish(a);
	check_step(a, 0, -1, ENOENT);
	expect_none(m);
}

/* The target is made sure of, whatever is known of it. */
MOCK_CASE(over_a_file)
{
	struct actor *a;
	struct req *r;

	know(m, "old", 42, S_IFREG | 0644, 0);
	know(m, "new", 43, S_IFREG | 0600, 0);
	a = move(m, "old", "new", 0);
	answer_lookup(m, WIRE_ROOT_ID, "new", 43, S_IFREG | 0600, 0);
	r = expect(m, WIRE_RENAME);
	check_rename(r, WIRE_ROOT_ID, "old", WIRE_ROOT_ID, "new");
	reply_empty(m, r);
	finish(a);
	check_step(a, 0, 0, 0);
	expect_forgotten(m, 43);
	renamed_node(m, "new", 42, S_IFREG | 0644);
	check_asked_again(m, "old");
}

MOCK_CASE(over_a_negative_name)
{
	struct actor *a;

	know(m, "old", 42, S_IFREG | 0644, 0);
	a = on(m, do_stat, "new");
	reply_negative(m, expect_lookup(m, WIRE_ROOT_ID, "new"), LONG);
	finish(a);
	a = move(m, "old", "new", 0);
	answer_noent(m, WIRE_ROOT_ID, "new");
	reply_empty(m, expect(m, WIRE_RENAME));
	finish(a);
	check_step(a, 0, 0, 0);
	renamed_node(m, "new", 42, S_IFREG | 0644);
}

/* Two names of one node: nothing is done. */
MOCK_CASE(over_itself)
{
	struct actor *a;

	know(m, "old", 42, S_IFREG | 0644, 0);
	know(m, "new", 42, S_IFREG | 0644, 0);
	a = move(m, "old", "new", 0);
	answer_lookup(m, WIRE_ROOT_ID, "new", 42, S_IFREG | 0644, 0);
	finish(a);
	check_step(a, 0, 0, 0);
	expect_none(m);
	check_cached(m, "old");
	check_cached(m, "new");
}

MOCK_CASE(across_directories)
{
	struct actor *a;
	struct req *r;

	know(m, "d1", 42, S_IFDIR | 0755, 0);
	know(m, "d2", 43, S_IFDIR | 0755, 0);
	a = move(m, "d1/old", "d2/new", 0);
	answer_lookup(m, 42, "old", 44, S_IFREG | 0644, 0);
	answer_noent(m, 43, "new");
	r = expect(m, WIRE_RENAME);
	check_rename(r, 42, "old", 43, "new");
	reply_empty(m, r);
	finish(a);
	check_step(a, 0, 0, 0);
	/* Both directories have changed. */
	renamed_node(m, "d1", 42, S_IFDIR | 0755);
	renamed_node(m, "d2", 43, S_IFDIR | 0755);
	renamed_node(m, "d2/new", 44, S_IFREG | 0644);
	a = on(m, do_stat, "d1/old");
	answer_noent(m, 42, "old");
	finish(a);
	check_step(a, 0, -1, ENOENT);
}

/* What is known below a directory goes with it. */
MOCK_CASE(of_a_directory)
{
	struct actor *a = on(m, do_stat, "old/file");

	answer_lookup(m, WIRE_ROOT_ID, "old", 42, S_IFDIR | 0755, 0);
	answer_lookup(m, 42, "file", 43, S_IFREG | 0644, 0);
	finish(a);
	a = move(m, "old", "new", 0);
	answer_noent(m, WIRE_ROOT_ID, "new");
	reply_empty(m, expect(m, WIRE_RENAME));
	finish(a);
	check_step(a, 0, 0, 0);
	check_cached(m, "new/file");
	a = on(m, do_stat, "new/other");
	answer_noent(m, 42, "other");
	finish(a);
	check_asked_again(m, "old");
}

MOCK_CASE(over_a_directory)
{
	struct actor *a;

	know(m, "old", 42, S_IFDIR | 0755, 0);
	know(m, "new", 43, S_IFDIR | 0755, 0);
	a = move(m, "old", "new", 0);
	answer_lookup(m, WIRE_ROOT_ID, "new", 43, S_IFDIR | 0755, 0);
	reply_err(m, expect(m, WIRE_RENAME), ENOTEMPTY);
	finish(a);
	check_step(a, 0, -1, ENOTEMPTY);
	check_cached(m, "old");
	check_cached(m, "new");
	a = move(m, "old", "new", 0);
	answer_lookup(m, WIRE_ROOT_ID, "new", 43, S_IFDIR | 0755, 0);
	reply_empty(m, expect(m, WIRE_RENAME));
	finish(a);
	check_step(a, 0, 0, 0);
	expect_forgotten(m, 43);
	renamed_node(m, "new", 42, S_IFDIR | 0755);
}

MOCK_CASE(of_mismatched_types)
{
	struct actor *a;

	know(m, "dir", 42, S_IFDIR | 0755, 0);
	know(m, "file", 43, S_IFREG | 0644, 0);
	a = move(m, "dir", "file", 0);
	answer_lookup(m, WIRE_ROOT_ID, "file", 43, S_IFREG | 0644, 0);
	finish(a);
	check_step(a, 0, -1, ENOTDIR);
	a = move(m, "file", "dir", 0);
	answer_lookup(m, WIRE_ROOT_ID, "dir", 42, S_IFDIR | 0755, 0);
	finish(a);
	check_step(a, 0, -1, EISDIR);
	expect_none(m);
}

MOCK_CASE(into_itself)
{
	struct actor *a;

	know(m, "dir", 42, S_IFDIR | 0755, 0);
	a = move(m, "dir", "dir/sub", 0);
	answer_noent(m, 42, "sub");
	finish(a);
	check_step(a, 0, -1, EINVAL);
	expect_none(m);
}

static long
fstat_when_told(struct actor *a)
{
	if (do_open(a, O_RDONLY) < 0)
		return -1;
	hold(a);
	step(a, fstat(a->fd, &a->st));
	return step(a, close(a->fd));
}

MOCK_CASE(over_an_open_file)
{
	struct wire_attr attr = an_attr(43, S_IFREG | 0600, 77);
	struct actor *holder, *a;

	know(m, "old", 42, S_IFREG | 0644, 0);
	holder = on(m, fstat_when_told, "new");
	answer_lookup(m, WIRE_ROOT_ID, "new", 43, S_IFREG | 0600, 77);
	answer_open(m, 43, 70, 0);
	reached(holder);
	a = move(m, "old", "new", 0);
	answer_lookup(m, WIRE_ROOT_ID, "new", 43, S_IFREG | 0600, 77);
	reply_empty(m, expect(m, WIRE_RENAME));
	finish(a);
	check_step(a, 0, 0, 0);
	proceed(holder);
	attr.nlink = 0;
	reply_attr(m, expect_on(m, WIRE_GETATTR, 43), LONG, attr);
	answer_close(m, 43, 70);
	finish(holder);
	check_u(holder->st.st_nlink, 0);
	check_u(holder->st.st_size, 77);
	expect_forgotten(m, 43);
}

MOCK_CASE(errors)
{
	static const int errors[] = { EPERM, EXDEV, EIO, ENOSYS, EBUSY };

	know(m, "old", 42, S_IFREG | 0644, 0);
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct actor *a = move(m, "old", "new", 0);

		answer_noent(m, WIRE_ROOT_ID, "new");
		reply_err(m, expect(m, WIRE_RENAME), errors[i]);
		finish(a);
		check_step(a, 0, -1, errors[i]);
		check_cached(m, "old");
	}
}

/* ---- flags ---- */

MOCK_CASE(noreplace)
{
	struct actor *a;
	struct req *r;

	know(m, "old", 42, S_IFREG | 0644, 0);
	a = move(m, "old", "new", RENAME_NOREPLACE);
	answer_noent(m, WIRE_ROOT_ID, "new");
	r = expect(m, WIRE_RENAME2);
	check_caller(r, a, 0, 0);
	check_rename2(r, WIRE_ROOT_ID, "old", WIRE_ROOT_ID, "new", RENAME_NOREPLACE);
	reply_empty(m, r);
	finish(a);
	check_step(a, 0, 0, 0);
	renamed_node(m, "new", 42, S_IFREG | 0644);
	check_asked_again(m, "old");
}

MOCK_CASE(noreplace_across_directories)
{
	struct actor *a;
	struct req *r;

	know(m, "d1", 42, S_IFDIR | 0755, 0);
	know(m, "d2", 43, S_IFDIR | 0755, 0);
	a = move(m, "d1/old", "d2/new", RENAME_NOREPLACE);
	answer_lookup(m, 42, "old", 44, S_IFREG | 0644, 0);
	answer_noent(m, 43, "new");
	r = expect(m, WIRE_RENAME2);
	check_rename2(r, 42, "old", 43, "new", RENAME_NOREPLACE);
	reply_empty(m, r);
	finish(a);
	check_step(a, 0, 0, 0);
	renamed_node(m, "d2/new", 44, S_IFREG | 0644);
}

MOCK_CASE(noreplace_of_an_existing)
{
	struct actor *a;

	know(m, "old", 42, S_IFREG | 0644, 0);
	a = move(m, "old", "new", RENAME_NOREPLACE);
	answer_lookup(m, WIRE_ROOT_ID, "new", 43, S_IFREG | 0644, 0);
	finish(a);
	check_step(a, 0, -1, EEXIST);
	expect_none(m);
}

MOCK_CASE(exchange)
{
	struct actor *a;
	struct req *r;

	know(m, "d1", 42, S_IFDIR | 0755, 0);
	know(m, "file", 43, S_IFREG | 0644, 0);
	a = on(m, do_stat, "d1/one");
	answer_lookup(m, 42, "one", 44, S_IFDIR | 0711, 0);
	finish(a);
	a = move(m, "d1/one", "file", RENAME_EXCHANGE);
	r = expect(m, WIRE_RENAME2); /* (only what is to be replaced is made sure of) */
	check_rename2(r, 42, "one", WIRE_ROOT_ID, "file", RENAME_EXCHANGE);
	reply_empty(m, r);
	finish(a);
	check_step(a, 0, 0, 0);
	renamed_node(m, "d1/one", 43, S_IFREG | 0644);
	renamed_node(m, "file", 44, S_IFDIR | 0711);
	check_u(lookups_out(m, 43), 1);
	check_u(lookups_out(m, 44), 1);
	/* Names below are asked for in the right one. */
	a = on(m, do_stat, "file/x");
	answer_noent(m, 44, "x");
	finish(a);
}

MOCK_CASE(exchange_with_nothing)
{
	struct actor *a;

	know(m, "old", 42, S_IFREG | 0644, 0);
	a = move(m, "old", "new", RENAME_EXCHANGE);
	answer_noent(m, WIRE_ROOT_ID, "new");
	finish(a);
	check_step(a, 0, -1, ENOENT);
	expect_none(m);
}

MOCK_CASE(whiteout)
{
	struct actor *a;
	struct req *r;

	know(m, "old", 42, S_IFREG | 0644, 0);
	a = move(m, "old", "new", RENAME_WHITEOUT);
	answer_noent(m, WIRE_ROOT_ID, "new");
	r = expect(m, WIRE_RENAME2);
	check_rename2(r, WIRE_ROOT_ID, "old", WIRE_ROOT_ID, "new", RENAME_WHITEOUT);
	reply_empty(m, r);
	finish(a);
	check_step(a, 0, 0, 0);
	renamed_node(m, "new", 42, S_IFREG | 0644);
}

MOCK_CASE(whiteout_and_noreplace)
{
	struct actor *a;
	struct req *r;

	know(m, "old", 42, S_IFREG | 0644, 0);
	a = move(m, "old", "new", RENAME_WHITEOUT | RENAME_NOREPLACE);
	answer_noent(m, WIRE_ROOT_ID, "new");
	r = expect(m, WIRE_RENAME2);
	check_u(r->in.rename2.flags, RENAME_WHITEOUT | RENAME_NOREPLACE);
	reply_empty(m, r);
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(impossible_flags)
{
	know(m, "old", 42, S_IFREG | 0644, 0);
	check_silent(m, move(m, "old", "new", RENAME_EXCHANGE | RENAME_NOREPLACE), -1, EINVAL);
	check_silent(m, move(m, "old", "new", 8), -1, EINVAL);
}

/* A daemon that does not know RENAME2 is asked once; plain renames go on. */
MOCK_CASE(no_rename2)
{
	struct actor *a;

	know(m, "old", 42, S_IFREG | 0644, 0);
	a = move(m, "old", "new", RENAME_NOREPLACE);
	answer_noent(m, WIRE_ROOT_ID, "new");
	reply_err(m, expect(m, WIRE_RENAME2), ENOSYS);
	finish(a);
	check_step(a, 0, -1, EINVAL);
	a = move(m, "old", "new", RENAME_NOREPLACE);
	answer_noent(m, WIRE_ROOT_ID, "new");
	finish(a);
	check_step(a, 0, -1, EINVAL);
	expect_none(m);
	a = move(m, "old", "new", 0);
	answer_noent(m, WIRE_ROOT_ID, "new");
	reply_empty(m, expect(m, WIRE_RENAME));
	finish(a);
	check_step(a, 0, 0, 0);
}

/* ... and one from before 7.23 never. */
MOCK_CASE(minor_22, .minor = 22)
{
	struct actor *a;

	know(m, "old", 42, S_IFREG | 0644, 0);
	a = move(m, "old", "new", RENAME_NOREPLACE);
	answer_noent(m, WIRE_ROOT_ID, "new");
	finish(a);
	check_step(a, 0, -1, EINVAL);
	expect_none(m);
}

MOCK_CASE(rename2_errors)
{
	static const int errors[] = { EEXIST, EINVAL, EPERM };

	know(m, "old", 42, S_IFREG | 0644, 0);
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct actor *a = move(m, "old", "new", RENAME_NOREPLACE);

		answer_noent(m, WIRE_ROOT_ID, "new");
		reply_err(m, expect(m, WIRE_RENAME2), errors[i]);
		finish(a);
		check_step(a, 0, -1, errors[i]);
		check_cached(m, "old");
	}
}
