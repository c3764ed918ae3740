/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GETATTR: when it is sent, what it carries, how each field of its answer is shown, and what an answer that differs from what
 * was known does to cached data.
 */
#include <sys/sysmacros.h>

#include "mock/names.h"

MOCK_CASE(root)
{
	struct actor *a = on(m, do_stat, "");
	struct req *r = expect_on(m, WIRE_GETATTR, WIRE_ROOT_ID);

	check_caller(r, a, 0, 0);
	check_u(r->in.getattr.getattr_flags, 0);
	check_u(r->in.getattr.dummy, 0);
	check_u(r->in.getattr.fh, 0);
	check_u(r->rawlen, sizeof(struct wire_in_header) + sizeof(struct wire_getattr_in));
	reply_attr(m, r, LONG, an_attr(WIRE_ROOT_ID, S_IFDIR | 0750, 4096));
	finish(a);
	check_step(a, 0, 0, 0);
	check_u(a->st.st_ino, 1);
	check_u(a->st.st_mode, S_IFDIR | 0750);
	check_cached(m, "");
}

static const struct wire_attr all_fields = {
	.ino = 77,
	.size = 123456,
	.blocks = 300,
	.atime = 1000000001,
	.mtime = 1000000002,
	.ctime = 1000000003,
	.atimensec = 11,
	.mtimensec = 22,
	.ctimensec = 999999999,
	.mode = S_IFREG | 06751,
	.nlink = 5,
	.uid = 1001,
	.gid = 1002,
	.rdev = 0x0801, /* of no meaning for a file */
	.blksize = 65536,
};

static void
check_all_fields(const struct stat *st)
{
	check_u(st->st_ino, 77);
	check_u(st->st_size, 123456);
	check_u(st->st_blocks, 300);
	check_i(st->st_atim.tv_sec, 1000000001);
	check_i(st->st_mtim.tv_sec, 1000000002);
	check_i(st->st_ctim.tv_sec, 1000000003);
	check_i(st->st_atim.tv_nsec, 11);
	check_i(st->st_mtim.tv_nsec, 22);
	check_i(st->st_ctim.tv_nsec, 999999999);
	check_u(st->st_mode, S_IFREG | 06751);
	check_u(st->st_nlink, 5);
	check_u(st->st_uid, 1001);
	check_u(st->st_gid, 1002);
	check_u(st->st_rdev, 0);
	check_u(st->st_blksize, 65536);
}

/* Look up "file" as node 42 with attributes of no time, so that GETATTR follows, and stat it: the GETATTR. */
static struct req *
to_getattr(struct mock *m, struct actor **a)
{
	struct wire_entry_out e = an_entry(42, S_IFREG | 0644, 10);

	*a = on(m, do_stat, "file");
	e.attr_valid = 0;
	reply_entry(m, expect_lookup(m, WIRE_ROOT_ID, "file"), e);
	return expect_on(m, WIRE_GETATTR, 42);
}

MOCK_CASE(every_field)
{
	struct actor *a;

	reply_attr(m, to_getattr(m, &a), LONG, all_fields);
	finish(a);
	check_step(a, 0, 0, 0);
	check_all_fields(&a->st);
	a = on(m, do_stat, "file");
	finish(a);
	check_all_fields(&a->st);
	expect_none(m);
}

MOCK_CASE(of_no_time)
{
	struct actor *a;

	know(m, "file", 42, S_IFREG | 0644, 0);
	reply_attr(m, (a = on(m, do_stat, ""), expect_on(m, WIRE_GETATTR, 1)), 0, an_attr(1, S_IFDIR | 0755, 0));
	finish(a);
	for (uint64_t size = 1; size < 4; size++) {
		a = on(m, do_stat, "");
		reply_attr(m, expect_on(m, WIRE_GETATTR, 1), 0, an_attr(1, S_IFDIR | 0755, size));
		finish(a);
		check_u(a->st.st_size, size);
	}
	check_cached(m, "file");
}

MOCK_CASE(expires)
{
	union wire_out out = { .attr = { .attr_valid_nsec = 1000000, .attr = an_attr(42, S_IFREG | 0644, 1) } };
	struct actor *a;

	reply_out(m, to_getattr(m, &a), &out);
	finish(a);
	let_expire();
	a = on(m, do_stat, "file");
	reply_attr(m, expect_on(m, WIRE_GETATTR, 42), LONG, an_attr(42, S_IFREG | 0644, 2));
	finish(a);
	check_u(a->st.st_size, 2);
	check_cached(m, "file");
}

