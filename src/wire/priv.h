/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of wire/ share: the layouts of the fixed parts in each minor, which encode.c alone knows. Both directions of both
 * kinds of message go through these, so that what is written can be read.
 */
#ifndef WIRE_PRIV_H
#define WIRE_PRIV_H

#include "wire/wire.h"

enum {
	WIRE_INIT_IN_OLD = 16,  /* size of INIT's request below 7.36 */
	WIRE_INIT_IN_NEW = 64,  /* and from there on */
	WIRE_INIT_OUT_OLD = 8,  /* size of INIT's reply below 7.5 */
	WIRE_INIT_OUT_MID = 24, /* below 7.23 */
	WIRE_INIT_OUT_NEW = 64, /* and from there on */
};

/* Read a fixed part of wire_in_size() or wire_out_size() bytes; what this minor lacks becomes 0. */
void wire_load_in(const void *body, size_t size, union wire_in *in);
void wire_load_out(const struct wire_proto *p, uint32_t opcode, const void *body, size_t size, union wire_out *out);

/* How much of the len bytes of a reply to INIT counts: at least 8, at most 64; 0: it is too short. */
size_t wire_init_out_size(size_t len);

/* The bytes that the fixed part of a request announces, where the tail is WIRE_TAIL_EXACT. */
uint64_t wire_exact_len(uint32_t opcode, const union wire_in *in);

/* The row of a notification, NULL when there is no such code. */
struct wire_note_op {
	const char *name;
	uint16_t size; /* fixed part */
	uint8_t tail;  /* enum wire_tail; EXACT where a field of the fixed part gives its length */
	bool named;    /* the tail is a name and a NUL */
	const struct wire_field *fields;
};
const struct wire_note_op *wire_note_op(int code);

#endif
