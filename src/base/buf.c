/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bounded buffers: the only place where bytes of a peer are stepped through. All of it rests on one rule: what is left is
 * computed as end - p and compared with the length wanted, so that no sum can overflow and no pointer past the end is
 * ever made. A failure is sticky: it also drops what was left, so that nothing later succeeds by accident.
 */
#include "base/buf.h"

#include <errno.h>
#include <string.h>

/* Stands in for NULL, so that empty buffers need no special case (arithmetic on NULL is undefined, even by 0). */
static uint8_t nothing;

void
buf_get_init(struct buf_get *b, const void *data, size_t len)
{
	b->p = data ? data : &nothing;
	b->end = b->p + (data ? len : 0);
	b->failed = 0;
}

size_t
buf_get_left(const struct buf_get *b)
{
	return b->failed ? 0 : (size_t)(b->end - b->p);
}

int
buf_get_ref(struct buf_get *b, size_t len, const void **out)
{
	if (b->failed || len > (size_t)(b->end - b->p)) {
		b->failed = 1;
		return EMSGSIZE;
	}
	*out = b->p;
	b->p += len;
	return 0;
}

int
buf_get_bytes(struct buf_get *b, void *out, size_t len)
{
	const void *p;
	int error = buf_get_ref(b, len, &p);

	if (error == 0 && len > 0)
		memcpy(out, p, len);
	return error;
}

int
buf_get_str(struct buf_get *b, const char **out, size_t *len)
{
	const uint8_t *nul;

	nul = b->failed ? NULL : memchr(b->p, '\0', (size_t)(b->end - b->p));
	if (nul == NULL) {
		b->failed = 1;
		return EMSGSIZE;
	}
	*out = (const char *)b->p;
	*len = (size_t)(nul - b->p);
	b->p = nul + 1;
	return 0;
}

int
buf_get_skip(struct buf_get *b, size_t len)
{
	const void *p;

	return buf_get_ref(b, len, &p);
}

void
buf_put_init(struct buf_put *b, void *data, size_t room)
{
	b->start = data ? data : &nothing;
	b->p = b->start;
	b->end = b->start + (data ? room : 0);
	b->failed = 0;
}

size_t
buf_put_len(const struct buf_put *b)
{
	return (size_t)(b->p - b->start);
}

/* Room for len bytes, taken; NULL when there is not as much. */
static uint8_t *
put_room(struct buf_put *b, size_t len)
{
	uint8_t *p = b->p;

	if (b->failed || len > (size_t)(b->end - p)) {
		b->failed = 1;
		return NULL;
	}
	b->p += len;
	return p;
}

int
buf_put_bytes(struct buf_put *b, const void *data, size_t len)
{
	uint8_t *p = put_room(b, len);

	if (p == NULL)
		return EMSGSIZE;
	if (len > 0)
		memcpy(p, data, len);
	return 0;
}

int
buf_put_zero(struct buf_put *b, size_t len)
{
	uint8_t *p = put_room(b, len);

	if (p == NULL)
		return EMSGSIZE;
	memset(p, 0, len);
	return 0;
}

int
buf_put_str(struct buf_put *b, const char *s)
{
	return buf_put_bytes(b, s, strlen(s) + 1);
}
