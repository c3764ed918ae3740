/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * client/open.c and client/mount.c: perfuse_open() of files and of /dev/fuse, what a perfused that it starts inherits (nothing), and
 * perfuse_mount() with each answer that can come, or none.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "client/client.h"
#include "ctl/frame.h"
#include "perfuse.h"

#include "fake_perfused.c"

/* ---- perfuse_open() ---- */

START_TEST(open_files)
{
	char path[120], missing[] = "/nonexistent";
	struct stat st;

	umask(0);
	snprintf(path, sizeof(path), "%s/file", temp);
	int fd = perfuse_open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0641);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0641);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
	fd = perfuse_open(path, O_RDONLY); /* as open(2), and as a macro for it must */
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD), 0);
	close(fd);
	fd = perfuse_open(temp, O_TMPFILE | O_RDWR, 0604);
	if (fd >= 0) { /* not every file system has it */
		ck_assert_int_eq(fstat(fd, &st), 0);
		ck_assert_int_eq(st.st_mode & 07777, 0604);
		close(fd);
	}
	ck_assert_int_eq(perfuse_open(missing, O_RDWR, 0), -1);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_int_eq(perfuse_open("/dev/fuse/", O_RDWR, 0), -1);
	fd = perfuse_open("/dev/null", O_RDWR, 0);
	ck_assert(is_null(fd));
	close(fd);
}
END_TEST

START_TEST(bufsize)
{
	static const struct {
		const char *env;
		size_t want;
	} table[] = { { NULL, 8388608 }, { "", 8388608 }, { "65536", 65536 }, { "65535", 8388608 },
		{ "67108864", 67108864 }, { "67108865", 8388608 }, { "100000x", 8388608 }, { " 100000", 8388608 },
		{ "-100000", 8388608 }, { "+100000", 8388608 }, { "99999999999999999999999999", 8388608 },
		{ "0x100000", 8388608 }, { "1000000", 1000000 } };

	for (size_t i = 0; i < N(table); i++) {
		if (table[i].env != NULL)
			setenv("PERFUSE_BUFSIZE", table[i].env, 1);
		ck_assert_msg(client_bufsize() == table[i].want, "%s", table[i].env);
	}
	ck_assert_str_eq(client_perfused(), "/nonexistent/perfused");
	setenv("PERFUSE_PERFUSED", "", 1);
	ck_assert_ptr_nonnull(strstr(client_perfused(), "/perfused"));
}
END_TEST

static void
serve_nothing(int conn)
{
	expect_eof(conn);
}

START_TEST(open_bufsize)
{
	int sv[2];
	size_t granted;

	setenv("PERFUSE_BUFSIZE", "400000", 1);
	ck_assert_int_eq(fdp_pair(SOCK_SEQPACKET, sv), 0);
	int before = sndbuf_of(sv[0]);
	ck_assert_int_eq(fdp_buffers(sv[0], 400000, &granted), 0);
	ck_assert_int_gt(granted, before);

	pid_t pid = serve(service, SOCK_SEQPACKET, serve_nothing);
	int fd = perfuse_open("/dev/fuse", O_RDWR, 0);
	ck_assert_int_eq(sndbuf_of(fd), granted);
	close(fd);
	served(pid);
	unlink(service);
	use_helper("exit");
	fd = perfuse_open("/dev/fuse", O_RDWR, 0);
	ck_assert_int_eq(sndbuf_of(fd), granted);
	close(fd);
}
END_TEST

START_TEST(open_flags)
{
	static const int flags[] = { 0, O_CLOEXEC, O_NONBLOCK, O_CLOEXEC | O_NONBLOCK };

	for (size_t i = 0; i < N(flags); i++) {
		pid_t pid = serve(service, SOCK_SEQPACKET, serve_nothing);
		int fds = open_fds(), fd = perfuse_open("/dev/fuse", O_RDWR | flags[i], 0);
		ck_assert_int_ge(fd, 0);
		ck_assert_int_eq(open_fds(), fds + 1);
		ck_assert_int_eq(fcntl(fd, F_GETFD), flags[i] & O_CLOEXEC ? FD_CLOEXEC : 0);
		ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, flags[i] & O_NONBLOCK);
		close(fd);
		served(pid);
		unlink(service);
	}
}
END_TEST

