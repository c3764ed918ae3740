/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A daemon that is broken or means harm. Natively the kernel refuses most of it in the daemon's write and fails the one request
 * with EIO. Through perfuse a reply that cannot be parsed ends the connection, and one that parses but makes no
 * sense fails its operation with EIO (SECURITY.md). Neither is the end of anything else.
 */
#include "life.h"

/* ---- what cannot be parsed ---- */

/*
 * r is answered with this body, whose length cannot be: natively EINVAL for the daemon and EIO for the program, through perfuse the end
 * of the connection. i is the program's step.
 */
static void
bad_reply(struct mock *m, struct actor *a, struct req *r, int i, int32_t error, const void *body, size_t len)
{
	static const uint8_t nothing[8192];
	int e;

	if (body == NULL)
		body = nothing;
	e = send_reply(m, r, error, body, len);
	if (mock_is_native(m)) {
		check_i(e, EINVAL);
		serve(m, a); /* what it does afterwards */
		finish(a);
		check_step(a, i, -1, EIO);
		works(m, "another");
	} else {
		check_i(e, 0);
		expect_dead(m);
		finish(a);
		check_step(a, i, -1, waiters_error(m));
		engine_logs(m, "malformed");
	}
}

static struct actor *
with_file(struct mock *m, long (*fn)(struct actor *a), uint32_t mode)
{
	struct actor *a = start(m, fn);

	answer_lookup(m, WIRE_ROOT_ID, "file", 2, mode, 100);
	return a;
}

static struct actor *
without_file(struct mock *m, long (*fn)(struct actor *a))
{
	struct actor *a = start(m, fn);

	answer_noent(m, WIRE_ROOT_ID, "file");
	return a;
}

static struct actor *
with_open_file(struct mock *m, long (*fn)(struct actor *a), uint32_t open_flags)
{
	struct actor *a = with_file(m, fn, REG);

	answer_open(m, 2, 7, open_flags);
	return a;
}

#define BAD(name, who, opcode, i, error, len)                                                                          \
	MOCK_CASE(name)                                                                                                \
	{                                                                                                              \
		struct actor *a = who;                                                                                 \
                                                                                                                       \
		bad_reply(m, a, expect(m, opcode), i, error, NULL, len);                                               \
	}

/* Shorter than the fixed part. */
BAD(hostile_short_lookup, start(m, do_stat), WIRE_LOOKUP, 0, 0, 127)
BAD(hostile_short_lookup_old, start(m, do_stat), WIRE_LOOKUP, 0, 0, 120) /* an answer of 7.8 */
BAD(hostile_short_lookup_1, start(m, do_stat), WIRE_LOOKUP, 0, 0, 1)
BAD(hostile_empty_lookup, start(m, do_stat), WIRE_LOOKUP, 0, 0, 0)
BAD(hostile_short_getattr, start(m, do_stat_root), WIRE_GETATTR, 0, 0, 100)
BAD(hostile_short_statfs, start(m, do_statfs), WIRE_STATFS, 0, 0, 48)
BAD(hostile_short_open, with_file(m, do_open, REG), WIRE_OPEN, 0, 0, 8)
BAD(hostile_short_opendir, with_file(m, do_opendir, DIR_MODE), WIRE_OPENDIR, 0, 0, 15)
BAD(hostile_short_mkdir, without_file(m, do_mkdir), WIRE_MKDIR, 0, 0, 64)
BAD(hostile_short_create, without_file(m, do_create), WIRE_CREATE, 0, 0, 128) /* the entry alone */
BAD(hostile_short_setattr, with_file(m, do_chmod, REG), WIRE_SETATTR, 0, 0, 96)
BAD(hostile_short_write, with_open_file(m, do_write, WIRE_FOPEN_DIRECT_IO), WIRE_WRITE, 1, 0, 4)

/* Longer than it. */
BAD(hostile_long_lookup, start(m, do_stat), WIRE_LOOKUP, 0, 0, 136)
BAD(hostile_long_getattr, start(m, do_stat_root), WIRE_GETATTR, 0, 0, 105)
BAD(hostile_long_statfs, start(m, do_statfs), WIRE_STATFS, 0, 0, 8192)
BAD(hostile_long_open, with_file(m, do_open, REG), WIRE_OPEN, 0, 0, 24)
BAD(hostile_long_unlink, with_file(m, do_unlink, REG), WIRE_UNLINK, 0, 0, 1)
BAD(hostile_long_write, with_open_file(m, do_write, WIRE_FOPEN_DIRECT_IO), WIRE_WRITE, 1, 0, 16)
BAD(hostile_long_setxattr, with_file(m, do_setxattr, REG), WIRE_SETXATTR, 0, 0, 8)

/* More data than was asked for. */
BAD(hostile_long_read, with_open_file(m, do_read, WIRE_FOPEN_DIRECT_IO), WIRE_READ, 1, 0, 101)
BAD(hostile_long_getxattr, with_file(m, do_getxattr, REG), WIRE_GETXATTR, 0, 0, 101)
BAD(hostile_long_listxattr, with_file(m, do_listxattr, REG), WIRE_LISTXATTR, 0, 0, 101)
BAD(hostile_long_readlink, with_file(m, do_readlink, LNK), WIRE_READLINK, 0, 0, 4097)

