/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * INIT, the one message whose length and meaning depend on minors that are not agreed yet. Written and read in both
 * directions: towards a daemon perfuse offers as the kernel would, towards the kernel it answers as a daemon would.
 * The rules for reading a reply are those of Linux' process_init_reply(): what an old daemon does not say has a default.
 */
#include <errno.h>
#include <string.h>

#include "wire/priv.h"

enum {
	MAX_WRITE_MIN = 4096, /* max_write of a daemon that names none, and the least there is */
	MAX_PAGES_DEFAULT = 32,
	TIME_GRAN_MAX = 1000000000,
};

/* The flags as they go into one message: INIT_EXT exactly where flags2 counts. */
static uint64_t
flags_out(uint64_t flags, bool has_flags2)
{
	if (!has_flags2)
		return flags & UINT32_MAX & ~WIRE_INIT_EXT;
	return flags >> 32 != 0 ? flags | WIRE_INIT_EXT : flags;
}

static uint64_t
flags_in(uint32_t flags, uint32_t flags2)
{
	return (flags & WIRE_INIT_EXT) != 0 ? flags | (uint64_t)flags2 << 32 : flags;
}

size_t
wire_init_request(const struct wire_init *i, void *buf, size_t room)
{
	bool ext = i->minor >= 36;
	uint64_t flags = flags_out(i->flags, ext);
	struct wire_init_in in = {
		.major = i->major,
		.minor = i->minor,
		.max_readahead = i->max_readahead,
		.flags = (uint32_t)flags,
		.flags2 = (uint32_t)(flags >> 32),
	};
	size_t len = ext ? WIRE_INIT_IN_NEW : WIRE_INIT_IN_OLD;

	if (len > room)
		return 0;
	memcpy(buf, &in, len);
	return len;
}

int
wire_parse_init_request(const void *body, size_t len, struct wire_init *out)
{
	struct wire_init_in in = { 0 };

	memset(out, 0, sizeof(*out));
	if (len != WIRE_INIT_IN_OLD && len < WIRE_INIT_IN_NEW)
		return EPROTO;
	memcpy(&in, body, len < sizeof(in) ? len : sizeof(in));
	/* With another major everything behind it may mean something else: the answer is ours, and a new INIT follows. */
	if (in.major == WIRE_KERNEL_VERSION && (in.minor >= 36) != (len >= WIRE_INIT_IN_NEW))
		return EPROTO;
	out->major = in.major;
	out->minor = in.minor;
	out->max_readahead = in.max_readahead;
	out->flags = flags_in(in.flags, in.flags2);
	return 0;
}

size_t
wire_init_reply(const struct wire_init *i, uint32_t offered, void *buf, size_t room)
{
	uint64_t flags = flags_out(i->flags, offered >= 36);
	struct wire_init_out out = {
		.major = i->major,
		.minor = i->minor,
		.max_readahead = i->max_readahead,
		.flags = (uint32_t)flags,
		.max_background = i->max_background,
		.congestion_threshold = i->congestion_threshold,
		.max_write = i->max_write,
		.time_gran = i->time_gran,
		.max_pages = i->max_pages,
		.map_alignment = i->map_alignment,
		.flags2 = (uint32_t)(flags >> 32),
		.max_stack_depth = i->max_stack_depth,
		.request_timeout = i->request_timeout,
	};
	size_t len = offered < 5 ? WIRE_INIT_OUT_OLD : offered < 23 ? WIRE_INIT_OUT_MID : WIRE_INIT_OUT_NEW;

	if (len > room)
		return 0;
	memcpy(buf, &out, len);
	return len;
}

size_t
wire_init_out_size(size_t len)
{
	if (len >= WIRE_INIT_OUT_NEW)
		return WIRE_INIT_OUT_NEW;
	return len >= WIRE_INIT_OUT_OLD ? len : 0;
}

int
wire_parse_init_reply(const void *body, size_t len, struct wire_init *out, const char **why)
{
	struct wire_init_out in = { 0 };
	size_t size = wire_init_out_size(len);
	const char *wrong = NULL;

	memset(out, 0, sizeof(*out));
	if (size != 0)
		memcpy(&in, body, size);
	if (size == 0)
		wrong = "the reply to INIT has an impossible length";
	else if (in.major != WIRE_KERNEL_VERSION)
		wrong = "the daemon speaks another major version of FUSE";
	if (wrong != NULL) {
		if (why != NULL)
			*why = wrong;
		return EPROTO;
	}
	out->major = in.major;
	out->minor = in.minor;
	if (in.minor >= 6) {
		out->max_readahead = in.max_readahead;
		out->flags = flags_in(in.flags, in.flags2);
	}
	if (in.minor >= 13) {
		out->max_background = in.max_background;
		out->congestion_threshold = in.congestion_threshold;
	}
	out->max_write = in.minor >= 5 && in.max_write > MAX_WRITE_MIN ? in.max_write : MAX_WRITE_MIN;
	out->time_gran = in.time_gran != 0 && in.time_gran <= TIME_GRAN_MAX ? in.time_gran : 1;
	out->max_pages = MAX_PAGES_DEFAULT;
	if ((out->flags & WIRE_INIT_MAX_PAGES) != 0)
		out->max_pages = in.max_pages != 0 ? in.max_pages : 1;
	if ((out->flags & WIRE_INIT_MAP_ALIGNMENT) != 0)
		out->map_alignment = in.map_alignment;
	if ((out->flags & WIRE_INIT_PASSTHROUGH) != 0)
		out->max_stack_depth = in.max_stack_depth;
	if ((out->flags & WIRE_INIT_REQUEST_TIMEOUT) != 0)
		out->request_timeout = in.request_timeout;
	return 0;
}