MOCK_CASE(nanoseconds_out_of_range)
{
	struct wire_attr attr = an_attr(42, S_IFREG | 0644, 1);
	struct actor *a;

	attr.atimensec = 1000000000;
	attr.mtimensec = 2000000000;
	attr.ctimensec = UINT32_MAX;
	reply_attr(m, to_getattr(m, &a), LONG, attr);
	finish(a);
	check_step(a, 0, 0, 0);
	a = on(m, do_stat, "file");
	finish(a);
	check_i(a->st.st_atim.tv_nsec, 999999999);
	check_i(a->st.st_mtim.tv_nsec, 999999999);
	check_i(a->st.st_ctim.tv_nsec, 999999999);
	expect_none(m);
}

MOCK_CASE(times_before_1970)
{
	struct wire_attr attr = an_attr(42, S_IFREG | 0644, 1);
	struct actor *a;

	attr.atime = (uint64_t)-1;
	attr.mtime = (uint64_t)-1000000000;
	attr.ctime = (uint64_t)INT64_MIN;
	reply_attr(m, to_getattr(m, &a), LONG, attr);
	finish(a);
	check_i(a->st.st_atim.tv_sec, -1);
	check_i(a->st.st_mtim.tv_sec, -1000000000);
	check_i(a->st.st_ctim.tv_sec, INT64_MIN);
}

MOCK_CASE(blksize)
{
	static const struct {
		uint32_t said, shown;
	} t[] = { { 0, 4096 }, { 512, 512 }, { 3000, 2048 }, { 1 << 20, 1 << 20 } };

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct wire_attr attr = an_attr(1, S_IFDIR | 0755, 1);
		struct actor *a = on(m, do_stat, "");

		attr.blksize = t[i].said;
		reply_attr(m, expect_on(m, WIRE_GETATTR, 1), 0, attr);
		finish(a);
		check_u(a->st.st_blksize, t[i].shown);
	}
}

MOCK_CASE(device)
{
	struct wire_entry_out e = an_entry(42, S_IFCHR | 0600, 0);
	struct actor *a = on(m, do_stat, "dev");

	e.attr.rdev = 0x12345678; /* major 12 bits from bit 8, minor the rest */
	reply_entry(m, expect_lookup(m, WIRE_ROOT_ID, "dev"), e);
	finish(a);
	check_u(a->st.st_mode, S_IFCHR | 0600);
	check_u(major(a->st.st_rdev), 0x456);
	check_u(minor(a->st.st_rdev), 0x12378);
}

MOCK_CASE(types)
{
	static const uint32_t types[] = { S_IFREG, S_IFDIR, S_IFLNK, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK };
	static const char *const names[] = { "reg", "dir", "lnk", "chr", "blk", "fifo", "sock" };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct actor *a = on(m, do_stat, names[i]);

		answer_lookup(m, WIRE_ROOT_ID, names[i], 42 + i, types[i] | 0640, 0);
		finish(a);
		check_step(a, 0, 0, 0);
		check_u(a->st.st_mode, types[i] | 0640);
	}
}

MOCK_CASE(mode_bits_beyond_the_type)
{
	struct actor *a;

	/* The type stays that of the node, the rest is 12 bits. */
	reply_attr(m, to_getattr(m, &a), LONG, an_attr(42, 0xfff00000u | S_IFREG | 07777, 0));
	finish(a);
	check_step(a, 0, 0, 0);
	check_u(a->st.st_mode, S_IFREG | 07777);
}

/* What was not agreed on (SUBMOUNTS, DAX) is not looked at. */
MOCK_CASE(flags)
{
	struct wire_attr attr = an_attr(WIRE_ROOT_ID, S_IFDIR | 0755, 0);
	struct wire_entry_out e = an_entry(42, S_IFDIR | 0755, 0);
	struct actor *a = on(m, do_stat, "");

	attr.flags = UINT32_MAX;
	reply_attr(m, expect_on(m, WIRE_GETATTR, WIRE_ROOT_ID), LONG, attr);
	finish(a);
	check_step(a, 0, 0, 0);
	a = on(m, do_stat, "dir");
	e.attr.flags = UINT32_MAX;
	reply_entry(m, expect_lookup(m, WIRE_ROOT_ID, "dir"), e);
	finish(a);
	check_step(a, 0, 0, 0);
	check_cached(m, "dir");
}