MOCK_CASE(hostile_long_readdir)
{
	struct actor *a = start(m, do_readdir);
	struct req *r;

	answer_opendir(m, WIRE_ROOT_ID, 5, 0);
	r = expect(m, WIRE_READDIR);
	check_that(r->in.read.size < 8192);
	bad_reply(m, a, r, 1, 0, NULL, r->in.read.size + 8);
}

MOCK_CASE(hostile_long_read_mib)
{
	struct actor *a = with_open_file(m, do_read, WIRE_FOPEN_DIRECT_IO);
	struct req *r = expect(m, WIRE_READ);

	memset(a->buf, 'x', 1 << 20);
	bad_reply(m, a, r, 1, 0, a->buf, 1 << 20);
}

/* An error with something behind it. */
BAD(hostile_payload_on_error_lookup, start(m, do_stat), WIRE_LOOKUP, 0, -ENOENT, 128)
BAD(hostile_payload_on_error_read, with_open_file(m, do_read, WIRE_FOPEN_DIRECT_IO), WIRE_READ, 1, -EACCES, 1)
BAD(hostile_payload_on_error_unlink, with_file(m, do_unlink, REG), WIRE_UNLINK, 0, -EPERM, 8)

/* ---- headers that cannot be: natively refused, and the request goes on waiting ---- */

static void
bad_bytes(struct mock *m, const void *bytes, size_t len, struct req *r, struct actor *a)
{
	int e = send_raw(m, bytes, len);

	if (mock_is_native(m)) {
		check_i(e, EINVAL);
		check_that(!has_ended(a));
		reply_entry(m, r, an_entry(2, REG, 10));
		finish(a);
		check_step(a, 0, 0, 0);
	} else {
		check_i(e, 0);
		expect_dead(m);
		finish(a);
		check_step(a, 0, -1, waiters_error(m));
	}
}

static void
bad_header(struct mock *m, uint32_t len, int32_t error)
{
	struct actor *a = start(m, do_stat);
	struct req *r = expect(m, WIRE_LOOKUP);
	struct wire_out_header h = { .len = len, .error = error, .unique = r->hdr.unique };

	bad_bytes(m, &h, sizeof(h), r, a);
}

MOCK_CASE(hostile_errno_512)
{
	bad_header(m, 16, -512);
}
MOCK_CASE(hostile_errno_1000)
{
	bad_header(m, 16, -1000);
}
MOCK_CASE(hostile_errno_positive)
{
	bad_header(m, 16, ENOENT);
}
MOCK_CASE(hostile_errno_min)
{
	bad_header(m, 16, INT32_MIN);
}
MOCK_CASE(hostile_errno_max)
{
	bad_header(m, 16, INT32_MAX);
}
MOCK_CASE(hostile_len_0)
{
	bad_header(m, 0, -ENOENT);
}
MOCK_CASE(hostile_len_15)
{
	bad_header(m, 15, -ENOENT);
}
MOCK_CASE(hostile_len_17)
{
	bad_header(m, 17, -ENOENT);
} /* half a message */
MOCK_CASE(hostile_len_max)
{
	bad_header(m, UINT32_MAX, -ENOENT);
}

/* The last errno that a daemon may use, whatever it means. */
MOCK_CASE(hostile_errno_511)
{
	struct actor *a = start(m, do_stat);

	reply_err(m, expect(m, WIRE_LOOKUP), 511);
	finish(a);
	check_step(a, 0, -1, 511);
}

MOCK_CASE(hostile_15_bytes)
{
	struct actor *a = start(m, do_stat);
	struct req *r = expect(m, WIRE_LOOKUP);
	struct wire_out_header h = { .len = 15, .unique = r->hdr.unique };

	bad_bytes(m, &h, 15, r, a);
}

MOCK_CASE(hostile_1_byte)
{
	struct actor *a = start(m, do_stat);
	struct req *r = expect(m, WIRE_LOOKUP);

	bad_bytes(m, "x", 1, r, a);
}

MOCK_CASE(hostile_no_bytes)
{
	struct actor *a = start(m, do_stat);
	struct req *r = expect(m, WIRE_LOOKUP);

	bad_bytes(m, "", 0, r, a);
}

MOCK_CASE(hostile_garbage)
{
	struct actor *a = start(m, do_stat);
	struct req *r = expect(m, WIRE_LOOKUP);
	uint8_t junk[4096];
	uint32_t x = 1;

	for (size_t i = 0; i < sizeof(junk); i++)
		junk[i] = (uint8_t)((x = x * 1664525 + 1013904223) >> 24);
	bad_bytes(m, junk, sizeof(junk), r, a);
}

