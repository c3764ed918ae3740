/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages taken apart: requests, replies and notifications. A message is checked from its beginning to its last byte before
 * anything of it is handed out, and each length in it against what is really there. Fixed parts are copied, so
 * messages may have any alignment; names and tails are borrowed from the message. Called by conn/ for what daemons send, by
 * host/linux for what the kernel sends, and by the printer.
 */
#include <errno.h>
#include <string.h>

#include "wire/priv.h"

enum { ERROR_MAX = 511 }; /* the largest errno that the kernel takes from a daemon */

static int
malformed(const char **why, const char *what)
{
	if (why != NULL)
		*why = what;
	return EPROTO;
}

/* ---- requests ---- */

uint64_t
wire_exact_len(uint32_t opcode, const union wire_in *in)
{
	switch (opcode) {
	case WIRE_WRITE:
		return in->write.size;
	case WIRE_SETXATTR:
		return in->setxattr.size;
	case WIRE_IOCTL:
		return in->ioctl.in_size;
	case WIRE_NOTIFY_REPLY:
		return in->notify_retrieve.size;
	case WIRE_BATCH_FORGET:
		return in->batch_forget.count * (uint64_t)sizeof(struct wire_forget_one);
	case WIRE_REMOVEMAPPING:
		return in->removemapping.count * (uint64_t)sizeof(struct wire_removemapping_one);
	default:
		return 0;
	}
}

/* The fixed part, names and tail of the body; they fill it. */
static int
parse_body(const struct wire_op *op, size_t fixed, const uint8_t *p, size_t left, struct wire_req *out)
{
	const uint8_t *nul;

	if (left < fixed)
		return EPROTO;
	wire_load_in(p, fixed, &out->in);
	p += fixed;
	left -= fixed;
	for (int i = 0; i < op->names; i++) {
		nul = memchr(p, '\0', left);
		if (nul == NULL)
			return EPROTO;
		out->name[i] = (const char *)p;
		out->namelen[i] = (size_t)(nul - p);
		left -= out->namelen[i] + 1;
		p = nul + 1;
	}
	/* Without a tail wire_exact_len() is 0. */
	if (wire_exact_len(out->hdr.opcode, &out->in) != left)
		return EPROTO;
	out->data = op->in_tail != WIRE_TAIL_NONE ? p : NULL;
	out->datalen = left;
	return 0;
}

/* INIT comes before a minor is agreed: how long it is depends on the one it names, and a later kernel's may be longer. */
static int
parse_init_body(const uint8_t *p, size_t left, struct wire_req *out)
{
	struct wire_init init;

	if (wire_parse_init_request(p, left, &init) != 0)
		return EPROTO;
	wire_load_in(p, left < WIRE_INIT_IN_NEW ? WIRE_INIT_IN_OLD : WIRE_INIT_IN_NEW, &out->in);
	return 0;
}

int
wire_parse_request(const struct wire_proto *p, const void *msg, size_t len, struct wire_req *out)
{
	const uint8_t *body = (const uint8_t *)msg + sizeof(out->hdr);
	const struct wire_op *op;
	size_t left;

	memset(out, 0, sizeof(*out));
	if (len < sizeof(out->hdr))
		return EPROTO;
	memcpy(&out->hdr, msg, sizeof(out->hdr));
	if (out->hdr.len != len)
		return EPROTO;
	op = wire_op(out->hdr.opcode);
	if (op == NULL)
		return ENOSYS;
	left = len - sizeof(out->hdr);
	if (out->hdr.total_extlen != 0) {
		out->extlen = out->hdr.total_extlen * (size_t)8;
		if (!op->ext || out->extlen > left)
			return EPROTO;
		left -= out->extlen;
		out->ext = body + left;
	}
	if (out->hdr.opcode == WIRE_INIT)
		return parse_init_body(body, left, out);
	return parse_body(op, wire_in_size(p, out->hdr.opcode), body, left, out);
}

/* ---- replies ---- */

int
wire_parse_reply_header(const void *msg, size_t len, uint64_t *unique, int *error, const char **why)
{
	struct wire_out_header h;

	if (len < sizeof(h))
		return malformed(why, "shorter than a header");
	memcpy(&h, msg, sizeof(h));
	if (h.len != len)
		return malformed(why, "the length in the header is not the message's");
	if (h.unique == 0) {
		if (h.error <= 0)
			return malformed(why, "a notification without a code");
		*error = h.error;
	} else {
		if (h.error > 0 || h.error < -ERROR_MAX)
			return malformed(why, "the error is out of range");
		if (h.error != 0 && len != sizeof(h))
			return malformed(why, "an error with a payload");
		*error = -h.error;
	}
	*unique = h.unique;
	return 0;
}