MOCK_CASE(errors)
{
	static const int errors[] = { EIO, ENOENT, EACCES, ENOSYS };

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct actor *a = on(m, do_stat, "");

		reply_err(m, expect_on(m, WIRE_GETATTR, 1), errors[i]);
		finish(a);
		check_step(a, 0, -1, errors[i]);
		expect_none(m);
	}
}

MOCK_CASE(stale_is_tried_again)
{
	struct actor *a;

	reply_err(m, to_getattr(m, &a), ESTALE);
	answer_lookup(m, WIRE_ROOT_ID, "file", 42, S_IFREG | 0644, 3); /* everything is revalidated */
	finish(a);
	check_step(a, 0, 0, 0);
	check_u(a->st.st_size, 3);
}

static long
stat_and_fstat(struct actor *a)
{
	if (do_open(a, O_RDONLY) < 0)
		return -1;
	hold(a);
	step(a, fstat(a->fd, &a->st));
	step(a, lseek(a->fd, -1, SEEK_END));
	hold(a);
	return step(a, close(a->fd));
}

static long
fstat_when_told(struct actor *a)
{
	if (do_open(a, O_RDONLY) < 0)
		return -1;
	hold(a);
	step(a, fstat(a->fd, &a->st));
	hold(a);
	return step(a, close(a->fd));
}

/* A node whose type changed is dead: nothing is asked about it any more, and its name is looked up again. */
MOCK_CASE(another_type)
{
	struct actor *holder = on(m, fstat_when_told, "file"), *a;
	struct wire_entry_out e = an_entry(42, S_IFREG | 0644, 10);

	e.attr_valid = 0;
	reply_entry(m, expect_lookup(m, WIRE_ROOT_ID, "file"), e);
	answer_open(m, 42, 70, 0);
	reached(holder);
	a = on(m, do_stat, "file");
	reply_attr(m, expect_on(m, WIRE_GETATTR, 42), LONG, an_attr(42, S_IFDIR | 0755, 0));
	finish(a);
	check_step(a, 0, -1, EIO);
	proceed(holder);
	reached(holder);
	check_step(holder, 1, -1, EIO);
	expect_none(m);
	check_asked_again(m, "file");
	proceed(holder);
	answer_release(m, 42, 70);
	finish(holder);
}

/* "file", node 42, is found to be a directory while somebody has it open. */
static struct actor *
dead_but_open(struct mock *m)
{
	struct actor *holder = on(m, fstat_when_told, "file"), *a;
	struct wire_entry_out e = an_entry(42, S_IFREG | 0644, 10);

	e.attr_valid = 0;
	reply_entry(m, expect_lookup(m, WIRE_ROOT_ID, "file"), e);
	answer_open(m, 42, 70, 0);
	reached(holder);
	a = on(m, do_stat, "file");
	reply_attr(m, expect_on(m, WIRE_GETATTR, 42), LONG, an_attr(42, S_IFDIR | 0755, 0));
	finish(a);
	check_step(a, 0, -1, EIO);
	return holder;
}

static void
let_go(struct mock *m, struct actor *holder)
{
	proceed(holder);
	reached(holder);
	check_step(holder, 1, -1, EIO);
	expect_none(m);
	proceed(holder);
	answer_release(m, 42, 70);
	finish(holder);
}

/* Found again as what it is, it is a new node; who has the old one open has it in vain. */
MOCK_CASE(another_type_for_good)
{
	struct actor *holder = dead_but_open(m);

	know(m, "file", 42, S_IFDIR | 0755, 20);
	check_cached(m, "file");
	let_go(m, holder);
	check_cached(m, "file");
}

/* Found again as what it was, it is still the dead one, for as long as that is open. */
MOCK_CASE(another_type_and_back)
{
	struct actor *holder = dead_but_open(m), *a;

	a = on(m, do_stat, "file");
	answer_lookup(m, WIRE_ROOT_ID, "file", 42, S_IFREG | 0644, 20);
	finish(a);
	check_step(a, 0, -1, EIO);
	let_go(m, holder);
	shrink(m);
	expect_forgotten(m, 42);
	know(m, "file", 42, S_IFREG | 0644, 20);
	check_cached(m, "file");
}