/* Half of a good answer: the header says how long it should have been. */
MOCK_CASE(hostile_half)
{
	struct actor *a = start(m, do_stat);
	struct req *r = expect(m, WIRE_LOOKUP);
	struct {
		struct wire_out_header h;
		struct wire_entry_out e;
	} o = { .h = { .len = sizeof(o), .unique = r->hdr.unique }, .e = an_entry(2, REG, 10) };

	bad_bytes(m, &o, sizeof(o) / 2, r, a);
}

/* ---- uniques ---- */

/* Nobody asked: the kernel says so, perfuse takes no notice. */
static void
replies_to_nothing(struct mock *m, uint64_t unique)
{
	struct wire_out_header h = { .len = sizeof(h), .unique = unique };

	check_i(send_raw(m, &h, sizeof(h)), mock_is_native(m) ? ENOENT : 0);
	works(m, "file");
}

MOCK_CASE(hostile_unique_future)
{
	replies_to_nothing(m, 1000000);
}
MOCK_CASE(hostile_unique_largest)
{
	replies_to_nothing(m, UINT64_MAX);
}
MOCK_CASE(hostile_unique_odd)
{
	replies_to_nothing(m, 4711);
} /* of an INTERRUPT */
MOCK_CASE(hostile_unique_resend)
{
	replies_to_nothing(m, WIRE_UNIQUE_RESEND | 1000);
}

/* The same answer twice, a different one, one of the wrong length: the first counts. */
MOCK_CASE(hostile_unique_again)
{
	struct wire_entry_out e = an_entry(3, DIR_MODE, 0);
	struct actor *a = start(m, do_stat);
	struct req *r = expect(m, WIRE_LOOKUP);
	int gone = mock_is_native(m) ? ENOENT : 0;

	reply_entry(m, r, an_entry(2, REG, 10));
	finish(a);
	check_i(send_reply(m, r, 0, &e, sizeof(e)), gone);
	check_i(send_reply(m, r, -EIO, NULL, 0), gone);
	check_i(send_reply(m, r, 0, NULL, 0), gone);
	check_u(a->st.st_ino, 2);
	works(m, "another");
}

/* Answers exchanged: a LOOKUP's for a STATFS, and the other way round. */
MOCK_CASE(hostile_unique_swapped)
{
	struct actor *a = start(m, do_stat), *b = start(m, do_statfs);
	struct req *ra = expect_any(m, WIRE_LOOKUP), *rb = expect_any(m, WIRE_STATFS);
	struct wire_statfs_out s = { .st = { .bsize = 512 } };
	int e = send_reply(m, ra, 0, &s, sizeof(s));

	if (mock_is_native(m)) {
		struct wire_entry_out o = an_entry(2, REG, 10);

		check_i(e, EINVAL);
		check_i(send_reply(m, rb, 0, &o, sizeof(o)), EINVAL);
		finish(a);
		finish(b);
		check_step(a, 0, -1, EIO);
		check_step(b, 0, -1, EIO);
	} else {
		expect_dead(m);
		finish(a);
		finish(b);
		check_step(a, 0, -1, waiters_error(m));
		check_step(b, 0, -1, waiters_error(m));
	}
}

/* ---- entries and attributes that make no sense: EIO ---- */

/* LOOKUP is answered with this entry: the program gets EIO, and the mount goes on. */
static void
bad_entry(struct mock *m, struct wire_entry_out e)
{
	struct actor *a = start(m, do_stat);

	check_i(send_reply(m, expect(m, WIRE_LOOKUP), 0, &e, sizeof(e)), 0);
	finish(a);
	check_step(a, 0, -1, EIO);
	works(m, "another");
}

static struct wire_entry_out
entry_of_size(uint64_t size)
{
	return an_entry(2, REG, size);
}

MOCK_CASE(hostile_mode_0, .unbalanced = true)
{
	bad_entry(m, an_entry(2, 0, 0));
}
MOCK_CASE(hostile_mode_no_type, .unbalanced = true)
{
	bad_entry(m, an_entry(2, 0644, 0));
}
MOCK_CASE(hostile_mode_all_types, .unbalanced = true)
{
	bad_entry(m, an_entry(2, S_IFMT | 0644, 0));
}
MOCK_CASE(hostile_size_2_63, .unbalanced = true)
{
	bad_entry(m, entry_of_size(UINT64_C(1) << 63));
}
MOCK_CASE(hostile_size_max, .unbalanced = true)
{
	bad_entry(m, entry_of_size(UINT64_MAX));
}
MOCK_CASE(hostile_nodeid_root, .unbalanced = true)
{
	bad_entry(m, an_entry(WIRE_ROOT_ID, DIR_MODE, 0));
}

/* The largest size there is. */
MOCK_CASE(hostile_size_largest)
{
	struct actor *a = start(m, do_stat);

	answer_lookup(m, WIRE_ROOT_ID, "file", 2, REG, INT64_MAX);
	finish(a);
	check_step(a, 0, 0, 0);
	check_u(a->st.st_size, INT64_MAX);
}