START_TEST(open_no_perfused)
{
	catch_stderr();
	int fds = open_fds();

	ck_assert_int_eq(perfuse_open("/dev/fuse", O_RDWR, 0), -1);
	ck_assert_int_eq(errno, ENODEV);
	char want[400];
	snprintf(want, sizeof(want),
	    "perfuse: no perfused listens on %s and /nonexistent/perfused cannot be started: No such file or "
	    "directory; "
	    "start perfused or set PERFUSE_PERFUSED\n",
	    service);
	ck_assert_str_eq(printed(), want);

	int plain = creat(service, 0600); /* neither a socket nor a program */
	close(plain);
	setenv("PERFUSE_PERFUSED", service, 1);
	ck_assert_int_eq(perfuse_open("/dev/fuse", O_RDWR, 0), -1);
	ck_assert_int_eq(errno, ENODEV);
	ck_assert_ptr_nonnull(strstr(printed(), "cannot be started: Permission denied;"));
	ck_assert_int_eq(open_fds(), fds);
	ck_assert_int_eq(waitpid(-1, NULL, __WALL), -1); /* nothing left to wait for */
	ck_assert_int_eq(errno, ECHILD);
}
END_TEST

START_TEST(open_socket_too_long)
{
	char path[200];

	catch_stderr();
	memset(path, 'x', sizeof(path));
	path[199] = '\0';
	setenv("PERFUSE_SOCKET", path, 1);
	ck_assert_int_eq(perfuse_open("/dev/fuse", O_RDWR, 0), -1);
	ck_assert_int_eq(errno, ENAMETOOLONG);
	ck_assert_str_eq(printed(), "perfuse: PERFUSE_SOCKET is longer than the 107 bytes a socket's path may have\n");
}
END_TEST

static volatile sig_atomic_t children;

static void
on_child(int sig)
{
	children++;
}

static struct facts
facts_of(int fd)
{
	struct facts f;

	ck_assert_int_eq(recv(fd, &f, sizeof(f), 0), sizeof(f));
	return f;
}

START_TEST(start_detached)
{
	struct sigaction sa = { .sa_handler = on_child };
	sigset_t set, now;

	use_helper("facts");
	ck_assert_int_ge(open("/", O_RDONLY), 0); /* to be inherited, if it were not for us */
	ck_assert_int_ge(dup2(0, 77), 0);
	sigaction(SIGCHLD, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_SETMASK, &set, NULL);
	int fds = open_fds(), fd = perfuse_open("/dev/fuse", O_RDWR | O_CLOEXEC, 0);
	ck_assert_int_ge(fd, 0);
	struct facts f = facts_of(fd);
	ck_assert_int_eq(f.extra_fds, 0);
	ck_assert_int_eq(f.blocked, 0);
	ck_assert_int_eq(f.ignored, 0);
	ck_assert_int_ne(f.own_session, getsid(0));
	ck_assert_int_eq(f.session_leader, 0);
	ck_assert_int_ne(f.parent, getpid());
	ck_assert(f.null[0] && f.null[1]);
	ck_assert_int_eq(f.null[2], is_null(2));

	ck_assert_int_eq(open_fds(), fds + 1);
	ck_assert_int_eq(children, 0);
	ck_assert_int_eq(waitpid(-1, NULL, __WALL | WNOHANG), -1);
	ck_assert_int_eq(errno, ECHILD);
	sigprocmask(SIG_SETMASK, NULL, &now);
	ck_assert(sigismember(&now, SIGTERM) == 1 && sigismember(&now, SIGUSR2) == 0);
	close(fd);
}
END_TEST

