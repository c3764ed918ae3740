/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unit test of base/log.c, which it includes so that what goes to syslog can be seen. Standard error is a socket meanwhile.
 */
#include <check.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

static char sys_text[8192], sys_ident[64];
static int sys_calls, sys_priority, sys_option, sys_facility;

static void
test_openlog(const char *ident, int option, int facility)
{
	(void)snprintf(sys_ident, sizeof(sys_ident), "%.*s", (int)sizeof(sys_ident) - 1, ident);
	sys_option = option;
	sys_facility = facility;
}

static void __attribute__((format(printf, 2, 3))) test_syslog(int priority, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(sys_text, sizeof(sys_text), fmt, ap);
	va_end(ap);
	sys_calls++;
	sys_priority = priority;
	errno = EBUSY;
}

#undef syslog /* a macro where the headers check formats */
#define openlog test_openlog
#define syslog test_syslog
#include "../../src/base/log.c" /* NOLINT(bugprone-suspicious-include) */
#undef openlog
#undef syslog

static int saved_stderr, err[2];

/* Standard error is a socket of packets: each write(2) can be told from the next. */
static void
setup(void)
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, err), 0);
	saved_stderr = dup(STDERR_FILENO);
	ck_assert_int_eq(dup2(err[1], STDERR_FILENO), STDERR_FILENO);
}

static void
teardown(void)
{
	(void)dup2(saved_stderr, STDERR_FILENO);
	(void)close(err[0]);
	(void)close(err[1]);
}

