/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wire/'s messages: every opcode in many minors is written, read back and compared, then spoiled in each way a peer could: cut,
 * lengthened, lengths that lie. Messages lie at an odd address at the very end of their memory, so that a
 * sanitizer sees the first byte read too many. Also the printer, over good messages and garbage.
 */
#include <check.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/wire.h"

enum { OPCODES = 54, TAIL = 32, ROOM = 1024 };

static const struct wire_proto protos[] = { { 8, false }, { 9, false }, { 11, false }, { 12, false }, { 22, false },
	{ 23, false }, { 31, false }, { 36, false }, { 36, true }, { 38, true }, { 45, false }, { 45, true } };
enum { PROTOS = sizeof(protos) / sizeof(protos[0]) };

/* As ck_assert_msg(), which writes a record each time: for loops of many rounds. */
#define MUST(cond, ...)                                                                                                \
	do {                                                                                                           \
		if (!(cond))                                                                                           \
			ck_abort_msg(__VA_ARGS__);                                                                     \
	} while (0)

static uint64_t seed = 88172645463325252u;

static uint64_t
rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static void
fill(void *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)p)[i] = (uint8_t)(rnd() >> 24);
}

/* ---- requests ---- */

struct built { /* a message and what must come out of it */
	uint8_t *mem, *msg;
	size_t len;
	union wire_in in;
	union wire_out out;
	size_t tail, ext; /* offsets of these in msg */
};

/* Put the len bytes at an odd address at the end of the memory. */
static void
place(struct built *b, const void *msg, size_t len)
{
	b->mem = malloc(len + 1);
	b->msg = b->mem + 1;
	memcpy(b->msg, msg, len);
	b->len = len;
}

/* The field that says how long the exact tail is, NULL when there is none; *unit bytes each. */
static uint32_t *
exact(uint32_t opcode, union wire_in *in, size_t *unit)
{
	*unit = opcode == WIRE_BATCH_FORGET || opcode == WIRE_REMOVEMAPPING ? 16 : 1;
	switch (opcode) {
	case WIRE_WRITE:
		return &in->write.size;
	case WIRE_SETXATTR:
		return &in->setxattr.size;
	case WIRE_IOCTL:
		return &in->ioctl.in_size;
	case WIRE_NOTIFY_REPLY:
		return &in->notify_retrieve.size;
	case WIRE_BATCH_FORGET:
		return &in->batch_forget.count;
	case WIRE_REMOVEMAPPING:
		return &in->removemapping.count;
	default:
		return NULL;
	}
}

static const char *const name[WIRE_NAMES_MAX] = { "first/name\n", "" };

static struct built
request(const struct wire_proto *p, uint32_t opcode, bool with_ext)
{
	const struct wire_op *op = wire_op(opcode);
	struct wire_in_header h = {
		.opcode = opcode, .unique = 2 * rnd(), .nodeid = rnd(), .uid = 1, .gid = 2, .pid = 3
	};
	uint8_t buf[ROOM];
	size_t at = sizeof(h), n, unit;
	struct built b = { 0 };
	union wire_in all;
	uint32_t *count;

	memset(&all, 0, sizeof(all));
	fill(&all, op->in_size);
	if (opcode == WIRE_INIT)
		all.init = (struct wire_init_in){ .major = 7, .minor = p->minor, .flags = 0x12345678 };
	count = exact(opcode, &all, &unit);
	ck_assert_int_eq(count != NULL, op->in_tail == WIRE_TAIL_EXACT);
	if (count != NULL)
		*count = (uint32_t)(TAIL / unit);
	ck_assert_int_eq(wire_encode_in(p, opcode, &all, buf + at, ROOM - at, &n), 0);
	ck_assert_uint_eq(n, wire_in_size(p, opcode));
	memcpy(&b.in, &all, n);
	at += n;
	for (int i = 0; i < op->names; i++) {
		memcpy(buf + at, name[i], strlen(name[i]) + 1);
		at += strlen(name[i]) + 1;
	}
	b.tail = at;
	if (count != NULL) {
		fill(buf + at, TAIL);
		at += TAIL;
	}
	b.ext = at;
	if (with_ext) {
		memset(buf + at, 0xee, 24); /* no NUL: nothing of it can pass for a name */
		at += 24;
		h.total_extlen = 3;
	}
	h.len = (uint32_t)at;
	memcpy(buf, &h, sizeof(h));
	place(&b, buf, at);
	return b;
}