/* A daemon that has closed its standard descriptors, each combination of them. */
START_TEST(start_without_stdio)
{
	use_helper("facts");
	signal(SIGCHLD, SIG_IGN);
	int saved[3];
	for (int i = 0; i < 3; i++)
		saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 20);
	for (int mask = 1; mask < 8; mask++) {
		for (int i = 0; i < 3; i++)
			mask & 1 << i ? close(i) : dup2(saved[i], i);
		int fd = perfuse_open("/dev/fuse", O_RDWR | O_CLOEXEC, 0);
		struct facts f = facts_of(fd);
		for (int i = 0; i < 3; i++)
			dup2(saved[i], i);
		if (fd > 2)
			close(fd);
		ck_assert(f.null[0] && f.null[1]);
		ck_assert(f.null[2] || !(mask & 4));
		ck_assert_int_gt(f.sock, 2);
		ck_assert_int_eq(f.extra_fds, 0);
	}
}
END_TEST

/* ---- perfuse_mount() ---- */

static void
serve_mount(int conn)
{
	char cwd[200];

	ck_assert_int_eq(take_frame(conn), -1);
	ck_assert_uint_eq(hdr.flags, 0);
	ck_assert_uint_eq(hdr.mountflags, MS_NOSUID | MS_NODEV);
	ck_assert_uint_gt(hdr.sndbuf, 4096);
	ck_assert_str_eq(strings.source, "the source");
	snprintf(cwd, sizeof(cwd), "%s/sub/../target", temp);
	ck_assert_str_eq(strings.target, cwd);
	ck_assert_str_eq(strings.filesystemtype, "fuse.test");
	ck_assert_int_eq(strncmp(strings.data, "fd=", 3), 0);
	ck_assert_ptr_nonnull(strstr(strings.data, ",allow_other"));
	ck_assert_ptr_null(strings.sock);
	answer(conn, FRAME_MOUNTED, 0, "");
	talk_as_engine(conn);
	expect_eof(conn);
}

START_TEST(mount_service)
{
	for (int flags = 0; flags <= O_NONBLOCK; flags += O_NONBLOCK) {
		pid_t pid = serve(service, SOCK_SEQPACKET, serve_mount);
		catch_stderr();
		ck_assert_int_eq(chdir(temp), 0);
		int fds = open_fds(), fd = perfuse_open("/dev/fuse", O_RDWR | flags, 0);
		ck_assert_int_ge(fd, 0);
		ck_assert_int_eq(perfuse_mount("the source", "sub/../target", "fuse.test",
				     MS_MGC_VAL | MS_NOSUID | MS_NODEV, fd_data(fd)),
		    0);
		fcntl(fd, F_SETFL, 0);
		talk_as_daemon(fd);
		ck_assert_int_eq(open_fds(), fds + 1);
		close(fd);
		served(pid);
		ck_assert_str_eq(printed(), "");
		unlink(service);
	}
}
END_TEST

START_TEST(mount_started)
{
	use_helper("mount");
	int fds = open_fds(), fd = perfuse_open("/dev/fuse", O_RDWR, 0);
	ck_assert_int_eq(perfuse_mount(NULL, "/mnt/target", NULL, 0, fd_data(fd)), 0);
	talk_as_daemon(fd);
	ck_assert_int_eq(open_fds(), fds + 1);
}
END_TEST

