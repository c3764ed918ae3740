/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libFuzzer target for ctl/: every parser of what a peer sends. The first byte selects the parser; the rest is the packet, in memory
 * that ends where it ends. What a parser believed is used as its callers use it, and must come out the same when it is built again.
 */
#include <errno.h>

#include "ctl/frame.h"
#include "ctl/mountopts.h"
#include "ctl/status.h"
#include "fuzz.h"

static void
options(const char *list)
{
	struct mountopts o, again;
	char *bad;

	int error = mountopts_parse(list, &o, &bad);
	MUST(error == 0 || error == EINVAL);
	if (error != 0) {
		MUST(strstr(list, bad) != NULL);
		free(bad);
		return;
	}
	MUST(bad == NULL && o.fd >= -1 && (o.flags & o.flags_cleared) == 0);
	if (o.rest != NULL) { /* nothing in the rest is ours, and all of it stays */
		MUST(mountopts_parse(o.rest, &again, &bad) == 0);
		MUST(strcmp(again.rest, o.rest) == 0 && again.fd == -1 && again.flags == 0 && again.flags_cleared == 0);
		mountopts_free(&again);
	}
	mountopts_free(&o);
}

static void
frame(const void *data, size_t len)
{
	struct frame_mount hdr;
	struct frame_strings s;
	const char *why = NULL;
	void *again;
	size_t n;

	if (frame_parse(data, len, &hdr, &s, &why) != 0) {
		MUST(why != NULL && *why != '\0');
		return;
	}
	MUST(s.target[0] != '\0');
	MUST(frame_build(&s, hdr.mountflags, hdr.sndbuf, hdr.flags, &again, &n) == 0);
	MUST(n == len && memcmp(again, data, len) == 0);
	free(again);
	options(s.data);
}

static void
answer(const void *data, size_t len)
{
	char again[FRAME_ANSWER_MAX];
	struct frame_answer a;
	const char *text;

	if (frame_answer_parse(data, len, &a, &text) != 0)
		return;
	MUST(frame_answer_build(again, sizeof(again), a.code, a.error, a.pid, text) == len);
	MUST(memcmp(again, data, len) == 0);
}

static void
status_request(const char *data, size_t len)
{
	struct status_request r, again;
	const char *why;
	char *text;

	if (status_parse_request(data, len, &r, &why) != 0) {
		MUST(why != NULL);
		return;
	}
	MUST(status_build_request(&r, &text) == 0);
	MUST(status_parse_request(text, strlen(text), &again, &why) == 0 && r.op == again.op && r.lazy == again.lazy);
	free(text);
}

static void
status_answer(const char *data, size_t len)
{
	struct status s, again;
	char *text;

	if (status_parse_answer(data, len, &s) != 0)
		return;
	int error = status_build_answer(&s, &text);
	MUST(error == 0 || error == EMSGSIZE); /* escapes may be longer than what they stand for */
	if (error == 0) {
		MUST(status_parse_answer(text, strlen(text), &again) == 0);
		MUST(strcmp(s.mountpoint, again.mountpoint) == 0 && strcmp(s.why, again.why) == 0);
		MUST(s.since == again.since && s.nodes == again.nodes);
		status_free(&again);
		free(text);
	}
	status_free(&s);
}

static void
status_result(const char *data, size_t len)
{
	char *message, *text, *again;
	int error, n;

	if (status_parse_result(data, len, &error, &message) != 0)
		return;
	MUST((error == 0) == (message == NULL));
	if (status_build_result(error, message, &text) == 0) {
		MUST(status_parse_result(text, strlen(text), &n, &again) == 0 && n == error);
		MUST(message == NULL || strcmp(message, again) == 0);
		free(again);
		free(text);
	}
	free(message);
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct frame_request request;

	if (size < 1)
		return 0;
	size_t len = size - 1;
	char *packet = malloc(len > 0 ? len : 1);
	char *string = malloc(len + 1);
	if (packet == NULL || string == NULL)
		abort();
	memcpy(packet, input + 1, len);
	memcpy(string, input + 1, len);
	string[len] = '\0';
	switch (input[0] % 7) {
	case 0:
		frame(packet, len);
		break;
	case 1:
		answer(packet, len);
		break;
	case 2:
		frame_request_parse(packet, len, &request);
		break;
	case 3:
		options(string);
		break;
	case 4:
		status_request(packet, len);
		break;
	case 5:
		status_answer(packet, len);
		break;
	case 6:
		status_result(packet, len);
		break;
	}
	free(string);
	free(packet);
	return 0;
}