/* The first len bytes of a message, or all and more zeros, with a header that says so. */
static int
parse_resized(const struct wire_proto *p, const struct built *b, size_t len, struct wire_req *r)
{
	struct built c = { 0 };
	uint8_t buf[ROOM + 128] = { 0 };
	uint32_t len32 = (uint32_t)len;
	int error;

	memcpy(buf, b->msg, len < b->len ? len : b->len);
	memcpy(buf, &len32, sizeof(len32));
	place(&c, buf, len);
	error = wire_parse_request(p, c.msg, len, r);
	free(c.mem);
	return error;
}

static void
check_request(const struct wire_proto *p, uint32_t opcode, bool with_ext)
{
	const struct wire_op *op = wire_op(opcode);
	struct built b = request(p, opcode, with_ext);
	struct wire_in_header h;
	struct wire_req r;

	memcpy(&h, b.msg, sizeof(h));
	ck_assert_int_eq(wire_parse_request(p, b.msg, b.len, &r), 0);
	ck_assert_mem_eq(&r.hdr, &h, sizeof(h));
	ck_assert_mem_eq(&r.in, &b.in, sizeof(r.in));
	for (int i = 0; i < WIRE_NAMES_MAX; i++) {
		ck_assert_int_eq(r.name[i] != NULL, i < op->names);
		ck_assert_uint_eq(r.namelen[i], i < op->names ? strlen(name[i]) : 0);
		if (r.name[i] != NULL)
			ck_assert_str_eq(r.name[i], name[i]);
	}
	ck_assert_ptr_eq(r.data, op->in_tail == WIRE_TAIL_EXACT ? b.msg + b.tail : NULL);
	ck_assert_uint_eq(r.datalen, op->in_tail == WIRE_TAIL_EXACT ? TAIL : 0);
	ck_assert_ptr_eq(r.ext, with_ext ? b.msg + b.ext : NULL);
	ck_assert_uint_eq(r.extlen, with_ext ? 24 : 0);

	/* the header's length is not the message's */
	for (int d = -1; d <= 1; d += 2) {
		h.len = (uint32_t)b.len + (uint32_t)d;
		memcpy(b.msg, &h, sizeof(h));
		ck_assert_int_eq(wire_parse_request(p, b.msg, b.len, &r), EPROTO);
	}
	/* cut anywhere, and lengthened */
	for (size_t len = 0; len < b.len; len++)
		MUST(parse_resized(p, &b, len, &r) == EPROTO, "7.%u, %zu of %zu bytes", p->minor, len, b.len);
	if (opcode != WIRE_INIT || p->minor < 36)
		for (size_t len = b.len + 1; len < b.len + 64; len++)
			ck_assert_msg(
			    parse_resized(p, &b, len, &r) == EPROTO, "7.%u, %zu for %zu bytes", p->minor, len, b.len);
	free(b.mem);
}

START_TEST(requests)
{
	const struct wire_op *op = wire_op((uint32_t)_i);

	for (int k = 0; op != NULL && k < PROTOS; k++) {
		check_request(&protos[k], (uint32_t)_i, false);
		if (op->ext)
			check_request(&protos[k], (uint32_t)_i, true);
	}
}
END_TEST

/* What a field says about the tail is not so. */
START_TEST(request_tail_lies)
{
	static const uint32_t lies[] = { 0, 1, TAIL - 1, TAIL + 1, TAIL / 16 + 1, INT32_MAX, UINT32_MAX - TAIL + 1,
		UINT32_MAX, 0x10000000 + TAIL / 16 /* times 16 it wraps in 32 bits */ };
	const struct wire_proto p = { WIRE_MINOR_MAX, true };
	struct wire_req r;

	for (uint32_t opcode = 1; opcode < OPCODES; opcode++) {
		struct built b;
		size_t unit, off;
		uint32_t *count;

		if (wire_op(opcode) == NULL || wire_op(opcode)->in_tail != WIRE_TAIL_EXACT)
			continue;
		b = request(&p, opcode, false);
		count = exact(opcode, &b.in, &unit);
		off = sizeof(r.hdr) + (size_t)((uint8_t *)count - (uint8_t *)&b.in);
		for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
			memcpy(b.msg + off, &lies[i], sizeof(lies[i]));
			if (lies[i] * (uint64_t)unit != TAIL)
				MUST(wire_parse_request(&p, b.msg, b.len, &r) == EPROTO, "%s %u", wire_opname(opcode),
				    lies[i]);
		}
		free(b.mem);
	}
}
END_TEST

