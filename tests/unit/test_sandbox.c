/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The engine's seccomp filter: what serving needs is allowed, a thread among it; new processes, programs, files and sockets are not.
 */
#include "../../src/perfused/sandbox_linux.c" /* NOLINT(bugprone-suspicious-include) */

#include <check.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static void *
thread_main(void *arg)
{
	*(int *)arg = 1;
	return NULL;
}

static bool
thread_runs(void)
{
	pthread_t thread;
	int ran = 0;

	return pthread_create(&thread, NULL, thread_main, &ran) == 0 && pthread_join(thread, NULL) == 0 && ran == 1;
}

static bool
refused(long result)
{
	return result == -1 && errno == EPERM;
}

/* In a process of its own, which the filter stays with: the number of the first check that fails, or 0. */
static int
checks(void)
{
	struct {
		uint64_t flags, rest[7];
	} args = { .flags = CLONE_VM };

	if (filter() != 0)
		return 1;
	if (!thread_runs() || !thread_runs())
		return 2;
	if (!refused(fork()))
		return 3;
	if (!refused(syscall(SYS_clone, CLONE_VM | CLONE_THREAD | CLONE_SIGHAND | CLONE_NEWUSER, NULL)))
		return 4;
	if (!refused(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL)))
		return 5;
	if (syscall(SYS_clone3, &args, sizeof(args)) != -1 || errno != ENOSYS)
		return 6;
	if (!refused(execl("/bin/true", "true", NULL)))
		return 7;
	if (!refused(open("/", O_RDONLY)) || !refused(socket(AF_UNIX, SOCK_STREAM, 0)))
		return 8;
	if (mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
		return 9;
	return 0;
}

START_TEST(filtered)
{
	int status;
	pid_t pid;

	if (SANITIZED)
		return;
	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_ne(pid = fork(), -1);
	if (pid == 0)
		_exit(checks());
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("sandbox");
	TCase *t = tcase_create("filter");
	SRunner *r;
	int failed;

	tcase_add_test(t, filtered);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
