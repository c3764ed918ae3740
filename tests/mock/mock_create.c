/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CREATE: its fields and flags, what comes of its answer, and what a daemon without it gets instead.
 */
#include "mock/names.h"

static int create_flags = O_WRONLY;
static mode_t create_mode = 0666;
static mode_t create_umask = 022;

static long
do_create(struct actor *a)
{
	umask(create_umask);
	a->fd = open(arg_path(a), O_CREAT | create_flags, create_mode);
	step(a, a->fd == -1 ? -1 : 0);
	return a->fd;
}

static long
create_and_close(struct actor *a)
{
	if (do_create(a) == -1)
		return -1;
	return step(a, close(a->fd));
}

/* open("file", O_CREAT) up to its CREATE. */
static struct req *
to_create(struct mock *m, struct actor **a)
{
	*a = on(m, create_and_close, "file");
	answer_noent(m, WIRE_ROOT_ID, "file");
	return expect_named(m, WIRE_CREATE, WIRE_ROOT_ID, "file");
}

static void
created(struct mock *m, struct actor *a, struct req *r)
{
	reply_create(m, r, an_entry(42, S_IFREG | 0644, 0), 70, 0);
	answer_close(m, 42, 70);
	finish(a);
	check_step(a, 0, 0, 0);
	check_step(a, 1, 0, 0);
}

enum { SHOWN = O_ACCMODE | O_CREAT | O_EXCL | O_TRUNC | O_APPEND | O_NONBLOCK | O_NOCTTY | O_DIRECTORY };

MOCK_CASE(fields)
{
	struct actor *a;
	struct req *r = to_create(m, &a);

	check_caller(r, a, 0, 0);
	check_u(r->in.create.flags & SHOWN, O_CREAT | O_WRONLY);
	check_u(r->in.create.mode, S_IFREG | 0644);
	check_u(r->in.create.umask, 022);
	check_u(r->in.create.open_flags, 0);
	check_u(r->extlen, 0);
	check_u(r->rawlen, sizeof(struct wire_in_header) + sizeof(struct wire_create_in) + 5);
	created(m, a, r);
	check_cached(m, "file");
	check_u(lookups_out(m, 42), 1);
}

MOCK_CASE(flags)
{
	static const struct {
		int given, passed;
	} t[] = { { O_RDWR | O_EXCL, O_RDWR | O_EXCL }, { O_RDWR | O_TRUNC | O_APPEND, O_RDWR | O_TRUNC | O_APPEND },
		{ O_RDONLY | O_NONBLOCK, O_RDONLY | O_NONBLOCK }, { O_WRONLY | O_NOCTTY, O_WRONLY } };

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct actor *a;
		struct req *r;

		create_flags = t[i].given;
		r = to_create(m, &a);
		check_u(r->in.create.flags & SHOWN, O_CREAT | t[i].passed);
		reply_err(m, r, EPERM);
		finish(a);
		check_step(a, 0, -1, EPERM);
	}
}

MOCK_CASE(mode_bits)
{
	struct actor *a;
	struct req *r;

	create_mode = 07777;
	create_umask = 0;
	r = to_create(m, &a);
	check_u(r->in.create.mode, S_IFREG | 07777);
	check_u(r->in.create.umask, 0);
	created(m, a, r);
}

MOCK_CASE(dont_mask, .flags = WIRE_INIT_DONT_MASK)
{
	struct actor *a;
	struct req *r = to_create(m, &a);

	check_u(r->in.create.mode, S_IFREG | 0666);
	check_u(r->in.create.umask, 022);
	created(m, a, r);
}

/* Before 7.12 it is as OPEN's, with mode where there was nothing. */
MOCK_CASE(minor_11, .minor = 11)
{
	struct actor *a;
	struct req *r = to_create(m, &a);

	check_u(r->rawlen, sizeof(struct wire_in_header) + 8 + 5);
	check_u(r->in.create.flags & SHOWN, O_CREAT | O_WRONLY);
	check_u(r->in.create.mode, S_IFREG | 0644);
	created(m, a, r);
}

MOCK_CASE(minor_8, .minor = 8)
{
	struct actor *a;
	struct req *r = to_create(m, &a);

	created(m, a, r); /* (its answer has the old entry) */
	check_cached(m, "file");
}

/* What it makes need not be truncated. */
MOCK_CASE(no_truncation_after_it)
{
	struct actor *a;
	struct req *r;

	create_flags = O_RDWR | O_TRUNC;
	r = to_create(m, &a);
	created(m, a, r);
	expect_none(m);
}