START_TEST(request_names_and_ext)
{
	const struct wire_proto p = { WIRE_MINOR_MAX, true };
	struct wire_req r;

	for (uint32_t opcode = 0; opcode < OPCODES; opcode++) {
		const struct wire_op *op = wire_op(opcode);
		struct built b;
		uint16_t ext;

		if (op == NULL)
			continue;
		b = request(&p, opcode, false);
		/* an extension where none belongs, or longer than the body */
		for (uint32_t e = 1; e <= UINT16_MAX; e++) {
			ext = (uint16_t)e;
			memcpy(b.msg + offsetof(struct wire_in_header, total_extlen), &ext, sizeof(ext));
			MUST(wire_parse_request(&p, b.msg, b.len, &r) == EPROTO, "%s ext %u", op->name, e);
		}
		if (!op->ext) {
			struct built c = request(&p, opcode, true);

			ck_assert_int_eq(wire_parse_request(&p, c.msg, c.len, &r), EPROTO);
			free(c.mem);
		}
		/* a name without its end */
		ext = 0;
		memcpy(b.msg + offsetof(struct wire_in_header, total_extlen), &ext, sizeof(ext));
		ck_assert_int_eq(wire_parse_request(&p, b.msg, b.len, &r), 0);
		if (op->names > 0) {
			memset(b.msg + sizeof(r.hdr) + op->in_size, 'x', b.len - sizeof(r.hdr) - op->in_size);
			ck_assert_int_eq(wire_parse_request(&p, b.msg, b.len, &r), EPROTO);
		}
		free(b.mem);
	}
}
END_TEST

START_TEST(request_unknown)
{
	static const uint32_t unknown[] = { 0, 7, 19, 54, 4096, 436207616, UINT32_MAX };
	const struct wire_proto p = { WIRE_MINOR_MAX, true };
	struct wire_in_header h = { .len = sizeof(h), .unique = 9 };
	struct wire_req r;

	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		h.opcode = unknown[i];
		ck_assert_int_eq(wire_parse_request(&p, &h, sizeof(h), &r), ENOSYS);
		ck_assert_uint_eq(r.hdr.unique, 9);
		ck_assert_int_eq(wire_parse_request(&p, &h, sizeof(h) - 1, &r), EPROTO);
	}
}
END_TEST

START_TEST(encode_room)
{
	union wire_in in = { .init = { .minor = 45 } };
	union wire_out out;
	uint8_t buf[sizeof(out)];
	size_t len;

	memset(&out, 0, sizeof(out));
	for (uint32_t opcode = 0; opcode < OPCODES; opcode++)
		for (int k = 0; k < PROTOS; k++) {
			size_t want = opcode == WIRE_INIT ? 64 : wire_in_size(&protos[k], opcode);

			ck_assert_int_eq(wire_encode_in(&protos[k], opcode, &in, buf, want, &len), 0);
			ck_assert_uint_eq(len, want);
			if (want > 0)
				ck_assert_int_eq(
				    wire_encode_in(&protos[k], opcode, &in, buf, want - 1, &len), EMSGSIZE);
			want = wire_out_size(&protos[k], opcode);
			ck_assert_int_eq(wire_encode_out(&protos[k], opcode, &out, buf, want, &len), 0);
			ck_assert_uint_eq(len, want);
			if (want > 0)
				ck_assert_int_eq(
				    wire_encode_out(&protos[k], opcode, &out, buf, want - 1, &len), EMSGSIZE);
		}
}
END_TEST

/* ---- replies ---- */

static void
drop_new_attr(struct wire_attr *a)
{
	a->blksize = 0;
	a->flags = 0;
}

/* What of a reply arrives in this minor, told apart from how encode.c does it. */
static void
expect_out(const struct wire_proto *p, uint32_t opcode, const union wire_out *all, union wire_out *out)
{
	*out = *all;
	switch (opcode) {
	case WIRE_LOOKUP:
	case WIRE_SYMLINK:
	case WIRE_MKNOD:
	case WIRE_MKDIR:
	case WIRE_LINK:
	case WIRE_CREATE:
	case WIRE_TMPFILE:
		if (p->minor < 9)
			drop_new_attr(&out->entry.attr);
		break;
	case WIRE_GETATTR:
	case WIRE_SETATTR:
		if (p->minor < 9)
			drop_new_attr(&out->attr.attr);
		break;
	case WIRE_INIT:
		if (p->minor < 23)
			memset((uint8_t *)out + 24, 0, 40);
		break;
	default:
		break;
	}
}