/* The next line written, "" when there is none. */
static const char *
line(void)
{
	static char text[8192];
	ssize_t n = read(err[0], text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

START_TEST(test_before_init)
{
	log_err("no %s yet", "name");
	ck_assert_str_eq(line(), "perfuse: no name yet\n");
}
END_TEST

START_TEST(test_foreground)
{
	log_init("perfused", true);
	log_err("error %d", 1);
	ck_assert_str_eq(line(), "perfused: error 1\n");
	log_role("engine /mnt");
	log_warn("warning");
	log_info("information");
	ck_assert_str_eq(line(), "perfused: engine /mnt: warning\n");
	ck_assert_str_eq(line(), "perfused: engine /mnt: information\n");
	log_role("");
	log_info("%s", "");
	ck_assert_str_eq(line(), "perfused: \n");
	ck_assert_str_eq(line(), "");
	ck_assert_int_eq(sys_calls, 0);
	ck_assert_str_eq(sys_ident, "");
}
END_TEST

START_TEST(test_escaping)
{
	log_init("perfused", true);
	log_err("a\nperfused: b\r\t\x01\x7f\x80\xff\\x41 \"'~%s", "\xc3\xa9\n");
	ck_assert_str_eq(line(), "perfused: a\\nperfused: b\\x0d\\x09\\x01\\x7f\\x80\\xff\\\\x41 \"'~\\xc3\\xa9\\n\n");
	log_role("engine /m\nnt");
	log_err("x");
	ck_assert_str_eq(line(), "perfused: engine /m\\nnt: x\n");
}
END_TEST

START_TEST(test_long_lines)
{
	char name[3000], role[1000];
	const char *got;

	memset(name, '\n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	memset(role, 'r', sizeof(role) - 1);
	role[sizeof(role) - 1] = '\0';
	log_init("perfused", true);
	log_err("%s", name);
	got = line();
	ck_assert_uint_eq(strlen(got), 10 + 2 * (RAW_MAX - 1 - 10 - 3) + 3 + 1);
	ck_assert_int_eq(strncmp(got, "perfused: \\n\\n", 14), 0);
	ck_assert_str_eq(got + strlen(got) - 6, "\\n...\n");
	/* Just not too long. */
	name[RAW_MAX - 1 - 10] = '\0';
	memset(name, 'n', RAW_MAX - 1 - 10);
	log_err("%s", name);
	got = line();
	ck_assert_uint_eq(strlen(got), RAW_MAX);
	ck_assert_str_eq(got + strlen(got) - 4, "nnn\n");
	/* Every byte takes four. */
	memset(name, 1, sizeof(name) - 1);
	log_err("%s", name);
	ck_assert_uint_gt(strlen(line()), 4000);
	/* A long role leaves room for the message; a long program name does not, and is all that is shown. */
	log_role(role);
	log_err("message");
	got = line();
	ck_assert_str_eq(got + strlen(got) - 10, ": message\n");
	memset(name, 'p', sizeof(name) - 1);
	log_init(name, true);
	log_err("message");
	got = line();
	ck_assert_uint_eq(strlen(got), RAW_MAX);
	ck_assert_str_eq(got + strlen(got) - 4, "...\n");
}
END_TEST

START_TEST(test_syslog_used)
{
	log_init("perfused", false);
	ck_assert_str_eq(sys_ident, "perfused");
	ck_assert_int_eq(sys_facility, LOG_DAEMON);
	ck_assert_int_eq(sys_option & LOG_NDELAY, LOG_NDELAY);
	log_role("engine /mnt");
	log_err("a\n%%s");
	ck_assert_int_eq(sys_priority, LOG_ERR);
	ck_assert_str_eq(sys_text, "engine /mnt: a\\n%s");
	log_warn("w");
	ck_assert_int_eq(sys_priority, LOG_WARNING);
	log_info("i");
	ck_assert_int_eq(sys_priority, LOG_INFO);
	log_diag = LOG_D_FUSE;
	log_debug(LOG_D_FUSE, "d");
	ck_assert_int_eq(sys_priority, LOG_DEBUG);
	ck_assert_int_eq(sys_calls, 4);
	ck_assert_str_eq(line(), "");
}
END_TEST

START_TEST(test_syslog_diagnostics)
{
	log_diag = LOG_D_SYSLOG;
	log_init("perfused", true);
	ck_assert_str_eq(sys_ident, "perfused");
	log_err("e");
	ck_assert_int_eq(sys_calls, 1);
	ck_assert_str_eq(line(), "");
}
END_TEST

START_TEST(test_errno_kept)
{
	log_init("perfused", true);
	errno = ENOENT;
	log_err("open: %m");
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_str_eq(line(), "perfused: open: No such file or directory\n");
	(void)close(STDERR_FILENO);
	errno = ENOENT;
	log_err("nobody reads this");
	ck_assert_int_eq(errno, ENOENT);
	log_init("perfused", false);
	errno = ENOENT;
	log_err("%m");
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_str_eq(sys_text, "No such file or directory");
}
END_TEST

START_TEST(test_diag_parse)
{
	static const char *const words[] = { "fuse", "dump", "puffs", "fh", "reclaim", "readdir", "requeue", "sync",
		"misc", "syslog", "filename", "resize", "trace" };
	const char *bad = NULL;

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		log_diag = 0;
		ck_assert_int_eq(log_diag_parse(words[i], &bad), 0);
		ck_assert_uint_eq(log_diag, 1U << i);
	}
	log_diag = LOG_D_SYNC;
	ck_assert_int_eq(log_diag_parse("fuse,trace,fuse", &bad), 0);
	ck_assert_uint_eq(log_diag, LOG_D_SYNC | LOG_D_FUSE | LOG_D_TRACE);
	log_diag = 0;
	ck_assert_int_eq(log_diag_parse("all", &bad), 0);
	ck_assert_uint_eq(log_diag, 0x1fff & ~LOG_D_SYSLOG);
	ck_assert_int_eq(log_diag_parse("all,syslog", &bad), 0);
	ck_assert_uint_eq(log_diag, 0x1fff);
	ck_assert_ptr_null(bad);
}
END_TEST

START_TEST(test_diag_parse_bad)
{
	static const struct {
		const char *types;
		size_t at;
	} cases[] = { { "", 0 }, { "fus", 0 }, { "fusee", 0 }, { "fuse,", 5 }, { ",fuse", 0 }, { "fuse,,dump", 5 },
		{ "fuse, dump", 5 }, { "dump,nonsense,fuse", 5 }, { "FUSE", 0 } };

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *bad = NULL;

		ck_assert_int_eq(log_diag_parse(cases[i].types, &bad), EINVAL);
		ck_assert_ptr_eq(bad, cases[i].types + cases[i].at);
		ck_assert_uint_eq(log_diag, 0); /* nothing by halves */
	}
}
END_TEST

static int evaluated;

static int
evaluate(void)
{
	return ++evaluated;
}

START_TEST(test_debug)
{
	log_init("perfused", true);
	log_debug(LOG_D_FUSE | LOG_D_FH, "%d", evaluate());
	ck_assert_int_eq(evaluated, 0);
	ck_assert_str_eq(line(), "");
	log_diag = LOG_D_FH;
	log_debug(LOG_D_FUSE | LOG_D_FH, "%d", evaluate());
	ck_assert_str_eq(line(), "perfused: 1\n");
	log_debug(LOG_D_FUSE, "%d", evaluate());
	ck_assert_str_eq(line(), "");
}
END_TEST

START_TEST(test_dump)
{
	unsigned char data[40];

	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(0x50 + i);
	data[38] = '\n';
	log_init("perfused", true);
	log_diag = ~(unsigned)(LOG_D_DUMP | LOG_D_SYSLOG);
	log_dump("reply", data, sizeof(data));
	ck_assert_str_eq(line(), "");
	log_diag = LOG_D_DUMP;
	log_dump("reply", data, sizeof(data));
	ck_assert_str_eq(line(), "perfused: reply: 40 bytes\n");
	ck_assert_str_eq(
	    line(), "perfused: 000000 50 51 52 53 54 55 56 57 58 59 5a 5b 5c 5d 5e 5f  PQRSTUVWXYZ[.]^_\n");
	ck_assert_str_eq(
	    line(), "perfused: 000010 60 61 62 63 64 65 66 67 68 69 6a 6b 6c 6d 6e 6f  `abcdefghijklmno\n");
	ck_assert_str_eq(line(), "perfused: 000020 70 71 72 73 74 75 0a 77                          pqrstu.w\n");
	ck_assert_str_eq(line(), "");
	log_dump("nothing", NULL, 0);
	ck_assert_str_eq(line(), "perfused: nothing: 0 bytes\n");
	ck_assert_str_eq(line(), "");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("log");
	TCase *tc = tcase_create("log");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_before_init);
	tcase_add_test(tc, test_foreground);
	tcase_add_test(tc, test_escaping);
	tcase_add_test(tc, test_long_lines);
	tcase_add_test(tc, test_syslog_used);
	tcase_add_test(tc, test_syslog_diagnostics);
	tcase_add_test(tc, test_errno_kept);
	tcase_add_test(tc, test_diag_parse);
	tcase_add_test(tc, test_diag_parse_bad);
	tcase_add_test(tc, test_debug);
	tcase_add_test(tc, test_dump);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
