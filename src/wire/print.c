/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages as one line of text, for logs, the diagnostics ring and `perfuse` -- driven by the same table as the parser, so that
 * a message prints exactly when it would be believed. Takes any bytes: names are escaped, data is only counted.
 * Never allocates. Called for every message while tracing is on, otherwise for malformed ones.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "wire/priv.h"

struct text { /* buf[0..len) is written and NUL-terminated; what does not fit is dropped */
	char *buf;
	size_t room, len;
};

static struct text
text_begin(char *buf, size_t room)
{
	if (room > 0)
		buf[0] = '\0';
	return (struct text){ buf, room, 0 };
}

__attribute__((format(printf, 2, 3))) static void
add(struct text *t, const char *fmt, ...)
{
	size_t left = t->room - t->len;
	va_list ap;
	int n;

	if (left <= 1)
		return;
	va_start(ap, fmt);
	/* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): clang-tidy 14 does not see va_start() here */
	n = vsnprintf(t->buf + t->len, left, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->len += (size_t)n < left ? (size_t)n : left - 1;
}

static void
add_name(struct text *t, const char *key, const char *name, size_t len)
{
	add(t, " %s=\"", key);
	for (size_t i = 0; i < len && t->room - t->len > 1; i++) {
		unsigned char c = (unsigned char)name[i];

		if (c == '"' || c == '\\')
			add(t, "\\%c", c);
		else if (c < ' ' || c > '~')
			add(t, "\\x%02x", c);
		else
			add(t, "%c", c);
	}
	add(t, "\"");
}

static void
add_fields(struct text *t, const struct wire_field *f, const void *fixed)
{
	for (; f != NULL && f->name != NULL; f++) {
		const uint8_t *p = (const uint8_t *)fixed + f->offset;
		uint16_t u16 = 0;
		uint32_t u32 = 0;
		uint64_t u64 = 0;

		if (f->form == '-')
			continue;
		if (f->size == sizeof(u64)) {
			memcpy(&u64, p, sizeof(u64));
		} else if (f->size == sizeof(u32)) {
			memcpy(&u32, p, sizeof(u32));
			u64 = f->form == 'd' ? (uint64_t)(int32_t)u32 : u32;
		} else {
			memcpy(&u16, p, sizeof(u16));
			u64 = u16;
		}
		switch (f->form) {
		case 'd':
			add(t, " %s=%lld", f->name, (long long)u64);
			break;
		case 'o':
			add(t, " %s=%#llo", f->name, (unsigned long long)u64);
			break;
		case 'x':
			add(t, " %s=%#llx", f->name, (unsigned long long)u64);
			break;
		default:
			add(t, " %s=%llu", f->name, (unsigned long long)u64);
			break;
		}
	}
}

size_t
wire_print_request(const struct wire_proto *p, const void *msg, size_t len, char *buf, size_t room)
{
	static const char *const key[WIRE_NAMES_MAX] = { "name", "name2" };
	struct text t = text_begin(buf, room);
	struct wire_req r;
	const struct wire_op *op;
	int error = wire_parse_request(p, msg, len, &r);

	if (len < sizeof(r.hdr)) {
		add(&t, "request too short for a header [%zu]", len);
		return t.len;
	}
	op = wire_op(r.hdr.opcode);
	if (op != NULL)
		add(&t, "%s", op->name);
	else
		add(&t, "opcode %u", r.hdr.opcode);
	add(&t, " unique=%llu nodeid=%llu uid=%u gid=%u pid=%u", (unsigned long long)r.hdr.unique,
	    (unsigned long long)r.hdr.nodeid, r.hdr.uid, r.hdr.gid, r.hdr.pid);
	if (error != 0 || op == NULL) { /* an unknown opcode is an error */
		add(&t, " %s [%zu, header says %u]", error == ENOSYS ? "unknown" : "malformed", len, r.hdr.len);
		return t.len;
	}
	add_fields(&t, op->in_fields, &r.in);
	for (int i = 0; i < WIRE_NAMES_MAX && r.name[i] != NULL; i++)
		add_name(&t, key[i], r.name[i], r.namelen[i]);
	if (r.data != NULL)
		add(&t, " data[%zu]", r.datalen);
	if (r.ext != NULL)
		add(&t, " ext[%zu]", r.extlen);
	return t.len;
}

static size_t
print_notify(struct text *t, const void *msg, size_t len)
{
	const struct wire_note_op *op;
	const char *why = "";
	struct wire_note n;
	int error = wire_parse_notify(msg, len, &n, &why);

	op = wire_note_op(n.code);
	if (op != NULL)
		add(t, "%s", op->name);
	else
		add(t, "notification %d", n.code);
	if (error != 0 || op == NULL) { /* an unknown code is an error */
		add(t, " %s%s [%zu]", error == ENOSYS ? "unknown" : "malformed: ", why, len);
		return t->len;
	}
	add_fields(t, op->fields, &n.out);
	if (n.name != NULL)
		add_name(t, "name", n.name, n.namelen);
	if (n.data != NULL)
		add(t, " data[%zu]", n.datalen);
	return t->len;
}

size_t
wire_print_reply(const struct wire_proto *p, uint32_t opcode, const void *msg, size_t len, char *buf, size_t room)
{
	struct text t = text_begin(buf, room);
	const char *why = "";
	struct wire_out_header h;
	struct wire_rep r;
	uint64_t unique;
	int error;

	if (wire_parse_reply_header(msg, len, &unique, &error, &why) == 0 && unique == 0)
		return print_notify(&t, msg, len);
	add(&t, "%s reply", wire_opname(opcode));
	if (len < sizeof(h)) {
		add(&t, " malformed: %s [%zu]", why, len);
		return t.len;
	}
	memcpy(&h, msg, sizeof(h));
	add(&t, " unique=%llu", (unsigned long long)h.unique);
	/* The parser takes messages to be changed by others; it changes none. */
	if (wire_parse_reply(p, opcode, NULL, (void *)(uintptr_t)msg, len, SIZE_MAX, &r, &why) != 0) {
		add(&t, " malformed: %s [%zu, header says %u, error %d]", why, len, h.len, h.error);
		return t.len;
	}
	if (r.error != 0) {
		add(&t, " error=%d (%s)", r.error, strerror(r.error));
		return t.len;
	}
	/* Of the two forms of a reply to GETXATTR and LISTXATTR, without the request the one with data is assumed. */
	if (opcode != WIRE_GETXATTR && opcode != WIRE_LISTXATTR)
		add_fields(&t, wire_op(opcode)->out_fields, &r.out);
	if (r.data != NULL)
		add(&t, " data[%zu]", r.datalen);
	return t.len;
}
