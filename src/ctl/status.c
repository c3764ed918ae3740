/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control messages, by jansson. Every member that the header names must be there and of the right kind; members it does
 * not name are passed over, so that an older perfuse(1) understands a newer engine. Texts that go into JSON are escaped first
 * and unescaped after it, because a mountpoint need not be valid UTF-8 and still has to come back byte for byte.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/status.h"

enum { ERRNO_MAX = 4095 };

/* The length of the valid UTF-8 sequence at s, or 0 when there is none. Ends at the NUL by itself. */
static size_t
utf8_len(const unsigned char *s)
{
	size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;

	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90)) /* longer than it need be */
		return 0;
	if ((s[0] == 0xed && s[1] >= 0xa0) || (s[0] == 0xf4 && s[1] >= 0x90)) /* surrogates; beyond Unicode */
		return 0;
	return n;
}

/* A JSON string of any bytes (NULL: ""), or NULL when there is no memory. */
static json_t *
text_to_json(const char *text)
{
	const unsigned char *s = (const unsigned char *)(text != NULL ? text : "");
	char *escaped = malloc(4 * strlen((const char *)s) + 1);
	char *to = escaped;

	if (escaped == NULL)
		return NULL;
	while (*s != '\0') {
		size_t n = utf8_len(s);
		if (n == 0 || *s == '\\') {
			*to++ = '\\';
			*to++ = (char)('0' + (*s >> 6));
			*to++ = (char)('0' + (*s >> 3 & 7));
			*to++ = (char)('0' + (*s & 7));
			s++;
		} else {
			memcpy(to, s, n);
			to += n;
			s += n;
		}
	}
	json_t *json = json_stringn_nocheck(escaped, (size_t)(to - escaped));
	free(escaped);
	return json;
}

/* The bytes that a JSON string stands for, newly allocated. 0, ENOMEM, or EPROTO: no string, or wrongly escaped. */
static int
text_from_json(const json_t *json, char **out)
{
	const char *s = json_string_value(json);

	if (s == NULL)
		return EPROTO;
	char *text = malloc(strlen(s) + 1);
	char *to = text;
	if (text == NULL)
		return ENOMEM;
	while (*s != '\0') {
		if (*s != '\\') {
			*to++ = *s++;
			continue;
		}
		if (strspn(s + 1, "01234567") < 3 || s[1] > '3' || memcmp(s + 1, "000", 3) == 0) {
			free(text);
			return EPROTO;
		}
		*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
		s += 4;
	}
	*to = '\0';
	*out = text;
	return 0;
}

/* Turn what json_pack() made into text; takes root. 0, ENOMEM or EMSGSIZE. */
static int
finish(json_t *root, char **out)
{
	if (root == NULL)
		return ENOMEM;
	char *text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	if (text == NULL)
		return ENOMEM;
	if (strlen(text) > STATUS_MAX) {
		free(text);
		return EMSGSIZE;
	}
	*out = text;
	return 0;
}

/* The object of a packet. 0, ENOMEM or EPROTO (*out is NULL then). */
static int
object(const char *text, size_t len, json_t **out)
{
	json_error_t why;

	*out = NULL;
	if (len > STATUS_MAX)
		return EPROTO;
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
	if (root == NULL)
		return json_error_code(&why) == json_error_out_of_memory ? ENOMEM : EPROTO;
	if (!json_is_object(root)) {
		json_decref(root);
		return EPROTO;
	}
	*out = root;
	return 0;
}

int
status_build_request(const struct status_request *r, char **out)
{
	if (r->op == STATUS_OP_UNMOUNT)
		return finish(json_pack("{s:s, s:b}", "op", "unmount", "lazy", (int)r->lazy), out);
	return finish(json_pack("{s:s}", "op", "status"), out);
}

/* What is wrong with a request, or NULL. */
static const char *
get_request(const json_t *root, struct status_request *r)
{
	const json_t *lazy = json_object_get(root, "lazy");
	const char *op = json_string_value(json_object_get(root, "op"));

	if (op == NULL)
		return "op is missing";
	if (strcmp(op, "status") == 0) {
		r->op = STATUS_OP_STATUS;
		return NULL;
	}
	if (strcmp(op, "unmount") != 0)
		return "unknown op";
	if (!json_is_boolean(lazy))
		return "lazy is missing";
	r->op = STATUS_OP_UNMOUNT;
	r->lazy = json_is_true(lazy);
	return NULL;
}

int
status_parse_request(const char *text, size_t len, struct status_request *r, const char **why)
{
	json_t *root;

	*r = (struct status_request){ .op = STATUS_OP_STATUS };
	int error = object(text, len, &root);
	const char *fault = error == 0 ? get_request(root, r) : error == ENOMEM ? "no memory" : "not a JSON object";
	json_decref(root);
	if (why != NULL)
		*why = fault;
	return error == 0 && fault != NULL ? EPROTO : error;
}

