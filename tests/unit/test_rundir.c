/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ctl/rundir.h: where run directories are, and directories that are missing, ours, somebody else's or a trap. Each test is a process of
 * its own (Check forks), which becomes a user, or root in a mount namespace; each has a fresh directory.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/rundir.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

enum { USER = 12345 };
static char temp[64];

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

static void
make_temp(void)
{
	strcpy(temp, "/tmp/test_ctl.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(temp));
	unsetenv("XDG_RUNTIME_DIR");
	unsetenv("PERFUSE_SOCKET");
}

static void
drop_temp(void)
{
	nftw(temp, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static mode_t
mode_of(const char *path)
{
	struct stat st;

	ck_assert_int_eq(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

static char *
in(const char *dir, const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

START_TEST(rundir_paths)
{
	uid_t me = getuid();
	char want[128], *path;

	ck_assert_int_eq(rundir_path(0, &path), 0);
	ck_assert_str_eq(path, "/run/perfuse");
	free(path);
	ck_assert_int_eq(rundir_socket(0, &path), 0);
	ck_assert_str_eq(path, "/run/perfuse/fuse");
	free(path);
	ck_assert_int_eq(rundir_path(USER, &path), 0); /* has no /run/user */
	ck_assert_str_eq(path, "/tmp/perfuse-12345");
	free(path);

	setenv("XDG_RUNTIME_DIR", temp, 1); /* ours, so not that of another user */
	ck_assert_int_eq(rundir_path(me + 1, &path), 0);
	ck_assert_ptr_null(strstr(path, temp));
	free(path);
	if (me == 0)
		ck_assert_int_eq(chown(temp, USER, (gid_t)-1), 0);
	snprintf(want, sizeof(want), "%s/perfuse", temp);
	ck_assert_int_eq(rundir_path(me == 0 ? USER : me, &path), 0);
	ck_assert_str_eq(path, want);
	free(path);
	setenv("XDG_RUNTIME_DIR", "relative", 1);
	ck_assert_int_eq(rundir_path(USER, &path), 0);
	ck_assert_str_eq(path, "/tmp/perfuse-12345");
	free(path);
}
END_TEST

START_TEST(rundir_socket_env)
{
	char longest[108 + 1], *path;

	setenv("PERFUSE_SOCKET", "/some/where", 1);
	ck_assert_int_eq(rundir_socket(0, &path), 0);
	ck_assert_str_eq(path, "/some/where");
	free(path);
	memset(longest, 'x', sizeof(longest));
	longest[107] = '\0';
	setenv("PERFUSE_SOCKET", longest, 1);
	ck_assert_int_eq(rundir_socket(USER, &path), 0);
	ck_assert_str_eq(path, longest);
	free(path);
	longest[107] = 'x';
	longest[108] = '\0';
	setenv("PERFUSE_SOCKET", longest, 1);
	ck_assert_int_eq(rundir_socket(USER, &path), ENAMETOOLONG);
	setenv("PERFUSE_SOCKET", "", 1);
	ck_assert_int_eq(rundir_socket(0, &path), 0);
	ck_assert_str_eq(path, "/run/perfuse/fuse");
	free(path);
}
END_TEST

/* Become a user (when root) whose XDG_RUNTIME_DIR is temp. */
static uid_t
as_user(void)
{
	if (getuid() == 0) {
		ck_assert_int_eq(chown(temp, USER, USER), 0);
		ck_assert_int_eq(setgid(USER), 0);
		ck_assert_int_eq(setuid(USER), 0);
	}
	setenv("XDG_RUNTIME_DIR", temp, 1);
	return getuid();
}

START_TEST(rundir_made)
{
	uid_t me = as_user();
	char *path;

	umask(0277);
	ck_assert_int_eq(rundir_make(me, &path), 0);
	ck_assert_str_eq(path, in(temp, "perfuse"));
	ck_assert_int_eq(mode_of(path), 0700);
	ck_assert_int_eq(mode_of(in(path, "mounts")), 0700);
	ck_assert(rundir_trusted(path, me));
	ck_assert(!rundir_trusted(path, me + 1));
	free(path);
	umask(0);
	ck_assert_int_eq(rundir_make(me, &path), 0); /* found there */
	ck_assert_int_eq(rmdir(in(path, "mounts")), 0);
	free(path);
	ck_assert_int_eq(rundir_make(me, &path), 0); /* half of it found */
	ck_assert_int_eq(mode_of(in(path, "mounts")), 0700);
	free(path);
}
END_TEST

START_TEST(rundir_traps)
{
	uid_t me = as_user();
	char *path;

	ck_assert_int_eq(mkdir(in(temp, "elsewhere"), 0700), 0);
	ck_assert_int_eq(symlink("elsewhere", in(temp, "perfuse")), 0);
	ck_assert_int_eq(rundir_make(me, &path), EPERM);
	ck_assert(!rundir_trusted(in(temp, "perfuse"), me));
	ck_assert_int_eq(unlink(in(temp, "perfuse")), 0);

	int fd = open(in(temp, "perfuse"), O_CREAT | O_WRONLY, 0700);
	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(rundir_make(me, &path), EPERM);
	ck_assert_int_eq(unlink(in(temp, "perfuse")), 0);

	static const mode_t open_modes[] = { 0720, 0702, 0777, 01777 };
	for (size_t i = 0; i < N(open_modes); i++) {
		ck_assert_int_eq(mkdir(in(temp, "perfuse"), 0700), 0);
		ck_assert_int_eq(chmod(in(temp, "perfuse"), open_modes[i]), 0);
		ck_assert_int_eq(rundir_make(me, &path), EPERM);
		ck_assert(!rundir_trusted(in(temp, "perfuse"), me));
		ck_assert_int_eq(rmdir(in(temp, "perfuse")), 0);
	}

	ck_assert_int_eq(mkdir(in(temp, "perfuse"), 0700), 0); /* the outer one is right, the inner one is not */
	ck_assert_int_eq(symlink("/tmp", in(temp, "perfuse/mounts")), 0);
	ck_assert_int_eq(rundir_make(me, &path), EPERM);
	ck_assert(!rundir_trusted(in(temp, "none"), me));
}
END_TEST

START_TEST(rundir_somebody_elses)
{
	char *path;

	if (getuid() != 0)
		return; /* needs two users */
	ck_assert_int_eq(chown(temp, USER, USER), 0);
	ck_assert_int_eq(mkdir(in(temp, "perfuse"), 0755), 0); /* root's */
	setenv("XDG_RUNTIME_DIR", temp, 1);
	ck_assert_int_eq(rundir_make(USER, &path), EPERM);
	ck_assert_int_eq(chmod(in(temp, "perfuse"), 0700), 0);
	as_user();
	ck_assert_int_eq(rundir_make(USER, &path), EPERM); /* cannot even be opened */
}
END_TEST

START_TEST(rundir_roots)
{
	char *path;

	if (getuid() != 0 || unshare(CLONE_NEWNS) != 0)
		return; /* needs a /run of its own */
	ck_assert_int_eq(mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL), 0);
	ck_assert_int_eq(mount("none", "/run", "tmpfs", 0, NULL), 0);
	umask(077);
	ck_assert_int_eq(rundir_make(0, &path), 0);
	ck_assert_str_eq(path, "/run/perfuse");
	ck_assert_int_eq(mode_of(path), 0755);
	ck_assert_int_eq(mode_of(in(path, "mounts")), 0711);
	free(path);
}
END_TEST

START_TEST(rundir_race)
{
	enum { PROCESSES = 8, ROUNDS = 20 };
	uid_t me = as_user();

	for (int round = 0; round < ROUNDS; round++) {
		int go[2], failed = 0, status;
		pid_t pids[PROCESSES];
		char byte, *path;

		ck_assert_int_eq(pipe(go), 0);
		for (int i = 0; i < PROCESSES; i++) {
			pids[i] = fork();
			if (pids[i] == 0) {
				close(go[1]);
				(void)!read(go[0], &byte, 1); /* end of file: all at once */
				_exit(rundir_make(me, &path));
			}
		}
		close(go[0]);
		close(go[1]);
		for (int i = 0; i < PROCESSES; i++) {
			ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
			failed += status != 0;
		}
		ck_assert_int_eq(failed, 0);
		ck_assert_int_eq(rmdir(in(temp, "perfuse/mounts")), 0);
		ck_assert_int_eq(rmdir(in(temp, "perfuse")), 0);
	}
}
END_TEST

/* A case of its own for each, so that each has a fresh directory, made and removed outside the forked test. */
static void
add(Suite *s, const TTest *test)
{
	TCase *c = tcase_create(test->name);

	tcase_set_timeout(c, 60);
	tcase_add_unchecked_fixture(c, make_temp, drop_temp);
	tcase_add_test(c, test);
	suite_add_tcase(s, c);
}

int
main(void)
{
	Suite *s = suite_create("rundir");

	add(s, rundir_paths);
	add(s, rundir_socket_env);
	add(s, rundir_made);
	add(s, rundir_traps);
	add(s, rundir_somebody_elses);
	add(s, rundir_roots);
	add(s, rundir_race);

	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