MOCK_CASE(existing_is_opened)
{
	struct actor *a = on(m, create_and_close, "file");
	struct req *r;

	answer_lookup(m, WIRE_ROOT_ID, "file", 42, S_IFREG | 0600, 10);
	r = expect_on(m, WIRE_OPEN, 42);
	check_u(r->in.open.flags & SHOWN, O_WRONLY);
	reply_open(m, r, 70, 0);
	answer_close(m, 42, 70);
	finish(a);
	check_step(a, 0, 0, 0);
	a = on(m, create_and_close, "file");
	answer_open(m, 42, 71, 0); /* known: not looked up */
	answer_close(m, 42, 71);
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(existing_excl)
{
	struct actor *a;

	create_flags = O_WRONLY | O_EXCL;
	know(m, "file", 42, S_IFREG | 0600, 10);
	a = on(m, create_and_close, "file");
	answer_lookup(m, WIRE_ROOT_ID, "file", 42, S_IFREG | 0600, 10); /* made sure of */
	finish(a);
	check_step(a, 0, -1, EEXIST);
	expect_none(m);
}

static void
know_absent(struct mock *m)
{
	struct actor *a = on(m, do_stat, "file");

	reply_negative(m, expect_lookup(m, WIRE_ROOT_ID, "file"), LONG);
	finish(a);
}

/* A name that is known to be absent is created at once ... */
MOCK_CASE(on_a_negative_name)
{
	struct actor *a;

	know_absent(m);
	a = on(m, create_and_close, "file");
	created(m, a, expect_named(m, WIRE_CREATE, WIRE_ROOT_ID, "file"));
	check_cached(m, "file");
}

/* ... and made sure of with O_EXCL. */
MOCK_CASE(excl_on_a_negative_name)
{
	struct actor *a;
	struct req *r;

	create_flags = O_WRONLY | O_EXCL;
	know_absent(m);
	r = to_create(m, &a);
	created(m, a, r);
}

MOCK_CASE(refused_on_a_negative_name)
{
	struct actor *a;

	know_absent(m);
	a = on(m, create_and_close, "file");
	reply_err(m, expect_named(m, WIRE_CREATE, WIRE_ROOT_ID, "file"), EACCES);
	finish(a);
	check_step(a, 0, -1, EACCES);
	check_cached_negative(m, "file");
}

MOCK_CASE(exists_after_all, .needs_minor = 45)
{
	struct actor *a;

	know_absent(m);
	a = on(m, create_and_close, "file");
	reply_err(m, expect_named(m, WIRE_CREATE, WIRE_ROOT_ID, "file"), EEXIST);
	finish(a);
	check_step(a, 0, -1, EEXIST);
	know(m, "file", 42, S_IFREG | 0644, 0);
}

MOCK_CASE(errors)
{
	static const int errors[] = { EEXIST, EPERM, ENOSPC, EROFS, EISDIR, EINTR };

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct actor *a;

		reply_err(m, to_create(m, &a), errors[i]);
		finish(a);
		check_step(a, 0, -1, errors[i]);
	}
}

/* Without CREATE: MKNOD and OPEN, and it is not asked for again. */
MOCK_CASE(no_create)
{
	for (int i = 0; i < 2; i++) {
		const char *name = i == 0 ? "file" : "file2";
		struct actor *a = on(m, create_and_close, name);
		struct req *r;

		answer_noent(m, WIRE_ROOT_ID, name);
		if (i == 0)
			reply_err(m, expect_named(m, WIRE_CREATE, WIRE_ROOT_ID, name), ENOSYS);
		r = expect_named(m, WIRE_MKNOD, WIRE_ROOT_ID, name);
		check_caller(r, a, 0, 0);
		check_u(r->in.mknod.mode, S_IFREG | 0644);
		check_u(r->in.mknod.rdev, 0);
		check_u(r->in.mknod.umask, 022);
		reply_entry(m, r, an_entry(42 + (uint64_t)i, S_IFREG | 0644, 0));
		r = expect_on(m, WIRE_OPEN, 42 + (uint64_t)i);
		check_u(r->in.open.flags & SHOWN, O_WRONLY);
		reply_open(m, r, 70, 0);
		answer_close(m, 42 + (uint64_t)i, 70);
		finish(a);
		check_step(a, 0, 0, 0);
	}
}

static long
create_write_seek(struct actor *a)
{
	if (do_create(a) == -1)
		return -1;
	step(a, write(a->fd, "12345", 5));
	step(a, lseek(a->fd, 0, SEEK_SET));
	step(a, read(a->fd, a->buf, 100));
	return step(a, close(a->fd));
}

