/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Our fusermount3 (client/fusermount.c) between a library that runs it and a perfused of our own: what it asks for, what it hands
 * over, on which kind of socket, and how it ends.
 */
#include <bsd/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "ctl/frame.h"

#include "fake_perfused.c"

static char fusermount[PATH_MAX + 64], mnt[128];

static void
prepare(void)
{
	char program[PATH_MAX] = "";

	ck_assert_int_gt(readlink("/proc/self/exe", program, sizeof(program) - 1), 0);
	snprintf(fusermount, sizeof(fusermount), "%.*s/../src/client/fusermount3",
	    (int)(strrchr(program, '/') - program), program);
	snprintf(mnt, sizeof(mnt), "%s/mnt", temp);
	ck_assert(mkdir(mnt, 0700) == 0 || errno == EEXIST);
	catch_stderr();
}

/* Run it with its end of a pair of this type; returns its pid, and our end in *comm. */
static pid_t
run(int type, int *comm, const char *options)
{
	char env[32];
	int sv[2];
	pid_t pid;

	ck_assert_int_eq(fdp_pair(type, sv), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		int fd = fcntl(sv[1], F_DUPFD, 20);

		snprintf(env, sizeof(env), "%d", fd);
		setenv("_FUSE_COMMFD", env, 1);
		execl(fusermount, "fusermount3", "-o", options, "--", mnt, NULL);
		_exit(127);
	}
	close(sv[1]);
	*comm = sv[0];
	return pid;
}

static int
status_of(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* The connection itself becomes the daemon's socket. */
static void
perfused_serves(int conn)
{
	ck_assert_int_eq(take_frame(conn), -1);
	ck_assert_str_eq(strings.target, mnt);
	ck_assert_str_eq(strings.source, "a,b");
	ck_assert_str_eq(strings.filesystemtype, "fuse.kind");
	ck_assert_uint_eq(hdr.mountflags, MS_NODEV | MS_RDONLY | MS_NOATIME | MS_NOEXEC);
	ck_assert_ptr_nonnull(strstr(strings.data, ",max_read=4096"));
	ck_assert_ptr_nonnull(strstr(strings.data, ",default_permissions"));
	ck_assert_ptr_nonnull(strstr(strings.data, ",what=ever")); /* perfused knows what it does not know */
	ck_assert_ptr_null(strstr(strings.data, "rootmode"));
	ck_assert_ptr_null(strstr(strings.data, "context"));
	ck_assert_ptr_null(strstr(strings.data, "user="));
	ck_assert_ptr_null(strstr(strings.data, "fd=7"));
	ck_assert_uint_gt(hdr.sndbuf, 0);
	answer(conn, FRAME_MOUNTED, 0, "");
	talk_as_engine(conn);
	expect_eof(conn);
}

START_TEST(mounts)
{
	static const int types[] = { SOCK_STREAM, SOCK_SEQPACKET };
	unsigned nfds;
	size_t len;
	char byte;
	int comm, fd;

	prepare();
	pid_t server = serve(service, SOCK_SEQPACKET, perfused_serves);
	pid_t pid = run(types[_i], &comm,
	    "ro,suid,noexec,noatime,fsname=a\\,b,subtype=kind,max_read=4096,default_permissions,fd=7,rootmode=40000,"
	    "user_id=1,group_id=1,user=me,context=x,nonempty,what=ever");
	ck_assert_int_eq(fdp_recv(comm, &byte, 1, &len, &fd, 1, &nfds, NULL, LONG_MS), 0);
	ck_assert_uint_eq(nfds, 1);
	ck_assert_uint_eq(len, 1);
	ck_assert_int_eq(status_of(pid), 0);
	talk_as_daemon(fd);
	ck_assert_str_eq(printed(), ""); /* some take any word for failure */
	close(fd);
	close(comm);
	served(server);
}
END_TEST

static void
perfused_refuses(int conn)
{
	take_frame(conn);
	answer(conn, FRAME_FAILED, EPERM, "not yours");
}

START_TEST(refused)
{
	unsigned nfds;
	size_t len;
	char byte;
	int comm, fd;

	prepare();
	pid_t server = serve(service, SOCK_SEQPACKET, perfused_refuses);
	pid_t pid = run(SOCK_STREAM, &comm, "rw");
	ck_assert_int_eq(fdp_recv(comm, &byte, 1, &len, &fd, 1, &nfds, NULL, LONG_MS), 0);
	ck_assert_uint_eq(len, 0); /* closed, without one */
	ck_assert_int_eq(status_of(pid), 1);
	ck_assert_str_eq(printed(), "fusermount3: mount failed: not yours\n");
	close(comm);
	served(server);
}
END_TEST

static void
perfused_mounts(int conn)
{
	take_frame(conn);
	answer(conn, FRAME_MOUNTED, 0, "");
	expect_eof(conn);
}

/* It stays until the daemon is gone, whatever is said to it meanwhile, and does not keep the daemon's end open. */
START_TEST(auto_unmount)
{
	unsigned nfds;
	size_t len;
	char byte;
	int comm, fd;

	prepare();
	pid_t server = serve(service, SOCK_SEQPACKET, perfused_mounts);
	pid_t pid = run(SOCK_STREAM, &comm, "auto_unmount");
	ck_assert_int_eq(fdp_recv(comm, &byte, 1, &len, &fd, 1, &nfds, NULL, LONG_MS), 0);
	ck_assert_uint_eq(nfds, 1);
	ck_assert_int_eq(send(comm, "x", 1, 0), 1);
	close(fd);
	served(server); /* has seen the end */
	ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), 0);
	close(comm);
	ck_assert_int_eq(status_of(pid), 0);
	ck_assert_str_eq(printed(), "");
}
END_TEST

START_TEST(users_options)
{
	static const struct {
		const char *options, *says;
	} cases[] = {
		{ "rw,blkdev", "fusermount3: option blkdev is privileged\n" },
		{ "max_read=x", "fusermount3: invalid option 'max_read=x'\n" },
	};
	int comm;

	prepare();
	if (geteuid() != 0)
		return;
	chmod(temp, 0755);
	/* (The build may be where only root may go.) */
	char copy[256], command[PATH_MAX + 512];
	snprintf(copy, sizeof(copy), "%s/fusermount3", temp);
	snprintf(command, sizeof(command), "cp '%s' '%s'", fusermount, copy);
	ck_assert_int_eq(system(command), 0);
	strcpy(fusermount, copy);
	as_user();
	for (size_t i = 0; i < N(cases); i++) {
		ck_assert_int_eq(status_of(run(SOCK_STREAM, &comm, cases[i].options)), 1);
		ck_assert_str_eq(printed(), cases[i].says);
		close(comm);
	}
}
END_TEST

int
main(int argc, char **argv)
{
	const struct client_test tests[] = {
		{ mounts, 2 },
		{ refused, 1 },
		{ auto_unmount, 1 },
		{ users_options, 1 },
	};

	setproctitle_init(argc, argv, environ);
	return client_tests(argc, argv, "fusermount", tests, N(tests));
}
