/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The layouts of old minors, both ways: which part of a structure goes over the wire, and how the rest is filled in.
 * Every structure grew at its end only, so an old layout is the beginning of the newest one; the exception is the reply to CREATE,
 * two structures of which the first grew. Called by the parser and by whoever sends. Needs no aligned buffers.
 */
#include <errno.h>
#include <string.h>

#include "wire/priv.h"

enum { /* sizes of old layouts */
	ENTRY_OUT_7_8 = 120,
	ATTR_OUT_7_8 = 96,
	WRITE_IN_7_8 = 24,
	MKNOD_IN_7_11 = 8,
	CREATE_IN_7_11 = 8,
	SETXATTR_IN_PLAIN = 8,
};

size_t
wire_in_size(const struct wire_proto *p, uint32_t opcode)
{
	const struct wire_op *op = wire_op(opcode);

	switch (opcode) {
	case WIRE_WRITE:
		if (p->minor < 9)
			return WRITE_IN_7_8;
		break;
	case WIRE_MKNOD:
		if (p->minor < 12)
			return MKNOD_IN_7_11;
		break;
	case WIRE_CREATE:
		if (p->minor < 12)
			return CREATE_IN_7_11;
		break;
	case WIRE_SETXATTR:
		if (!p->setxattr_ext)
			return SETXATTR_IN_PLAIN;
		break;
	case WIRE_INIT:
		return p->minor < 36 ? WIRE_INIT_IN_OLD : WIRE_INIT_IN_NEW;
	default:
		break;
	}
	return op != NULL ? op->in_size : 0;
}

static size_t
entry_size(const struct wire_proto *p)
{
	return p->minor < 9 ? (size_t)ENTRY_OUT_7_8 : sizeof(struct wire_entry_out);
}

size_t
wire_out_size(const struct wire_proto *p, uint32_t opcode)
{
	const struct wire_op *op = wire_op(opcode);

	switch (opcode) {
	case WIRE_LOOKUP:
	case WIRE_SYMLINK:
	case WIRE_MKNOD:
	case WIRE_MKDIR:
	case WIRE_LINK:
		return entry_size(p);
	case WIRE_CREATE:
	case WIRE_TMPFILE:
		return entry_size(p) + sizeof(struct wire_open_out);
	case WIRE_GETATTR:
	case WIRE_SETATTR:
		return p->minor < 9 ? (size_t)ATTR_OUT_7_8 : sizeof(struct wire_attr_out);
	case WIRE_INIT:
		return p->minor < 5 ? WIRE_INIT_OUT_OLD : p->minor < 23 ? WIRE_INIT_OUT_MID : WIRE_INIT_OUT_NEW;
	default:
		return op != NULL ? op->out_size : 0;
	}
}

void
wire_load_in(const void *body, size_t size, union wire_in *in)
{
	memset(in, 0, sizeof(*in));
	memcpy(in, body, size);
}

void
wire_load_out(const struct wire_proto *p, uint32_t opcode, const void *body, size_t size, union wire_out *out)
{
	const uint8_t *b = body;

	memset(out, 0, sizeof(*out));
	if (opcode == WIRE_CREATE || opcode == WIRE_TMPFILE) {
		memcpy(&out->create.entry, b, entry_size(p));
		memcpy(&out->create.open, b + entry_size(p), sizeof(out->create.open));
	} else {
		memcpy(out, b, size);
	}
}

int
wire_encode_in(
    const struct wire_proto *p, uint32_t opcode, const union wire_in *in, void *buf, size_t room, size_t *len)
{
	size_t size = wire_in_size(p, opcode);

	/* INIT is written before a minor is agreed: its own says how long it is. */
	if (opcode == WIRE_INIT)
		size = in->init.minor < 36 ? WIRE_INIT_IN_OLD : WIRE_INIT_IN_NEW;
	if (size > room)
		return EMSGSIZE;
	memcpy(buf, in, size);
	*len = size;
	return 0;
}

int
wire_encode_out(
    const struct wire_proto *p, uint32_t opcode, const union wire_out *out, void *buf, size_t room, size_t *len)
{
	size_t size = wire_out_size(p, opcode);
	uint8_t *b = buf;

	if (size > room)
		return EMSGSIZE;
	if (opcode == WIRE_CREATE || opcode == WIRE_TMPFILE) {
		memcpy(b, &out->create.entry, entry_size(p));
		memcpy(b + entry_size(p), &out->create.open, sizeof(out->create.open));
	} else {
		memcpy(b, out, size);
	}
	*len = size;
	return 0;
}