static struct built
reply(const struct wire_proto *p, uint32_t opcode, bool fixed, size_t tail)
{
	const struct wire_op *op = wire_op(opcode);
	struct wire_out_header h = { .unique = rnd() | 1 };
	uint8_t buf[ROOM];
	struct built b = { 0 };
	union wire_out all;
	size_t at = sizeof(h), n = 0;

	memset(&all, 0, sizeof(all));
	if (fixed) {
		fill(&all, op->out_size);
		ck_assert_int_eq(wire_encode_out(p, opcode, &all, buf + at, ROOM - at, &n), 0);
		expect_out(p, opcode, &all, &b.out);
	}
	at += n;
	b.tail = at;
	fill(buf + at, tail);
	at += tail;
	h.len = (uint32_t)at;
	memcpy(buf, &h, sizeof(h));
	place(&b, buf, at);
	return b;
}

/* The bytes of a reply, cut or lengthened to len with a header that says so, are an error. */
static void
reply_spoilt(const struct wire_proto *p, uint32_t opcode, const union wire_in *in, const struct built *b, size_t len)
{
	uint8_t buf[ROOM] = { 0 };
	uint32_t len32 = (uint32_t)len;
	struct built c = { 0 };
	struct wire_rep r;
	const char *why = NULL;

	memcpy(buf, b->msg, len < b->len ? len : b->len);
	memcpy(buf, &len32, sizeof(len32));
	place(&c, buf, len);
	MUST(wire_parse_reply(p, opcode, in, c.msg, len, TAIL, &r, &why) == EPROTO, "%s 7.%u, %zu for %zu bytes",
	    wire_opname(opcode), p->minor, len, b->len);
	MUST(why != NULL, "%s: no reason", wire_opname(opcode));
	MUST(wire_parse_reply(p, opcode, in, c.msg, len, TAIL, &r, NULL) == EPROTO, "without why");
	free(c.mem);
}

static void
check_reply(const struct wire_proto *p, uint32_t opcode, const union wire_in *in, bool fixed, size_t tail)
{
	struct built b = reply(p, opcode, fixed, tail);
	struct wire_out_header h;
	const char *why = NULL;
	struct wire_rep r;
	size_t most = wire_op(opcode)->out_tail == WIRE_TAIL_DATA && (!fixed || opcode == WIRE_IOCTL) ? TAIL : 0;
	uint64_t unique;
	int error = -1;

	memcpy(&h, b.msg, sizeof(h));
	ck_assert_int_eq(wire_parse_reply(p, opcode, in, b.msg, b.len, tail, &r, &why), 0);
	ck_assert_ptr_null(why);
	ck_assert_uint_eq(r.unique, h.unique);
	ck_assert_int_eq(r.error, 0);
	ck_assert_mem_eq(&r.out, &b.out, sizeof(r.out));
	ck_assert_uint_eq(r.datalen, tail);
	if (tail > 0)
		ck_assert_ptr_eq(r.data, b.msg + b.tail);
	ck_assert_int_eq(wire_parse_reply_header(b.msg, b.len, &unique, &error, NULL), 0);
	ck_assert_uint_eq(unique, h.unique);
	ck_assert_int_eq(error, 0);
	if (tail > 0) /* one byte more than was asked for */
		ck_assert_int_eq(wire_parse_reply(p, opcode, in, b.msg, b.len, tail - 1, &r, &why), EPROTO);
	for (size_t len = 0; len < b.tail; len++) /* cut: only INIT may be shorter, but for 8 bytes */
		if (opcode != WIRE_INIT || len < 16 + 8)
			reply_spoilt(p, opcode, in, &b, len);
	if (opcode != WIRE_INIT)
		for (size_t len = b.tail + most + 1; len < b.tail + most + TAIL; len++)
			reply_spoilt(p, opcode, in, &b, len);
	for (int d = -1; d <= 1; d += 2) { /* the header's length is not the message's */
		h.len = (uint32_t)b.len + (uint32_t)d;
		memcpy(b.msg, &h, sizeof(h));
		ck_assert_int_eq(wire_parse_reply(p, opcode, in, b.msg, b.len, tail, &r, &why), EPROTO);
	}
	free(b.mem);
}

