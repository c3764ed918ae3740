/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libFuzzer target for wire/: every parser and the printers over one input. The first byte selects the opcode of the reply, the second
 * the minor and the flags, the third the printer's room; the rest is the message. What a parser believed is then read to its last
 * byte, so that a length that lies is seen, and what it believed as a request must come out the same when it is written again.
 */
#include <errno.h>

#include "fuzz.h"
#include "wire/wire.h"

static void
request(const struct wire_proto *p, const uint8_t *msg, size_t len)
{
	union wire_in in;
	uint8_t body[sizeof(in)];
	struct wire_req r;
	size_t n;

	if (wire_parse_request(p, msg, len, &r) != 0)
		return;
	for (int i = 0; i < WIRE_NAMES_MAX; i++)
		if (r.name[i] != NULL)
			MUST(strlen(r.name[i]) == r.namelen[i]);
	touch(r.data, r.datalen);
	touch(r.ext, r.extlen);
	MUST(wire_encode_in(p, r.hdr.opcode, &r.in, body, sizeof(body), &n) == 0);
	/* With another major INIT's minor does not say how long it is. */
	if (r.hdr.opcode != WIRE_INIT || r.in.init.major == WIRE_KERNEL_VERSION)
		MUST(memcmp(body, msg + sizeof(r.hdr), n) == 0);
}

static void
directory(const uint8_t *data, size_t len, bool plus)
{
	uint8_t *copy = malloc(len > 0 ? len : 1); /* aligned, and as long as the data */
	uint64_t again[2048 / sizeof(uint64_t)];   /* an entry, written again */
	struct wire_direntry e;
	struct wire_dir d;
	size_t n;
	int error;

	if (copy == NULL)
		return;
	if (len > 0)
		memcpy(copy, data, len);
	wire_dir_init(&d, copy, len, plus);
	while ((error = wire_dir_next(&d, &e)) == 0) {
		n = 0;
		MUST(wire_dir_put(again, sizeof(again), &n, &e) == 0);
		MUST(wire_dir_put(again, n, &n, &e) == ENOSPC);
		MUST(
		    n <= len && memcmp(again, d.p - n, (size_t)((const uint8_t *)e.name + e.namelen - (d.p - n))) == 0);
		MUST(e.namelen > 0 && memchr(e.name, '/', e.namelen) == NULL);
		MUST((e.plus != NULL) == plus);
		if (plus)
			e.plus->nodeid++;
	}
	MUST(error == ENOENT || error == EPROTO);
	free(copy);
}

static void
reply(const struct wire_proto *p, uint32_t opcode, const union wire_in *in, uint8_t *msg, size_t len)
{
	const char *why = NULL;
	struct wire_rep r;

	if (wire_parse_reply(p, opcode, in, msg, len, 4096, &r, &why) != 0) {
		MUST(why != NULL);
		return;
	}
	MUST(r.error >= 0 && r.error <= 511 && r.datalen <= 4096);
	touch(r.data, r.datalen);
	if (opcode == WIRE_READDIR || opcode == WIRE_READDIRPLUS)
		directory(r.data, r.datalen, opcode == WIRE_READDIRPLUS);
}

static void
notification(const uint8_t *msg, size_t len)
{
	const char *why = NULL;
	struct wire_note n;
	int error = wire_parse_notify(msg, len, &n, &why);

	MUST(error != EPROTO || why != NULL);
	if (error == 0) {
		touch(n.name, n.namelen);
		touch(n.data, n.datalen);
	}
}

static void
init(const uint8_t *body, size_t len)
{
	const char *why = NULL;
	uint8_t buf[64];
	struct wire_init i, again;
	size_t n;

	if (wire_parse_init_request(body, len, &i) == 0 && i.major == WIRE_KERNEL_VERSION) {
		n = wire_init_request(&i, buf, sizeof(buf));
		MUST(wire_parse_init_request(buf, n, &again) == 0);
		MUST(again.minor == i.minor && again.max_readahead == i.max_readahead);
	}
	if (wire_parse_init_reply(body, len, &i, &why) == 0) {
		MUST(i.max_write >= 4096 && i.max_pages > 0 && i.time_gran > 0);
		n = wire_init_reply(&i, i.minor, buf, sizeof(buf));
		MUST(wire_parse_init_reply(buf, n, &again, NULL) == 0);
	} else {
		MUST(why != NULL);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	const union wire_in ask_size = { .getxattr = { .size = 0 } };
	const union wire_in ask_data = { .getxattr = { .size = 100 } };
	struct wire_proto p;
	uint32_t opcode, len32;
	size_t len, room;
	uint8_t *mem, *msg;
	char *text;

	if (size < 3)
		return 0;
	opcode = input[0] % 64;
	p = (struct wire_proto){ WIRE_MINOR_MIN + (input[1] & 0x3f) % (WIRE_MINOR_MAX - WIRE_MINOR_MIN + 1),
		(input[1] & 0x40) != 0 };
	room = input[2] + 1u;
	len = size - 3;
	mem = malloc(len + 1);
	text = malloc(room);
	if (mem == NULL || text == NULL)
		abort();
	msg = mem + 1; /* at an odd address, with its end at the end of the memory */
	memcpy(msg, input + 3, len);
	init(msg, len);
	directory(msg, len, false);
	directory(msg, len, true);
	len32 = (uint32_t)len;
	if ((input[1] & 0x80) != 0 && len >= sizeof(len32)) /* else few inputs pass the first check */
		memcpy(msg, &len32, sizeof(len32));
	MUST(wire_print_request(&p, msg, len, text, room) == strlen(text));
	MUST(wire_print_reply(&p, opcode, msg, len, text, room) == strlen(text));
	request(&p, msg, len);
	notification(msg, len);
	reply(&p, opcode, &ask_size, msg, len);
	reply(&p, opcode, &ask_data, msg, len);
	reply(&p, opcode, NULL, msg, len);
	free(text);
	free(mem);
	return 0;
}