START_TEST(mount_started_exits)
{
	catch_stderr();
	use_helper("exit");
	int fd = perfuse_open("/dev/fuse", O_RDWR, 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(perfuse_mount(NULL, "/mnt/target", NULL, 0, fd_data(fd)), -1);
	ck_assert_int_eq(errno, ECONNRESET);
	ck_assert_str_eq(printed(), "perfuse: perfused closed the connection without an answer; see its log\n");
}
END_TEST

/* Each way in which perfused's answer can be bad news. */
static int scenario;

static const struct {
	int error;
	const char *line;
} outcomes[] = {
	{ EPERM, "perfuse: /mnt is not yours?\n" },
	{ EBUSY, "perfuse: Device or resource busy\n" },
	{ ECONNRESET, "perfuse: perfused closed the connection without an answer; see its log\n" },
	{ ECONNRESET, "perfuse: perfused closed the connection without an answer; see its log\n" },
	{ EPROTO, "perfuse: perfused's answer makes no sense; is it of the same version as this program?\n" },
	{ EPROTO, "perfuse: perfused's answer makes no sense; is it of the same version as this program?\n" },
	{ EPROTO, "perfuse: perfused's answer makes no sense; is it of the same version as this program?\n" },
	{ EACCES, "perfuse: go away\n" },
};

static void
serve_bad_news(int conn)
{
	static char big[FRAME_ANSWER_MAX + 1];

	if (scenario == 2)
		_exit(0);    /* with the frame unread */
	if (scenario == 7) { /* says no without reading what is asked */
		answer(conn, FRAME_FAILED, EACCES, "go away");
		_exit(0);
	}
	take_frame(conn);
	if (scenario == 0)
		answer(conn, FRAME_FAILED, EPERM, "/mnt is not yours\n");
	else if (scenario == 1)
		answer(conn, FRAME_FAILED, EBUSY, "");
	else if (scenario == 4)
		ck_assert_int_eq(fdp_send(conn, "garbage", 7, NULL, 0), 0);
	else if (scenario == 5)
		answer(conn, FRAME_READY, 0, ""); /* too early */
	else if (scenario == 6)
		ck_assert_int_eq(fdp_send(conn, big, sizeof(big), NULL, 0), 0);
	if (scenario >= 4)
		expect_eof(conn); /* called off, though the client still has it open */
}

START_TEST(mount_bad_news)
{
	scenario = _i;
	pid_t pid = serve(service, SOCK_SEQPACKET, serve_bad_news);
	catch_stderr();
	int fds = open_fds(), fd = perfuse_open("/dev/fuse", O_RDWR, 0);
	ck_assert_int_ge(fd, 0);
	if (scenario == 7)
		served(pid); /* it is gone before it is asked */
	ck_assert_int_eq(perfuse_mount("s", "/mnt", "fuse.x", 0, fd_data(fd)), -1);
	ck_assert_int_eq(errno, outcomes[_i].error);
	if (scenario != 7)
		served(pid);
	ck_assert_str_eq(printed(), outcomes[_i].line);
	ck_assert_int_eq(open_fds(), fds + 1);
	close(fd);
}
END_TEST

START_TEST(mount_bad_arguments)
{
	int sv[2], stream[2], pipes[2], inet = socket(AF_INET, SOCK_DGRAM, 0);
	char text[64], big[20000];
	static const char *const wrong[] = { NULL, "", "allow_other", "fd=", "fd=x", "fd=-1", "fd=3x", "fd=99999999999",
		"fd", "fd=1023" };

	catch_stderr();
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, sv), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, stream), 0);
	ck_assert_int_eq(pipe(pipes), 0);
	int fds = open_fds();
	for (size_t i = 0; i < N(wrong); i++) {
		errno = 0;
		ck_assert_int_eq(perfuse_mount("s", "/mnt", "fuse", 0, wrong[i]), -1);
		ck_assert_int_eq(errno, EINVAL);
		const char *line = printed();
		ck_assert(strncmp(line, "perfuse: ", 9) == 0 && strchr(line, '\n') == line + strlen(line) - 1);
	}
	const int not_ours[] = { stream[0], pipes[0], inet };
	for (size_t i = 0; i < N(not_ours); i++) {
		snprintf(text, sizeof(text), "fd=%d", not_ours[i]);
		ck_assert_int_eq(perfuse_mount("s", "/mnt", "fuse", 0, text), -1);
		ck_assert_int_eq(errno, EINVAL);
		ck_assert_ptr_nonnull(strstr(printed(), "must come from perfuse_open"));
	}
	snprintf(text, sizeof(text), "fd=%d", sv[0]);
	ck_assert_int_eq(perfuse_mount("s", NULL, "fuse", 0, text), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(perfuse_mount("s", "", "fuse", 0, text), -1);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_int_eq(perfuse_mount("s", "/mnt", "fuse", -1, text), -1);
	ck_assert_int_eq(errno, EINVAL);
	memset(big, 'b', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	ck_assert_int_eq(perfuse_mount("s", big, "fuse", 0, text), -1);
	ck_assert_int_eq(errno, ENAMETOOLONG);
	memcpy(big, text, strlen(text));
	big[strlen(text)] = ',';
	ck_assert_int_eq(perfuse_mount("s", "/mnt", "fuse", 0, big), -1);
	ck_assert_int_eq(errno, EMSGSIZE);
	ck_assert_int_eq(open_fds(), fds);
	ck_assert_int_eq(recv(sv[1], text, sizeof(text), 0), -1); /* nothing was sent for any of these */
	ck_assert_int_eq(errno, EAGAIN);
}
END_TEST

START_TEST(mount_cwd_gone)
{
	char dir[120], text[32];
	int sv[2];

	catch_stderr();
	snprintf(dir, sizeof(dir), "%s/gone", temp);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv), 0);
	snprintf(text, sizeof(text), "fd=%d", sv[0]);
	ck_assert_int_eq(mkdir(dir, 0700), 0);
	ck_assert_int_eq(chdir(dir), 0);
	ck_assert_int_eq(rmdir(dir), 0);
	ck_assert_int_eq(perfuse_mount("s", "mnt", "fuse", 0, text), -1);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_ptr_nonnull(strstr(printed(), "the current directory has no path"));
}
END_TEST