static bool
known_state(const char *state)
{
	return state != NULL &&
	       (strcmp(state, "starting") == 0 || strcmp(state, "serving") == 0 || strcmp(state, "dead") == 0);
}

static json_int_t
clamp(uint64_t n)
{
	return n <= INT64_MAX ? (json_int_t)n : INT64_MAX;
}

int
status_build_answer(const struct status *s, char **out)
{
	if (!known_state(s->state) || s->engine_pid < 0 || s->daemon_pid < 0 || s->uid < 0 || s->since < 0)
		return EPROTO;
	return finish(
	    json_pack("{s:b, s:o, s:o, s:o, s:I, s:I, s:I, s:s, s:o, s:I, s:I, s:I, s:I}", "ok", 1, "mountpoint",
		text_to_json(s->mountpoint), "source", text_to_json(s->source), "fstype", text_to_json(s->fstype),
		"engine_pid", (json_int_t)s->engine_pid, "daemon_pid", (json_int_t)s->daemon_pid, "uid",
		(json_int_t)s->uid, "state", s->state, "why", text_to_json(s->why), "since", (json_int_t)s->since,
		"nodes", clamp(s->nodes), "files", clamp(s->files), "waiting", clamp(s->waiting)),
	    out);
}

/* A member that is a number not below 0. 0 or EPROTO. */
static int
get_number(const json_t *root, const char *name, int64_t *out)
{
	const json_t *n = json_object_get(root, name);

	if (!json_is_integer(n) || json_integer_value(n) < 0)
		return EPROTO;
	*out = json_integer_value(n);
	return 0;
}

static int
get_count(const json_t *root, const char *name, uint64_t *out)
{
	int64_t n;

	int error = get_number(root, name, &n);
	if (error == 0)
		*out = (uint64_t)n;
	return error;
}

static int
get_text(const json_t *root, const char *name, char **out)
{
	return text_from_json(json_object_get(root, name), out);
}

static int
get_answer(const json_t *root, struct status *s)
{
	int error = 0;

	if (!json_is_true(json_object_get(root, "ok")))
		return EPROTO;
	(void)((error = get_text(root, "mountpoint", &s->mountpoint)) ||
	       (error = get_text(root, "source", &s->source)) || (error = get_text(root, "fstype", &s->fstype)) ||
	       (error = get_text(root, "state", &s->state)) || (error = get_text(root, "why", &s->why)) ||
	       (error = get_number(root, "engine_pid", &s->engine_pid)) ||
	       (error = get_number(root, "daemon_pid", &s->daemon_pid)) || (error = get_number(root, "uid", &s->uid)) ||
	       (error = get_number(root, "since", &s->since)) || (error = get_count(root, "nodes", &s->nodes)) ||
	       (error = get_count(root, "files", &s->files)) || (error = get_count(root, "waiting", &s->waiting)));
	if (error == 0 && !known_state(s->state))
		error = EPROTO;
	return error;
}

int
status_parse_answer(const char *text, size_t len, struct status *s)
{
	json_t *root;

	*s = (struct status){ .mountpoint = NULL };
	int error = object(text, len, &root);
	if (error == 0)
		error = get_answer(root, s);
	json_decref(root);
	if (error != 0)
		status_free(s);
	return error;
}

int
status_build_result(int error, const char *text, char **out)
{
	if (error == 0)
		return finish(json_pack("{s:b}", "ok", 1), out);
	return finish(json_pack("{s:b, s:i, s:o}", "ok", 0, "errno", error, "error", text_to_json(text)), out);
}

static int
get_result(const json_t *root, int *error, char **message)
{
	const json_t *ok = json_object_get(root, "ok");
	int64_t number;

	if (json_is_true(ok))
		return 0;
	if (!json_is_false(ok) || get_number(root, "errno", &number) != 0 || number < 1 || number > ERRNO_MAX)
		return EPROTO;
	int result = get_text(root, "error", message);
	if (result == 0)
		*error = (int)number;
	return result;
}

int
status_parse_result(const char *text, size_t len, int *error, char **message)
{
	json_t *root;

	*error = 0;
	*message = NULL;
	int result = object(text, len, &root);
	if (result == 0)
		result = get_result(root, error, message);
	json_decref(root);
	return result;
}

void
status_free(struct status *s)
{
	free(s->mountpoint);
	free(s->source);
	free(s->fstype);
	free(s->state);
	free(s->why);
	*s = (struct status){ .mountpoint = NULL };
}
