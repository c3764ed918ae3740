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
