/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A daemon's command line (client/args.h): where the mountpoint stands, what -o says, what is asked of perfused when a descriptor takes
 * the mountpoint's place, and which programs take one.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "client/args.h"

static char text[256];

#define ARGV(...)                                                                                                      \
	(char *[])                                                                                                     \
	{                                                                                                              \
		__VA_ARGS__, NULL                                                                                      \
	}

START_TEST(mountpoint)
{
	ck_assert_int_eq(args_mountpoint(ARGV("d", "/tmp")), 1);
	ck_assert_int_eq(args_mountpoint(ARGV("d", "/usr", "/tmp")), 2);
	ck_assert_int_eq(args_mountpoint(ARGV("d", "/tmp", "-o", "/usr")), 1); /* the value of -o is none */
	ck_assert_int_eq(args_mountpoint(ARGV("d", "-o", "ro", "/tmp", "/nonexistent", "-f")), 3);
	ck_assert_int_eq(args_mountpoint(ARGV("d", "/tmp", "/etc/passwd")), 1); /* not a directory */
	ck_assert_int_eq(args_mountpoint(ARGV("d", "--", "-o", "/tmp")), 3);
	ck_assert_int_eq(args_mountpoint(ARGV("d", "-o")), -1);
	ck_assert_int_eq(args_mountpoint(ARGV("/tmp")), -1);
}
END_TEST

START_TEST(options)
{
	static const struct {
		char *argv[8];
		const char *all;
	} cases[] = {
		{ { "d", "/tmp" }, "" },
		{ { "d", "-o", "a,b", "/tmp", "-oc=d" }, "a,b,c=d" },
		{ { "d", "-o", "a", "--", "-o", "b" }, "a" },
		{ { "d", "-o" }, "" },
		{ { "d", "-f", "-ofsname=x\\,y" }, "fsname=x\\,y" },
	};
	char *all = args_options(cases[_i].argv);

	ck_assert_str_eq(all, cases[_i].all);
	free(all);
}
END_TEST

/* What args_fd_make() makes of these, with descriptor 7. */
static int
make(char *const *argv, const char *own_list, struct args_fd *a)
{
	struct mountopts own;
	char *bad;
	int r;

	ck_assert_int_eq(mountopts_parse(own_list, &own, &bad), 0);
	r = args_fd_make(argv, &own, 7, a, text, sizeof(text));
	mountopts_free(&own);
	return r;
}

START_TEST(descriptor)
{
	struct args_fd a;

	ck_assert_int_eq(make(ARGV("/usr/bin/sshfs", "h:", "/tmp/.", "-f"), "", &a), 0);
	ck_assert_str_eq(a.argv[0], "/usr/bin/sshfs");
	ck_assert_str_eq(a.argv[1], "h:");
	ck_assert_str_eq(a.argv[2], "/dev/fd/7");
	ck_assert_str_eq(a.argv[3], "-f");
	ck_assert_ptr_null(a.argv[4]);
	ck_assert_str_eq(a.mount.target, "/tmp");
	ck_assert_str_eq(a.mount.filesystemtype, "fuse.sshfs");
	ck_assert_str_eq(a.mount.source, "sshfs"); /* as libfuse when nothing is said */
	ck_assert_str_eq(a.mount.data, "fd=7");
	ck_assert_uint_eq(a.mount.flags, MS_NOSUID | MS_NODEV);
	args_fd_free(&a);

	ck_assert_int_eq(
	    make(ARGV("d", "-o", "fsname=S,ro,suid,allow_other,max_read=4096,what=ever", "/tmp"), "", &a), 0);
	ck_assert_str_eq(a.mount.source, "S");
	ck_assert_str_eq(a.mount.filesystemtype, "fuse"); /* a source is given and no type: libfuse gives none */
	ck_assert_str_eq(a.mount.data, "fd=7,allow_other,max_read=4096");
	ck_assert_uint_eq(a.mount.flags, MS_NODEV | MS_RDONLY);
	args_fd_free(&a);

	/* What the user tells perfuse goes before that. */
	ck_assert_int_eq(make(ARGV("d", "-o", "fsname=S,subtype=T", "/tmp"), "fsname=O,subtype=P", &a), 0);
	ck_assert_str_eq(a.mount.source, "O");
	ck_assert_str_eq(a.mount.filesystemtype, "fuse.P");
	args_fd_free(&a);
}
END_TEST

START_TEST(bad_lines)
{
	struct args_fd a;

	ck_assert_int_eq(make(ARGV("d", "/nonexistent"), "", &a), ENOENT);
	ck_assert_str_ne(text, "");
	args_fd_free(&a);
	ck_assert_int_eq(make(ARGV("d", "-omax_read=x", "/tmp"), "", &a), EINVAL);
	ck_assert_ptr_nonnull(strstr(text, "max_read=x"));
	args_fd_free(&a);
}
END_TEST

START_TEST(programs)
{
	char path[] = "/tmp/test_args.XXXXXX", junk[4096];
	int fd = mkstemp(path);

	ck_assert(!args_takes_fd("/bin/sh"));
	ck_assert(!args_takes_fd("/nonexistent"));
	ck_assert(!args_takes_fd("no-such-program-anywhere"));
	ck_assert(!args_takes_fd("/tmp"));
	if (access("/usr/bin/sshfs", X_OK) == 0)
		ck_assert(args_takes_fd("/usr/bin/sshfs"));

	/* Anything may stand in a program: cut off at each length, and with each byte of its headers changed. */
	ck_assert_int_ge(fd, 0);
	FILE *self = fopen("/proc/self/exe", "r");
	ck_assert_ptr_nonnull(self);
	size_t len = fread(junk, 1, sizeof(junk), self);
	fclose(self);
	for (size_t n = 0; n < 1024 && n < len; n++) {
		ck_assert_int_eq(ftruncate(fd, 0), 0);
		ck_assert_int_eq(pwrite(fd, junk, n, 0), (ssize_t)n);
		ck_assert(!args_takes_fd(path));
		char kept = junk[n];
		junk[n] = (char)~kept;
		ck_assert_int_eq(pwrite(fd, junk, len, 0), (ssize_t)len);
		ck_assert(!args_takes_fd(path));
		junk[n] = kept;
	}
	close(fd);
	unlink(path);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("args");
	TCase *tc = tcase_create("args");

	tcase_add_test(tc, mountpoint);
	tcase_add_loop_test(tc, options, 0, 5);
	tcase_add_test(tc, descriptor);
	tcase_add_test(tc, bad_lines);
	tcase_add_test(tc, programs);
	suite_add_tcase(s, tc);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