/* Odd, but nothing to object to: for ever is for ever, nanoseconds are cut, a block size is a number. */
MOCK_CASE(hostile_odd_numbers)
{
	struct wire_entry_out e = an_entry(2, REG, 10);
	struct actor *a = start(m, do_stat);

	e.entry_valid = e.attr_valid = UINT64_MAX;
	e.entry_valid_nsec = e.attr_valid_nsec = UINT32_MAX;
	e.attr.ino = 0;
	e.attr.blksize = 3;
	e.attr.blocks = UINT64_MAX / 2;
	e.attr.nlink = 0;
	e.attr.atime = UINT64_MAX;
	e.attr.mtimensec = UINT32_MAX;
	e.attr.flags = ~(WIRE_ATTR_SUBMOUNT | WIRE_ATTR_DAX);
	reply_entry(m, expect(m, WIRE_LOOKUP), e);
	finish(a);
	check_step(a, 0, 0, 0);
	check_u(a->st.st_size, 10);
}

/* nodeid 0 is "no such file" to LOOKUP, and nonsense to what makes a file. */
MOCK_CASE(hostile_mkdir_nodeid_0, .unbalanced = true)
{
	struct actor *a = without_file(m, do_mkdir);
	struct wire_entry_out e = an_entry(0, DIR_MODE, 0);

	check_i(send_reply(m, expect(m, WIRE_MKDIR), 0, &e, sizeof(e)), 0);
	finish(a);
	check_step(a, 0, -1, EIO);
}

MOCK_CASE(hostile_mkdir_nodeid_root, .unbalanced = true)
{
	struct actor *a = without_file(m, do_mkdir);
	struct wire_entry_out e = an_entry(WIRE_ROOT_ID, DIR_MODE, 0);

	check_i(send_reply(m, expect(m, WIRE_MKDIR), 0, &e, sizeof(e)), 0);
	finish(a);
	check_step(a, 0, -1, EIO);
}

MOCK_CASE(hostile_mkdir_makes_file, .unbalanced = true)
{
	struct actor *a = without_file(m, do_mkdir);
	struct wire_entry_out e = an_entry(2, REG, 0);

	check_i(send_reply(m, expect(m, WIRE_MKDIR), 0, &e, sizeof(e)), 0);
	finish(a);
	check_step(a, 0, -1, EIO);
}

MOCK_CASE(hostile_mknod_makes_directory, .unbalanced = true)
{
	struct actor *a = without_file(m, do_mkfifo);
	struct wire_entry_out e = an_entry(2, DIR_MODE, 0);

	check_i(send_reply(m, expect(m, WIRE_MKNOD), 0, &e, sizeof(e)), 0);
	finish(a);
	check_step(a, 0, -1, EIO);
}

static void
bad_create(struct mock *m, uint64_t nodeid, uint32_t mode)
{
	struct actor *a = without_file(m, do_create);
	union wire_out o = { .create = { .entry = an_entry(nodeid, mode, 0), .open = { .fh = 7 } } };

	reply_out(m, expect(m, WIRE_CREATE), &o);
	serve(m, a);
	finish(a);
	check_step(a, 0, -1, EIO);
	works(m, "another");
}

MOCK_CASE(hostile_create_nodeid_0, .unbalanced = true)
{
	bad_create(m, 0, REG);
}
MOCK_CASE(hostile_create_nodeid_root, .unbalanced = true)
{
	bad_create(m, WIRE_ROOT_ID, DIR_MODE);
}
MOCK_CASE(hostile_create_makes_directory, .unbalanced = true)
{
	bad_create(m, 2, DIR_MODE);
}

/* A directory that is said to be in itself. */
MOCK_CASE(hostile_directory_loop, .unbalanced = true)
{
	struct actor *a = start_arg(m, do_stat, "dir/dir");
	struct wire_entry_out e = an_entry(2, DIR_MODE, 0);

	answer_lookup(m, WIRE_ROOT_ID, "dir", 2, DIR_MODE, 0);
	check_i(send_reply(m, expect(m, WIRE_LOOKUP), 0, &e, sizeof(e)), 0);
	finish(a);
	check_step(a, 0, -1, ELOOP);
	works(m, "another");
}

/* A known node changes its type. */
static long
stat_again(struct actor *a)
{
	step(a, stat(in_mount(a, "file"), &a->st));
	hold(a);
	return step(a, stat(in_mount(a, "file"), &a->st));
}

MOCK_CASE(hostile_type_changes_getattr)
{
	struct wire_entry_out e = an_entry(2, REG, 10);
	struct actor *a = start(m, stat_again);

	e.attr_valid = 0;
	reply_entry(m, expect(m, WIRE_LOOKUP), e);
	reply_attr(m, expect(m, WIRE_GETATTR), 0, e.attr);
	reached(a);
	proceed(a);
	answer_getattr(m, 2, DIR_MODE, 0);
	finish(a);
	check_step(a, 1, -1, EIO);
	works(m, "another");
}

