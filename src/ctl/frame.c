/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The mount frame, its answers and the requests: building and checking. Both ends use this file, so there is one place where
 * the layout is known. A packet from a peer is copied out of the receive buffer before its fields are looked at (the buffer
 * need not be aligned), and nothing in it is believed before all of it has been checked: the strings handed out end inside
 * the packet and are exactly as long as the header said. No I/O here.
 */
#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "base/buf.h"
#include "ctl/frame.h"

enum { ERRNO_MAX = 4095 }; /* as the kernel has it */

static const char magic[sizeof(((struct frame_mount *)0)->magic)] = FRAME_MAGIC;

/* The bytes a string takes in a frame, or SIZE_MAX when they are more than any frame has. */
static size_t
string_len(const char *s)
{
	if (s == NULL)
		return 0;
	size_t len = strlen(s) + 1;
	return len <= FRAME_MAX ? len : SIZE_MAX;
}

int
frame_build(
    const struct frame_strings *s, uint32_t mountflags, uint32_t sndbuf, uint32_t flags, void **out, size_t *len)
{
	const char *text[] = { s->source, s->target, s->filesystemtype, s->data, s->sock };
	enum { N = sizeof(text) / sizeof(text[0]) };
	size_t lens[N], total = sizeof(struct frame_mount);

	for (size_t i = 0; i < N; i++) {
		lens[i] = string_len(text[i]);
		if (lens[i] > FRAME_MAX - total)
			return EMSGSIZE;
		total += lens[i];
	}
	if (lens[3] > FRAME_DATA_MAX)
		return EMSGSIZE;

	struct frame_mount hdr = {
		.len = (uint32_t)total,
		.unique = UINT64_MAX,
		.source_len = (uint32_t)lens[0],
		.target_len = (uint32_t)lens[1],
		.filesystemtype_len = (uint32_t)lens[2],
		.mountflags = mountflags,
		.data_len = (uint32_t)lens[3],
		.sock_len = (uint32_t)lens[4],
		.sndbuf = sndbuf,
		.flags = flags,
	};
	memcpy(hdr.magic, magic, sizeof(magic));

	void *frame = malloc(total);
	if (frame == NULL)
		return ENOMEM;
	struct buf_put b;
	buf_put_init(&b, frame, total);
	buf_put_bytes(&b, &hdr, sizeof(hdr));
	for (size_t i = 0; i < N; i++)
		if (text[i] != NULL)
			buf_put_str(&b, text[i]);
	assert(!b.failed && buf_put_len(&b) == total);
	*out = frame;
	*len = total;
	return 0;
}

/* The header by itself; NULL when it is right, else what is wrong with it. */
static const char *
header_fault(const struct frame_mount *hdr, size_t len)
{
	if (memcmp(hdr->magic, magic, sizeof(magic)) != 0)
		return "wrong magic";
	if (hdr->len != len)
		return "its length is not the packet's";
	if (hdr->error != 0 || hdr->unique != UINT64_MAX)
		return "not a request (error or unique set)";
	if ((hdr->flags & ~(uint32_t)FRAME_F_CONTROL) != 0)
		return "unknown flags";
	if (hdr->data_len > FRAME_DATA_MAX)
		return "mount data too long";
	uint64_t sum = sizeof(*hdr);
	sum += (uint64_t)hdr->source_len + hdr->target_len + hdr->filesystemtype_len;
	sum += (uint64_t)hdr->data_len + hdr->sock_len;
	if (sum != len)
		return "the lengths do not add up";
	if (hdr->target_len <= 1)
		return "target is missing";
	return NULL;
}

/* The next string of len bytes with its NUL, or NULL for none. False when it does not end with its only NUL. */
static bool
take_string(struct buf_get *b, uint32_t len, const char **out)
{
	const void *p;

	*out = NULL;
	if (len == 0)
		return true;
	if (buf_get_ref(b, len, &p) != 0 || memchr(p, '\0', len) != (const char *)p + len - 1)
		return false;
	*out = p;
	return true;
}

int
frame_parse(const void *data, size_t len, struct frame_mount *hdr, struct frame_strings *s, const char **why)
{
	struct buf_get b;

	*s = (struct frame_strings){ NULL, NULL, NULL, NULL, NULL };
	buf_get_init(&b, data, len);
	if (len > FRAME_MAX) {
		*why = "frame too long";
		return EPROTO;
	}
	if (buf_get_bytes(&b, hdr, sizeof(*hdr)) != 0) {
		*why = "frame too short";
		return EPROTO;
	}
	*why = header_fault(hdr, len);
	if (*why != NULL)
		return EPROTO;
	if (!take_string(&b, hdr->source_len, &s->source))
		*why = "source does not end with its only NUL";
	else if (!take_string(&b, hdr->target_len, &s->target))
		*why = "target does not end with its only NUL";
	else if (!take_string(&b, hdr->filesystemtype_len, &s->filesystemtype))
		*why = "filesystem type does not end with its only NUL";
	else if (!take_string(&b, hdr->data_len, &s->data))
		*why = "mount data does not end with its only NUL";
	else if (!take_string(&b, hdr->sock_len, &s->sock))
		*why = "reply socket does not end with its only NUL";
	return *why == NULL ? 0 : EPROTO;
}

size_t
frame_answer_build(void *buf, size_t room, enum frame_code code, int error, uint32_t pid, const char *text)
{
	struct frame_answer hdr = { .error = error, .unique = UINT64_MAX, .code = code, .pid = pid };

	assert(room > sizeof(hdr));
	if (text == NULL)
		text = "";
	if (room > FRAME_ANSWER_MAX)
		room = FRAME_ANSWER_MAX;
	size_t n = strnlen(text, room - sizeof(hdr) - 1);
	hdr.len = (uint32_t)(sizeof(hdr) + n + 1);
	struct buf_put b;
	buf_put_init(&b, buf, room);
	buf_put_bytes(&b, &hdr, sizeof(hdr));
	buf_put_bytes(&b, text, n);
	buf_put_zero(&b, 1);
	assert(!b.failed);
	return buf_put_len(&b);
}

/* Whether the error goes with the code: none with good news, one with bad. */
static bool
error_fits(const struct frame_answer *a)
{
	switch (a->code) {
	case FRAME_MOUNTED:
	case FRAME_READY:
		return a->error == 0;
	case FRAME_FAILED:
		return a->error > 0 && a->error <= ERRNO_MAX;
	case FRAME_ENDED:
		return a->error >= 0 && a->error <= ERRNO_MAX;
	default:
		return false;
	}
}

int
frame_answer_parse(const void *data, size_t len, struct frame_answer *out, const char **text)
{
	struct buf_get b;
	size_t textlen;

	if (len > FRAME_ANSWER_MAX)
		return EPROTO;
	buf_get_init(&b, data, len);
	if (buf_get_bytes(&b, out, sizeof(*out)) != 0 || buf_get_str(&b, text, &textlen) != 0 || buf_get_left(&b) != 0)
		return EPROTO;
	if (out->len != len || out->unique != UINT64_MAX || !error_fits(out))
		return EPROTO;
	return 0;
}

int
frame_request_parse(const void *data, size_t len, struct frame_request *out)
{
	struct buf_get b;

	buf_get_init(&b, data, len);
	if (buf_get_bytes(&b, out, sizeof(*out)) != 0 || buf_get_left(&b) != 0)
		return EPROTO;
	if (out->len != len || out->code != FRAME_UNMOUNT || (out->flags & ~(uint32_t)MNT_DETACH) != 0 ||
	    out->reserved != 0)
		return EPROTO;
	return 0;
}