START_TEST(replies)
{
	const struct wire_op *op = wire_op((uint32_t)_i);
	union wire_in in = { .getxattr = { .size = TAIL } };
	uint32_t opcode = (uint32_t)_i;

	if (op == NULL || op->no_reply)
		return;
	for (int k = 0; k < PROTOS; k++) {
		const struct wire_proto *p = &protos[k];

		if (opcode == WIRE_GETXATTR || opcode == WIRE_LISTXATTR) {
			in.getxattr.size = 0;
			check_reply(p, opcode, &in, true, 0);
			in.getxattr.size = TAIL;
			check_reply(p, opcode, &in, false, TAIL);
			check_reply(p, opcode, NULL, false, TAIL);
			check_reply(p, opcode, NULL, false, 0);
		} else {
			check_reply(p, opcode, &in, op->out_size > 0, op->out_tail == WIRE_TAIL_DATA ? TAIL : 0);
			check_reply(p, opcode, NULL, op->out_size > 0, 0);
		}
	}
}
END_TEST

/* The one reply that is not the beginning of its newest layout, byte by byte. */
START_TEST(reply_create_old)
{
	const struct wire_proto p = { 8, false };
	union wire_out out, in;
	struct wire_rep r;
	struct {
		struct wire_out_header h;
		uint8_t body[136];
	} m;
	uint64_t v;
	size_t len;

	memset(&out, 0, sizeof(out));
	out.create.entry.nodeid = 0x1122334455667788;
	out.create.entry.attr.rdev = 5;
	out.create.entry.attr.blksize = 4096;
	out.create.open.fh = 0xaabbccddeeff0011;
	out.create.open.open_flags = WIRE_FOPEN_DIRECT_IO;
	ck_assert_int_eq(wire_encode_out(&p, WIRE_CREATE, &out, m.body, sizeof(m.body), &len), 0);
	ck_assert_uint_eq(len, 136);
	memcpy(&v, m.body, 8);
	ck_assert_uint_eq(v, 0x1122334455667788);
	memcpy(&v, m.body + 120, 8);
	ck_assert_uint_eq(v, 0xaabbccddeeff0011);
	m.h = (struct wire_out_header){ .len = sizeof(m), .unique = 4 };
	memset(&in, 0, sizeof(in));
	ck_assert_int_eq(wire_parse_reply(&p, WIRE_CREATE, NULL, &m, sizeof(m), 0, &r, NULL), 0);
	ck_assert_uint_eq(r.out.create.open.fh, out.create.open.fh);
	ck_assert_uint_eq(r.out.create.open.open_flags, WIRE_FOPEN_DIRECT_IO);
	ck_assert_uint_eq(r.out.create.entry.attr.rdev, 5);
	ck_assert_uint_eq(r.out.create.entry.attr.blksize, 0);
}
END_TEST

START_TEST(reply_errors)
{
	static const int32_t bad[] = { 1, 2, 511, INT32_MAX, -512, -513, -4095, INT32_MIN };
	const struct wire_proto p = { 45, false };
	struct {
		struct wire_out_header h;
		uint8_t payload[16];
	} m = { .h = { .len = sizeof(m.h), .unique = 6 } };
	struct wire_rep r;
	uint64_t unique;
	int error;

	for (uint32_t opcode = 0; opcode < OPCODES; opcode++) {
		const struct wire_op *op = wire_op(opcode);

		for (int e = 1; e <= 511; e++) {
			m.h.error = -e;
			if (op == NULL || op->no_reply) {
				ck_assert_int_eq(
				    wire_parse_reply(&p, opcode, NULL, &m, sizeof(m.h), 0, &r, NULL), EPROTO);
				continue;
			}
			ck_assert_int_eq(wire_parse_reply(&p, opcode, NULL, &m, sizeof(m.h), 0, &r, NULL), 0);
			ck_assert_int_eq(r.error, e);
			ck_assert_uint_eq(r.unique, 6);
		}
		for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
			m.h.error = bad[i];
			ck_assert_int_eq(wire_parse_reply(&p, opcode, NULL, &m, sizeof(m.h), 0, &r, NULL), EPROTO);
			ck_assert_int_eq(wire_parse_reply_header(&m, sizeof(m.h), &unique, &error, NULL), EPROTO);
		}
	}
	m.h.error = -ENOENT; /* a payload beside an error */
	m.h.len = sizeof(m);
	ck_assert_int_eq(wire_parse_reply(&p, WIRE_READ, NULL, &m, sizeof(m), 100, &r, NULL), EPROTO);
	m.h = (struct wire_out_header){ .len = sizeof(m.h) }; /* unique 0 */
	ck_assert_int_eq(wire_parse_reply_header(&m, sizeof(m.h), &unique, &error, NULL), EPROTO);
	m.h.error = -1;
	ck_assert_int_eq(wire_parse_reply_header(&m, sizeof(m.h), &unique, &error, NULL), EPROTO);
	m.h.error = WIRE_NOTIFY_RESEND;
	ck_assert_int_eq(wire_parse_reply_header(&m, sizeof(m.h), &unique, &error, NULL), 0);
	ck_assert_int_eq(error, WIRE_NOTIFY_RESEND);
	ck_assert_uint_eq(unique, 0);
	ck_assert_int_eq(wire_parse_reply(&p, WIRE_FLUSH, NULL, &m, sizeof(m.h), 0, &r, NULL), EPROTO);
}
END_TEST