MOCK_CASE(size_out_of_range)
{
	struct actor *a;

	reply_attr(m, to_getattr(m, &a), LONG, an_attr(42, S_IFREG | 0644, UINT64_MAX));
	finish(a);
	check_step(a, 0, -1, EIO);
	check_asked_again(m, "file");
}

/* fstat() does not say which open file it means; what needs the size of an open file does. */
MOCK_CASE(handle)
{
	struct actor *a = on(m, stat_and_fstat, "file");
	struct wire_entry_out e = an_entry(42, S_IFREG | 0644, 10);
	struct req *r;

	e.attr_valid = 0;
	reply_entry(m, expect_lookup(m, WIRE_ROOT_ID, "file"), e);
	answer_open(m, 42, 70, 0);
	reached(a);
	proceed(a);
	r = expect_on(m, WIRE_GETATTR, 42);
	check_u(r->in.getattr.getattr_flags, 0);
	check_u(r->in.getattr.fh, 0);
	reply_attr(m, r, 0, an_attr(42, S_IFREG | 0644, 20));
	r = expect_on(m, WIRE_GETATTR, 42);
	check_u(r->in.getattr.getattr_flags, WIRE_GETATTR_FH);
	check_u(r->in.getattr.fh, 70);
	reply_attr(m, r, 0, an_attr(42, S_IFREG | 0644, 30));
	reached(a);
	check_u(a->st.st_size, 20);
	check_step(a, 2, 29, 0);
	proceed(a);
	answer_close(m, 42, 70);
	finish(a);
}

static long
unlink_and_fstat(struct actor *a)
{
	if (do_open(a, O_RDONLY) < 0)
		return -1;
	step(a, unlink(arg_path(a)));
	step(a, fstat(a->fd, &a->st));
	return step(a, close(a->fd));
}

MOCK_CASE(of_an_unlinked_file)
{
	struct actor *a = on(m, unlink_and_fstat, "file");
	struct wire_attr attr = an_attr(42, S_IFREG | 0644, 10);

	answer_lookup(m, WIRE_ROOT_ID, "file", 42, S_IFREG | 0644, 10);
	answer_open(m, 42, 70, 0);
	reply_empty(m, expect_named(m, WIRE_UNLINK, WIRE_ROOT_ID, "file"));
	attr.nlink = 0;
	reply_attr(m, expect_on(m, WIRE_GETATTR, 42), LONG, attr); /* its ctime changed */
	answer_close(m, 42, 70);
	finish(a);
	check_step(a, 2, 0, 0);
	check_u(a->st.st_nlink, 0);
	expect_forgotten(m, 42);
}

static long
chmod_it(struct actor *a)
{
	return step(a, chmod(arg_path(a), 0600));
}

/* An answer that is older than a change is given to who asked, and not kept. */
MOCK_CASE(overtaken_by_a_change)
{
	struct actor *a, *b;
	struct req *r = to_getattr(m, &a);

	b = on(m, chmod_it, "file");
	reply_attr(m, expect_on(m, WIRE_SETATTR, 42), LONG, an_attr(42, S_IFREG | 0600, 10));
	finish(b);
	check_step(b, 0, 0, 0);
	reply_attr(m, r, LONG, an_attr(42, S_IFREG | 0644, 10));
	finish(a);
	check_step(a, 0, 0, 0);
	a = on(m, do_stat, "file");
	finish(a);
	check_u(a->st.st_mode, S_IFREG | 0600);
	expect_none(m);
}

MOCK_CASE(two_at_a_time)
{
	struct actor *a = on(m, do_stat, ""), *b = on(m, do_stat, "");
	struct req *r = expect_on(m, WIRE_GETATTR, 1), *s = expect_on(m, WIRE_GETATTR, 1);

	check_that(r->hdr.unique != s->hdr.unique);
	check_that(r->hdr.pid != s->hdr.pid);
	reply_attr(m, s, 0, an_attr(1, S_IFDIR | 0755, s->hdr.pid));
	reply_attr(m, r, 0, an_attr(1, S_IFDIR | 0755, r->hdr.pid));
	finish(a);
	finish(b);
	check_u(a->st.st_size, a->pid);
	check_u(b->st.st_size, b->pid);
}

/* ---- changes behind our back, and the page cache ---- */