/* How many of the left bytes of a reply without error are its fixed part. */
static size_t
fixed_part(const struct wire_proto *p, uint32_t opcode, const union wire_in *in, size_t left)
{
	switch (opcode) {
	case WIRE_GETXATTR:
	case WIRE_LISTXATTR:
		return in != NULL && in->getxattr.size == 0 ? wire_out_size(p, opcode) : 0;
	case WIRE_INIT:
		return wire_init_out_size(left);
	default:
		return wire_out_size(p, opcode);
	}
}

int
wire_parse_reply(const struct wire_proto *p, uint32_t opcode, const union wire_in *in, void *msg, size_t len,
    size_t limit, struct wire_rep *out, const char **why)
{
	const struct wire_op *op = wire_op(opcode);
	uint8_t *body = (uint8_t *)msg + sizeof(struct wire_out_header);
	size_t left, fixed;
	bool tail;

	memset(out, 0, sizeof(*out));
	if (wire_parse_reply_header(msg, len, &out->unique, &out->error, why) != 0)
		return EPROTO;
	if (out->unique == 0)
		return malformed(why, "a notification where a reply was due");
	if (op == NULL || op->no_reply)
		return malformed(why, "a reply to a request that has none");
	if (out->error != 0)
		return 0;
	left = len - sizeof(struct wire_out_header);
	fixed = fixed_part(p, opcode, in, left);
	if (left < fixed || (opcode == WIRE_INIT && fixed == 0))
		return malformed(why, "the reply is too short");
	wire_load_out(p, opcode, body, fixed, &out->out);
	if (opcode == WIRE_INIT)
		return 0; /* a newer one may be longer */
	left -= fixed;
	/* GETXATTR and LISTXATTR are answered with either part, others with both. */
	tail = op->out_tail != WIRE_TAIL_NONE && (fixed == 0 || opcode == WIRE_IOCTL);
	if (!tail && left != 0)
		return malformed(why, "the reply is too long");
	if (left > limit)
		return malformed(why, "the reply is longer than what was asked for");
	if (tail) {
		out->data = body + fixed;
		out->datalen = left;
	}
	return 0;
}

/* ---- notifications ---- */

/* The bytes that the fixed part announces, the NUL of a name included. */
static uint64_t
note_len(const struct wire_note *n)
{
	switch (n->code) {
	case WIRE_NOTIFY_INVAL_ENTRY:
		return n->out.inval_entry.namelen + UINT64_C(1);
	case WIRE_NOTIFY_DELETE:
		return n->out.del.namelen + UINT64_C(1);
	case WIRE_NOTIFY_STORE:
		return n->out.store.size;
	case WIRE_NOTIFY_PRUNE:
		return n->out.prune.count * (uint64_t)sizeof(uint64_t);
	default:
		return 0;
	}
}

int
wire_parse_notify(const void *msg, size_t len, struct wire_note *out, const char **why)
{
	const uint8_t *p = (const uint8_t *)msg + sizeof(struct wire_out_header);
	const struct wire_note_op *op;
	uint64_t unique;
	size_t left;

	memset(out, 0, sizeof(*out));
	if (wire_parse_reply_header(msg, len, &unique, &out->code, why) != 0)
		return EPROTO;
	if (unique != 0)
		return malformed(why, "a reply where a notification was due");
	op = wire_note_op(out->code);
	if (op == NULL)
		return ENOSYS;
	left = len - sizeof(struct wire_out_header);
	if (left < op->size)
		return malformed(why, "the notification is too short");
	memcpy(&out->out, p, op->size);
	p += op->size;
	left -= op->size;
	if (note_len(out) != left)
		return malformed(why, "the notification is not as long as it says");
	if (op->named) {
		/* The kernel does not look at the byte behind the name, so neither do we. */
		out->name = (const char *)p;
		out->namelen = left - 1;
	} else if (op->tail != WIRE_TAIL_NONE) {
		out->data = p;
		out->datalen = left;
	}
	return 0;
}