/* The open file of its answer is as one of OPEN: handle and flags. */
MOCK_CASE(direct_io)
{
	struct actor *a;
	struct req *r;

	create_flags = O_RDWR;
	a = on(m, create_write_seek, "file");
	answer_noent(m, WIRE_ROOT_ID, "file");
	r = expect_named(m, WIRE_CREATE, WIRE_ROOT_ID, "file");
	reply_create(m, r, an_entry(42, S_IFREG | 0644, 0), UINT64_C(0xfedcba9876543210), WIRE_FOPEN_DIRECT_IO);
	r = expect_on(m, WIRE_WRITE, 42);
	check_u(r->in.write.fh, UINT64_C(0xfedcba9876543210));
	check_u(r->in.write.size, 5);
	check_u(r->in.write.flags & SHOWN, O_RDWR);
	reply_write(m, r, 5);
	r = expect_on(m, WIRE_READ, 42);
	check_u(r->in.read.fh, UINT64_C(0xfedcba9876543210));
	check_u(r->in.read.size, 100); /* what was asked for, not pages */
	reply_data(m, r, "abc", 3);
	answer_close(m, 42, UINT64_C(0xfedcba9876543210));
	finish(a);
	check_step(a, 1, 5, 0);
	check_step(a, 3, 3, 0);
}

MOCK_CASE(nonseekable)
{
	struct actor *a;
	struct req *r;

	create_flags = O_RDWR;
	a = on(m, create_write_seek, "file");
	answer_noent(m, WIRE_ROOT_ID, "file");
	r = expect_named(m, WIRE_CREATE, WIRE_ROOT_ID, "file");
	reply_create(m, r, an_entry(42, S_IFREG | 0644, 0), 70, WIRE_FOPEN_DIRECT_IO | WIRE_FOPEN_NONSEEKABLE);
	reply_write(m, expect_on(m, WIRE_WRITE, 42), 5);
	reply_data(m, expect_on(m, WIRE_READ, 42), "", 0);
	answer_close(m, 42, 70);
	finish(a);
	check_step(a, 2, -1, ESPIPE);
}

/* Set-id bits of a file that is truncated here, though it was not seen to be there, are the daemon's to clear. */
MOCK_CASE(killpriv_v2, .flags = WIRE_INIT_HANDLE_KILLPRIV_V2, .needs_flags = WIRE_INIT_HANDLE_KILLPRIV_V2,
    .options = "allow_other")
{
	struct actor *a;
	struct req *r;

	create_flags = O_RDWR | O_TRUNC;
	a = on_as_other(m, create_and_close, "file");
	answer_noent(m, WIRE_ROOT_ID, "file");
	r = expect_named(m, WIRE_CREATE, WIRE_ROOT_ID, "file");
	check_caller(r, a, OTHER_UID, OTHER_GID);
	check_u(r->in.create.open_flags, WIRE_OPEN_KILL_SUIDGID);
	created(m, a, r);
	a = on(m, create_and_close, "file2");
	answer_noent(m, WIRE_ROOT_ID, "file2");
	r = expect_named(m, WIRE_CREATE, WIRE_ROOT_ID, "file2");
	check_u(r->in.create.open_flags, 0); /* root may keep them */
	reply_create(m, r, an_entry(43, S_IFREG | 0644, 0), 71, 0);
	answer_close(m, 43, 71);
	finish(a);
	check_step(a, 0, 0, 0);
}

MOCK_CASE(directory_is_asked_about_afterwards)
{
	struct actor *a = on(m, do_stat, "");
	struct req *r;

	answer_getattr(m, WIRE_ROOT_ID, S_IFDIR | 0755, 0);
	finish(a);
	r = to_create(m, &a);
	created(m, a, r);
	a = on(m, do_stat, "");
	answer_getattr(m, WIRE_ROOT_ID, S_IFDIR | 0755, 0);
	finish(a);
	check_step(a, 0, 0, 0);
}

/* ---- answers that cannot be: EIO. The kernel then forgets what it was given; perfuse gives the file and the node back ---- */

static void
impossible(struct mock *m, uint64_t nodeid, uint32_t mode, uint64_t size)
{
	struct actor *a;

	reply_create(m, to_create(m, &a), an_entry(nodeid, mode, size), 70, 0);
	finish(a);
	check_step(a, 0, -1, EIO);
	if (!mock_is_native(m) && nodeid != 0)
		answer_release(m, nodeid, 70);
	check_asked_again(m, "file");
}

MOCK_CASE(another_type, .unbalanced = true)
{
	impossible(m, 42, S_IFDIR | 0755, 0);
}

MOCK_CASE(nodeid_0, .unbalanced = true)
{
	impossible(m, 0, S_IFREG | 0644, 0);
}

MOCK_CASE(nodeid_1, .unbalanced = true)
{
	impossible(m, WIRE_ROOT_ID, S_IFREG | 0644, 0);
}

MOCK_CASE(size_out_of_range, .unbalanced = true)
{
	impossible(m, 42, S_IFREG | 0644, UINT64_MAX);
}
