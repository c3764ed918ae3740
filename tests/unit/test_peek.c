/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Looking into another process (client/peek.h), with a child for that, and names that must not be resolved to the end. And the
 * filter (client/filter.h), as far as it needs nobody to answer.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "client/filter.h"
#include "client/peek.h"

static char *page;  /* followed by one that cannot be read */
static size_t size; /* of a page */
static int sv[2];
static pid_t child;

static void
setup(void)
{
	size = (size_t)sysconf(_SC_PAGESIZE);
	page = mmap(NULL, 3 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(page, MAP_FAILED);
	ck_assert_int_eq(munmap(page + 2 * size, size), 0);
	memset(page, 'x', 2 * size);
	strcpy(page + 2 * size - 4, "end");
	strcpy(page + size - 2, "over");
	ck_assert_int_eq(fdp_pair(SOCK_SEQPACKET, sv), 0);
	child = fork();
	if (child == 0) {
		if (chdir("/usr") != 0)
			_exit(1);
		(void)write(sv[1], "x", 1);
		for (;;)
			pause();
	}
	char c;
	ck_assert_int_eq(read(sv[0], &c, 1), 1);
}

static void
teardown(void)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static uint64_t
addr(const char *p)
{
	return (uint64_t)(uintptr_t)p;
}

START_TEST(strings)
{
	char buf[PATH_MAX];

	ck_assert_int_eq(peek_string(child, addr(page + 2 * size - 4), buf, sizeof(buf), false), 0);
	ck_assert_str_eq(buf, "end"); /* right before a page that is not there */
	ck_assert_int_eq(peek_string(child, addr(page + size - 2), buf, sizeof(buf), false), 0);
	ck_assert_str_eq(buf, "over"); /* across a border */
	ck_assert_int_eq(peek_string(child, addr(page + 2 * size - 4), buf, 3, false), ENAMETOOLONG);
	ck_assert_int_eq(peek_string(child, addr(page + 2 * size - 4), buf, 3, true), 0);
	ck_assert_str_eq(buf, "en");
	ck_assert_int_eq(peek_string(child, addr(page + 2 * size), buf, sizeof(buf), false), EFAULT);
	ck_assert_int_eq(peek_string(child, 0, buf, sizeof(buf), false), EFAULT);
	ck_assert_int_eq(peek_bytes(child, addr(page + 2 * size - 2), buf, 4), EFAULT);
}
END_TEST

START_TEST(descriptors)
{
	struct stat st;
	uint64_t ino;
	int fd;

	ck_assert_int_eq(fstat(sv[1], &st), 0);
	ck_assert_int_eq(peek_socket(child, sv[1], &ino), 0);
	ck_assert_uint_eq(ino, st.st_ino);
	ck_assert_int_eq(peek_socket(child, 999, &ino), ENOENT);
	int null = open("/dev/null", O_RDONLY);
	ck_assert_int_eq(peek_socket(getpid(), null, &ino), ENOTSOCK);
	ck_assert_int_eq(peek_dup(child, sv[1], &fd), 0);
	ck_assert_int_eq(peek_socket(getpid(), fd, &ino), 0);
	ck_assert_uint_eq(ino, st.st_ino);
	close(fd);
	ck_assert_int_eq(peek_dup(child, 999, &fd), EBADF);
}
END_TEST

START_TEST(paths)
{
	char buf[PATH_MAX];

	ck_assert(peek_same_view(child));
	ck_assert_int_eq(peek_absolute(child, "/a/b", buf, sizeof(buf)), 0);
	ck_assert_str_eq(buf, "/a/b");
	ck_assert_int_eq(peek_absolute(child, "a/b", buf, sizeof(buf)), 0);
	ck_assert_str_eq(buf, "/usr/a/b");
	ck_assert_int_eq(peek_absolute(child, "a/b", buf, 8), ENAMETOOLONG);
}
END_TEST

START_TEST(canonical)
{
	static const struct {
		const char *path, *canonical;
	} cases[] = {
		{ "/", "/" }, { "//", "/" }, { "/.", "/" }, { "/./", "/" }, { "/usr", "/usr" }, { "/usr/", "/usr" },
		{ "/usr/.", "/usr" }, { "/usr//bin/./.", "/usr/bin" }, { "/usr/bin/..", "/usr" },
		{ "/usr/bin/../nobody-looks-here", "/usr/nobody-looks-here" }, { "/proc/self/root/usr", "/usr" },
		{ "/proc/self/cwd", NULL }, /* a link as the last name is left alone */
	};
	char want[64], *out;

	ck_assert_int_eq(peek_canonical(cases[_i].path, &out), 0);
	snprintf(want, sizeof(want), "/proc/%d/cwd", (int)getpid());
	ck_assert_str_eq(out, cases[_i].canonical ? cases[_i].canonical : want);
	free(out);
}
END_TEST

START_TEST(not_canonical)
{
	char *out;

	ck_assert_int_eq(peek_canonical("/nonexistent/x", &out), ENOENT);
	ck_assert_int_eq(peek_canonical("/etc/passwd/x/y", &out), ENOTDIR);
	ck_assert_int_eq(peek_canonical("usr", &out), EINVAL);
}
END_TEST

/* In a child, for it stays for good. */
START_TEST(filtered)
{
	struct sock_fprog prog;
	int listener = -1, status, p[2];
	struct stat st;

	ck_assert_int_eq(filter_build(_i == 1, &prog), 0);
	pid_t pid = fork();
	if (pid == 0) {
		if (pipe(p) != 0 || filter_install(&prog, _i == 1, &listener) != 0)
			_exit(1);
		if ((_i == 1) != (listener >= 0))
			_exit(2);
		if (fcntl(p[0], F_SETPIPE_SZ, 1 << 17) != -1 || errno != EPERM || fcntl(p[0], F_GETPIPE_SZ) <= 0)
			_exit(3);
		if (_i == 1 && (syscall(SYS_fsopen, "fuse", 0) != -1 || errno != ENOSYS))
			_exit(4);
		/* None of these may wait for an answer: nobody gives one. */
		if (open("/dev/null", O_RDONLY) < 0 || open("/dev/null", O_WRONLY) < 0 ||
		    open("/dev/null", O_RDWR | O_CREAT, 0600) < 0 || stat("/", &st) != 0)
			_exit(5);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	filter_free(&prog);
}
END_TEST

START_TEST(calls)
{
#ifdef __x86_64__
	ck_assert_int_eq(filter_call(AUDIT_ARCH_X86_64, SYS_openat), FILTER_OPENAT);
	ck_assert_int_eq(filter_call(AUDIT_ARCH_X86_64, SYS_open), FILTER_OPEN);
	ck_assert_int_eq(filter_call(AUDIT_ARCH_X86_64, SYS_umount2), FILTER_UMOUNT2);
	ck_assert_int_eq(filter_call(AUDIT_ARCH_X86_64, SYS_ioctl), FILTER_IOCTL);
	ck_assert_int_eq(filter_call(AUDIT_ARCH_I386, 21), FILTER_MOUNT);
	ck_assert_int_eq(filter_call(AUDIT_ARCH_I386, 22), FILTER_UMOUNT);
	ck_assert_int_eq(filter_call(AUDIT_ARCH_X86_64, SYS_getpid), FILTER_OTHER);
	ck_assert_int_eq(filter_call(AUDIT_ARCH_X86_64, 100000), FILTER_OTHER);
#endif
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("peek");
	TCase *with_child = tcase_create("process"), *tc = tcase_create("alone");

	tcase_add_checked_fixture(with_child, setup, teardown);
	tcase_add_test(with_child, strings);
	tcase_add_test(with_child, descriptors);
	tcase_add_test(with_child, paths);
	tcase_add_loop_test(tc, canonical, 0, 12);
	tcase_add_test(tc, not_canonical);
	tcase_add_loop_test(tc, filtered, 0, 2);
	tcase_add_test(tc, calls);
	suite_add_tcase(s, with_child);
	suite_add_tcase(s, tc);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