/* In a LOOKUP it is another file, and the old one is no more. */
MOCK_CASE(hostile_type_changes_lookup)
{
	struct wire_entry_out e = an_entry(2, REG, 10);
	struct actor *a = start(m, stat_again);

	e.entry_valid = 0;
	reply_entry(m, expect(m, WIRE_LOOKUP), e);
	reached(a);
	proceed(a);
	/* Once to see whether the name still holds, once more because it does not. */
	answer_lookup(m, WIRE_ROOT_ID, "file", 2, DIR_MODE, 0);
	answer_lookup(m, WIRE_ROOT_ID, "file", 2, DIR_MODE, 0);
	finish(a);
	check_step(a, 1, 0, 0);
	check_that(S_ISDIR(a->st.st_mode));
}

/* GETATTR with a size that cannot be. */
MOCK_CASE(hostile_getattr_size)
{
	struct wire_entry_out e = an_entry(2, REG, 10);
	struct actor *a = start(m, stat_again);

	e.attr_valid = 0;
	reply_entry(m, expect(m, WIRE_LOOKUP), e);
	reply_attr(m, expect(m, WIRE_GETATTR), 0, e.attr);
	reached(a);
	proceed(a);
	answer_getattr(m, 2, REG, UINT64_C(1) << 63);
	finish(a);
	check_step(a, 1, -1, EIO);
}

MOCK_CASE(hostile_root_becomes_file)
{
	struct actor *a = start(m, do_stat_root);

	answer_getattr(m, WIRE_ROOT_ID, REG, 0);
	finish(a);
	check_step(a, 0, -1, EIO);
}

/* ---- directories ---- */

/* The root is read once, with these bytes as the answer. */
static struct actor *
reads_entries(struct mock *m, const void *bytes, size_t len)
{
	struct actor *a = start(m, do_readdir);

	answer_opendir(m, WIRE_ROOT_ID, 5, 0);
	check_i(send_reply(m, expect(m, WIRE_READDIR), 0, bytes, len), 0);
	serve(m, a);
	finish(a);
	return a;
}

/* One entry of this name; the checks of the parser that made it are ours to leave out. */
static void
reads_name(struct mock *m, const char *name, uint32_t namelen, int err)
{
	uint8_t buf[4096] = { 0 };
	struct wire_dirent d = { .ino = 5, .off = 1, .namelen = namelen, .type = DT_REG };
	struct actor *a;

	memcpy(buf, &d, WIRE_NAME_OFFSET);
	memcpy(buf + WIRE_NAME_OFFSET, name, namelen);
	a = reads_entries(m, buf, WIRE_DIRENT_ALIGN(WIRE_NAME_OFFSET + namelen));
	if (err != 0)
		check_step(a, 1, -1, err);
	else
		check_that(a->step[1].ret > 0);
}

MOCK_CASE(hostile_readdir_fine)
{
	reads_name(m, "name", 4, 0);
} /* what the next ones are compared with */
MOCK_CASE(hostile_readdir_slash)
{
	reads_name(m, "a/b", 3, EIO);
}
MOCK_CASE(hostile_readdir_only_slash)
{
	reads_name(m, "/", 1, EIO);
}
MOCK_CASE(hostile_readdir_empty_name)
{
	reads_name(m, "", 0, EIO);
}
MOCK_CASE(hostile_readdir_nul, .native = "the kernel passes a NUL in a name on")
{
	reads_name(m, "a\0b", 3, EIO);
}

/* Nothing of Linux' own is longer than 255 bytes, but a daemon's may be. */
MOCK_CASE(hostile_readdir_long_name)
{
	char name[1100];

	memset(name, 'x', sizeof(name));
	reads_name(m, name, 1025, 0);
}

/* An entry that says that it is longer than what is there: the end. */
MOCK_CASE(hostile_readdir_past_the_end)
{
	uint8_t buf[256];
	size_t len = 0;
	struct wire_dirent d = { .ino = 5, .off = 2, .namelen = 200, .type = DT_REG };
	struct actor *a;

	mock_dirent(buf, sizeof(buf), &len, 2, 1, DT_REG, "first");
	memcpy(buf + len, &d, WIRE_NAME_OFFSET);
	a = reads_entries(m, buf, len + WIRE_NAME_OFFSET + 8);
	check_that(a->step[1].ret > 0);
	check_that(memmem(a->buf, (size_t)a->step[1].ret, "first", 5) != NULL);
	check_i(a->step[1].ret, 32); /* one */
}

MOCK_CASE(hostile_readdir_half_header)
{
	uint8_t buf[256];
	size_t len = 0;
	struct actor *a;

	mock_dirent(buf, sizeof(buf), &len, 2, 1, DT_REG, "first");
	memset(buf + len, 0xff, 16);
	a = reads_entries(m, buf, len + 16);
	check_i(a->step[1].ret, 32);
}

/* A length of a name that would overflow. */
MOCK_CASE(hostile_readdir_namelen_max)
{
	struct wire_dirent d = { .ino = 5, .off = 2, .namelen = UINT32_MAX, .type = DT_REG };
	struct actor *a = reads_entries(m, &d, WIRE_NAME_OFFSET);

	check_that((a->step[1].ret == -1 && a->step[1].err == EIO) || a->step[1].ret == 0);
}