static long
read_twice(struct actor *a)
{
	if (do_open(a, O_RDONLY) < 0)
		return -1;
	step(a, pread(a->fd, a->buf, 100, 0));
	hold(a);
	step(a, pread(a->fd, a->buf + 100, 100, 0));
	return step(a, close(a->fd));
}

/*
 * A file of 10 bytes with cached data is found to have this size and mtime by somebody's stat(); then it is read again. Expects the
 * READ if asked_again; said: what the daemon would say now.
 */
static void
changed(struct mock *m, uint64_t size, uint64_t mtime, const char *said, bool asked_again)
{
	struct actor *a = on(m, read_twice, "file"), *b;
	struct wire_entry_out e = an_entry(42, S_IFREG | 0644, 10);
	struct wire_attr attr = an_attr(42, S_IFREG | 0644, size);
	size_t len = size < 10 ? size : 10;
	struct req *r;

	reply_entry(m, expect_lookup(m, WIRE_ROOT_ID, "file"), e);
	answer_open(m, 42, 70, 0);
	r = expect_on(m, WIRE_READ, 42);
	check_u(r->in.read.fh, 70);
	check_u(r->in.read.offset, 0);
	reply_data(m, r, "old bytes.", 10);
	reached(a);
	check_step(a, 1, 10, 0);

	b = on(m, do_stat, "file"); /* (asked for because the atime changed) */
	attr.mtime = mtime;
	reply_attr(m, expect_on(m, WIRE_GETATTR, 42), LONG, attr);
	finish(b);
	check_u(b->st.st_size, size);
	proceed(a);
	if (asked_again) {
		r = expect_on(m, WIRE_READ, 42);
		check_u(r->in.read.offset, 0);
		reply_data(m, r, said, len);
	}
	answer_close(m, 42, 70);
	finish(a);
	check_step(a, 2, (long)len, 0);
	check_mem(a->buf + 100, asked_again ? said : "old bytes.", len);
}

MOCK_CASE(nothing_changed)
{
	changed(m, 10, 1000000000, NULL, false);
}

MOCK_CASE(size_changed)
{
	changed(m, 5, 1000000000, "fresh", true);
}

MOCK_CASE(mtime_changed)
{
	changed(m, 10, 1000000001, NULL, false);
}

MOCK_CASE(nothing_changed_auto_inval, .flags = WIRE_INIT_AUTO_INVAL_DATA)
{
	changed(m, 10, 1000000000, NULL, false);
}

MOCK_CASE(mtime_changed_auto_inval, .flags = WIRE_INIT_AUTO_INVAL_DATA)
{
	changed(m, 10, 1000000001, "new bytes.", true);
}

MOCK_CASE(size_changed_auto_inval, .flags = WIRE_INIT_AUTO_INVAL_DATA)
{
	changed(m, 5, 1000000000, "fresh", true);
}

MOCK_CASE(size_changed_explicit_inval, .flags = WIRE_INIT_EXPLICIT_INVAL_DATA)
{
	changed(m, 5, 1000000000, NULL, false);
}

MOCK_CASE(mtime_changed_explicit_inval, .flags = WIRE_INIT_EXPLICIT_INVAL_DATA)
{
	changed(m, 10, 1000000001, NULL, false);
}

/* ---- layouts ---- */

/* 7.8 has an answer without blksize. (The body that came with 7.9 is sent all the same: an old daemon does not look at it.) */
MOCK_CASE(minor_8, .minor = 8)
{
	struct actor *a = on(m, do_stat, "");
	struct req *r = expect_on(m, WIRE_GETATTR, 1);

	check_u(r->rawlen, sizeof(struct wire_in_header) + sizeof(struct wire_getattr_in));
	reply_attr(m, r, LONG, an_attr(1, S_IFDIR | 0755, 5));
	finish(a);
	check_step(a, 0, 0, 0);
	check_u(a->st.st_size, 5);
	check_cached(m, "");
}

MOCK_CASE(minor_9, .minor = 9)
{
	struct actor *a = on(m, do_stat, "");
	struct req *r = expect_on(m, WIRE_GETATTR, 1);

	check_u(r->rawlen, sizeof(struct wire_in_header) + sizeof(struct wire_getattr_in));
	reply_attr(m, r, LONG, an_attr(1, S_IFDIR | 0755, 5));
	finish(a);
	check_u(a->st.st_size, 5);
}