/* ---- notifications ---- */

static const struct {
	int code;
	size_t fixed, tail; /* of one that is right */
	size_t count;       /* offset in the body of the number that gives the tail's length */
} notes[] = {
	{ WIRE_NOTIFY_POLL, 8, 0, 0 },
	{ WIRE_NOTIFY_INVAL_INODE, 24, 0, 0 },
	{ WIRE_NOTIFY_INVAL_ENTRY, 16, 6, 8 },
	{ WIRE_NOTIFY_STORE, 24, 16, 16 },
	{ WIRE_NOTIFY_RETRIEVE, 32, 0, 0 },
	{ WIRE_NOTIFY_DELETE, 24, 6, 16 },
	{ WIRE_NOTIFY_RESEND, 0, 0, 0 },
	{ WIRE_NOTIFY_INC_EPOCH, 0, 0, 0 },
	{ WIRE_NOTIFY_PRUNE, 16, 16, 0 },
};
enum { NOTES = sizeof(notes) / sizeof(notes[0]) };

/* A right notification; *wrong: numbers for the tail's length that are not. */
static struct built
note(int i, uint32_t *count)
{
	struct wire_out_header h = { .error = notes[i].code };
	bool named = notes[i].code == WIRE_NOTIFY_INVAL_ENTRY || notes[i].code == WIRE_NOTIFY_DELETE;
	uint8_t buf[ROOM];
	struct built b = { 0 };

	h.len = (uint32_t)(sizeof(h) + notes[i].fixed + notes[i].tail);
	memcpy(buf, &h, sizeof(h));
	fill(buf + sizeof(h), notes[i].fixed);
	b.tail = sizeof(h) + notes[i].fixed;
	memcpy(buf + b.tail, named ? "ab/\0e" : "0123456789abcdef", notes[i].tail);
	*count = (uint32_t)(named ? 5 : notes[i].code == WIRE_NOTIFY_PRUNE ? 2 : notes[i].tail);
	if (notes[i].tail > 0)
		memcpy(buf + sizeof(h) + notes[i].count, count, sizeof(*count));
	place(&b, buf, h.len);
	return b;
}

START_TEST(notifications)
{
	static const int32_t lies[] = { -6, -1, 1, 2, 3, 16, INT32_MAX, INT32_MIN, 0x20000000 };
	uint8_t buf[ROOM] = { 0 };
	struct wire_note n;
	const char *why = NULL;
	uint32_t count, v;
	struct built b = note(_i, &count), c;

	ck_assert_int_eq(wire_parse_notify(b.msg, b.len, &n, &why), 0);
	ck_assert_ptr_null(why);
	ck_assert_int_eq(n.code, notes[_i].code);
	ck_assert_mem_eq(&n.out, b.msg + 16, notes[_i].fixed);
	if (n.name != NULL) {
		ck_assert_ptr_eq(n.name, b.msg + b.tail);
		ck_assert_uint_eq(n.namelen, 5);
		ck_assert_ptr_null(n.data);
	} else {
		ck_assert_ptr_eq(n.data, notes[_i].tail > 0 ? b.msg + b.tail : NULL);
		ck_assert_uint_eq(n.datalen, notes[_i].tail);
	}
	for (size_t len = 0; len < b.len + 40; len++) {
		if (len == b.len)
			continue;
		v = (uint32_t)len;
		memcpy(buf, b.msg, b.len);
		memcpy(buf, &v, sizeof(v));
		place(&c, buf, len);
		why = NULL;
		MUST(wire_parse_notify(c.msg, len, &n, &why) == EPROTO, "code %d, %zu for %zu", notes[_i].code, len,
		    b.len);
		ck_assert_ptr_nonnull(why);
		free(c.mem);
	}
	for (size_t i = 0; notes[_i].tail > 0 && i < sizeof(lies) / sizeof(lies[0]); i++) {
		v = count + (uint32_t)lies[i];
		memcpy(b.msg + 16 + notes[_i].count, &v, sizeof(v));
		ck_assert_int_eq(wire_parse_notify(b.msg, b.len, &n, NULL), EPROTO);
	}
	if (notes[_i].tail > 0) { /* no tail at all, and a length that with the NUL would be 0 in 32 bits */
		uint32_t len32 = (uint32_t)b.tail;

		v = UINT32_MAX;
		memcpy(b.msg + 16 + notes[_i].count, &v, sizeof(v));
		memcpy(b.msg, &len32, sizeof(len32));
		ck_assert_int_eq(wire_parse_notify(b.msg, b.tail, &n, NULL), EPROTO);
	}
	free(b.mem);
}
END_TEST