/* Offsets that go in a circle: the program goes round, too, and can be stopped. */
static long
read_rounds(struct actor *a)
{
	a->fd = open(in_mount(a, ""), O_RDONLY | O_DIRECTORY);
	for (int i = 0; i < 10; i++)
		step(a, getdents64(a->fd, a->buf, 4096));
	return close(a->fd);
}

MOCK_CASE(hostile_readdir_circle)
{
	struct actor *a = start(m, read_rounds);
	struct req *r;

	answer_opendir(m, WIRE_ROOT_ID, 5, 0);
	while ((r = next_request(m, 5000)) != NULL && r->hdr.opcode == WIRE_READDIR) {
		char buf[64];
		size_t len = 0;

		mock_dirent(buf, sizeof(buf), &len, 2, r->in.read.offset == 1 ? 2 : 1, DT_REG, "name");
		reply_data(m, r, buf, len);
	}
	check_that(r != NULL && r->hdr.opcode == WIRE_RELEASEDIR);
	reply_empty(m, r);
	finish(a);
	for (int i = 0; i < 10; i++)
		check_that(a->step[i].ret > 0);
}

/* Offsets are the daemon's affair: any 63 bits. */
MOCK_CASE(hostile_readdir_large_offset)
{
	struct actor *a = start(m, read_rounds);
	char buf[64];
	size_t len = 0;
	struct req *r;

	answer_opendir(m, WIRE_ROOT_ID, 5, 0);
	mock_dirent(buf, sizeof(buf), &len, 2, INT64_MAX, DT_REG, "name");
	reply_data(m, expect(m, WIRE_READDIR), buf, len);
	while ((r = next_request(m, 5000)) != NULL && r->hdr.opcode == WIRE_READDIR) {
		check_u(r->in.read.offset, INT64_MAX);
		reply_data(m, r, "", 0);
	}
	check_that(r != NULL && r->hdr.opcode == WIRE_RELEASEDIR);
	reply_empty(m, r);
	finish(a);
	check_that(a->step[0].ret > 0);
	check_step(a, 1, 0, 0);
}

/* READDIRPLUS: an entry that makes no sense does not make a node. */
static void
reads_plus(struct mock *m, struct wire_entry_out e, const char *name, int err)
{
	struct actor *a = start(m, do_readdir), *b;
	char buf[512];
	size_t len = 0;
	struct wire_direntry d = {
		.plus = &e, .ino = 2, .off = 1, .type = DT_REG, .name = name, .namelen = (uint32_t)strlen(name)
	};

	answer_opendir(m, WIRE_ROOT_ID, 5, 0);
	check_i(wire_dir_put(buf, sizeof(buf), &len, &d), 0);
	check_i(send_reply(m, expect(m, WIRE_READDIRPLUS), 0, buf, len), 0);
	serve(m, a);
	finish(a);
	if (err != 0)
		check_step(a, 1, -1, err);
	else
		check_that(a->step[1].ret > 0);
	b = start_arg(m, do_stat, (void *)(uintptr_t) "name");
	answer_noent(m, WIRE_ROOT_ID, "name"); /* it was not taken from there */
	finish(b);
	check_step(b, 0, -1, ENOENT);
}

#define PLUS .flags = WIRE_INIT_DO_READDIRPLUS, .unbalanced = true
MOCK_CASE(hostile_plus_mode_0, PLUS)
{
	reads_plus(m, an_entry(2, 0, 0), "name", 0);
}
MOCK_CASE(hostile_plus_size, PLUS)
{
	reads_plus(m, an_entry(2, REG, UINT64_MAX), "name", 0);
}
MOCK_CASE(hostile_plus_nodeid_root, PLUS)
{
	reads_plus(m, an_entry(WIRE_ROOT_ID, DIR_MODE, 0), "name", 0);
}
MOCK_CASE(hostile_plus_slash, PLUS)
{
	reads_plus(m, an_entry(2, REG, 0), "na/me", EIO);
}

/* ---- numbers in answers ---- */

/* Written: more than was asked. */
MOCK_CASE(hostile_write_more)
{
	struct actor *a = with_open_file(m, do_write, WIRE_FOPEN_DIRECT_IO);

	reply_write(m, expect(m, WIRE_WRITE), 6);
	answer_close(m, 2, 7);
	finish(a);
	check_step(a, 1, -1, EIO);
}

MOCK_CASE(hostile_write_max)
{
	struct actor *a = with_open_file(m, do_write, 0);

	answer_no_caps(m);
	reply_write(m, expect(m, WIRE_WRITE), UINT32_MAX);
	answer_close(m, 2, 7);
	finish(a);
	check_step(a, 1, -1, EIO);
}

MOCK_CASE(hostile_write_nothing)
{
	struct actor *a = with_open_file(m, do_write, WIRE_FOPEN_DIRECT_IO);

	reply_write(m, expect(m, WIRE_WRITE), 0);
	answer_close(m, 2, 7);
	finish(a);
	check_that(a->step[1].ret == 0 || (a->step[1].ret == -1 && a->step[1].err == EIO));
}

