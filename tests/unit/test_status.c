/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ctl/status.h: control messages there and back, with every byte a path can have, and garbage.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/status.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static struct status
sample(void)
{
	return (struct status){
		.mountpoint = "/mnt/a b\n\"c\\d\\101",
		.source = "\xff\xfe latin \xe9 1 \xc3\xa9 \xed\xa0\x80 \xf0\x9f\x98\x80 \xc0\xaf \xe2\x82",
		.fstype = "fuse.sshfs",
		.state = "serving",
		.why = "",
		.engine_pid = 12,
		.daemon_pid = 0,
		.uid = 4294967294,
		.since = INT64_MAX,
		.nodes = 1,
		.files = UINT64_MAX,
		.waiting = 3,
	};
}

START_TEST(status_round_trip)
{
	struct status in = sample(), out;
	char *text;

	ck_assert_int_eq(status_build_answer(&in, &text), 0);
	ck_assert_int_eq(status_parse_answer(text, strlen(text), &out), 0);
	ck_assert_str_eq(in.mountpoint, out.mountpoint);
	ck_assert_str_eq(in.source, out.source);
	ck_assert_str_eq(in.fstype, out.fstype);
	ck_assert_str_eq(in.state, out.state);
	ck_assert_str_eq(in.why, out.why);
	ck_assert_int_eq(in.engine_pid, out.engine_pid);
	ck_assert_int_eq(in.daemon_pid, out.daemon_pid);
	ck_assert_int_eq(in.uid, out.uid);
	ck_assert_int_eq(in.since, out.since);
	ck_assert_uint_eq(out.nodes, 1);
	ck_assert_uint_eq(out.files, INT64_MAX); /* all that JSON integers hold here */
	ck_assert_uint_eq(out.waiting, 3);
	status_free(&out);
	for (size_t n = 0; n < strlen(text); n++)
		ck_assert_int_eq(status_parse_answer(text, n, &out), EPROTO);
	free(text);

	in.why = NULL;
	ck_assert_int_eq(status_build_answer(&in, &text), 0);
	ck_assert_int_eq(status_parse_answer(text, strlen(text), &out), 0);
	ck_assert_str_eq(out.why, "");
	status_free(&out);
	free(text);
}
END_TEST

/* Every byte there is, alone and between others, comes back. */
START_TEST(status_any_bytes)
{
	struct status in = sample(), out;
	char bytes[700], *text;
	size_t n = 0;

	for (int c = 1; c < 256; c++) {
		bytes[n++] = (char)c;
		if (c % 2)
			bytes[n++] = 'x';
	}
	bytes[n] = '\0';
	in.mountpoint = bytes;
	ck_assert_int_eq(status_build_answer(&in, &text), 0);
	ck_assert_int_eq(status_parse_answer(text, strlen(text), &out), 0);
	ck_assert_str_eq(out.mountpoint, bytes);
	status_free(&out);
	free(text);
}
END_TEST

START_TEST(status_refused)
{
	struct status s = sample();
	char *text, *big;

	s.state = "well";
	ck_assert_int_eq(status_build_answer(&s, &text), EPROTO);
	s.state = NULL;
	ck_assert_int_eq(status_build_answer(&s, &text), EPROTO);
	s = sample();
	s.daemon_pid = -1;
	ck_assert_int_eq(status_build_answer(&s, &text), EPROTO);
	s = sample();
	big = malloc(STATUS_MAX + 1);
	memset(big, 'm', STATUS_MAX);
	big[STATUS_MAX] = '\0';
	s.why = big;
	ck_assert_int_eq(status_build_answer(&s, &text), EMSGSIZE);
	free(big);
}
END_TEST

/* Replace the first occurrence of a by b in an answer; it must then be refused. */
START_TEST(status_answer_garbage)
{
	static const struct {
		const char *a, *b;
	} swaps[] = { { "true", "false" }, { "true", "1" }, { "{", "[" }, { "}", "" }, { "}", "}x" },
		{ "\"ok\"", "\"no\"" }, { "\"mountpoint\"", "\"uid\"" }, { "\"mountpoint\"", "\"m\"" },
		{ "\"serving\"", "\"bored\"" }, { "\"serving\"", "7" }, { "\"fuse.sshfs\"", "null" },
		{ "fuse.", "\\u0000" }, { "fuse.", "\\\\9" }, { "fuse.", "\\\\000" }, { "fuse.", "\\\\400" },
		{ "fuse.", "\\\\12" }, { "fuse.", "\xff" }, { "\"engine_pid\":12", "\"engine_pid\":-12" },
		{ "\"engine_pid\":12", "\"engine_pid\":12.5" }, { "\"engine_pid\":12", "\"engine_pid\":\"12\"" },
		{ "\"nodes\":1", "\"nodes\":-1" }, { "\"nodes\":1", "\"nodes\":99999999999999999999" },
		{ "\"nodes\":1", "\"nodes\":true" }, { "\"waiting\"", "\"nodes\"" },
		{ "\"since\":", "\"since\":[]," } };
	struct status s = sample(), out;
	char *text;

	ck_assert_int_eq(status_build_answer(&s, &text), 0);
	for (size_t i = 0; i < N(swaps); i++) {
		char changed[2048];
		char *at = strstr(text, swaps[i].a);
		ck_assert_msg(at != NULL, "no %s in %s", swaps[i].a, text);
		snprintf(
		    changed, sizeof(changed), "%.*s%s%s", (int)(at - text), text, swaps[i].b, at + strlen(swaps[i].a));
		ck_assert_msg(status_parse_answer(changed, strlen(changed), &out) == EPROTO, "%s", changed);
		ck_assert(out.mountpoint == NULL && out.state == NULL);
	}
	char more[2048]; /* what a newer engine adds is passed over */
	snprintf(more, sizeof(more), "{\"new\":{\"a\":[1]},%s", text + 1);
	ck_assert_int_eq(status_parse_answer(more, strlen(more), &out), 0);
	status_free(&out);
	free(text);
}
END_TEST