START_TEST(notification_unknown)
{
	static const int32_t unknown[] = { 10, 11, 4096, INT32_MAX };
	struct wire_out_header h = { .len = sizeof(h) };
	struct wire_note n;

	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		h.error = unknown[i];
		ck_assert_int_eq(wire_parse_notify(&h, sizeof(h), &n, NULL), ENOSYS);
		ck_assert_int_eq(n.code, unknown[i]);
	}
	h.error = 0;
	ck_assert_int_eq(wire_parse_notify(&h, sizeof(h), &n, NULL), EPROTO);
	h.unique = 3; /* a reply */
	ck_assert_int_eq(wire_parse_notify(&h, sizeof(h), &n, NULL), EPROTO);
}
END_TEST

/* ---- printing ---- */

/* Print a request or a reply with the opcode, in memory of exactly room bytes. */
static char *
print(const struct wire_proto *p, bool req, uint32_t opcode, const void *msg, size_t len, size_t room)
{
	char *buf = malloc(room);
	size_t n;

	memset(buf, 'Z', room);
	n = req ? wire_print_request(p, msg, len, buf, room) : wire_print_reply(p, opcode, msg, len, buf, room);
	MUST(n < room && n == strlen(buf), "%zu of %zu bytes, %zu to the NUL", n, room, strnlen(buf, room));
	for (size_t i = 0; i < n; i++)
		MUST(buf[i] >= ' ' && buf[i] <= '~', "byte %d in: %s", buf[i], buf);
	return buf;
}

START_TEST(print_all)
{
	const struct wire_op *op = wire_op((uint32_t)_i);
	uint32_t opcode = (uint32_t)_i;

	for (int k = 0; op != NULL && k < PROTOS; k++) {
		const struct wire_proto *p = &protos[k];
		struct built b = request(p, opcode, op->ext);
		char *s = print(p, true, 0, b.msg, b.len, 4096), *t;

		ck_assert_int_eq(strncmp(s, op->name, strlen(op->name)), 0);
		ck_assert_ptr_null(strstr(s, "unknown"));
		ck_assert_ptr_null(strstr(s, "malformed"));
		for (const struct wire_field *f = op->in_fields; f != NULL && f->name != NULL; f++)
			ck_assert_msg((strstr(s, f->name) != NULL) || f->form == '-', "%s in: %s", f->name, s);
		ck_assert_int_eq(strstr(s, "name=\"first/name\\x0a\"") != NULL, op->names > 0);
		ck_assert_int_eq(strstr(s, "data[32]") != NULL, op->in_tail == WIRE_TAIL_EXACT);
		ck_assert_int_eq(strstr(s, "ext[24]") != NULL, op->ext);
		for (size_t room = 1; room <= strlen(s) + 1; room++) { /* cut: the beginning of the same */
			t = print(p, true, 0, b.msg, b.len, room);
			MUST(strlen(t) == room - 1 && strncmp(s, t, room - 1) == 0, "%zu: %s", room, t);
			free(t);
		}
		free(s);
		free(b.mem);
		if (op->no_reply)
			continue;
		b = reply(p, opcode, op->out_size > 0 && opcode != WIRE_GETXATTR && opcode != WIRE_LISTXATTR,
		    op->out_tail == WIRE_TAIL_DATA ? TAIL : 0);
		s = print(p, false, opcode, b.msg, b.len, 4096);
		ck_assert_ptr_null(strstr(s, "malformed"));
		ck_assert_int_eq(strstr(s, "data[32]") != NULL, op->out_tail == WIRE_TAIL_DATA);
		for (size_t room = 1; room <= strlen(s) + 1; room++)
			free(print(p, false, opcode, b.msg, b.len, room));
		free(s);
		free(b.mem);
	}
}
END_TEST

static void
printed(const char *want, bool req, uint32_t opcode, const void *msg, size_t len)
{
	const struct wire_proto p = { 45, false };
	char *s = print(&p, req, opcode, msg, len, 1024);

	ck_assert_str_eq(s, want);
	free(s);
}

