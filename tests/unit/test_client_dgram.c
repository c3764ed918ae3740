/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The clients where there is no SOCK_SEQPACKET: a seccomp filter refuses it. A service that answers to the reply socket's name, and
 * a perfused started on a pair.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "perfuse.h"

#include "fake_perfused.c"

/* ---- no SEQPACKET ---- */

static void
refuse_seqpacket(int error)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	const int calls[] = { SCMP_SYS(socket), SCMP_SYS(socketpair) };

	ck_assert_ptr_nonnull(ctx);
	for (size_t i = 0; i < N(calls); i++)
		ck_assert_int_eq(
		    seccomp_rule_add(ctx, SCMP_ACT_ERRNO((uint32_t)error), calls[i], 2,
			SCMP_A0(SCMP_CMP_EQ, AF_UNIX, 0), SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, SOCK_SEQPACKET)),
		    0);
	ck_assert_int_eq(seccomp_load(ctx), 0);
	seccomp_release(ctx);
	ck_assert_int_eq(socket(AF_UNIX, SOCK_SEQPACKET, 0), -1);
	ck_assert_int_eq(errno, error);
}

static const char warning[] = "perfuse: SEQPACKET local sockets unavailable, using less reliable DGRAM sockets. "
			      "Expect file operation hangs.\n";

static void
connect_back(int sock)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	ck_assert_ptr_nonnull(strings.sock);
	ck_assert_uint_lt(strlen(strings.sock), sizeof(sun.sun_path));
	strcpy(sun.sun_path, strings.sock);
	ck_assert_int_eq(connect(sock, (struct sockaddr *)&sun, sizeof(sun)), 0);
}

static void
serve_dgram(int sock)
{
	char want[200];

	take_frame(sock);
	snprintf(want, sizeof(want), "%s/perfuse/reply-%d-", temp, getppid());
	ck_assert_int_eq(strncmp(strings.sock, want, strlen(want)), 0);
	connect_back(sock);
	answer(sock, FRAME_MOUNTED, 0, "");
	talk_as_engine(sock);
}

static const int refusals[] = { EPROTONOSUPPORT, ESOCKTNOSUPPORT, EAFNOSUPPORT, EPROTOTYPE, EOPNOTSUPP };

static int
entries(const char *dir)
{
	DIR *d = opendir(dir);
	int n = 0;

	ck_assert_ptr_nonnull(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n - 2;
}

START_TEST(dgram_service)
{
	char dir[100];

	as_user();
	refuse_seqpacket(refusals[_i]);
	pid_t pid = serve(service, SOCK_DGRAM, serve_dgram);
	catch_stderr();
	int fds = open_fds(), fd = perfuse_open("/dev/fuse", O_RDWR, 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(perfuse_mount("s", "/mnt", "fuse.x", 0, fd_data(fd)), 0);
	snprintf(dir, sizeof(dir), "%s/perfuse", temp);
	ck_assert_int_eq(entries(dir), 1); /* mounts/; the reply socket's name is gone and the socket works on: */
	talk_as_daemon(fd);
	ck_assert_int_eq(perfuse_mount("s", "/mnt", "fuse.x", 0, fd_data(fd)), -1);
	ck_assert_int_eq(errno, EINVAL);
	char want[400];
	snprintf(
	    want, sizeof(want), "%sperfuse: this descriptor was mounted with before; open /dev/fuse again\n", warning);
	ck_assert_str_eq(printed(), want);
	ck_assert_int_eq(open_fds(), fds + 1);
	served(pid);
}
END_TEST

static void
serve_dgram_failed(int sock)
{
	take_frame(sock);
	connect_back(sock);
	answer(sock, FRAME_FAILED, ENOTDIR, "/mnt is a file");
}

START_TEST(dgram_service_failed)
{
	char dir[100], path[120];

	as_user();
	refuse_seqpacket(EPROTONOSUPPORT);
	snprintf(dir, sizeof(dir), "%s/perfuse", temp); /* a name left behind by a process that had our pid */
	ck_assert_int_eq(mkdir(dir, 0700), 0);
	snprintf(path, sizeof(path), "%s/reply-%d-0", dir, getpid());
	close(listen_on(path, SOCK_DGRAM));
	pid_t pid = serve(service, SOCK_DGRAM, serve_dgram_failed);
	catch_stderr();
	int fd = perfuse_open("/dev/fuse", O_RDWR, 0);
	ck_assert_str_eq(printed(), warning);
	ck_assert_int_eq(perfuse_mount("s", "/mnt", "fuse.x", 0, fd_data(fd)), -1);
	ck_assert_int_eq(errno, ENOTDIR);
	ck_assert_str_eq(printed(), "perfuse: /mnt is a file\n");
	ck_assert_int_eq(entries(dir), 2);
	served(pid);
}
END_TEST

START_TEST(dgram_no_run_directory)
{
	as_user();
	refuse_seqpacket(EPROTONOSUPPORT);
	char path[120];
	snprintf(path, sizeof(path), "%s/perfuse", temp);
	close(creat(path, 0600));
	int sock = listen_on(service, SOCK_DGRAM);
	catch_stderr();
	int fd = perfuse_open("/dev/fuse", O_RDWR, 0);
	ck_assert_str_eq(printed(), warning);
	ck_assert_int_eq(perfuse_mount("s", "/mnt", "fuse.x", 0, fd_data(fd)), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_ptr_nonnull(strstr(printed(), "cannot make a run directory"));
	close(sock);
}
END_TEST

START_TEST(dgram_started)
{
	refuse_seqpacket(EPROTONOSUPPORT);
	use_helper("mount");
	catch_stderr();
	int type, fd = perfuse_open("/dev/fuse", O_RDWR, 0);
	socklen_t len = sizeof(type);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len), 0);
	ck_assert_int_eq(type, SOCK_DGRAM);
	ck_assert_int_eq(perfuse_mount(NULL, "/mnt/target", NULL, 0, fd_data(fd)), 0);
	talk_as_daemon(fd);
	ck_assert_str_eq(printed(), warning);
	ck_assert_int_eq(
	    send(fd, "", 0, 0), 0); /* a datagram pair has no end of file: this stands for it in expect_eof() */
}
END_TEST

/* Another error than "there is no such socket" is an error. */
START_TEST(seqpacket_fails)
{
	refuse_seqpacket(EMFILE);
	catch_stderr();
	ck_assert_int_eq(perfuse_open("/dev/fuse", O_RDWR, 0), -1);
	ck_assert_int_eq(errno, EMFILE);
	ck_assert_str_eq(printed(), "perfuse: cannot make a local socket: Too many open files\n");
}
END_TEST

int
main(int argc, char **argv)
{
	const struct client_test tests[] = {
		{ dgram_service, N(refusals) },
		{ dgram_service_failed, 1 },
		{ dgram_no_run_directory, 1 },
		{ dgram_started, 1 },
		{ seqpacket_fails, 1 },
	};

	return client_tests(argc, argv, "client_dgram", tests, N(tests));
}