/* A list of attributes without its NULs, or with an empty name. */
static void
lists(struct mock *m, const char *list, size_t len, long ret, int err)
{
	struct actor *a = with_file(m, do_listxattr, REG);

	reply_data(m, expect(m, WIRE_LISTXATTR), list, len);
	finish(a);
	check_step(a, 0, ret, err);
}

MOCK_CASE(hostile_listxattr_fine)
{
	lists(m, "user.a\0user.b", 14, 14, 0);
}
MOCK_CASE(hostile_listxattr_no_nul)
{
	lists(m, "user.a", 6, -1, EIO);
}
MOCK_CASE(hostile_listxattr_empty_name)
{
	lists(m, "user.a\0\0", 8, -1, EIO);
}

/* A target of a link: empty, or with a NUL in it. */
static void
links_to(struct mock *m, const void *target, size_t len, long ret, int err)
{
	struct actor *a = with_file(m, do_readlink, LNK);

	reply_data(m, expect(m, WIRE_READLINK), target, len);
	finish(a);
	check_step(a, 0, ret, err);
}

MOCK_CASE(hostile_readlink_nul)
{
	links_to(m, "ab\0cd", 5, 2, 0);
}
MOCK_CASE(hostile_readlink_empty)
{
	links_to(m, "", 0, 0, 0);
}

MOCK_CASE(hostile_readlink_4095)
{
	char target[4096];

	memset(target, 'x', sizeof(target));
	links_to(m, target, 4095, 4095, 0);
}

/* The answer to a question for a size: any number. */
static long
ask_size(struct actor *a)
{
	return step(a, getxattr(its_file(a), "user.a", NULL, 0));
}

MOCK_CASE(hostile_getxattr_size)
{
	struct actor *a = with_file(m, ask_size, REG);

	reply_out(m, expect(m, WIRE_GETXATTR), &(union wire_out){ .getxattr.size = UINT32_MAX });
	finish(a);
	check_step(a, 0, 65536, 0); /* the largest there can be */
}

/* lseek: an offset that is none. */
static long
seek_data(struct actor *a)
{
	a->fd = open(its_file(a), O_RDONLY);
	step(a, lseek(a->fd, 0, SEEK_DATA));
	return step(a, close(a->fd));
}

MOCK_CASE(hostile_lseek_negative)
{
	struct actor *a = with_open_file(m, seek_data, 0);

	reply_out(m, expect(m, WIRE_LSEEK), &(union wire_out){ .lseek.offset = UINT64_MAX });
	answer_close(m, 2, 7);
	finish(a);
	check_step(a, 0, -1, EINVAL);
}

/* A lock that nobody can hold. */
static long
ask_lock(struct actor *a)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 10 };

	a->fd = open(its_file(a), O_RDWR);
	step(a, fcntl(a->fd, F_GETLK, &l));
	return step(a, close(a->fd));
}

static void
bad_lock(struct mock *m, struct wire_file_lock lk)
{
	struct actor *a = with_open_file(m, ask_lock, 0);

	reply_out(m, expect(m, WIRE_GETLK), &(union wire_out){ .lk.lk = lk });
	serve(m, a);
	finish(a);
	check_step(a, 0, -1, EIO);
}

#define LOCKS .flags = WIRE_INIT_POSIX_LOCKS
MOCK_CASE(hostile_getlk_backwards, LOCKS)
{
	bad_lock(m, (struct wire_file_lock){ 10, 5, F_WRLCK, 1 });
}
MOCK_CASE(hostile_getlk_negative, LOCKS)
{
	bad_lock(m, (struct wire_file_lock){ UINT64_MAX, UINT64_MAX, F_RDLCK, 1 });
}
MOCK_CASE(hostile_getlk_type, LOCKS)
{
	bad_lock(m, (struct wire_file_lock){ 0, 5, 4711, 1 });
}

/* Flags of an open file that nobody knows. */
MOCK_CASE(hostile_open_flags)
{
	struct actor *a = with_file(m, do_read, REG);

	reply_open(m, expect(m, WIRE_OPEN), 7, 0xffffff00);
	answer_read(m, 2, 0, 100, 'x');
	answer_close(m, 2, 7);
	finish(a);
	check_step(a, 1, 100, 0);
}

/* The largest file handle and the largest nodeid. */
MOCK_CASE(hostile_large_ids)
{
	struct actor *a = start(m, do_read);
	struct req *r;

	answer_lookup(m, WIRE_ROOT_ID, "file", UINT64_MAX, REG, 100);
	answer_open(m, UINT64_MAX, UINT64_MAX, 0);
	r = expect(m, WIRE_READ);
	check_u(r->hdr.nodeid, UINT64_MAX);
	check_u(r->in.read.fh, UINT64_MAX);
	memset(a->buf, 'x', 100);
	reply_data(m, r, a->buf, 100);
	answer_close(m, UINT64_MAX, UINT64_MAX);
	finish(a);
	check_step(a, 1, 100, 0);
}

/* ---- notifications ---- */

/* One that cannot be parsed: natively refused, through perfuse the end of the connection. */
static void
bad_note(struct mock *m, int code, const void *bytes, size_t len, int native)
{
	int e = notify(m, code, bytes, len, NULL, 0);

	if (mock_is_native(m)) {
		check_i(e, native);
		works(m, "file");
	} else {
		check_i(e, 0);
		expect_dead(m);
	}
}