START_TEST(print_text)
{
	struct {
		struct wire_in_header h;
		char name[8];
	} q = { { 44, WIRE_LOOKUP, 4, 1, 0, 0, 77, 0, 0 }, "etc" };
	struct {
		struct wire_out_header h;
		union {
			struct wire_ioctl_out ioctl;
			struct wire_notify_inval_entry_out inval;
		};
		char tail[4];
	} r = { .h = { .len = 16, .unique = 4, .error = -ENOENT } };

	printed("LOOKUP unique=4 nodeid=1 uid=0 gid=0 pid=77 name=\"etc\"", true, 0, &q, 44);
	memcpy(q.name, "\"\\\x80", 4);
	printed("LOOKUP unique=4 nodeid=1 uid=0 gid=0 pid=77 name=\"\\\"\\\\\\x80\"", true, 0, &q, 44);
	printed("LOOKUP unique=4 nodeid=1 uid=0 gid=0 pid=77 malformed [43, header says 44]", true, 0, &q, 43);
	q.h.opcode = 4096;
	printed("opcode 4096 unique=4 nodeid=1 uid=0 gid=0 pid=77 unknown [44, header says 44]", true, 0, &q, 44);
	printed("request too short for a header [39]", true, 0, &q, 39);
	printed("LOOKUP reply unique=4 error=2 (No such file or directory)", false, WIRE_LOOKUP, &r, 16);
	printed("LOOKUP reply malformed: shorter than a header [3]", false, WIRE_LOOKUP, &r, 3);
	printed("opcode? reply unique=4 malformed: a reply to a request that has none [16, header says 16, error -2]",
	    false, 4096, &r, 16);
	r.h = (struct wire_out_header){ .len = 36, .unique = 8 };
	r.ioctl = (struct wire_ioctl_out){ .result = -5, .flags = 0x10 };
	printed("IOCTL reply unique=8 result=-5 flags=0x10 in_iovs=0 out_iovs=0 data[4]", false, WIRE_IOCTL, &r, 36);
	r.h = (struct wire_out_header){ .len = 36, .error = WIRE_NOTIFY_INVAL_ENTRY };
	r.inval = (struct wire_notify_inval_entry_out){ .parent = 1, .namelen = 3 };
	memcpy(r.tail, "etc", 4);
	printed("NOTIFY_INVAL_ENTRY parent=1 namelen=3 flags=0 name=\"etc\"", false, WIRE_READ, &r, 36);
	r.inval.namelen = 4;
	printed("NOTIFY_INVAL_ENTRY malformed: the notification is not as long as it says [36]", false, 0, &r, 36);
	r.h.error = 12;
	printed("notification 12 unknown [36]", false, 0, &r, 36);
}
END_TEST

START_TEST(print_garbage)
{
	uint8_t *m = malloc(256);

	for (int i = 0; i < 100000; i++) {
		const struct wire_proto *p = &protos[rnd() % PROTOS];
		uint32_t opcode = (uint32_t)(rnd() % 64), len32;
		size_t len = rnd() % 256;

		fill(m, 256);
		len32 = (uint32_t)len;
		if (rnd() % 4 != 0)
			memcpy(m, &len32, 4);
		if (rnd() % 4 != 0)
			memcpy(m + 4, &opcode, 4);
		if (rnd() % 4 == 0)
			memset(m + 8, 0, 8);
		if (rnd() % 4 != 0)
			memset(m + offsetof(struct wire_in_header, total_extlen), 0, 2);
		free(print(p, rnd() % 2, opcode, m, len, 1 + rnd() % 512));
	}
	ck_assert_uint_eq(wire_print_request(&protos[0], m, 0, NULL, 0), 0);
	ck_assert_uint_eq(wire_print_reply(&protos[0], 1, m, 0, NULL, 0), 0);
	free(m);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("wire messages");
	TCase *t = tcase_create("messages");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, requests, 0, OPCODES);
	tcase_add_test(t, request_tail_lies);
	tcase_add_test(t, request_names_and_ext);
	tcase_add_test(t, request_unknown);
	tcase_add_test(t, encode_room);
	tcase_add_loop_test(t, replies, 0, OPCODES);
	tcase_add_test(t, reply_create_old);
	tcase_add_test(t, reply_errors);
	tcase_add_loop_test(t, notifications, 0, NOTES);
	tcase_add_test(t, notification_unknown);
	tcase_add_loop_test(t, print_all, 0, OPCODES);
	tcase_add_test(t, print_text);
	tcase_add_test(t, print_garbage);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