/* ---- which service a user is connected to ---- */

static void
serve_target_mine(int conn)
{
	take_frame(conn);
	answer(conn, FRAME_FAILED, EXDEV, "mine");
}

START_TEST(user_own_service)
{
	char dir[100], path[120];

	as_user();
	unsetenv("PERFUSE_SOCKET");
	catch_stderr();
	snprintf(dir, sizeof(dir), "%s/perfuse", temp);
	snprintf(path, sizeof(path), "%s/fuse", dir);
	ck_assert_int_eq(mkdir(dir, 0700), 0);
	pid_t pid = serve(path, SOCK_SEQPACKET, serve_target_mine);
	int fd = perfuse_open("/dev/fuse", O_RDWR, 0);
	ck_assert_int_eq(perfuse_mount("s", "/mnt", "fuse", 0, fd_data(fd)), -1);
	ck_assert_int_eq(errno, EXDEV);
	ck_assert_str_eq(printed(), "perfuse: mine\n");
	served(pid);
	close(fd);
}
END_TEST

/* A directory that others may write to is one where others may listen. */
START_TEST(user_trap)
{
	char dir[100], path[120];

	as_user();
	unsetenv("PERFUSE_SOCKET");
	catch_stderr();
	snprintf(dir, sizeof(dir), "%s/perfuse", temp);
	snprintf(path, sizeof(path), "%s/fuse", dir);
	ck_assert_int_eq(mkdir(dir, 0700), 0);
	ck_assert_int_eq(chmod(dir, 0777), 0);
	int trap = listen_on(path, SOCK_SEQPACKET | SOCK_NONBLOCK);
	ck_assert_int_eq(listen(trap, 1), 0);
	int fd = perfuse_open("/dev/fuse", O_RDWR, 0);
	if (fd < 0) /* else a real perfused runs here as root */
		ck_assert_ptr_null(strstr(printed(), path));
	ck_assert_int_eq(accept(trap, NULL, NULL), -1);
	ck_assert_int_eq(errno, EAGAIN);
}
END_TEST

int
main(int argc, char **argv)
{
	const struct client_test tests[] = {
		{ open_files, 1 },
		{ bufsize, 1 },
		{ open_bufsize, 1 },
		{ open_flags, 1 },
		{ open_no_perfused, 1 },
		{ open_socket_too_long, 1 },
		{ start_detached, 1 },
		{ start_without_stdio, 1 },
		{ mount_service, 1 },
		{ mount_started, 1 },
		{ mount_started_exits, 1 },
		{ mount_bad_news, N(outcomes) },
		{ mount_bad_arguments, 1 },
		{ mount_cwd_gone, 1 },
		{ user_own_service, 1 },
		{ user_trap, 1 },
	};

	return client_tests(argc, argv, "client", tests, N(tests));
}