static const uint8_t zeros[4096];

MOCK_CASE(hostile_note_short_inode)
{
	bad_note(m, WIRE_NOTIFY_INVAL_INODE, zeros, 16, EINVAL);
}
MOCK_CASE(hostile_note_long_inode)
{
	bad_note(m, WIRE_NOTIFY_INVAL_INODE, zeros, 32, EINVAL);
}
MOCK_CASE(hostile_note_short_entry)
{
	bad_note(m, WIRE_NOTIFY_INVAL_ENTRY, zeros, 8, EINVAL);
}
MOCK_CASE(hostile_note_short_delete)
{
	bad_note(m, WIRE_NOTIFY_DELETE, zeros, 23, EINVAL);
}
MOCK_CASE(hostile_note_short_store)
{
	bad_note(m, WIRE_NOTIFY_STORE, zeros, 12, EINVAL);
}
MOCK_CASE(hostile_note_short_retrieve)
{
	bad_note(m, WIRE_NOTIFY_RETRIEVE, zeros, 8, EINVAL);
}
MOCK_CASE(hostile_note_short_poll)
{
	bad_note(m, WIRE_NOTIFY_POLL, zeros, 4, EINVAL);
}

/* The name is not as long as it says. */
MOCK_CASE(hostile_note_entry_namelen)
{
	uint8_t bytes[32] = { 0 };

	memcpy(bytes, &(struct wire_notify_inval_entry_out){ .parent = 1, .namelen = 100 }, 16);
	bad_note(m, WIRE_NOTIFY_INVAL_ENTRY, bytes, sizeof(bytes), EINVAL);
}

MOCK_CASE(hostile_note_entry_namelen_max)
{
	uint8_t bytes[32] = { 0 };

	memcpy(bytes, &(struct wire_notify_inval_entry_out){ .parent = 1, .namelen = UINT32_MAX }, 16);
	bad_note(m, WIRE_NOTIFY_INVAL_ENTRY, bytes, sizeof(bytes), ENAMETOOLONG);
}

MOCK_CASE(hostile_note_store_size)
{
	uint8_t bytes[32] = { 0 };

	memcpy(bytes, &(struct wire_notify_store_out){ .nodeid = 2, .size = 1 << 30 }, 24);
	bad_note(m, WIRE_NOTIFY_STORE, bytes, sizeof(bytes), EINVAL);
}

/* A code that nobody knows: perfuse takes no notice. */
MOCK_CASE(hostile_note_code_99)
{
	check_i(notify(m, 99, zeros, 16, NULL, 0), mock_is_native(m) ? EINVAL : 0);
	works(m, "file");
}

/* And what is no code. */
MOCK_CASE(hostile_note_code_0)
{
	bad_note(m, 0, zeros, 16, EINVAL);
}
MOCK_CASE(hostile_note_code_negative)
{
	bad_note(m, -5, zeros, 16, EINVAL);
}

/* ---- floods and silence ---- */

/* While nobody reads on the other side, natively each is refused at once. */
MOCK_CASE(hostile_flood_of_replies)
{
	struct wire_out_header h = { .len = sizeof(h), .unique = 1000000 };

	for (int i = 0; i < 20000; i++, h.unique += 2)
		check_i(send_raw(m, &h, sizeof(h)), mock_is_native(m) ? ENOENT : 0);
	works(m, "file");
}

/* One operation is not answered for a long time; the others are served. */
MOCK_CASE(hostile_silence)
{
	struct actor *a = start_arg(m, do_statfs, "silent");
	struct req *r = expect(m, WIRE_STATFS);
	static char names[100][8];

	for (int i = 0; i < 100; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "n%d", i);
		struct actor *b = start_arg(m, do_stat, names[i]);

		answer_lookup(m, WIRE_ROOT_ID, names[i], 100 + (uint64_t)i, REG, 10);
		finish(b);
	}
	check_that(!has_ended(a));
	reply_out(m, r, &(union wire_out){ .statfs.st = { .bsize = 512, .namelen = 99 } });
	finish(a);
	check_step(a, 0, 0, 0);
	check_u(a->sfs.f_namelen, 99);
}

/* Answers in the reverse order. */
MOCK_CASE(hostile_reverse)
{
	static char names[50][8];
	struct actor *a[50];
	struct req *r[50];

	for (int i = 0; i < 50; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "n%d", i);
		a[i] = start_arg(m, do_stat, names[i]);
	}
	for (int i = 0; i < 50; i++)
		r[i] = expect(m, WIRE_LOOKUP);
	for (int i = 49; i >= 0; i--)
		reply_entry(m, r[i], an_entry(100 + strtoul(r[i]->name[0] + 1, NULL, 10), REG, 10));
	for (int i = 0; i < 50; i++) {
		finish(a[i]);
		check_step(a[i], 0, 0, 0);
		check_u(a[i]->st.st_ino, 100 + i);
	}
}
