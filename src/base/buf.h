/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bounded buffers. Every get and every put can fail and says so; none reads or writes past the end, and after the first
 * failure all later calls on the same buffer fail too, so that a caller may check once at the end.
 * The bytes are borrowed: neither struct owns memory. Integers are in the byte order of the machine, as in FUSE.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

struct buf_get {
	const uint8_t *p;   /* next byte */
	const uint8_t *end; /* one past the last byte */
	int failed;         /* non-zero after a get went past the end */
};

struct buf_put {
	uint8_t *start; /* first byte */
	uint8_t *p;     /* next byte */
	uint8_t *end;   /* one past the last byte there is room for */
	int failed;     /* non-zero after a put did not fit */
};

/* Start reading len bytes at data (borrowed; may be NULL when len is 0). */
void buf_get_init(struct buf_get *b, const void *data, size_t len);
/* Bytes left to read; 0 after a failure. */
size_t buf_get_left(const struct buf_get *b);
/* Copy the next len bytes to out. 0, or EMSGSIZE (nothing copied). */
int buf_get_bytes(struct buf_get *b, void *out, size_t len);
/* The next len bytes in place (borrowed). 0, or EMSGSIZE. */
int buf_get_ref(struct buf_get *b, size_t len, const void **out);
/* The next NUL-terminated string in place, its length without the NUL in *len. 0, or EMSGSIZE when no NUL follows. */
int buf_get_str(struct buf_get *b, const char **out, size_t *len);
/* Skip len bytes. 0, or EMSGSIZE. */
int buf_get_skip(struct buf_get *b, size_t len);

/* Start writing to room bytes at data (borrowed). */
void buf_put_init(struct buf_put *b, void *data, size_t room);
/* Bytes written so far. */
size_t buf_put_len(const struct buf_put *b);
/* Append len bytes. 0, or EMSGSIZE (nothing written). */
int buf_put_bytes(struct buf_put *b, const void *data, size_t len);
/* Append len zero bytes. 0, or EMSGSIZE. */
int buf_put_zero(struct buf_put *b, size_t len);
/* Append a string and its NUL. 0, or EMSGSIZE. */
int buf_put_str(struct buf_put *b, const char *s);

#endif