START_TEST(status_requests)
{
	struct status_request r,
	    in[] = { { STATUS_OP_STATUS, false }, { STATUS_OP_UNMOUNT, false }, { STATUS_OP_UNMOUNT, true } };
	static const char *const wrong[][2] = { { "", "not a JSON object" }, { "[]", "not a JSON object" },
		{ "nonsense", "not a JSON object" }, { "{\"op\":\"status\"", "not a JSON object" },
		{ "{}", "op is missing" }, { "{\"op\":1}", "op is missing" }, { "{\"op\":\"Status\"}", "unknown op" },
		{ "{\"op\":\"unmount\"}", "lazy is missing" }, { "{\"op\":\"unmount\",\"lazy\":1}", "lazy is missing" },
		{ "{\"op\":\"status\",\"op\":\"unmount\",\"lazy\":true}", "not a JSON object" } };
	const char *why;
	char *text;

	for (size_t i = 0; i < N(in); i++) {
		ck_assert_int_eq(status_build_request(&in[i], &text), 0);
		ck_assert_int_eq(status_parse_request(text, strlen(text), &r, &why), 0);
		ck_assert_ptr_null(why);
		ck_assert(r.op == in[i].op && r.lazy == in[i].lazy);
		free(text);
	}
	for (size_t i = 0; i < N(wrong); i++) {
		ck_assert_int_eq(status_parse_request(wrong[i][0], strlen(wrong[i][0]), &r, &why), EPROTO);
		ck_assert_str_eq(why, wrong[i][1]);
		ck_assert_int_eq(status_parse_request(wrong[i][0], strlen(wrong[i][0]), &r, NULL), EPROTO);
	}
	char *deep = malloc(STATUS_MAX + 1); /* deeply nested, and beyond the limit */
	memset(deep, '[', STATUS_MAX + 1);
	ck_assert_int_eq(status_parse_request(deep, STATUS_MAX, &r, &why), EPROTO);
	ck_assert_int_eq(status_parse_request(deep, STATUS_MAX + 1, &r, &why), EPROTO);
	free(deep);
}
END_TEST

START_TEST(status_results)
{
	static const char *const wrong[] = { "{}", "", "{\"ok\":1}", "{\"ok\":false}",
		"{\"ok\":false,\"errno\":0,\"error\":\"x\"}", "{\"ok\":false,\"errno\":4096,\"error\":\"x\"}",
		"{\"ok\":false,\"errno\":-1,\"error\":\"x\"}", "{\"ok\":false,\"errno\":5}",
		"{\"ok\":false,\"errno\":5,\"error\":5}" };
	char *text, *message;
	int error;

	ck_assert_int_eq(status_build_result(0, "ignored", &text), 0);
	ck_assert_str_eq(text, "{\"ok\":true}");
	ck_assert_int_eq(status_parse_result(text, strlen(text), &error, &message), 0);
	ck_assert_int_eq(error, 0);
	ck_assert_ptr_null(message);
	free(text);
	ck_assert_int_eq(status_build_result(EBUSY, "/mnt is \xff busy", &text), 0);
	ck_assert_int_eq(status_parse_result(text, strlen(text), &error, &message), 0);
	ck_assert_int_eq(error, EBUSY);
	ck_assert_str_eq(message, "/mnt is \xff busy");
	free(text);
	free(message);
	for (size_t i = 0; i < N(wrong); i++) {
		ck_assert_msg(
		    status_parse_result(wrong[i], strlen(wrong[i]), &error, &message) == EPROTO, "%s", wrong[i]);
		ck_assert_ptr_null(message);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("status");
	TCase *messages = tcase_create("messages");

	tcase_add_test(messages, status_round_trip);
	tcase_add_test(messages, status_any_bytes);
	tcase_add_test(messages, status_refused);
	tcase_add_test(messages, status_answer_garbage);
	tcase_add_test(messages, status_requests);
	tcase_add_test(messages, status_results);
	suite_add_tcase(s, messages);

	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
